"""Scores of finished runs, alone and together."""

import json
import shutil

import pytest

from apps.common import cli
from apps.forecasting import evaluate
from apps.forecasting.config import EvaluateOptions


def evaluated(trained, capsys, *more):
    words = ["--run", "x", *more, "--runs-path", trained.runs_path]
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
        lines = evaluated(trained, capsys, "--run", "x,y", "--split", "valid")
    finally:
        shutil.rmtree(copy)
    # The mean of equal forecasts is each of them.
    rows = [line.split()[-4:] for line in lines if "(valid)" in line]
    assert len(rows) == 3
    assert rows[0] == rows[1] == rows[2]
    (record,) = json.loads(trained.run.file("ensemble.json").read_text())
    assert [*record["scores"]][-1] == "ensemble (valid)"
    trained.run.file("ensemble.json").unlink()
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
    with pytest.raises(cli.UserError, match="it forecasts other windows"):
        evaluated(trained, capsys, "--run", f"{trained.run.path},{copy}")
