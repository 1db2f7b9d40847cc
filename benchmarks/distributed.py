"""Two processes on two cores beside one on one core, and what that lets expect.

    python -m benchmarks.distributed --apps sentiment --epochs 4

Each app trains on its demo, three times, as `--distribute` does:

    one    one process on one core
    two    two processes on two cores, which share the same batches
    half   one process on one core, on half of each batch: a step of `two`
           without its communication

A speed is the median of the epochs after the first, in which XLA compiles: a
pass has batches of every width. The second table is computed, not measured: N
machines, each with the batch of `one`, add up all gradients by a ring, which
moves 2 (N - 1) / N times their bytes over the network of each machine in each
step; latency and overlap are left out.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tensorboard.backend.event_processing import event_accumulator
from tensorboard.util import tensor_util

# Flags of each app, and the flag that says how large a batch is.
APPS = {
    "sentiment": ("--dataset demo --max-length 60", "--batch-size", 64),
    "translation": ("--dataset demo --beam 1", "--batch-tokens", 4096),
}
MACHINES = 2, 4, 8, 16
GIGABITS = 1, 10, 100


def train(app, batch, processes, cores, options, folder):
    """Train; return seconds of a step, and the size of the gradients."""
    flags, flag, _ = APPS[app]
    name = f"{processes}-{batch}"
    done = subprocess.run(
        [
            *("taskset", "-c", ",".join(map(str, cores))),
            *(sys.executable, "-m", f"apps.{app}.train", *flags.split()),
            *(flag, str(batch), "--distribute", str(processes)),
            *("--epochs", str(options.epochs), "--patience", "100"),
            *("--cache-path", options.cache_path, "--name", name),
            *("--runs-path", folder),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    # Keras says how many steps an epoch has, TensorBoard how fast it was.
    steps = int(re.search(r"^(\d+)/\1 - ", done.stdout, re.MULTILINE)[1])
    run = Path(folder, app, name)
    metrics = json.loads((run / "metrics.json").read_text())
    examples = metrics["examples"]["train"] / steps
    size = 4 * metrics["trainable_parameters"]
    seconds = examples / statistics.median(speeds(run)[1:])
    print(f"{app} {name}: {1e3 * seconds:.1f} ms a step", file=sys.stderr)
    return seconds, size


def speeds(run: Path) -> list[float]:
    """Return the examples per second of each epoch of a run."""
    events = event_accumulator.EventAccumulator(str(run / "train"))
    events.Reload()
    return [
        float(tensor_util.make_ndarray(event.tensor_proto))
        for event in events.Tensors("examples_per_second")
    ]


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
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--cache-path", default="data/cache")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    computed = []
    print("| app | step of one | of two | ratio | communication |")
    print("|---|---|---|---|---|")
    for app in options.apps:
        batch = APPS[app][2]
        with tempfile.TemporaryDirectory() as folder:
            one, size = train(app, batch, 1, cores[:1], options, folder)
            two, _ = train(app, batch, 2, cores, options, folder)
            half, _ = train(app, batch // 2, 1, cores[:1], options, folder)
        print(
            f"| {app} | {1e3 * one:.0f} ms | {1e3 * two:.0f} ms |"
            f" {one / two:.2f} x | {max(1 - half / two, 0):.0%} |",
            flush=True,
        )
        computed += [
            "",
            f"{app}: {size / 1e6:.1f} MB of gradients a step:",
            "",
            "| machines | "
            + " | ".join(f"{g} Gbit/s" for g in GIGABITS)
            + " |",
            "|---|" + "---|" * len(GIGABITS),
            *expected(size, one),
        ]
    print(*computed, sep="\n")


if __name__ == "__main__":
    main()
