"""Trainings: refused, gone on with, killed; the demo; both models."""

import json
import shutil

import keras
import numpy as np
import pytest

from apps.common import cli, runs
from apps.word_vectors import train
from apps.word_vectors.config import PRESETS, Config
from apps.word_vectors.predict import Predictor
from data_pipelines.files.errors import DataError
from tests.apps.tools import (
    check_other_data_are_refused,
    run_and_kill,
    run_module,
    weights_of,
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
        runs.open_run("word_vectors", str(copy))
    (copy / "digests.json").unlink()
    run = runs.open_run("word_vectors", str(copy))
    with pytest.raises(cli.UserError, match=r"for another vocabulary\.txt"):
        Predictor.of_run(run)


@pytest.mark.slow
def test_a_run_goes_on_where_it_was(trained, tmp_path):
    """Three epochs of eight, and then the rest, give the weights of eight."""
    write_text(tmp_path / "text")
    parts = cli.parse(Config, PRESETS, flags(tmp_path, "--name", "parts"))
    stop = train.checkpoint.Checkpoint.on_epoch_end

    def killed(self, epoch, logs=None):
        stop(self, epoch, logs)
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.checkpoint.Checkpoint, "on_epoch_end", killed)
        with pytest.raises(KeyboardInterrupt):
            train.train(parts)
    keras.utils.clear_session(free_memory=False)
    record = train.train(parts)
    assert record["epochs"] == 8
    folder = tmp_path / "runs" / "word_vectors" / "parts"
    for ours, theirs in zip(
        weights_of(folder), weights_of(trained.run.path), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    write_text(tmp_path / "text")
    more = ["--epochs", "12", "--embedding-size", "300"]
    whole = run_module(
        "apps.word_vectors.train", *flags(tmp_path, *more, "--name", "whole")
    )
    assert whole.returncode == 0, whole.stderr
    folder = tmp_path / "runs" / "word_vectors" / "killed"
    command = flags(tmp_path, *more, "--name", "killed")
    run_and_kill("apps.word_vectors.train", command, folder)
    done = [folder.parent / name for name in ("killed", "whole")]
    weights = [weights_of(run) for run in done]
    for ours, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (done[0] / "vectors.txt").read_bytes() == (
        done[1] / "vectors.txt"
    ).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["skip_gram", "cbow"])
def test_the_demo_is_learned(tmp_path, model):
    done = run_module(
        "apps.word_vectors.train",
        *("--runs-path", str(tmp_path), "--cache-path", str(tmp_path / "data")),
        *("--model", model),
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / "word_vectors" / f"demo-{model}" / "metrics.json"
    record = json.loads(path.read_text())
    metrics, baselines = record["metrics"], record["baselines"]
    assert metrics["analogy_accuracy"] > 0.97
    assert baselines["ppmi_svd"]["analogy_accuracy"] < 0.95
    # Kinds of one family are less alike to CBOW, gensim's as well as ours.
    if model == "skip_gram":
        attainable = baselines["attainable"]["wordsim_spearman"]
        assert metrics["wordsim_spearman"] > 0.97 * attainable
