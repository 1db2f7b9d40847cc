"""Distributions: losses, quantiles and draws beside scipy."""

import numpy as np
import pytest
from scipy import stats

from apps.forecasting import distributions
from apps.forecasting.distributions import DEGREES, MEDIAN, ForecastLoss
from data_pipelines.forecasting.datasets import LEVELS

SCIPY = {
    "gaussian": stats.norm,
    "student_t": lambda m, s: stats.t(DEGREES, m, s),
}
VALUES = np.array([[[1.0, 0.5], [-2, 3]]], "float32")
TARGETS = np.array([[1.3, 4]], "float32")


def loss(output, targets, values, size):
    size = np.full((*values.shape[:2], 1), size, "float32")
    outputs = np.concatenate([values, size], axis=-1)
    return float(ForecastLoss(output)(targets, outputs))


@pytest.mark.parametrize("output", SCIPY)
def test_likelihood_and_quantiles_are_those_of_scipy(output):
    known = SCIPY[output](VALUES[0, :, 0], VALUES[0, :, 1])
    expected = -np.mean(known.logpdf(TARGETS[0])) - np.log(2)
    assert loss(output, TARGETS, VALUES, 2.0) == pytest.approx(expected, 1e-4)
    found = np.asarray(distributions.quantiles(output, VALUES))[0]
    expected = np.stack([known.ppf(level) for level in LEVELS], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_pinball_loss_by_hand():
    values = np.broadcast_to(np.arange(11.0), (1, 1, 11)).astype("float32")
    errors = 4.0 - np.arange(11)
    levels = np.array(LEVELS)
    expected = 2 * np.mean(np.where(errors > 0, levels, levels - 1) * errors)
    assert loss("quantiles", np.array([[4.0]]), values, 2.0) == pytest.approx(
        expected / 2
    )


@pytest.mark.parametrize("output", distributions.OUTPUTS)
def test_missing_targets_do_not_count(output):
    width = distributions.width(output)
    values = np.random.default_rng(0).random((2, 3, width)).astype("float32")
    targets = np.array([[1, np.nan, 2], [np.nan] * 3], "float32")
    some = loss(output, targets[:1, ::2], values[:1, ::2], 1.0)
    assert loss(output, targets, values, 1.0) == pytest.approx(some)
    assert loss(output, targets * np.nan, values, 1.0) == 0


@pytest.mark.parametrize("output", ["gaussian", "student_t", "quantiles"])
def test_draws_have_the_quantiles_that_were_forecast(output):
    values = np.array([[2.0, 3.0]], "float32")
    if output == "quantiles":
        values = distributions.quantiles("gaussian", values[:, None])[:, 0]
    expected = distributions.quantiles(output, values[:, None])[0, 0]
    noise = distributions.noise(output, 20_000, 1, 0)[:, 0]
    rows = np.repeat(np.asarray(values), len(noise), axis=0)
    paths = np.asarray(distributions.draw(output, rows, noise))[None]
    found = np.asarray(distributions.of_paths(paths))[0]
    np.testing.assert_allclose(found, expected, atol=0.2)
    np.testing.assert_allclose(found, np.quantile(paths, LEVELS), rtol=1e-4)


def test_quantiles_are_ordered_whatever_the_network_says():
    raw = np.random.default_rng(0).standard_normal((2, 3, 11)).astype("float32")
    found = distributions.numbers("quantiles", raw, np.ones((2, 3), "float32"))
    assert (np.diff(found, axis=-1) >= 0).all()


def test_means_of_quantiles():
    even = np.broadcast_to(stats.norm.ppf(LEVELS) * 2 + 5, (1, 1, 11))
    assert distributions.mean(even)[0, 0] == pytest.approx(5)
    assert even[0, 0, MEDIAN] == pytest.approx(5)
