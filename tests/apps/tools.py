"""What the tests of apps share: ways to run, and small data for sentiment."""

import csv
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np

import rnn_layers  # noqa: F401 (the saved models are made of its layers)

ROOT = Path(__file__).parents[2]
GOOD = ["lovely", "bright", "funny", "warm", "clever"]
BAD = ["dull", "grey", "noisy", "cold", "stupid"]
SMALL = shlex.split(
    "--units 6 --embedding-size 6 --batch-size 16 --ngrams 2"
    " --epochs 6 --learning-rate 0.03 --dropout 0.1"
)


def write_reviews(folder, count=600, seed=0):
    """Reviews whose label is that of their last adjective."""
    words = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "train.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(count):
            first, last = (BAD, GOOD) if number % 2 else (GOOD, BAD)
            text = f"A {words.choice(first)} start, a {words.choice(last)} end"
            text += " of film" * words.randrange(4) + f" {number}."
            writer.writerow([text, "good" if number % 2 else "bad"])
    return folder


def run_module(module, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def flags(folder, *more):
    return [
        *("--dataset", "files", "--data-path", str(folder / "reviews")),
        *("--runs-path", str(folder / "runs")),
        *("--cache-path", str(folder / "data"), *SMALL, *more),
    ]


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


def run_and_kill(module, arguments, folder):
    """Kills a training at several random moments; then lets it finish.

    Args:
        module: Of the training.
        arguments: Of its command line.
        folder: Its run folder.
    """
    random_moment = random.Random(time.time())  # others each time, on purpose
    command = [sys.executable, "-m", module, *arguments]
    kills = 0
    for epochs, most in [(0, 12), (1, 1), (2, 1), (4, 2), (4, 0.3)]:
        if (folder / "metrics.json").exists():
            break
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        seconds = random_moment.uniform(0, most)
        kills += kill_when(process, Moment(folder / "log.csv", epochs, seconds))
    assert kills >= 3
    if not (folder / "metrics.json").exists():
        last = run_module(module, *arguments)
        assert last.returncode == 0, last.stderr
