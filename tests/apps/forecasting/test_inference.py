"""Forecasts fed back, beside a loop of single steps."""

import dataclasses

import numpy as np
import pytest

from apps.forecasting import evaluate
from apps.forecasting.distributions import MEDIAN
from apps.forecasting.inference import Forecaster
from tests.apps.forecast_files import write_long
from tests.apps.forecasting.test_model import build, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    write_long(folder / "train.csv")
    return folder


@pytest.mark.parametrize("name", ["nn_ar", "rnn"])
def test_points_are_fed_back_one_by_one(folder, name):
    models, config, data = build(
        folder, model=name, horizon_mode="recursive", known_covariates="load",
        covariates="load",
    )  # fmt: skip
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    found = Forecaster.of_config(models.forecaster, config, 3600, 0)
    quantiles = found.of_split(data.test)
    window, expected = inputs["series"], []
    for step in range(config.horizon):
        one = {
            "series": window,
            "time": inputs["time"] + 3600 * step,
            "id": inputs["id"],
            "covariates": inputs["covariates"][:, step : step + 15],
        }
        values = run(models.forecaster, one)[:, 0, :-1]
        expected.append(values)
        window = np.concatenate([window[:, 1:], values[:, [MEDIAN]]], axis=1)
    expected = np.stack(expected, axis=1)
    np.testing.assert_allclose(quantiles, expected, rtol=1e-3)


def test_paths_are_the_same_each_time_and_spread_with_the_steps(folder):
    models, config, data = build(
        folder, model="ar", horizon_mode="recursive", output="gaussian",
        residual=False,
    )  # fmt: skip
    forecaster = Forecaster.of_config(models.forecaster, config, 3600, 50)
    first, again = (forecaster.of_split(data.test) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (np.diff(first, axis=-1) >= 0).all()
    longer = Forecaster.of_config(models.forecaster, config, 3600, 50, 9)
    assert longer.of_split(data.test).shape[1] == 9


def test_one_step_forecasts_know_the_true_values(folder):
    models, config, data = build(folder, model="ar", horizon_mode="recursive")
    forecaster = Forecaster.of_config(models.forecaster, config, 3600, 0)
    found = evaluate.one_step(forecaster, data.test)
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    teacher = run(models.trained, inputs)[:, :, :-1]
    # The scale of the first is that of its own window, as in training.
    np.testing.assert_allclose(found[:, 0], teacher[:, 0], rtol=1e-4)
    moved = dataclasses.replace(
        data.test.planner, first=data.test.planner.first + 2
    )
    later, _ = dataclasses.replace(data.test, planner=moved).fetch(
        moved.once()[0], 0
    )
    expected = run(models.forecaster, later)[:, 0, :-1]
    np.testing.assert_allclose(found[:, 2], expected, rtol=1e-4)
