"""Forecasts of tables: files, charts, and what cannot be forecast."""

import csv
import json
import shutil

import numpy as np
import pytest

from apps.common import cli
from apps.forecasting import predict
from apps.forecasting.config import PredictOptions
from apps.forecasting.predict import Predictor
from data_pipelines.files.errors import DataError
from data_pipelines.forecasting.datasets import LEVELS
from tests.apps.forecast_files import HORIZON, waves, write_long
from tests.apps.tools import jittered


def forecast(trained, *more):
    words = ["--run", str(trained.run.path), *map(str, more)]
    options = cli.parse(PredictOptions, None, words)
    predict.main(options)


def read(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def test_the_run_own_series_are_forecast(trained, predictor, tmp_path, capsys):
    forecast(trained, "--output", tmp_path / "out")
    rows = read(tmp_path / "out" / "forecast.csv")
    assert len(rows) == 3 * HORIZON
    columns = ["series", "time", "mean", *(f"q{x:g}" for x in LEVELS)]
    assert list(rows[0]) == columns
    assert rows[0]["time"] == "2026-01-04 18:00:00"
    assert rows[1]["time"] == "2026-01-04 19:00:00"
    split = predictor.latest()
    expected = predictor.forecaster.of_split(split)
    ours = np.array([[float(row[c]) for c in columns[3:]] for row in rows])
    np.testing.assert_allclose(
        ours.reshape(expected.shape), expected, rtol=1e-4
    )
    assert b"<svg" in (tmp_path / "out" / "charts.svg").read_bytes()
    assert "forecast.csv, 3 series" in capsys.readouterr().out


def test_another_table_of_short_series(trained, tmp_path):
    write_long(tmp_path / "new.csv", waves(9, 1, seed=3))
    more = ("--input", tmp_path / "new.csv", "--horizon", 2, "--charts", 0)
    forecast(trained, *more, "--output", tmp_path)
    rows = read(tmp_path / "forecast.csv")
    assert [row["time"][11:16] for row in rows] == ["09:00", "10:00"]
    assert not (tmp_path / "charts.svg").exists()


def test_a_longer_horizon_than_trained_is_refused(trained):
    with pytest.raises(cli.UserError, match="forecasts 4 steps at once"):
        Predictor.of_run(trained.run, horizon=5)


def test_another_frequency_is_refused(trained, predictor, tmp_path):
    path = tmp_path / "days.csv"
    path.write_text("time,value,load\n2026-01-01,1,2\n2026-01-02,2,2\n")
    with pytest.raises(cli.UserError, match=r"every 1 day; .* every 1 hour"):
        predictor.latest(str(path))


def test_a_table_without_its_covariate_is_refused(predictor, tmp_path):
    path = tmp_path / "bare.csv"
    path.write_text("time,value\n1,1\n2,2\n")
    with pytest.raises(DataError, match="no column 'load'"):
        predictor.latest(str(path))


def test_several_runs_forecast_the_mean_of_their_quantiles(
    trained, predictor, tmp_path
):
    other = jittered(trained.run, tmp_path)
    names = f"{trained.run.path},{other.path}"
    predict.main(PredictOptions(run=names, output=str(tmp_path), charts=0))
    rows = read(tmp_path / "forecast.csv")
    members = [predictor, Predictor.of_run(other)]
    one, two = (m.forecaster.of_split(m.latest()) for m in members)
    assert np.abs(one - two).max() > 0.01
    written = [[float(row[f"q{q:g}"]) for q in LEVELS] for row in rows]
    mean = np.mean([one, two], axis=0).reshape(len(rows), -1)
    np.testing.assert_allclose(written, mean, rtol=1e-4)


def test_runs_of_other_horizons_are_no_ensemble(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    (copy / "digests.json").unlink()
    record = json.loads((copy / "config.json").read_text())
    record["config"]["horizon"] -= 1
    (copy / "config.json").write_text(json.dumps(record))
    names = f"{trained.run.path},{copy}"
    with pytest.raises(cli.UserError, match="another horizon or other series"):
        predict.main(PredictOptions(run=names, output=str(tmp_path / "out")))
