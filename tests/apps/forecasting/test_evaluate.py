"""Scores of finished runs, alone and together."""

import json
import shutil

import pytest

from apps.common import cli
from apps.forecasting import evaluate
from apps.forecasting.config import EvaluateOptions


def evaluated(trained, capsys, *more):
    words = ["--run", "x", "--runs-path", trained.runs_path, *more]
    evaluate.main(cli.parse(EvaluateOptions, None, words))
    return capsys.readouterr().out.splitlines()


def test_the_scores_are_those_of_the_training(trained, capsys):
    lines = evaluated(trained, capsys, "--baseline-series", "0")
    record = json.loads(trained.run.file("metrics.json").read_text())
    row = next(line for line in lines if line.startswith("x (test)"))
    assert row.split()[2] == f"{record['metrics']['mase']:.4f}"
    names = [line.split()[0] for line in lines[2:]]
    assert names[1:] == ["naive", "seasonal_naive", "drift", "ar"]


def test_several_runs_are_an_ensemble(trained, capsys):
    copy = trained.run.path.with_name("y")
    shutil.copytree(trained.run.path, copy, dirs_exist_ok=True)
    try:
        lines = evaluated(trained, capsys, "--members", "y", "--split", "valid")
    finally:
        shutil.rmtree(copy)
    rows = {line.split("  ")[0].strip(): line.split()[1:] for line in lines[2:]}
    # The mean of equal forecasts is each of them.
    assert rows["ensemble"][:3] == rows["x (valid)"][1:4]
    assert trained.run.file("compared.png").stat().st_size
    trained.run.file("compared.png").unlink()


def test_runs_of_other_windows_are_no_ensemble(trained, capsys, tmp_path):
    copy = tmp_path / "y"
    shutil.copytree(trained.run.path, copy)
    record = json.loads((copy / "config.json").read_text())
    record["config"]["stride"] = 2
    record["config"]["origins"] = 2
    (copy / "config.json").write_text(json.dumps(record))
    (copy / "digests.json").unlink()
    with pytest.raises(cli.UserError, match="forecasts other windows than"):
        evaluated(trained, capsys, "--members", str(copy))
