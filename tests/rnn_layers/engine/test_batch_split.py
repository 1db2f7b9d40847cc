"""Two halves of a batch side by side, against the plain loop over all of it."""

import types

import keras
import pytest

import rnn_layers
from tests.rnn_layers.tools import FEATURES, close, make, random, sampled_cases

if keras.backend.backend() != "tensorflow":
    pytest.skip("only TensorFlow runs loops at once", allow_module_level=True)

import tensorflow as tf

from rnn_layers.engine import batch_split, chunked_run
from tests.rnn_layers.loops import LOOPS, check

OTHER = [
    ("lstm", {}),
    ("projection_lstm", {}),  # its states differ in width
    ("peephole_lstm", {"peephole": "full"}),
    ("slstm", {}),
    ("gru", {"reset_after": False}),
    ("min_gru", {}),
]


@pytest.fixture(name="halved")
def _halved(monkeypatch):
    """Halves the smallest batches, and tells how many it has halved."""
    monkeypatch.setattr(batch_split, "cores", lambda: 2)
    monkeypatch.setattr(batch_split, "MIN_ROWS", 1)
    monkeypatch.setattr(batch_split, "MIN_UNCOMPILED_UNITS", 1)
    rows = []

    def counted(run, inputs, states, constants):
        rows.append(states[0].shape[0])
        return batch_split.run_split(run, inputs, states, constants)

    monkeypatch.setattr(chunked_run, "run_split", counted)
    return rows


@pytest.mark.parametrize(("name", "options"), sampled_cases(OTHER, *OTHER[:2]))
def test_halves_are_exact(name, options, halved):
    check(name, options, *LOOPS["graph"], masked=True)
    assert halved == [5]


@pytest.mark.parametrize(
    "loop",
    [
        "compiled-in-chunks",
        *(
            pytest.param(loop, marks=pytest.mark.slow)
            for loop in ("graph-any-length", "compiled")
        ),
    ],
)
def test_every_kind_of_loop_is_exact_in_halves(loop, halved):
    check("peephole_lstm", {}, *LOOPS[loop], masked=False)
    assert len(halved) == 1


def test_dropout_and_zoneout_are_exact_in_halves(halved):
    check(
        "lstm",
        {},
        *LOOPS["graph"],
        masked=True,
        recurrent_dropout=0.5,
        zoneout=0.25,
        dropout=0.25,
        seed=3,
    )
    assert len(halved) == 1


@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_every_size_of_a_batch_can_be_halved(compiled, halved):
    layer = make("lstm", compiled=compiled)
    layer.return_sequences = True

    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True) ** 2)
        return tape.gradient(loss, [x, *layer.trainable_variables])

    spec = tf.TensorSpec((None, None, FEATURES), tf.float64)
    traced = tf.function(function, input_signature=[spec], autograph=False)
    for rows in (0, 1, 2, 3, 7):
        x = tf.constant(random(rows, 4, FEATURES))
        close(traced(x), function(x), 1e-12)
    assert halved == [None]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"rows": 31}, False),
        ({"rows": None}, True),
        ({"rows": None, "training": False}, False),
        ({"rows": 32, "training": False}, True),
        ({"units": 512}, False),
        ({"units": 64, "compiled": False}, False),
        ({"units": 128, "compiled": False}, True),
        ({"cores": 1}, False),
        ({"loops": 2}, False),
        ({"loops": 2, "cores": 4}, True),
        ({"devices": ["CPU", "GPU"]}, False),
    ],
)
def test_only_what_gains_is_halved(changes, expected, monkeypatch):
    usual = dict(
        rows=32,
        units=64,
        compiled=True,
        training=True,
        cores=2,
        loops=1,
        devices=["CPU"],
    )
    given = types.SimpleNamespace(**{**usual, **changes})
    devices = [
        types.SimpleNamespace(device_type=kind) for kind in given.devices
    ]
    monkeypatch.setattr(batch_split, "cores", lambda: given.cores)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda: devices)
    states = [types.SimpleNamespace(shape=(given.rows, given.units))]
    pays_off = batch_split.split_pays_off(
        states, given.training, given.compiled, given.loops
    )
    assert pays_off == expected


def test_directions_are_loops_at_once():
    layer = rnn_layers.Bidirectional(rnn_layers.rnn("gru", 3))
    assert layer.forward_layer.loops_at_once == 2
    assert layer.backward_layer.loops_at_once == 2


def test_a_function_of_xla_is_not_halved(halved):
    layer = make("gru", dtype="float32")
    x = random(4, 3, FEATURES).astype("float32")
    run = tf.function(lambda x: layer(x), jit_compile=True, autograph=False)
    close(run(x), layer(x), 1e-5)
    assert not halved
