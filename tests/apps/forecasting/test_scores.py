"""Scores beside their definitions, written out."""

import numpy as np
import pytest
from scipy import stats

from apps.forecasting import scores
from data_pipelines.forecasting.datasets import LEVELS


def truth(targets, changes=1.0, naive2=0.0, series=None):
    targets = np.atleast_2d(np.asarray(targets, float))
    count = len(targets)
    return scores.Truth(
        targets,
        np.arange(count) if series is None else np.array(series),
        np.broadcast_to(np.asarray(changes, float), count),
        np.full(targets.shape, naive2) if np.isscalar(naive2) else naive2,
    )


def constant(values):
    values = np.atleast_2d(np.asarray(values, float))
    return np.repeat(values[:, :, None], len(LEVELS), axis=2)


def test_points_are_scored_by_the_definitions():
    y, f = np.array([[1.0, 2, 4]]), np.array([[2.0, 2, 1]])
    found = scores.score(truth(y, 2.0, naive2=3.0), constant(f))
    assert found["mase"] == pytest.approx((1 + 0 + 3) / 3 / 2)
    smape = 200 * (1 / 3 + 0 + 3 / 5) / 3
    assert found["smape"] == pytest.approx(smape)
    assert found["rmse"] == pytest.approx(np.sqrt(10 / 3))
    naive_mase = (2 + 1 + 1) / 3 / 2
    naive_smape = 200 * (2 / 4 + 1 / 5 + 1 / 7) / 3
    owa = 0.5 * (found["mase"] / naive_mase + smape / naive_smape)
    assert found["owa"] == pytest.approx(owa)
    # Of a point that is each quantile, it is the absolute error.
    assert found["crps"] == pytest.approx(4 / 3)


def test_missing_targets_do_not_count():
    y = [[1.0, np.nan, 4]]
    found = scores.score(truth(y), constant([[2.0, 99, 4]]))
    assert found["mase"] == 0.5
    assert found["coverage_80"] == 0.5


def test_series_weigh_the_same_whatever_their_windows():
    y = [[1.0], [1.0], [1.0]]
    found = scores.score(truth(y, series=[0, 0, 1]), constant([[2], [2], [1]]))
    assert found["mase"] == 0.5


def test_a_constant_series_has_no_mase_and_leaves_it_to_the_others():
    y, f = [[1.0], [1.0]], constant([[3.0], [2.0]])
    found = scores.score(truth(y, [np.nan, 1.0]), f)
    assert found["mase"] == 1.0
    assert scores.score(truth(y, np.nan), f)["mase"] is None


def test_crps_is_that_of_the_normal_distribution():
    y = np.linspace(-2, 2, 9)[None]
    quantiles = np.broadcast_to(stats.norm.ppf(LEVELS), (1, 9, len(LEVELS)))
    exact = (
        y * (2 * stats.norm.cdf(y) - 1)
        + 2 * stats.norm.pdf(y)
        - 1 / np.sqrt(np.pi)
    )
    found = scores.by_step(truth(y), quantiles)["crps"]
    np.testing.assert_allclose(found, exact[0], atol=0.03)


def test_intervals_cover_what_they_promise():
    y = np.random.default_rng(0).standard_normal((1, 4000))
    quantiles = np.broadcast_to(stats.norm.ppf(LEVELS), (1, 4000, len(LEVELS)))
    found = scores.score(truth(y), quantiles)
    assert found["coverage_80"] == pytest.approx(0.8, abs=0.03)
    assert found["coverage_95"] == pytest.approx(0.95, abs=0.02)


def test_seasons_of_a_product_are_taken_out_and_put_back():
    steps = np.arange(48)
    index = np.array([0.5, 1.5, 1.2, 0.8])
    values = (10 + steps) * index[steps % 4]
    found = scores.Seasons(values, 4)
    np.testing.assert_allclose(found.indices, index, rtol=0.01)
    adjusted = found.remove(values, steps)
    np.testing.assert_allclose(adjusted, 10 + steps, rtol=0.02)
    np.testing.assert_allclose(found.add(adjusted, steps), values)
    below = scores.Seasons(values - 40, 4)
    assert not below.multiplied
    np.testing.assert_allclose(below.indices.sum(), 0, atol=1e-9)


def test_noise_has_no_season():
    values = 5 + np.random.default_rng(1).standard_normal(200)
    assert scores.Seasons(values, 12).indices is None


def test_autocorrelation_is_that_of_numpy():
    x = np.random.default_rng(0).standard_normal(50).cumsum()
    x = x - x.mean()
    expected = np.correlate(x, x, "full")[49:] / np.dot(x, x)
    found = scores.autocorrelation(x, 6)
    np.testing.assert_allclose(found, expected[1:7])
