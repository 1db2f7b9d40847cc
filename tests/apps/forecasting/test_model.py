"""The four models: coefficients, scales, missing values, no future."""

import keras
import numpy as np
import pytest
from statsmodels.tsa.ar_model import AutoReg

from apps.forecasting import evaluate, model
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
    models = model.build(config, data)
    model.initialize(models, config, data)
    return models, config, data


def run(network, inputs):
    inputs = model.inputs_of(network, inputs)
    return np.asarray(network(inputs, training=False))


def test_ar_is_the_autoreg_of_statsmodels(tmp_path):
    random = np.random.default_rng(0)
    values = np.zeros(200)
    for t in range(2, 200):
        values[t] = values[t - 1] - 0.5 * values[t - 2] + random.normal()
    lines = [f"{t},{value}" for t, value in enumerate(values + 3)]
    (tmp_path / "train.csv").write_text("time,value\n" + "\n".join(lines))
    models, _, data = build(
        tmp_path, model="ar", horizon=1, context=5, season=1,
        scaling="none", residual=False,
    )  # fmt: skip
    kernel, bias = models.forecaster.get_layer("autoregression").get_weights()
    before = data.valid.before(0).astype("float64")
    expected = AutoReg(before, 5).fit().params
    ours = np.concatenate([bias, kernel[::-1, 0, 0]])
    np.testing.assert_allclose(ours, expected, atol=1e-4)


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


@pytest.mark.parametrize("scaling", ["mean", "instance", "seasonal"])
@pytest.mark.parametrize("output", ["gaussian", "quantiles"])
def test_forecasts_have_the_scale_of_their_window(folder, scaling, output):
    models, _, data = build(folder, scaling=scaling, output=output)
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    larger = {**inputs, "series": inputs["series"] * 1000}
    np.testing.assert_allclose(
        run(models.forecaster, larger),
        1000 * run(models.forecaster, inputs),
        rtol=2e-3,
    )


@pytest.mark.parametrize("name", ["nn_ar", "rnn", "hmm"])
def test_windows_of_every_kind_are_forecast(folder, name):
    models, _, data = build(folder, model=name)
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    inputs = {k: np.repeat(v[:1], 4, axis=0) for k, v in inputs.items()}
    inputs["series"][0, 3:9] = np.nan
    inputs["series"][1] = 0
    inputs["series"][2] = 5
    inputs["series"][3] = np.nan
    assert np.isfinite(run(models.forecaster, inputs)).all()


def test_a_missing_value_is_not_a_zero(folder):
    models, _, data = build(folder)
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    zero, missing = inputs["series"].copy(), inputs["series"].copy()
    zero[:, 5], missing[:, 5] = 0, np.nan
    a, b = (
        run(models.forecaster, {**inputs, "series": x}) for x in (zero, missing)
    )
    assert np.abs(a - b).max() > 1e-3


def test_the_residual_of_an_untrained_ar_is_the_seasonal_naive(folder):
    models, _, data = build(folder, model="ar", output="point")
    layer = models.forecaster.get_layer("autoregression")
    layer.set_weights([0 * w for w in layer.get_weights()])
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    found = run(models.forecaster, inputs)[:, :, 0]
    expected = inputs["series"][:, -SEASON:][:, :4]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_windows_with_next_to_no_values_do_not_widen_the_intervals(tmp_path):
    steps = np.arange(300)
    values = 10 + 3 * np.sin(steps) + 0.1 * np.sin(steps**2)
    missing = (steps > 50) & (steps < 110) & ~np.isin(steps, [70, 71])
    cells = np.where(missing, "", values.round(6).astype(str))
    lines = [f"{t},{cell}" for t, cell in zip(steps, cells, strict=True)]
    (tmp_path / "train.csv").write_text("time,value\n" + "\n".join(lines))
    models, _, data = build(tmp_path, model="ar", output="gaussian")
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    deviation = run(models.forecaster, inputs)[:, :, 1]
    assert deviation.max() < 3
