"""Least squares: beside statsmodels, and where they have no answer."""

import numpy as np
import pytest
from statsmodels.tsa.ar_model import AutoReg

from apps.common import cli
from tests.apps.forecasting.test_model import build, run


def write(folder, values):
    lines = [f"{t},{value}" for t, value in enumerate(values)]
    (folder / "train.csv").write_text("time,value\n" + "\n".join(lines))


def test_ar_is_the_autoreg_of_statsmodels(tmp_path):
    random = np.random.default_rng(0)
    values = np.zeros(200)
    for t in range(2, 200):
        values[t] = values[t - 1] - 0.5 * values[t - 2] + random.normal()
    write(tmp_path, values + 3)
    models, _, data = build(
        tmp_path, model="ar", horizon=1, context=5, season=1,
        scaling="none", residual=False,
    )  # fmt: skip
    kernel, bias = models.forecaster.get_layer("autoregression").get_weights()
    before = data.valid.before(0).astype("float64")
    expected = AutoReg(before, 5).fit().params
    ours = np.concatenate([bias, kernel[::-1, 0, 0]])
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_windows_with_next_to_no_values_do_not_widen_the_intervals(tmp_path):
    steps = np.arange(300)
    values = 10 + 3 * np.sin(steps) + 0.1 * np.sin(steps**2)
    missing = (steps > 50) & (steps < 110) & ~np.isin(steps, [70, 71])
    cells = np.where(missing, "", values.round(6).astype(str))
    write(tmp_path, cells)
    models, _, data = build(tmp_path, model="ar", output="gaussian")
    inputs, _ = data.test.fetch(data.test.planner.once()[0], 0)
    deviation = run(models.forecaster, inputs)[:, :, 1]
    assert deviation.max() < 3


def test_a_constant_series_has_no_weights(tmp_path):
    write(tmp_path, [5] * 60)
    models, *_ = build(tmp_path, model="ar")
    for weights in models.forecaster.get_layer("autoregression").get_weights():
        np.testing.assert_array_equal(weights, 0)


@pytest.mark.parametrize("name", ["ar", "hmm"])
def test_gaps_in_every_window_are_refused(tmp_path, name):
    write(tmp_path, ["" if t % 3 == 0 else t for t in range(80)])
    with pytest.raises(cli.UserError, match=f"--model {name}: every window of"):
        build(tmp_path, model=name)
