"""Going on from a run, in every app, and through a kill."""

import csv
import shutil

import keras
import numpy as np
import pytest

from apps.common import checkpoint, runs
from tests.apps.reviews import flags, write_reviews
from tests.apps.tools import run_module, train
from tests.test_architecture import RECURRENT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("app", RECURRENT)
def test_steps_of_no_size_leave_the_weights_of_the_run(app, tmp_path, capsys):
    words = ["--preset", "smoke", "--runs-path", str(tmp_path / "runs")]
    words += ["--cache-path", str(tmp_path / "data")]
    train(app, *words, "--name", "a")
    capsys.readouterr()
    train(app, *words, "--from-run", "a", "--name", "b", "--learning-rate", "0")
    printed = capsys.readouterr().out.splitlines()
    kinds = {line[:9] for line in printed}
    assert {"from     ", "layers   "} <= kinds
    assert not {"new      ", "left out "} & kinds
    check_same_weights(*(tmp_path / "runs" / app / name for name in "ab"))


def check_same_weights(*folders):
    models = (runs.load_model(folder / "model.keras") for folder in folders)
    weights = (model.trainable_weights for model in models)
    for one, two in zip(*weights, strict=True):
        # Averages begin at zero, and are a little less than what they are of.
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_devices_begin_with_the_weights_of_the_run(tmp_path):
    write_reviews(tmp_path / "reviews")
    words = flags(tmp_path, "--epochs", "1")
    train("sentiment", *words, "--name", "a")
    words += ["--from-run", "a", "--name", "b", "--learning-rate", "0"]
    # Logical devices are chosen before TensorFlow begins.
    done = run_module("apps.sentiment.train", *words, "--devices", "cpu:2")
    assert done.returncode == 0, done.stderr
    assert "engine   TensorFlow, 1 process, 2 cpu dev" in done.stdout
    folder = tmp_path / "runs" / "sentiment"
    check_same_weights(folder / "a", folder / "b")


def test_what_is_killed_goes_on_without_the_run(tmp_path, monkeypatch):
    write_reviews(tmp_path / "reviews")
    train("sentiment", *flags(tmp_path, "--name", "a", "--epochs", "1"))
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
    train("sentiment", *words, "--name", "whole")

    write = checkpoint.Checkpoint._write_backup

    def killed(own):
        write(own)
        if own.progress.epoch == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "runs" / "sentiment"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "_write_backup", killed)
        with pytest.raises(KeyboardInterrupt):
            train("sentiment", *words, "--name", "killed")
    keras.utils.clear_session(free_memory=False)  # as in a new process
    shutil.rmtree(folder / "a")
    train("sentiment", *words, "--name", "killed")
    assert runs.read_lines(folder / "killed" / "from_labels.txt") == [
        "bad",
        "good",
    ]
    check_same_weights(folder / "whole", folder / "killed")
