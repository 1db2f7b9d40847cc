"""How sequences are cut to pieces."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the loop of TensorFlow", allow_module_level=True)

import tensorflow as tf

from rnn_layers.engine import time_chunks

SIZES = [(1, 1), (1, 4096), (64, 1024), (500, 8192)]


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 100, 5000])
@pytest.mark.parametrize(("rows", "width"), SIZES)
def test_pieces_are_alike_and_small_enough(length, rows, width):
    steps = time_chunks.size(length, rows, width)
    number = max(-(-length // steps), 1)
    # As many as needed, and no more padding than one step for each.
    assert number * steps - length < max(number, 2)
    small = steps * rows * width <= time_chunks.WIDE
    assert small or steps <= time_chunks.LEAST
    if number > 1:
        larger = 2 * steps * rows * width > time_chunks.WIDE
        assert larger or 2 * steps >= length


@pytest.mark.parametrize(("rows", "width"), SIZES)
def test_pieces_of_an_unknown_length(rows, width):
    assert time_chunks.size(None, rows, width) <= time_chunks.MOST
    assert time_chunks.size(None, None, width) >= time_chunks.LEAST


@pytest.mark.parametrize("few", [0, 9])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 3, 4, 11])
def test_pieces_in_turn_are_a_cumulative_sum(monkeypatch, length, reverse, few):
    monkeypatch.setattr(time_chunks, "FEW", few)
    x = tf.random.stateless_normal((length, 2, 3), (1, 2))

    def run(n, cut, _, carried):
        whole = tf.concat([cut[0][:n], tf.zeros_like(cut[0][n:])], 0)
        sums = tf.cumsum(whole, reverse=reverse) + carried[0]
        return [sums], [carried[0] + tf.reduce_sum(whole, 0)]

    @tf.function(autograph=False)
    def together(x):
        made = [tf.TensorSpec((4, 2, 3))]
        start = [tf.zeros((2, 3))]
        (array,), last = time_chunks.in_turn(
            run, 4, [x], [], start, made, reverse
        )
        return time_chunks.joined(array, x), last[0]

    signature = tf.TensorSpec((None, 2, 3))
    for call in (together, together.get_concrete_function(signature)):
        sums, last = call(x)
        expected = tf.cumsum(x, reverse=reverse)
        tf.debugging.assert_near(sums, expected, rtol=1e-5)
        tf.debugging.assert_near(last, tf.reduce_sum(x, 0), rtol=1e-5)
