"""Trainings: refused, gone on with, killed; the demo; both models."""

import pytest

from apps.common import cli
from apps.word_vectors import train
from apps.word_vectors.config import PRESETS, Config
from apps.word_vectors.predict import Predictor
from data_pipelines.files.errors import DataError
from tests.apps.tools import (
    check_a_killed_run_ends_as_a_whole_one,
    check_another_vocabulary_is_refused,
    check_other_data_are_refused,
    check_same_weights,
    swap_first_lines,
    train_and_stop,
    train_demo,
)
from tests.apps.vector_texts import flags, write_text


def test_the_smoke_preset_is_a_training():
    config = cli.parse(Config, PRESETS, ["--preset", "smoke"])
    assert config.epochs == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one one one\n", "has 1 word; expected two or more"),
        (" \n\n", "has no word"),
        ("", "the file is empty"),
    ],
)
def test_a_text_of_hardly_a_word_is_one_line(tmp_path, text, message):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "train.txt").write_text(text)
    config = cli.parse(Config, PRESETS, flags(tmp_path))
    with pytest.raises(DataError, match=message):
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
def test_a_run_goes_on_where_it_was(trained, tmp_path):
    """Three epochs of eight, and then the rest, give the weights of eight."""
    write_text(tmp_path / "text")
    parts = cli.parse(Config, PRESETS, flags(tmp_path, "--name", "parts"))
    train_and_stop(train.train, parts, 2)
    record = train.train(parts)
    assert record["epochs"] == 8
    folder = tmp_path / "runs" / "word_vectors" / "parts"
    check_same_weights(folder, trained.run.path)


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    write_text(tmp_path / "text")
    command = flags(tmp_path, "--epochs", "12", "--embedding-size", "300")
    check_a_killed_run_ends_as_a_whole_one(
        "word_vectors", tmp_path, command, ["vectors.txt"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("model", ["skip_gram", "cbow"])
def test_the_demo_is_learned(tmp_path, model):
    record = train_demo("word_vectors", tmp_path, "--model", model)
    metrics, baselines = record["metrics"], record["baselines"]
    assert metrics["analogy_accuracy"] > 0.97
    assert baselines["ppmi_svd"]["analogy_accuracy"] < 0.95
    # Kinds of one family are less alike to CBOW, gensim's as well as ours.
    if model == "skip_gram":
        attainable = baselines["attainable"]["wordsim_spearman"]
        assert metrics["wordsim_spearman"] > 0.97 * attainable
