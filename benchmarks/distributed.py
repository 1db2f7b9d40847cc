"""Two processes on two cores beside one on one core, and what that lets expect.

    python -m benchmarks.distributed --apps sentiment --repeats 3

Each app trains on its demo, as `--distribute` does, but without validation and
without a test:

    one    one process on one core
    two    two processes on two cores, which share the same batches
    half   one process on one core, on half of each batch: a step of `two`
           without its communication

The table has the milliseconds of a step. The ways take turns, since other work
on a machine comes and goes, and the median of the epochs of all turns counts;
the first of each is left out, for XLA compiles in it. The second table is
computed, not measured: N machines, each with the batch of `one`, add up all
gradients by a ring, which moves 2 (N - 1) / N times their bytes over the
network of each machine in each step; latency and overlap are left out.
"""

import argparse
import importlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import typing

# Flags of each app, the last of which says how large a batch is, and sizes.  A
# share of the training batches is the same ones in each epoch: no width comes
# late.
APPS = {
    "sentiment": ("--max-length 60 --batch-size", (64, 128, 256)),
    "translation": ("--train-share 0.3 --batch-tokens", (4096,)),
}
MACHINES = 2, 4, 8, 16
GIGABITS = 1, 10, 100


class Way(typing.NamedTuple):
    """One of the three ways to train."""

    processes: int
    share: int  # of the batch: 1, or 2 for half of it


WAYS = {"one": Way(1, 1), "two": Way(2, 1), "half": Way(1, 2)}


def train(app: str, *words: str) -> dict:
    """Train by processes that this one starts; return what it took.

    Returns:
        `seconds` of a step, one number for each epoch, and the `bytes` of all
        gradients.
    """
    # Only in a process of its own: TensorFlow takes seconds.
    import keras

    from apps.common import cli, distributed, launcher

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.begun = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            epoch = time.perf_counter() - self.begun
            seconds.append(epoch / self.params["steps"])

    class Trainer(launcher.Launcher):
        def train(self, training):
            bare = training._replace(callbacks=[Clock()], validation=None)
            super().train(bare)
            sizes = (math.prod(w.shape) for w in bare.model.trainable_weights)
            measured["bytes"] = 4 * sum(sizes)
            raise distributed.Stopped

    measured = {"seconds": (seconds := [])}
    sys.argv[1:] = words  # which the workers get
    module = importlib.import_module(f"apps.{app}.train")
    config = importlib.import_module(f"apps.{app}.config")
    config = cli.parse(config.Config, config.PRESETS, words)
    with distributed.training_by(Trainer(app, config)):
        module.train(config)
    return measured


def measure(app, batch, way, cores, options, folder):
    """Do what `train` does in a process of its own, on some cores."""
    flags, _ = APPS[app]
    words = [
        *(app, "--dataset", "demo", *flags.split(), str(batch // way.share)),
        *("--distribute", str(way.processes)),
        *("--epochs", str(options.epochs), "--cache-path", options.cache_path),
        *("--runs-path", folder),
    ]
    script = "from benchmarks.distributed import *; import sys, json;"
    script += "print(json.dumps(train(*sys.argv[1:])))"
    done = subprocess.run(
        [
            *("taskset", "-c", ",".join(map(str, cores[: way.processes]))),
            *(sys.executable, "-c", script, *words),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def compare(app, batch, cores, options) -> tuple[dict[str, list[float]], int]:
    """Let the ways take turns.

    Returns:
        The seconds of a step by way, one number for each epoch that counts, and
        the bytes of all gradients.
    """
    seconds = {name: [] for name in WAYS}
    for _ in range(options.repeats):
        for name, way in WAYS.items():
            with tempfile.TemporaryDirectory() as folder:
                measured = measure(app, batch, way, cores, options, folder)
            seconds[name] += measured["seconds"][1:]
            steps = ", ".join(f"{1e3 * s:.1f}" for s in measured["seconds"])
            print(f"{app} {batch} {name}: {steps} ms a step", file=sys.stderr)
    return seconds, measured["bytes"]


def row(app: str, batch: int, seconds: dict[str, list[float]]) -> str:
    """Return the row of the measured table for an app and a batch."""
    one, two, half = (statistics.median(seconds[name]) for name in WAYS)
    return (
        f"| {app}, {batch} | {1e3 * one:.0f} ms | {1e3 * two:.0f} ms |"
        f" {one / two:.2f} x | {1e3 * half:.0f} ms |"
        f" {max(1 - half / two, 0):.0%} |"
    )


def expected(size: int, seconds: float) -> list[str]:
    """Return the rows of the computed table for an app.

    Args:
        size: Bytes of all gradients.
        seconds: Of a step of `one`.
    """
    rows = []
    for machines in MACHINES:
        cells = []
        for gigabits in GIGABITS:
            moved = 2 * (machines - 1) / machines * size
            reduce = moved * 8 / (gigabits * 1e9)
            speedup = machines * seconds / (seconds + reduce)
            cells.append(f"{1e3 * reduce:.1f} ms, {speedup:.1f} x")
        rows.append(f"| {machines} | " + " | ".join(cells) + " |")
    return rows


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--apps", nargs="+", default=list(APPS), choices=APPS)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cache-path", default="data/cache")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    computed = []
    print("| app, batch | one | two | ratio | half | communication |")
    print("|---|---|---|---|---|---|")
    chosen = [(app, size) for app in options.apps for size in APPS[app][1]]
    for app, batch in chosen:
        seconds, size = compare(app, batch, cores, options)
        print(row(app, batch, seconds), flush=True)
        computed += [
            "",
            f"{app}, {batch}: {size / 1e6:.1f} MB of gradients a step:",
            "",
            "| machines | "
            + " | ".join(f"{g} Gbit/s" for g in GIGABITS)
            + " |",
            "|---|" + "---|" * len(GIGABITS),
            *expected(size, statistics.median(seconds["one"])),
        ]
    print(*computed, sep="\n")


if __name__ == "__main__":
    main()
