"""The four models: none sees the future."""

import keras
import numpy as np
import pytest

from apps.forecasting import evaluate, inputs, model
from apps.forecasting.config import Config
from tests.apps.forecast_files import SEASON, write_long

EVERY = [
    ("ar", "direct"),
    ("ar", "recursive"),
    ("nn_ar", "direct"),
    ("nn_ar", "recursive"),
    ("rnn", "direct"),
    ("rnn", "recursive"),
    ("hmm", "direct"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    write_long(folder / "train.csv")
    return folder


def build(folder, **options):
    """Models of an untrained configuration, and their data."""
    settings = {
        "horizon": 4, "context": 14, "season": SEASON, "units": 3,
        "covariates": "none", "dataset": "files", "states": 2,
    }  # fmt: skip
    config = Config(
        **(settings | options),
        data_path=str(folder),
        cache_path=str(folder / "cache"),
    )
    data = evaluate.datasets(config, "files", str(folder), "")
    keras.utils.set_random_seed(0)
    periods = inputs.periods_of(None, config, data)
    models = model.build(config, data, periods)
    model.initialize(models, config, data)
    return models, config, data


def run(network, batch):
    batch = model.inputs_of(network, batch)
    return np.asarray(network(batch, training=False))


@pytest.mark.parametrize(("name", "mode"), EVERY)
def test_nothing_of_the_future_reaches_a_forecast(folder, name, mode):
    models, _, data = build(folder, model=name, horizon_mode=mode)
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    whole = run(models.trained, inputs)
    assert np.isfinite(whole).all()
    if mode == "direct":
        assert "future" not in models.trained.input
        return
    # A true value reaches the steps behind it alone.
    changed = {**inputs, "future": inputs["future"].copy()}
    changed["future"][:, 1] *= 7
    other = run(models.trained, changed)
    np.testing.assert_array_equal(whole[:, :2], other[:, :2])
    assert (whole[:, 2] != other[:, 2]).any()
    first = run(models.forecaster, inputs)
    np.testing.assert_allclose(first[:, 0], whole[:, 0], rtol=1e-4)
