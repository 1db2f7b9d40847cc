"""Whole trainings of the sentiment app: killed, on the demo, in every way."""

import json
import random
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import rnn_layers  # noqa: F401 (the saved models are made of its layers)
from tests.apps.tools import ROOT, flags, run_module, write_reviews


def weights_of(folder):
    classifier = keras.models.load_model(folder / "model.keras")
    return [np.array(w) for w in classifier.get_weights()]


def kill_when(process, ready):
    """Kills a process once `ready()`; says whether it was still alive."""
    while process.poll() is None and not ready():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


class Moment:
    """Is true some seconds after a log has so many epochs."""

    def __init__(self, log, epochs, seconds):
        self.log, self.epochs, self.seconds = log, epochs, seconds
        self.since = None

    def __call__(self):
        if self.since is None:
            done = 0
            if self.log.exists():
                done = self.log.read_text().count("\n") - 1
            if done < self.epochs:
                return False
            self.since = time.time()
        return time.time() > self.since + self.seconds


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    write_reviews(tmp_path / "reviews", 2000)
    more = ["--epochs", "4", "--learning-rate", "0.001"]
    whole = run_module(
        "apps.sentiment.train", *flags(tmp_path, *more, "--name", "whole")
    )
    assert whole.returncode == 0, whole.stderr
    folder = tmp_path / "runs" / "sentiment" / "killed"
    command = [sys.executable, "-m", "apps.sentiment.train"]
    command += flags(tmp_path, *more, "--name", "killed")
    random_moment = random.Random(time.time())  # others each time, on purpose

    kills = 0
    for epochs, most in [(0, 12), (1, 1), (2, 1), (4, 2), (4, 0.3)]:
        if (folder / "metrics.json").exists():
            break
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        seconds = random_moment.uniform(0, most)
        kills += kill_when(process, Moment(folder / "log.csv", epochs, seconds))
    assert kills >= 3
    if not (folder / "metrics.json").exists():
        last = run_module(*command[2:])
        assert last.returncode == 0, last.stderr
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
    path = tmp_path / "runs" / "sentiment" / "x" / "metrics.json"
    assert json.loads(path.read_text())["metrics"]["accuracy"] > 0.9
