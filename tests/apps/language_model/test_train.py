"""Trainings: refused, gone on with, killed; the demo; every way."""

import json
import shutil

import keras
import numpy as np
import pytest

from apps.common import cli, runs
from apps.language_model import train
from apps.language_model.config import PRESETS, Config
from apps.language_model.predict import Predictor
from data_pipelines.files.errors import DataError
from tests.apps.texts import flags, write_text
from tests.apps.tools import (
    check_other_data_are_refused,
    run_and_kill,
    run_module,
    weights_of,
)


def test_the_smoke_preset_is_a_training():
    config = cli.parse(Config, PRESETS, ["--preset", "smoke"])
    assert config.epochs == 1


def test_a_text_shorter_than_a_batch_is_one_line(tmp_path):
    write_text(tmp_path / "text")
    config = cli.parse(Config, PRESETS, flags(tmp_path, "--chunk", "9999"))
    with pytest.raises(DataError, match="fewer than one batch of 8 rows of 9"):
        train.train(config)
    assert not list((tmp_path / "runs").rglob("config.json"))


def test_a_run_does_not_go_on_with_another_text(tmp_path, monkeypatch):
    path = write_text(tmp_path / "text") / "train.txt"
    config = cli.parse(Config, PRESETS, flags(tmp_path, "--name", "x"))

    def change():  # which the vocabulary does not show
        first, second, *rest = path.read_text().splitlines()
        path.write_text("\n".join([second, first, *rest]) + "\n")

    check_other_data_are_refused(monkeypatch, train.train, config, change)


def test_a_vocabulary_of_another_run_is_one_line(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    words = (copy / "vocabulary.txt").read_text()
    (copy / "vocabulary.txt").write_text(words + "zebra\n")
    with pytest.raises(cli.UserError, match=r"vocabulary\.txt"):
        runs.open_run("language_model", str(copy))
    # Nor one that was written by a run, for another model.
    (copy / "digests.json").unlink()
    run = runs.open_run("language_model", str(copy))
    with pytest.raises(cli.UserError, match=r"for another vocabulary\.txt"):
        Predictor.of_run(run)


@pytest.mark.slow
def test_a_run_goes_on_with_its_states(trained, tmp_path):
    """Two epochs of four, and then the rest, give the weights of four."""
    write_text(tmp_path / "text")
    whole, parts = (
        cli.parse(Config, PRESETS, flags(tmp_path, "--name", name))
        for name in ("whole", "parts")
    )
    train.train(whole)
    keras.utils.clear_session(free_memory=False)
    stop = train.checkpoint.Checkpoint.on_epoch_end

    def killed(self, epoch, logs=None):
        stop(self, epoch, logs)
        if epoch == 0:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.checkpoint.Checkpoint, "on_epoch_end", killed)
        with pytest.raises(KeyboardInterrupt):
            train.train(parts)
    keras.utils.clear_session(free_memory=False)
    folder = tmp_path / "runs" / "language_model"
    with np.load(folder / "parts" / "backup" / "state.npz") as backup:
        states = [name for name in backup.files if "carried/state" in name]
        assert len(states) == 2
        assert all(np.abs(backup[name]).max() > 0 for name in states)
    train.train(parts)
    for ours, theirs in zip(
        weights_of(folder / "whole"), weights_of(folder / "parts"), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    write_text(tmp_path / "text")
    more = ["--epochs", "5", "--variational", "--zoneout", "0.1"]
    whole = run_module(
        "apps.language_model.train", *flags(tmp_path, *more, "--name", "whole")
    )
    assert whole.returncode == 0, whole.stderr
    folder = tmp_path / "runs" / "language_model" / "killed"
    command = flags(tmp_path, *more, "--name", "killed")
    run_and_kill("apps.language_model.train", command, folder)
    done = [folder.parent / name for name in ("killed", "whole")]
    weights = [weights_of(run) for run in done]
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    records = [json.loads((r / "metrics.json").read_text()) for r in done]
    assert records[0]["metrics"] == records[1]["metrics"]


@pytest.mark.slow
def test_the_demo_is_learned(tmp_path):
    done = run_module(
        "apps.language_model.train",
        *("--runs-path", str(tmp_path), "--cache-path", str(tmp_path / "data")),
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / "language_model" / "demo-lstm" / "metrics.json"
    record = json.loads(path.read_text())
    ours, baselines = record["metrics"]["perplexity"], record["baselines"]
    attainable = baselines.pop("attainable")["perplexity"]
    assert attainable < ours < 1.1 * attainable
    assert all(b["perplexity"] > 1.1 * ours for b in baselines.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ("--mixed-precision", "true"),
        ("--jit-compile", "true"),
        ("--unit", "sentences", "--cell", "gru", "--depth", "2"),
        (
            "--tokens",
            "characters",
            "--variational",
            "--embedding-dropout",
            "0.1",
        ),
        ("--tokens", "subwords", "--tied", "false", "--averaging", "0"),
        ("--cell", "min_gru", "--recurrent-dropout", "0"),
    ],
    ids=" ".join,
)
def test_every_way_of_computing_learns(tmp_path, more):
    write_text(tmp_path / "text")
    arguments = flags(tmp_path, "--epochs", "6", "--name", "x", *more)
    if "--unit" in more:  # sentences have no chunks
        at = arguments.index("--chunk")
        del arguments[at : at + 2]
    done = run_module("apps.language_model.train", *arguments)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "runs" / "language_model" / "x" / "metrics.json"
    record = json.loads(path.read_text())
    ours = record["metrics"]["perplexity"]
    assert ours < 0.7 * record["baselines"]["unigram"]["perplexity"]
