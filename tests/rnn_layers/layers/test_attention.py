"""Attention pooling against its equations, and what masks must not do."""

import keras
import numpy as np
import pytest

import rnn_layers
from tests.rnn_layers.tools import MASK, array, close, gradients, random

WIDTH = 6
X = random(*MASK.shape, WIDTH)


def make(**kwargs):
    layer = rnn_layers.AttentionPooling(
        return_weights=True, dtype="float64", **kwargs
    )
    layer.build(X.shape)
    for seed, weight in enumerate(layer.weights):
        weight.assign(random(*weight.shape, seed=seed))
    return layer


def by_hand(layer, row, steps):
    """Equations (1) to (3) for one sequence without its masked steps."""
    kernel, bias, score = (array(weight) for weight in layer.weights)
    x = X[row, steps]
    parts, all_weights = [], []
    for head in range(layer.heads):
        s = np.tanh(x @ kernel + bias) @ score[:, head]
        a = np.exp(s) / np.exp(s).sum()
        size = WIDTH // layer.heads
        parts.append(a @ x[:, head * size : (head + 1) * size])
        all_weights.append(a)
    return np.concatenate(parts), np.mean(all_weights, axis=0)


@pytest.mark.parametrize("options", [{}, {"heads": 3}, {"units": 2}], ids=str)
def test_equals_the_equations_row_by_row(options):
    layer = make(**options)
    pooled, weights = (array(part) for part in layer(X, mask=MASK))
    for row, valid in enumerate(MASK):
        steps = np.flatnonzero(valid)
        assert (weights[row, ~valid] == 0).all()
        if not len(steps):
            assert (pooled[row] == 0).all()
            continue
        expected, expected_weights = by_hand(layer, row, steps)
        close(pooled[row], expected)
        close(weights[row, steps], expected_weights)


def test_masked_steps_and_empty_rows_have_zero_gradient():
    layer = make()

    def loss(x):
        return keras.ops.sum(layer(x, mask=MASK)[0] ** 2)

    *by_weights, by_x = gradients(loss, layer, [X])
    assert (by_x[~MASK] == 0).all()
    assert all(np.isfinite(g).all() for g in by_weights)
    assert np.abs(by_x[MASK]).max() > 1e-3


def test_half_precision_with_large_scores_stays_finite():
    layer = rnn_layers.AttentionPooling(
        dtype="mixed_float16", return_weights=True
    )
    layer.build(X.shape)
    layer.score.assign(np.full(layer.score.shape, 1e4))
    pooled, weights = layer(X, mask=MASK)
    assert keras.backend.standardize_dtype(pooled.dtype) == "float16"
    assert np.isfinite(array(pooled)).all()
    close(array(weights).sum(axis=1), MASK.any(axis=1), 1e-6)


def test_config_survives_a_round_trip():
    layer = rnn_layers.AttentionPooling(2, units=3, return_weights=True)
    again = rnn_layers.AttentionPooling.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_a_sequence_of_one_step_weighs_one_without_a_warning():
    layer = rnn_layers.AttentionPooling(return_weights=True)
    x = np.ones((2, 1, 4), "float32")
    pooled, weights = layer(x, mask=np.array([[True], [False]]))
    np.testing.assert_allclose(array(weights), [[1.0], [0.0]])
    np.testing.assert_allclose(array(pooled), [[1.0] * 4, [0.0] * 4])


def test_heads_divide_the_width():
    pooling = rnn_layers.AttentionPooling(heads=3)
    with pytest.raises(
        ValueError, match="`heads` must divide the width 4, not"
    ):
        pooling(np.ones((1, 2, 4)))
