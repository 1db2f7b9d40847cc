"""Baselines: simple ones by hand, those of statsmodels on a clear series."""

import numpy as np
import pytest

from apps.forecasting import baselines
from apps.forecasting.distributions import MEDIAN

PAST = np.array([1.0, 5, 2, 6, 3, 7])
OF_STATSMODELS = {"ar": baselines.SIMPLE["ar"], **baselines.FITTED}


def test_simple_baselines_by_hand():
    def median(name):
        return baselines.SIMPLE[name](PAST, 2, 3)[:, MEDIAN]

    np.testing.assert_allclose(median("naive"), [7, 7, 7])
    np.testing.assert_allclose(median("seasonal_naive"), [3, 7, 3])
    slope = 6 / 5
    np.testing.assert_allclose(median("drift"), 7 + slope * np.arange(1, 4))


def test_intervals_of_the_naive_grow_with_the_root_of_the_steps():
    quantiles = baselines.naive(PAST, 2, 4)
    width = quantiles[:, -1] - quantiles[:, 0]
    np.testing.assert_allclose(width / width[0], np.sqrt([1, 2, 3, 4]))


@pytest.mark.parametrize("name", OF_STATSMODELS)
def test_fitted_baselines_go_on_with_a_season(name):
    steps = np.arange(72)
    wave = 10 + 3 * np.sin(2 * np.pi * steps / 6)
    noise = 0.1 * np.random.default_rng(0).standard_normal(72)
    quantiles = OF_STATSMODELS[name]((wave + noise)[:66], 6, 6)
    assert quantiles.shape == (6, len(baselines.LEVELS))
    assert np.abs(quantiles[:, MEDIAN] - wave[66:]).max() < 0.8
    assert (np.diff(quantiles, axis=1) > 0).all()


@pytest.mark.parametrize("name", OF_STATSMODELS)
def test_a_series_that_cannot_be_fitted_is_repeated(name):
    quantiles = OF_STATSMODELS[name](np.full(30, 2.0), 6, 3)
    np.testing.assert_allclose(quantiles, 2.0)
