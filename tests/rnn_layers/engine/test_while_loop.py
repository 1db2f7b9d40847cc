"""Loops over steps: their order, their length, and lists of tensors."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the loop of TensorFlow", allow_module_level=True)

import numpy as np
import tensorflow as tf

from rnn_layers.engine.while_loop import (
    split,
    while_loop,
    with_shapes,
)
from tests.rnn_layers.tools import close, random

X = random(5, 2, 3)


def leaky_sums(x, start):
    """Each step adds its input to half of what there was."""
    sums = []
    for row in x:
        start = 0.5 * start + row
        sums.append(start)
    return np.array(sums), start


def step(inputs, carried):
    total = 0.5 * carried[0] + inputs[0]
    return [total], [total]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [0, 1, 4, 5])
def test_n_steps_are_taken_in_their_order(n, reverse, compiled):
    start = random(2, 3, seed=1)

    @tf.function(jit_compile=compiled, autograph=False)
    def run(n, x, start):
        return while_loop(step, n, [x], [start], [3], reverse)

    (stack,), (last,) = run(tf.constant(n), tf.constant(X), tf.constant(start))
    order = slice(None, None, -1) if reverse else slice(None)
    sums, end = leaky_sums(X[:n][order], start)
    assert stack.shape == X.shape
    if n:
        close(stack[:n], sums[order])
    close(last, end)


def test_what_is_known_of_a_shape_is_copied():
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec((None, None))])
    def run(x):
        (y,) = with_shapes([x], [tf.zeros((2, 3))])
        shapes.append(y.shape)
        return y

    run(tf.zeros((2, 3)))
    assert shapes == [(2, 3)]


def test_lists_are_split_by_their_sizes():
    assert split("abcde", [1, 0, 2]) == [["a"], [], ["b", "c"], ["d", "e"]]
    assert split([], []) == [[]]
