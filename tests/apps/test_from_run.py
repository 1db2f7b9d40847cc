"""Going on from a run on several devices, and through a kill."""

import csv
import shutil

import keras
import pytest

from apps.common import checkpoint, runs
from tests.apps.reviews import flags, write_reviews
from tests.apps.tools import (
    check_near_weights,
    check_same_weights,
    train,
    train_elsewhere,
)

pytestmark = pytest.mark.slow


def test_devices_begin_with_the_weights_of_the_run(tmp_path):
    write_reviews(tmp_path / "reviews")
    words = flags(tmp_path, "--epochs", "1")
    train("sentiment", *words, "--name", "a", exported=False)
    words += ["--from-run", "a", "--name", "b", "--learning-rate", "0"]
    # Logical devices are chosen before TensorFlow begins.
    done = train_elsewhere("sentiment", *words, "--devices", "cpu:2")
    assert done.returncode == 0, done.stderr
    assert "engine   TensorFlow, 1 process, 2 cpu dev" in done.stdout
    folder = tmp_path / "runs" / "sentiment"
    check_near_weights(folder / "a", folder / "b")


def test_what_is_killed_goes_on_without_the_run(tmp_path, monkeypatch):
    write_reviews(tmp_path / "reviews")
    words = flags(tmp_path, "--name", "a", "--epochs", "1")
    train("sentiment", *words, exported=False)
    # Other reviews, with words and a label that are new.
    path = tmp_path / "reviews" / "train.csv"
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        for number, row in enumerate(rows):
            label = "odd" if number % 3 == 0 else row["label"]
            table.writerow([f"{row['text']} {label} zebra", label])
    words = [
        *("--dataset", "files", "--data-path", str(tmp_path / "reviews")),
        *("--runs-path", str(tmp_path / "runs")),
        *("--cache-path", str(tmp_path / "data"), "--batch-size", "16"),
        *("--from-run", "a", "--epochs", "3"),
    ]
    train("sentiment", *words, "--name", "whole", exported=False)

    write = checkpoint.Checkpoint._write_backup

    def killed(own):
        write(own)
        if own.progress.epoch == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "runs" / "sentiment"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "_write_backup", killed)
        with pytest.raises(KeyboardInterrupt):
            train("sentiment", *words, "--name", "killed", exported=False)
    keras.utils.clear_session(free_memory=False)  # as in a new process
    shutil.rmtree(folder / "a")
    train("sentiment", *words, "--name", "killed", exported=False)
    assert runs.read_lines(folder / "killed" / "from_labels.txt") == [
        "bad",
        "good",
    ]
    check_same_weights(folder / "whole", folder / "killed")
