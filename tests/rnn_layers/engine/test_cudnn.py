"""LSTM and GRU by cuDNN, with a stand-in for what only a GPU has.

The stand-in is written from the guide of cuDNN: its equations, its order of
gates, and the order of weights in its one vector. What Keras packs for cuDNN
proves it: its own layers hand over the same and get what they compute.
"""

import importlib
import itertools

import keras
import numpy as np
import pytest

import rnn_layers
from tests.rnn_layers.tools import (
    BATCH,
    FEATURES,
    MASK,
    SEQUENCES,
    TIME,
    UNITS,
    close,
    initial_states,
    make,
    random,
    randomize,
    sampled_cases,
)

if keras.backend.backend() != "tensorflow":
    pytest.skip("cuDNN is used on TensorFlow", allow_module_level=True)

import tensorflow as tf

from rnn_layers.engine import cudnn
from tests.rnn_layers.loops import results_and_gradients


def stand_in(
    input, input_h, input_c, params, rnn_mode, sequence_lengths, **flags
):
    """Equations of `cudnnRNNMode_t`, for one layer and one direction."""
    assert flags == {"is_training": True, "time_major": True}
    gates = {"lstm": 4, "gru": 3}[rnn_mode]
    features, units = input.shape[-1], input_h.shape[-1]
    sizes = [units * features] * gates + [units * units] * gates
    pieces = tf.split(params, sizes + [units] * 2 * gates)
    W = [tf.reshape(p, (units, features)) for p in pieces[:gates]]
    R = [tf.reshape(p, (units, units)) for p in pieces[gates : 2 * gates]]
    bW, bR = pieces[2 * gates : 3 * gates], pieces[3 * gates :]
    tf.debugging.assert_positive(sequence_lengths)

    def of_x(k, x):
        return tf.linalg.matvec(W[k], x) + bW[k]

    def of_h(k, h):
        return tf.linalg.matvec(R[k], h) + bR[k]

    h, c, outputs = input_h[0], input_c, []
    if rnn_mode == "lstm":
        c = c[0]
    for t, x in enumerate(tf.unstack(input)):
        old, valid = (h, c), t < sequence_lengths[:, None]
        z = [of_x(k, x) for k in range(gates)]
        if rnn_mode == "lstm":
            i, f = (tf.sigmoid(z[k] + of_h(k, h)) for k in (0, 1))
            o = tf.sigmoid(z[3] + of_h(3, h))
            c = f * c + i * tf.tanh(z[2] + of_h(2, h))
            h = o * tf.tanh(c)
        else:
            r, i = (tf.sigmoid(z[k] + of_h(k, h)) for k in (0, 1))
            new = tf.tanh(z[2] + r * of_h(2, h))
            h = (1 - i) * new + i * h
        outputs.append(tf.where(valid, h, 0))
        h = tf.where(valid, h, old[0])
        c = tf.where(valid, c, old[1]) if rnn_mode == "lstm" else c
    last_c = c[None] if rnn_mode == "lstm" else c
    return tf.stack(outputs), h[None], last_c, None, None


@pytest.fixture
def calls(monkeypatch):
    """A machine with a GPU; the list gets an item for each call of cuDNN."""
    found = []

    def counted(**arguments):
        found.append(arguments["rnn_mode"])
        return stand_in(**arguments)

    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", counted)
    monkeypatch.setattr(cudnn, "available", lambda: True)
    return found


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_stand_in_is_what_keras_feeds(name, calls):
    """Keras's packing, through the stand-in, gives what Keras computes."""
    # Private, and nowhere else: only there stands what a GPU is fed.
    rnn = importlib.import_module("keras.src.backend.tensorflow.rnn")
    kind, run, states = {
        "lstm": (keras.layers.LSTM, rnn._cudnn_lstm, 2),
        "gru": (keras.layers.GRU, rnn._cudnn_gru, 1),
    }[name]
    layer = kind(UNITS, return_sequences=True, dtype="float64")
    layer.build(SEQUENCES.shape)
    randomize(layer)
    states = [tf.constant(random(BATCH, UNITS, seed=k)) for k in range(states)]
    expected = layer(SEQUENCES, initial_state=states)
    weights = [v.value for v in layer.trainable_variables]
    sequences = tf.transpose(tf.constant(SEQUENCES), (1, 0, 2))
    _, outputs, _ = run(sequences, *states, *weights, None, True, False, True)
    close(tf.transpose(outputs, (1, 0, 2)), expected)
    assert calls == [name]


def results(layer, graph=True, mask=None, training=True):
    """Outputs, last states and all gradients."""
    function = results_and_gradients(layer, mask=mask, training=training)
    if graph:
        function = tf.function(function, autograph=False)
    states = map(tf.constant, initial_states(layer))
    return function(tf.constant(SEQUENCES), *states)


@pytest.mark.parametrize(
    "graph",
    [True, pytest.param(False, marks=pytest.mark.slow)],
    ids=["graph", "eager"],
)
@pytest.mark.parametrize(
    "backwards", [pytest.param(False, marks=pytest.mark.slow), True]
)
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_equals_the_loop(name, backwards, graph, calls):
    """Outputs, states and the gradients of everything."""
    options = dict(
        return_sequences=True, return_state=True, go_backwards=backwards
    )
    ours = make(name, use_cudnn=False, compiled=False, **options)
    theirs = make(name, **options)
    expected = results(ours)
    assert calls == []
    for mine, other in zip(results(theirs, graph=graph), expected, strict=True):
        close(mine, other)
    assert calls == [name]


BLOCKS = np.array(
    [
        [1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 1],
        [0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 1],
    ],
    bool,
)


@pytest.mark.parametrize(
    ("name", "backwards", "graph"),
    sampled_cases(
        itertools.product(["lstm", "gru"], [False, True], [True, False]),
        ("lstm", False, True),
        ("gru", True, False),
    ),
)
def test_a_mask_of_blocks_equals_the_loop(name, backwards, graph, calls):
    """Padding on either side, or on both."""
    options = dict(
        return_sequences=True, return_state=True, go_backwards=backwards
    )
    ours = make(name, use_cudnn=False, compiled=False, **options)
    theirs = make(name, **options)
    mask = tf.constant(BLOCKS)
    expected = results(ours, mask=mask)
    found = results(theirs, graph=graph, mask=mask)
    for mine, other in zip(found, expected, strict=True):
        close(mine, other)
    assert calls == [name]


def test_a_mask_with_holes_equals_the_loop_in_a_graph(calls):
    """The graph has both ways, and goes that of the loop."""
    options = dict(return_sequences=True, return_state=True, compiled=False)
    mask = tf.Variable(MASK)  # not known when it is traced
    found = results(make("lstm", **options), mask=mask)
    assert calls == ["lstm"]
    expected = results(make("lstm", use_cudnn=False, **options), mask=mask)
    for mine, other in zip(found, expected, strict=True):
        close(mine, other)


@pytest.mark.parametrize(
    ("row", "expected"),
    [("1110", True), ("0010", True), ("1010", False), ("0000", False)],
)
def test_one_block_of_steps(row, expected):
    rows = [[True] * 4, [digit == "1" for digit in row]]
    mask = tf.transpose(tf.constant(rows))
    assert bool(cudnn.has_one_block(mask)) is expected


@pytest.mark.parametrize(
    "graph",
    [pytest.param(True, marks=pytest.mark.slow), False],
    ids=["graph", "eager"],
)
@pytest.mark.parametrize("mask", [None, BLOCKS], ids=["whole", "padded"])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_inference_equals_the_loop(name, mask, graph, calls):
    """Even gradients, which a GPU has of what is saved in training only."""
    options = dict(return_sequences=True, return_state=True)
    if mask is not None:
        mask = tf.Variable(mask)  # not known when it is traced
    how = dict(graph=graph, mask=mask, training=False)
    loop = make(name, use_cudnn=False, compiled=False, **options)
    expected = results(loop, **how)
    assert calls == []
    close(results(make(name, **options), **how), expected)
    assert calls == [name]


def test_what_is_exported_needs_no_gpu(calls):
    layer = make("lstm")
    with rnn_layers.plain_loops():
        traced = tf.function(layer, autograph=False)
        traced.get_concrete_function(tf.TensorSpec((None, None, FEATURES)))
    assert calls == []


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_both_directions(name, calls):
    """Each direction is one call."""

    def made(**options):
        layer = rnn_layers.Bidirectional(
            make(name, return_sequences=True, **options)
        )
        layer.build((BATCH, TIME, FEATURES))
        randomize(layer)
        return layer(SEQUENCES, training=True)

    close(made(), made(use_cudnn=False))
    assert calls == [name, name]


REFUSED = {
    "masked": ("lstm", {}, {"mask": tf.constant(MASK)}),
    "zoneout": ("lstm", {"zoneout": 0.1}, {}),
    "recurrent dropout": ("gru", {"recurrent_dropout": 0.1}, {}),
    "unrolled": ("gru", {"unroll": True}, {}),
    "activation": ("lstm", {"activation": "relu"}, {}),
    "gate": ("lstm", {"recurrent_activation": "hard_sigmoid"}, {}),
    "no bias": ("lstm", {"use_bias": False}, {}),
    "reset before": ("gru", {"reset_after": False}, {}),
    "mixed precision": ("lstm", {"dtype": "mixed_float16"}, {}),
    "peepholes": ("peephole_lstm", {}, {}),
    "layer norm": ("layer_norm_lstm", {}, {}),
    "told not to": ("lstm", {"use_cudnn": False}, {}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_left_to_the_loop(case, calls):
    """What cuDNN does not compute never reaches it."""
    name, options, call = REFUSED[case]
    layer = make(name, **options)
    layer(SEQUENCES, **{"training": True, **call})
    assert calls == []
    assert layer.supports_jit is (case != "masked")


def test_xla_is_left_to_the_loop(calls):
    """XLA cannot compile cuDNN: a step that it compiles runs the loop."""
    layer = make("lstm")
    step = tf.function(lambda x: layer(x, training=True), jit_compile=True)
    found = step(tf.constant(SEQUENCES))
    assert calls == []
    close(found, layer(SEQUENCES))


@pytest.mark.parametrize(
    "use_cudnn", [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_fit(use_cudnn, calls, monkeypatch):
    """Where Keras would compile a model with XLA, it leaves cuDNN's alone."""
    gpu = tf.config.PhysicalDevice("/physical_device:GPU:0", "GPU")
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind=None: [gpu]
    )
    model = keras.Sequential(
        [rnn_layers.rnn("gru", UNITS, use_cudnn=use_cudnn)]
    )
    model.compile("sgd", "mse")
    x, y = SEQUENCES.astype("float32"), np.zeros((BATCH, UNITS), "float32")
    first, second = model.fit(x, y, epochs=2, verbose=0).history["loss"]
    assert second < first
    assert model.jit_compile is not use_cudnn
    assert ("gru" in calls) is use_cudnn


def test_config_and_machine():
    """A saved layer keeps the choice; without a GPU nothing changes."""
    layer = rnn_layers.rnn("lstm", UNITS, use_cudnn=False)
    again = type(layer).from_config(layer.get_config())
    assert again.use_cudnn is False
    if not tf.config.get_visible_devices("GPU"):
        assert not cudnn.available()
        assert rnn_layers.rnn("lstm", UNITS).supports_jit
