"""Trainings: refused, gone on with, killed; the demo; every way."""

import numpy as np
import pytest

from apps.common import cli
from apps.language_model import train
from apps.language_model.config import PRESETS, Config
from apps.language_model.predict import Predictor
from data_pipelines.files.errors import DataError
from tests.apps import tools
from tests.apps.texts import flags, write_text
from tests.apps.tools import (
    check_a_killed_run_ends_as_a_whole_one,
    check_another_vocabulary_is_refused,
    check_other_data_are_refused,
    check_same_weights,
    check_steps_of_no_size_leave_the_weights,
    swap_first_lines,
    train_and_stop,
    train_demo,
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
    check_other_data_are_refused(
        monkeypatch, train.train, config, lambda: swap_first_lines(path)
    )


def test_a_vocabulary_of_another_run_is_one_line(trained, tmp_path):
    check_another_vocabulary_is_refused(trained.run, Predictor.of_run, tmp_path)


@pytest.mark.slow
def test_a_run_goes_on_with_its_states(trained, tmp_path):
    """An epoch of three, and then the rest, give the weights of three."""
    write_text(tmp_path / "text")
    parts = cli.parse(Config, PRESETS, flags(tmp_path, "--name", "parts"))
    train_and_stop(train.train, parts, 0)
    folder = tmp_path / "runs" / "language_model"
    with np.load(folder / "parts" / "backup" / "state.npz") as backup:
        states = [name for name in backup.files if "carried/state" in name]
        assert len(states) == 2
        assert all(np.abs(backup[name]).max() > 0 for name in states)
    train.train(parts)
    check_same_weights(trained.run.path, folder / "parts")


@pytest.mark.slow
def test_steps_of_no_size_leave_the_weights_of_the_run(
    trained, tmp_path, capsys
):
    words = flags(trained.folder)
    check_steps_of_no_size_leave_the_weights(
        trained.run.path, words, tmp_path, capsys
    )


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    write_text(tmp_path / "text")
    more = ["--epochs", "5", "--variational", "--zoneout", "0.1"]
    check_a_killed_run_ends_as_a_whole_one(
        "language_model", tmp_path, flags(tmp_path, *more)
    )


@pytest.mark.slow
def test_the_demo_is_learned(tmp_path):
    """In half of the epochs that it has by default."""
    record = train_demo("language_model", tmp_path, "--epochs", "3")
    ours, baselines = record["metrics"]["perplexity"], record["baselines"]
    attainable = baselines.pop("attainable")["perplexity"]
    assert attainable < ours < 1.1 * attainable
    assert all(b["perplexity"] > 1.1 * ours for b in baselines.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        "--mixed-precision --unit sentences --cell gru --depth 2",
        "--jit-compile true --cell min_gru --recurrent-dropout 0",
        "--tokens characters --variational --embedding-dropout 0.1",
        "--tokens subwords --tied false --averaging 0",
    ],
)
def test_every_way_of_computing_learns(tmp_path, more):
    write_text(tmp_path / "text")
    words = flags(tmp_path, "--epochs", "2", "--name", "x", *more.split())
    if "--unit" in words:  # sentences have no chunks
        at = words.index("--chunk")
        del words[at : at + 2]
    # Half precision is exported, too; the others are as they usually are.
    exported = "--mixed-precision" in words
    record = tools.train("language_model", *words, exported=exported)
    ours = record["metrics"]["perplexity"]
    assert ours < 0.7 * record["baselines"]["unigram"]["perplexity"]
