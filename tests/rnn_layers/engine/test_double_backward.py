"""Gradients of gradients, against those of single operations."""

import itertools

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
    sampled_cases,
)

pytestmark = pytest.mark.usefixtures("short_chunks")


@pytest.mark.parametrize(
    ("loop", "training"),
    sampled_cases(
        itertools.product(LOOPS, [True, False]), ("graph-any-length", True)
    ),
)
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


@pytest.mark.slow
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


def orders(call, variables):
    """A function to the gradients of first, second and third order."""

    def function(x):
        with tf.GradientTape() as third:
            third.watch(x)
            with tf.GradientTape() as second:
                second.watch(x)
                with tf.GradientTape() as first:
                    first.watch(x)
                    y = tf.reduce_sum(tf.sin(call(x)))
                slope = first.gradient(y, x)
                penalty = tf.reduce_sum(tf.gather(slope, [0, 2]) ** 2)
            bend = second.gradient(penalty, x)
            twist = tf.reduce_sum(bend**2)
        return [slope, bend, *third.gradient(twist, [x, *variables])]

    return function


@pytest.mark.slow
def test_gradients_of_third_order_are_exact():
    layer = make("gru", compiled=False)
    variables = [v.value for v in layer.trainable_variables]

    def call(x):
        return layer(x, mask=MASK, training=True)

    x = tf.constant(SEQUENCES)
    expected = orders(call, variables)(x)
    traced = tf.function(orders(call, variables), autograph=False)
    close(traced(x), expected, 1e-9)
    # Eager tapes over a graph: all that its way back reads has a gradient.
    compiled = make("gru", compiled=True)
    inside = tf.function(
        lambda x: compiled(x, mask=MASK, training=True), autograph=False
    )
    variables = [v.value for v in compiled.trainable_variables]
    close(orders(inside, variables)(x), expected, 1e-9)


@pytest.mark.slow
def test_eager_tapes_over_a_graph_are_exact():
    """All that the way back of the graph reads has a gradient of its own."""
    layer = make("gru", compiled=True)
    traced = tf.function(
        lambda x: layer(x, mask=MASK[:2, :2], training=True), autograph=False
    )
    x = tf.constant(SEQUENCES[:2, :2])
    found = []
    for call in (traced, traced.python_function):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = call(x)
            penalty = tf.reduce_sum(inner.gradient(y, x) ** 2)
        weights = [v.value for v in layer.trainable_variables]
        found.append(outer.gradient(penalty, weights))
    close(*found, 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("length", [None, 6])
def test_a_penalty_is_exact_in_a_function_of_xla(length):
    layer = make("gru", compiled=True)

    def critic_step(x):
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = layer(x, training=True)
            slope = inner.gradient(y, x)
            norm = tf.sqrt(tf.reduce_sum(slope**2, [1, 2]))
            loss = tf.reduce_mean(y) + 10 * tf.reduce_mean((norm - 1) ** 2)
        weights = [v.value for v in layer.trainable_variables]
        return [loss, *tape.gradient(loss, weights)]

    spec = tf.TensorSpec((BATCH, length, FEATURES), tf.float64)
    traced = tf.function(
        critic_step, input_signature=[spec], jit_compile=True, autograph=False
    )
    x = tf.constant(SEQUENCES)
    close(traced(x), critic_step(x), 1e-9)
