"""The forecasting app as its user meets it: what a training leaves behind."""

import csv
import json
import subprocess
import sys

import pytest

from apps.forecasting.scores import METRICS
from tests.apps.forecast_files import HORIZON
from tests.apps.tools import ROOT, file_names, tensorboard_tags


@pytest.fixture(scope="module")
def record(trained):
    return json.loads(trained.run.file("metrics.json").read_text())


def test_the_run_folder_is_complete(trained):
    expected = """README.md backup columns.txt config.json curve.png data.txt
        digests.json export frequency.txt horizon.csv lock log.csv metrics.json
        model.keras periods.txt report.html samples.txt series.txt train
        validation"""
    assert file_names(trained.run.path) == expected.split()


def test_metrics_json_has_what_is_promised(record):
    assert set(record["metrics"]) == set(METRICS)
    baselines = "naive seasonal_naive drift ar theta ets arima"
    assert list(record["baselines"]) == baselines.split()
    assert record["baselines"]["theta"]["windows"] == 1
    assert record["examples"]["test"] == 3
    assert record["signatures"]["season"] == 6


def test_the_terminal_shows_data_scores_and_what_is_next(trained, record):
    lines = trained.stdout.splitlines()
    assert any("every 1 hour, inferred; season of 6" in line for line in lines)
    assert any("load (known ahead)" in line for line in lines)
    for name, scores in {"x": record["metrics"], **record["baselines"]}.items():
        line = next(line for line in lines if line.split()[:1] == [name])
        assert line.split()[1] == f"{scores['mase']:.4f}"
    assert any("make predict-forecasting" in line for line in lines)
    assert "largest difference to predict" in trained.stdout
    assert trained.stderr == ""


def test_scores_at_each_step(trained):
    with open(trained.run.file("horizon.csv")) as file:
        rows = list(csv.DictReader(file))
    assert [row["steps_ahead"] for row in rows] == [
        str(step) for step in range(1, HORIZON + 1)
    ]
    assert set(METRICS) < set(rows[0])


def test_tensorboard_has_every_tag(trained):
    tags = tensorboard_tags(trained.run)
    assert {"loss", "learning_rate", "gradient_norm"} <= tags["train"]
    expected = {"loss", "mase", "crps", "fans", "crps_by_step/001", "samples"}
    assert expected <= tags["validation"]


def test_the_report_has_its_pictures(trained):
    text = trained.run.file("report.html").read_text()
    windows = json.loads(trained.run.file("metrics.json").read_text())
    charts = windows["examples"]["test"] + 3  # by step, by lag, the training
    assert text.count('<svg role="img"') == charts
    assert "seasonal_naive" in text


@pytest.mark.slow
def test_the_model_loads_with_rnn_layers_alone(trained, tmp_path):
    (tmp_path / "rnn_layers").symlink_to(ROOT / "rnn_layers")
    script = f"""
import sys, rnn_layers, keras, numpy as np
model = keras.models.load_model({str(trained.run.file("model.keras"))!r})
inputs = {{"series": np.ones((1, 14)), "covariates": np.ones((1, 18, 1)),
    "time": np.ones(1, "int64")}}
print(model.predict(inputs, verbose=0).shape)
ours = ("apps", "data_pipelines")
assert not any(n.split(".")[0] in ours for n in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "(1, 4, 12)" in done.stdout
