"""How sequences are cut to chunks."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the loop of TensorFlow", allow_module_level=True)

import tensorflow as tf

from rnn_layers.engine import time_chunks

SIZES = [(1, 1), (1, 4096), (64, 1024), (500, 8192)]


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 100, 5000])
@pytest.mark.parametrize(("rows", "width"), SIZES)
def test_chunks_are_alike_and_small_enough(length, rows, width):
    steps = time_chunks.chunk_steps(length, rows, width)
    number = max(-(-length // steps), 1)
    # As many as needed, and no more padding than one step for each.
    assert number * steps - length < max(number, 2)
    small = steps * rows * width <= time_chunks.MAX_CHUNK_ELEMENTS
    assert small or steps <= time_chunks.MIN_CHUNK_STEPS
    if number > 1:
        larger = 2 * steps * rows * width > time_chunks.MAX_CHUNK_ELEMENTS
        assert larger or 2 * steps >= length


@pytest.mark.parametrize(("rows", "width"), SIZES)
def test_chunks_of_an_unknown_length(rows, width):
    assert (
        time_chunks.chunk_steps(None, rows, width)
        <= time_chunks.MAX_CHUNK_STEPS
    )
    assert (
        time_chunks.chunk_steps(None, None, width)
        >= time_chunks.MIN_CHUNK_STEPS
    )


@pytest.mark.parametrize("few", [0, 9])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 3, 4, 11])
def test_chunks_run_chunks_are_a_cumulative_sum(
    monkeypatch, length, reverse, few
):
    monkeypatch.setattr(time_chunks, "MAX_UNROLLED_CHUNKS", few)
    x = tf.random.stateless_normal((length, 2, 3), (1, 2))

    def run(n, chunk, _, carried):
        whole = tf.concat([chunk[0][:n], tf.zeros_like(chunk[0][n:])], 0)
        sums = tf.cumsum(whole, reverse=reverse) + carried[0]
        return [sums], [carried[0] + tf.reduce_sum(whole, 0)]

    @tf.function(autograph=False)
    def together(x):
        specs = [tf.TensorSpec((4, 2, 3))]
        start = [tf.zeros((2, 3))]
        (array,), last = time_chunks.run_chunks(
            run, 4, [x], [], start, specs, reverse
        )
        return time_chunks.join_chunks(array, x), last[0]

    signature = tf.TensorSpec((None, 2, 3))
    for call in (together, together.get_concrete_function(signature)):
        sums, last = call(x)
        expected = tf.cumsum(x, reverse=reverse)
        tf.debugging.assert_near(sums, expected, rtol=1e-5)
        tf.debugging.assert_near(last, tf.reduce_sum(x, 0), rtol=1e-5)
