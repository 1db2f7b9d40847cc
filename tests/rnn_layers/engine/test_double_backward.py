"""Gradients of gradients, against those of single operations."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the loop of TensorFlow", allow_module_level=True)

import tensorflow as tf

from tests.rnn_layers.loops import LOOPS
from tests.rnn_layers.tools import (
    BATCH,
    FEATURES,
    MASK,
    SEQUENCES,
    close,
    initial_states,
    make,
)

pytestmark = pytest.mark.usefixtures("short_chunks")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("loop", LOOPS)
def test_gradients_have_exact_gradients(loop, training):
    compiled, spec = LOOPS[loop]
    layer = make("peephole_lstm", compiled=compiled, return_sequences=True)
    variables = [v.value for v in layer.trainable_variables]
    first = [tf.constant(s) for s in initial_states(layer)]

    def penalty_and_gradients(sequences):
        watched = [sequences, *first]
        with tf.GradientTape() as outer:
            outer.watch(watched)
            with tf.GradientTape() as inner:
                inner.watch(watched)
                outputs = layer(
                    sequences, initial_state=first, mask=MASK, training=training
                )
                loss = tf.reduce_sum(tf.sin(outputs))
            found = inner.gradient(loss, [*watched, *variables])
            penalty = sum(tf.reduce_sum(d * d) for d in found)
        return [penalty, *outer.gradient(penalty, [*watched, *variables])]

    traced = tf.function(
        penalty_and_gradients, input_signature=[spec], autograph=False
    )
    x = tf.constant(SEQUENCES)
    # Eagerly TensorFlow differentiates each operation by itself.
    close(traced(x), penalty_and_gradients(x), 1e-9)


def test_a_penalty_on_gradients_is_learned_from():
    layer = make("gru", dtype="float32")
    inputs = keras.Input((None, FEATURES))
    x = tf.constant(SEQUENCES, tf.float32)

    class Smooth(keras.Model):
        def train_step(self, data):
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    y = self(x, training=True)
                slope = inner.gradient(y, x)
                penalty = tf.reduce_mean(slope**2)
            variables = self.trainable_variables
            found = outer.gradient(penalty, variables)
            self.optimizer.apply_gradients(zip(found, variables, strict=True))
            return {"penalty": penalty}

    model = Smooth(inputs, layer(inputs))
    model.compile(keras.optimizers.Adam(0.02))
    history = model.fit(x, batch_size=BATCH, epochs=5, verbose=0).history
    assert history["penalty"][-1] < 0.8 * history["penalty"][0]
