"""What the tests of the loops on TensorFlow share."""

import keras
import tensorflow as tf

from tests.rnn_layers.tools import (
    BATCH,
    FEATURES,
    MASK,
    SEQUENCES,
    TIME,
    close,
    initial_states,
    make,
    random,
)

STATIC = tf.TensorSpec((BATCH, TIME, FEATURES), tf.float64)
DYNAMIC = tf.TensorSpec((None, None, FEATURES), tf.float64)
LOOPS = {  # compiled, shape of the input
    "compiled": (True, STATIC),
    "compiled-in-chunks": (True, DYNAMIC),
    "graph": (False, STATIC),
    "graph-any-length": (False, DYNAMIC),
}


def results_and_gradients(layer, mask, training):
    """A function of the inputs, to be run eagerly or traced."""
    variables = [v.value for v in layer.trainable_variables]
    toward = random(BATCH, TIME, layer.cell.state_size[0], seed=5)

    def function(sequences, *states):
        with tf.GradientTape() as tape:
            tape.watch([sequences, *states])
            outputs, *last = layer(
                sequences,
                initial_state=list(states),
                mask=mask,
                training=training,
            )
            loss = tf.reduce_sum(outputs * toward)
            loss += sum(tf.reduce_sum(tf.sin(state)) for state in last)
        found = tape.gradient(
            loss,
            [sequences, *states, *variables],
            unconnected_gradients="zero",
        )
        return [outputs, *last, *found]

    return function


def check(name, options, compiled, spec, masked, training=True, **kwargs):
    settings = {"return_sequences": True, "return_state": True, **kwargs}
    layer = make(name, options, compiled=compiled, **settings)
    states = [tf.constant(s) for s in initial_states(layer)]
    mask = tf.constant(MASK) if masked else None
    function = results_and_gradients(layer, mask, training)
    expected = function(tf.constant(SEQUENCES), *states)
    reset_seed(layer)
    signature = [spec]
    signature += [
        tf.TensorSpec((spec.shape[0], s.shape[1]), s.dtype) for s in states
    ]
    traced = tf.function(function, input_signature=signature, autograph=False)
    close(traced(tf.constant(SEQUENCES), *states), expected, 1e-9)


def reset_seed(layer):
    if hasattr(layer, "seed_generator"):
        state = layer.seed_generator.state
        fresh = keras.random.SeedGenerator(layer.seed)
        state.assign(fresh.state.value)
