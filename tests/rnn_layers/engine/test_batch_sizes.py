"""Batches filled up to a few sizes: how many, how large, and what they give."""

import time

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the loop of TensorFlow", allow_module_level=True)

import tensorflow as tf

from rnn_layers.engine import batch_split
from rnn_layers.engine.batch_sizes import filled_size
from tests.rnn_layers.tools import FEATURES, close, initial_states, make, random


@pytest.mark.parametrize("halves", [False, True])
def test_sizes_are_few_and_close(halves):
    def filled(rows):
        return tf.map_fn(lambda n: filled_size(n, halves), rows)

    filled = tf.function(filled, autograph=False)
    sizes = filled(tf.range(1025)).numpy().tolist()
    assert len(set(sizes)) <= 30
    assert filled(tf.constant(sizes)).numpy().tolist() == sizes
    assert sizes[0] == 0
    for rows, size in enumerate(sizes):
        assert rows <= size <= max(2 * rows, 2)
        assert not (halves and size % 2)
        assert rows <= 32 or size <= 1.25 * rows
    usual = [8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024]
    assert [sizes[rows] for rows in usual] == usual
    assert int(filled_size(tf.constant(2**23 + 1), halves)) == 2**23 + 1


@pytest.mark.parametrize(
    ("name", "cores"),
    [pytest.param("gru", 1, marks=pytest.mark.slow), ("slstm", 2)],
)
def test_every_size_of_a_batch_is_exact(name, cores, monkeypatch):
    monkeypatch.setattr(batch_split, "cores", lambda: cores)
    layer = make(name, return_sequences=True, return_state=True)
    mask = tf.sequence_mask([4, 1, 0, 3, 2, 4, 4], 4)
    signature = [
        tf.TensorSpec(shape, kind)
        for shape, kind in (
            ((None, 4, FEATURES), tf.float64),
            ((None, 4), tf.bool),
            *(((None, n), tf.float64) for n in layer.cell.state_size),
        )
    ]

    def function(x, mask, *states):
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            outputs, *last = layer(
                x, initial_state=list(states), mask=mask, training=True
            )
            loss = tf.reduce_sum(outputs**2)
            loss += sum(tf.reduce_sum(tf.sin(state)) for state in last)
        weights = [v.value for v in layer.trainable_variables]
        found = tape.gradient(loss, [x, *states, *weights])
        return [outputs, *last, *found]

    traced = tf.function(function, input_signature=signature, autograph=False)
    for rows in (5, 7):
        states = initial_states(layer, rows)
        case = [random(rows, 4, FEATURES), mask[:rows], *states]
        case = [tf.constant(x) for x in case]
        close(traced(*case), function(*case), 1e-9)


def test_neighbouring_sizes_share_a_compilation():
    layer = make("gru", dtype="float32")
    signature = [tf.TensorSpec((None, 4, FEATURES), tf.float32)]
    function = tf.function(layer, input_signature=signature, autograph=False)
    seconds = []
    for rows in (17, 18, 19, 20, 21, 22, 23, 24):
        x = tf.constant(random(rows, 4, FEATURES), tf.float32)
        start = time.perf_counter()
        y = function(x)
        seconds.append(time.perf_counter() - start)
        close(y, layer(x), 1e-5)
    assert sum(seconds[1:]) < seconds[0]
