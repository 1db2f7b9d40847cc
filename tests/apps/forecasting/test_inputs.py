"""Windows: their scale, missing values, what is added to forecasts."""

import numpy as np
import pytest

from tests.apps.forecast_files import SEASON, write_long
from tests.apps.forecasting.test_model import build, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    write_long(folder / "train.csv")
    return folder


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
    forecasts = run(models.forecaster, inputs)[:, :, 0]
    expected = inputs["series"][:, -SEASON:][:, :4]
    np.testing.assert_allclose(forecasts, expected, rtol=1e-4)
