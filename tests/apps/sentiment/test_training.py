"""Whole trainings of the sentiment app: killed, on the demo, in every way."""

import json

import numpy as np
import pytest

from tests.apps.tools import (
    flags,
    run_and_kill,
    run_module,
    weights_of,
    write_reviews,
)


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    write_reviews(tmp_path / "reviews", 2000)
    more = ["--epochs", "4", "--learning-rate", "0.001"]
    whole = run_module(
        "apps.sentiment.train", *flags(tmp_path, *more, "--name", "whole")
    )
    assert whole.returncode == 0, whole.stderr
    folder = tmp_path / "runs" / "sentiment" / "killed"
    command = flags(tmp_path, *more, "--name", "killed")
    run_and_kill("apps.sentiment.train", command, folder)
    done = [folder.parent / name for name in ("killed", "whole")]
    weights = [weights_of(run) for run in done]
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name in ("log.csv", "samples.txt"):
        ours, theirs = ((run / name).read_text() for run in done)
        assert ours == theirs
    records = [json.loads((r / "metrics.json").read_text()) for r in done]
    assert records[0]["metrics"] == records[1]["metrics"]
    assert (done[0] / "export" / "saved_model.pb").exists()


@pytest.mark.slow
def test_the_demo_is_learned(tmp_path):
    done = run_module(
        "apps.sentiment.train",
        *("--runs-path", str(tmp_path), "--cache-path", str(tmp_path / "data")),
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / "sentiment" / "demo-gru" / "metrics.json"
    record = json.loads(path.read_text())
    assert record["metrics"]["accuracy"] >= 0.95
    assert record["baselines"]["bag_of_words"]["accuracy"] < 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ("--mixed-precision", "true"),
        ("--jit-compile", "true"),
        ("--depth", "2", "--cell", "peephole_lstm", "--bidirectional", "false"),
    ],
)
def test_every_way_of_computing_learns(tmp_path, more):
    write_reviews(tmp_path / "reviews", 600)
    arguments = flags(tmp_path, "--epochs", "6", "--name", "x", *more)
    done = run_module("apps.sentiment.train", *arguments)
    assert done.returncode == 0, done.stderr
    assert "Model doesn't support" not in done.stderr
    path = tmp_path / "runs" / "sentiment" / "x" / "metrics.json"
    assert json.loads(path.read_text())["metrics"]["accuracy"] > 0.9
