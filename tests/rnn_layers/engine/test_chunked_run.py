"""Whole sequences against the plain loop and TensorFlow's own gradients."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the loop of TensorFlow", allow_module_level=True)

import tensorflow as tf
from keras import ops

from rnn_layers.engine import time_chunks
from tests.rnn_layers.loops import (
    DYNAMIC,
    LOOPS,
    check,
    results_and_gradients,
)
from tests.rnn_layers.tools import (
    MASK,
    SAMPLE,
    SEQUENCES,
    TIME,
    array,
    close,
    every_case,
    initial_states,
    make,
)

pytestmark = pytest.mark.usefixtures("short_chunks")


@every_case
def test_graph_loop_is_exact(name, options):
    check(name, options, *LOOPS["graph-any-length"], masked=True)


@pytest.mark.slow
@every_case
def test_compiled_loop_is_exact(name, options):
    check(name, options, *LOOPS["compiled-in-chunks"], masked=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLE)
def test_compiled_loop_without_a_mask_is_exact(name):
    check(name, {}, *LOOPS["compiled-in-chunks"], masked=False)


@pytest.mark.parametrize(
    ("loop", "masked"),
    [("compiled", False), ("compiled-in-chunks", True), ("graph", False)],
)
def test_every_kind_of_loop_is_exact(loop, masked):
    options = {"peephole": "full"}
    check("peephole_lstm", options, *LOOPS[loop], masked=masked)


def test_a_single_chunk_is_exact(monkeypatch):
    for name in ("MIN_CHUNK_STEPS", "MAX_CHUNK_STEPS"):
        monkeypatch.setattr(time_chunks, name, TIME + 3)
    check("lstm", {}, *LOOPS["compiled-in-chunks"], masked=True)


@tf.function(autograph=False)
def of_squares(layer, x):
    """Gradients of the summed squares of the outputs, by all weights."""
    with tf.GradientTape() as tape:
        outputs = layer(x, mask=MASK, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") ** 2)
    return tape.gradient(loss, [v.value for v in layer.trainable_variables])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_weights_in_half_precision_have_close_gradients(kind):
    # Peepholes are kernels of diagonals, a bias and gains are read in the loop.
    for name in ("peephole_lstm", "gru", "layer_norm_gru", "sru"):
        found = []
        for dtype in (kind, "float32"):
            layer = make(name, dtype=dtype, compiled=False)
            for weight in layer.weights:  # that half precision can tell
                rounded = ops.cast(ops.cast(weight, kind), weight.dtype)
                weight.assign(rounded)
            gradients = of_squares(layer, tf.constant(SEQUENCES, dtype))
            kinds = [v.value.dtype for v in layer.trainable_variables]
            assert [d.dtype for d in gradients] == kinds
            found.append([tf.cast(d, "float32") for d in gradients])
        close(*found, 0.05 if kind == "float16" else 0.4)


def test_gradient_without_training_is_exact():
    check("lstm", {}, *LOOPS["graph"], masked=True, training=False)


@pytest.mark.parametrize(
    "loop", ["graph", pytest.param("compiled", marks=pytest.mark.slow)]
)
def test_dropout_and_zoneout_are_exact(loop):
    # Masks come out alike, since both draw from the same seed.
    check(
        "gru",
        {"reset_after": False},
        *LOOPS[loop],
        masked=True,
        recurrent_dropout=0.5,
        zoneout=0.25,
        dropout=0.25,
        seed=3,
    )


def test_backwards_is_exact():
    check("gru", {}, *LOOPS["graph"], masked=True, go_backwards=True)


@pytest.mark.slow
def test_model_compiled_as_a_whole_gives_the_same_gradients():
    layer = make("peephole_lstm", return_sequences=True, return_state=True)
    states = [tf.constant(s) for s in initial_states(layer)]
    function = results_and_gradients(layer, tf.constant(MASK), True)
    whole = tf.function(function, jit_compile=True, autograph=False)
    expected = function(tf.constant(SEQUENCES), *states)
    close(whole(tf.constant(SEQUENCES), *states), expected, 1e-9)


def test_half_precision_gradients_are_close():
    found = []
    for dtype in ("float32", "mixed_float16"):
        layer = make("lstm", dtype=dtype, compiled=False)
        found.append(of_squares(layer, tf.constant(SEQUENCES, tf.float32)))
    close(*found, 0.05)


def test_stateful_layer_refuses_another_batch_size_in_a_graph():
    layer = make("lstm", stateful=True)
    function = tf.function(lambda x: layer(x), input_signature=[DYNAMIC])
    close(function(SEQUENCES), make("lstm")(SEQUENCES))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="built for batches of 5"
    ):
        array(function(SEQUENCES[:2]))
