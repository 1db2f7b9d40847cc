"""The command: the run's own tests, other ones, and bad ones."""

import json

import pytest

from apps.common import cli
from apps.word_vectors import evaluate
from apps.word_vectors.config import EvaluateOptions
from apps.word_vectors.scores import METRICS
from data_pipelines.files.errors import DataError


def command(trained, *words):
    words = ["--run", "x", "--runs-path", trained.runs_path, *words]
    options = cli.parse(EvaluateOptions, None, words)
    cli.check(options, words)
    evaluate.main(options)


def test_the_command_prints_what_training_wrote(trained, loaded, capsys):
    command(trained, "--baseline")
    lines = capsys.readouterr().out.splitlines()
    record = json.loads(trained.run.file("metrics.json").read_text())
    rows = {"x": record["metrics"], **record["baselines"]}
    for name, own in rows.items():
        line = next(line for line in lines if line.startswith(name + " "))
        assert line.split()[1:4] == [
            f"{own[score]:.4f}" for score in list(METRICS)[:3]
        ]
    assert any(line.startswith("man-woman ") for line in lines)


def test_other_files_need_no_text(trained, loaded, capsys, tmp_path):
    pairs, questions = tmp_path / "p.csv", tmp_path / "q.txt"
    pairs.write_text("Word 1,Word 2,Human (mean)\ncat,Dog,9\ncat,king,1\n")
    questions.write_text(": one\nking queen man woman\nking queen a b\n")
    words = ["--pairs", str(pairs), "--questions", str(questions)]
    command(trained, *words)
    out = capsys.readouterr().out
    assert "2 of 2 pairs known" in out
    assert "1 of 2 questions known" in out
    pairs.write_text("cat\tdog\t9\nhorse\n")
    with pytest.raises(DataError, match=r"p\.csv:2: expected two words and a"):
        command(trained, *words)


def test_nothing_to_score_on_is_one_line(trained, loaded, monkeypatch, data):
    class Nothing:
        pairs = questions = ()

    monkeypatch.setattr(evaluate, "read_data", lambda config: Nothing)
    with pytest.raises(cli.UserError, match="neither pairs nor questions"):
        command(trained)
