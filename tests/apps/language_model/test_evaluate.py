"""Scores: every token once, the state through the whole split."""

import json

import numpy as np
import pytest

from apps.common import cli
from apps.language_model import baselines, evaluate, scores
from apps.language_model.config import EvaluateOptions
from data_pipelines.language_model.demo import generator


def command(trained, *words):
    words = ["--run", "x", "--runs-path", trained.runs_path, *words]
    options = cli.parse(EvaluateOptions, None, words)
    cli.check(options, words)
    evaluate.main(options)


def test_the_losses_are_those_of_one_pass_over_the_whole(predictor, data):
    """The model itself, on the whole split at once."""
    losses = predictor.losses(data.test)
    ids = data.test.ids[0]
    logits = np.asarray(predictor.model(ids[None, :-1]))[0].astype(float)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -logs[np.arange(len(ids) - 1), ids[1:]]
    np.testing.assert_allclose(losses, expected, atol=1e-4)
    # Rows begin anew: nearly the same.
    rows = predictor.losses(data.test, 4)
    same = np.isclose(rows, expected, atol=1e-4).mean()
    assert 0.2 < same < 1
    cut = predictor.losses(data.test, 4, cut=True)
    assert cut.mean() > rows.mean()


def test_scores_by_hand(data):
    losses = np.full(len(data.test), np.log(8.0))
    result = scores.scores(losses, data.test)
    assert result["perplexity"] == pytest.approx(8)
    assert result["bits_per_token"] == pytest.approx(3)
    characters = data.test.about["characters"]
    assert result["bits_per_character"] == pytest.approx(
        3 * len(data.test) / characters
    )


def test_the_command_prints_what_training_wrote(trained, loaded, capsys):
    command(trained)
    lines = capsys.readouterr().out.splitlines()
    record = json.loads(trained.run.file("metrics.json").read_text())
    rows = {"x (test)": record["metrics"], **record["baselines"]}
    for name, own in rows.items():
        line = next(line for line in lines if line.startswith(name + " "))
        assert f"{own['perplexity']:.4f}" in line


def test_mixtures_are_as_good_as_their_parts(trained, loaded, capsys):
    command(trained, "--interpolate")
    lines = capsys.readouterr().out.splitlines()
    values = {
        line.split("  ")[0]: float(line.split()[-4])
        for line in lines
        if line.startswith(("x (test)", "model +", "kneser_ney_5"))
    }
    own, mixed, cached, alone = values.values()
    # The weights are those of valid.
    assert max(mixed, cached) < 1.01 * min(own, alone)


def test_the_demo_has_what_its_source_attains(data):
    losses = baselines.losses(data, "demo")
    lines = data.tokenizer.decode(data.test.ids[0][1:]).splitlines()
    expected = -np.array(generator.log_probabilities(lines))
    np.testing.assert_allclose(losses["attainable"], expected)
    assert all(
        own.mean() > expected.mean()
        for name, own in losses.items()
        if name != "attainable"
    )
    assert "attainable" not in baselines.losses(data, "files")
