"""The projection of the inputs, with its weights as an argument."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the loop of TensorFlow", allow_module_level=True)

import numpy as np
import tensorflow as tf

from rnn_layers.engine.input_projection import Projection
from tests.rnn_layers.tools import (
    FEATURES,
    SEQUENCES,
    close,
    make,
    random,
    weights_by_name,
)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("lstm", ["kernel", "bias"]),
        ("gru", ["kernel", "bias"]),
        ("slim_gru", ["kernel", "bias"]),
        ("layer_norm_lstm", ["kernel", "bias", "gain"]),
    ],
)
def test_only_weights_of_the_projection_are_read(name, read):
    layer = make(name)
    projection = Projection(layer.cell, tf.constant(SEQUENCES))
    assert {v.name for v in projection.read} == set(read)
    expected = layer.cell.project(tf.constant(SEQUENCES))
    close(projection(SEQUENCES, projection.weights()), expected)
    assert projection.width == expected.shape[-1]
    assert projection.kind == expected.dtype


def test_weights_of_an_argument_take_the_place_of_the_cells():
    layer = make("lstm")
    kernel, bias = random(FEATURES, 16, seed=1), random(16, seed=2)
    projection = Projection(layer.cell, tf.constant(SEQUENCES))
    before = weights_by_name(layer)
    x = tf.constant(SEQUENCES)
    weights = [tf.constant(kernel), tf.constant(bias)]
    close(projection(x, weights), SEQUENCES @ kernel + bias)
    toward = random(*SEQUENCES.shape[:2], 16, seed=3)
    run = tf.function(projection.gradients, autograph=False)
    d_x, (d_kernel, d_bias) = run(x, weights, tf.constant(toward))
    close(d_x, toward @ kernel.T)
    close(d_kernel, np.einsum("btf,btg->fg", SEQUENCES, toward))
    close(d_bias, toward.sum((0, 1)))
    for name, value in weights_by_name(layer).items():
        np.testing.assert_array_equal(value, before[name])
