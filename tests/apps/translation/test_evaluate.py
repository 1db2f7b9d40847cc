"""Scores of a run, and the batches that they are computed on."""

import dataclasses
import json

import pytest

from apps.common import cli
from apps.translation import evaluate, scores


def options(trained, *words):
    words = [*words, "--runs-path", trained.runs_path]
    return cli.parse(evaluate.Options, None, words)


def test_evaluate_repeats_the_scores_of_the_run(trained, loaded, capsys):
    evaluate.main(options(trained))
    printed = capsys.readouterr().out
    record = json.loads(trained.run.file("metrics.json").read_text())
    line = next(
        line for line in printed.splitlines() if line.startswith("x (test)")
    )
    expected = [f"{record['metrics'][name]:.4f}" for name in scores.METRICS]
    assert line.split()[2:] == expected
    assert "copy_source" in printed
    assert f"bleu: {record['signatures']['bleu']}" in printed


def test_another_beam_is_another_score(trained, loaded, capsys):
    evaluate.main(options(trained, "--beam", "1", "--split", "valid"))
    head, _, row, *_ = capsys.readouterr().out.splitlines()
    values = dict(zip(head.split(), row.split()[2:], strict=True))
    assert values["bleu"] == values["bleu_greedy"]


def test_a_run_without_languages_knows_them(
    trained, predictor, loaded, monkeypatch, tmp_path, capsys
):
    written = trained.run.file("languages.txt").read_text()
    assert written == "en\nit\n"
    config = dataclasses.replace(predictor.config, languages="")
    monkeypatch.setattr(predictor, "config", config)
    (tmp_path / "test.en").write_text("One two.\nNine.\n")
    (tmp_path / "test.it").write_text("Due uno.\nNove.\n")
    evaluate.main(
        options(trained, "--dataset", "files", "--data-path", str(tmp_path))
    )
    assert "x (test)" in capsys.readouterr().out


def test_flags_that_exclude_each_other_are_refused(trained, loaded):
    with pytest.raises(cli.UserError, match="--mbr-samples 3"):
        evaluate.main(options(trained, "--beam", "1", "--mbr-samples", "3"))
