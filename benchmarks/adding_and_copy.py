"""What every cell remembers: the adding problem and the copy task.

    python -m benchmarks.adding_and_copy --cells lstm gru --adding 100 200

The adding problem is that of Hochreiter and Schmidhuber, 1997, "Long short-term
memory", in the form of Le et al., 2015, "A simple way to initialize recurrent
networks of rectified linear units": at each of T steps a value in [0, 1] and a
marker, which is 1 at one step of the first half and one of the second, and 0
elsewhere. The target after the last step is the sum of the two marked values,
and right is what misses it by less than 0.04. Always 1 has a mean squared error
of 1/6.

The copy task is that of Arjovsky et al., 2016, "Unitary evolution recurrent
neural networks", after the same paper of 1997: k symbols out of eight, T - 1
blanks, a signal, k blanks. The target is a blank at every step before the
signal's, and at the last k steps the symbols in their order. Without a memory
the mean cross entropy is k * log(8) / (T + 2 * k).

Every cell gets the same number of steps of Adam, on sequences that are never
shown twice, at a rate that falls to zero as a half cosine; one layer, of as
many units as fit into the same number of parameters. Tested is the last state
of the weights, on sequences of another seed.

Letters of shapes: B batch, T time, F features, K symbols to remember.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

import rnn_layers
from apps.common import cli, tables
from benchmarks import run_log

NEAR = 0.04  # what counts as right in the adding problem
ALPHABET = 8
BLANK, SIGNAL = ALPHABET, ALPHABET + 1
TEST_SEED = 1  # the generator of the test set; that of training is [2, seed]


def adding(random, count, lag, symbols=None):
    """Draws sequences `(B, T, 2)` of values and markers, and targets `(B, 1)`.

    Args:
        random: `numpy.random.Generator`.
        count: Number of sequences B.
        lag: Number of steps T.
        symbols: Not used.
    """
    values = random.uniform(0, 1, (count, lag))
    markers = np.zeros((count, lag))
    rows = np.arange(count)
    first = random.integers(0, lag // 2, count)
    second = random.integers(lag // 2, lag, count)
    markers[rows, first] = markers[rows, second] = 1
    target = values[rows, first] + values[rows, second]
    x = np.stack([values, markers], axis=-1)
    return x.astype("float32"), target[:, None].astype("float32")


def copy(random, count, lag, symbols):
    """Draws one-hot sequences `(B, T + 2K, 10)`, and targets `(B, T + 2K)`.

    Args:
        random: `numpy.random.Generator`.
        count: Number of sequences B.
        lag: Number of steps T.
        symbols: Number of symbols K.
    """
    drawn = random.integers(0, ALPHABET, (count, symbols))
    x = np.full((count, lag + 2 * symbols), BLANK)
    x[:, :symbols] = drawn
    x[:, symbols + lag - 1] = SIGNAL
    y = np.full_like(x, BLANK)
    y[:, -symbols:] = drawn
    return np.eye(ALPHABET + 2, dtype="float32")[x], y.astype("int32")


def adding_scores(y, outputs, symbols=None):
    """Return the mean squared error and the share of answers near enough."""
    error = np.abs(outputs - y)
    return {
        "error": float(np.mean(error**2)),
        "right": float(np.mean(error < NEAR)),
    }


def copy_scores(y, outputs, symbols):
    """Return the mean cross entropy and the share of symbols recalled."""
    logits = outputs - outputs.max(axis=-1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    losses = -np.take_along_axis(logs, y[..., None], axis=-1)
    answers = outputs.argmax(axis=-1)[:, -symbols:]
    return {
        "error": float(np.mean(losses)),
        "right": float(np.mean(answers == y[:, -symbols:])),
    }


def adding_baseline(lag, symbols=None):
    """Return the scores of always answering 1.

    The target has a triangular density on [0, 2], of 1 in its middle.
    """
    return {"error": 1 / 6, "right": 1 - (1 - NEAR) ** 2}


def copy_baseline(lag, symbols):
    """Return the scores of a model that remembers nothing."""
    error = symbols * math.log(ALPHABET) / (lag + 2 * symbols)
    return {"error": error, "right": 1 / ALPHABET}


class Task(NamedTuple):
    """What is drawn, asked and scored."""

    draw: Callable
    scores: Callable
    baseline: Callable
    outputs: int
    every_step: bool
    loss: object


TASKS = {
    "adding": Task(adding, adding_scores, adding_baseline, 1, False, "mse"),
    "copy": Task(
        copy,
        copy_scores,
        copy_baseline,
        ALPHABET + 2,
        True,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ),
}


def units_for(cell, features, parameters, most):
    """Return the most units with which a layer has that many parameters."""

    def count(units):
        layer = rnn_layers.rnn(cell, units)
        layer.build((None, None, features))
        return layer.count_params()

    low, high = 1, most
    while low < high:
        middle = (low + high + 1) // 2
        if count(middle) <= parameters:
            low = middle
        else:
            high = middle - 1
    return low, count(low)


def model_for(settings, shape):
    """Return a compiled model of one recurrent layer, and its units."""
    task = TASKS[settings["task"]]
    keras.utils.set_random_seed(settings["seed"])
    units, count = units_for(
        settings["cell"],
        shape[-1],
        settings["parameters"],
        settings["most_units"],
    )
    model = keras.Sequential(
        [
            keras.Input(batch_shape=shape),
            rnn_layers.rnn(
                settings["cell"], units, return_sequences=task.every_step
            ),
            keras.layers.Dense(task.outputs),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(
        settings["rate"], settings["steps"]
    )
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), task.loss)
    return model, {"units": units, "parameters": count}


def measured(settings):
    """Trains and tests one cell on one task; returns what came out."""
    task = TASKS[settings["task"]]
    sizes = settings["lag"], settings["symbols"]
    batch, steps = settings["batch_size"], settings["steps"]
    test = np.random.default_rng(TEST_SEED)
    x, y = task.draw(test, settings["test"], *sizes)
    model, result = model_for(settings, (batch, *x.shape[1:]))
    random = np.random.default_rng([2, settings["seed"]])

    def batches():
        while True:
            yield task.draw(random, batch, *sizes)

    start = time.perf_counter()
    model.fit(batches(), steps_per_epoch=steps, shuffle=False, verbose=0)
    result["seconds"] = round(time.perf_counter() - start, 1)
    outputs = model.predict(x, batch_size=batch, verbose=0)
    return {**result, **task.scores(y, outputs, settings["symbols"])}


def wanted(options):
    """Yield the settings of every run that the command line asks for."""
    same = ("steps", "batch_size", "rate", "parameters", "most_units")
    for task in TASKS:
        for lag in getattr(options, task):
            for cell in options.cells:
                yield {
                    "task": task,
                    "lag": lag,
                    "cell": cell,
                    "symbols": options.symbols if task == "copy" else None,
                    **{name: getattr(options, name) for name in same},
                    "test": options.test,
                    "seed": options.seed,
                }


def line(row):
    """Return what is printed of one run."""
    s = row["settings"]
    return (
        f"{s['task']} {s['lag']} {s['cell']}: error {row['error']:.4f}, "
        f"right {100 * row['right']:.1f} %, {row['units']} units, "
        f"{row['seconds']:.0f} s"
    )


def of(task, lag, rows, cell=None):
    """Return the rows of a task, of all cells or of one."""
    cells = {cell} if cell else {r["settings"]["cell"] for r in rows}
    return [
        r
        for r in rows
        if (r["settings"]["task"], r["settings"]["lag"]) == (task, lag)
        and r["settings"]["cell"] in cells
    ]


def table(rows):
    """Return the rows as a table, one line a cell, baselines first."""
    places = ((r["settings"]["task"], r["settings"]["lag"]) for r in rows)
    tasks = list(dict.fromkeys(places))
    head, baseline = ["cell"], ["no memory"]
    for task, lag in tasks:
        kind = "squared error" if task == "adding" else "cross entropy"
        head += [f"units, {task}", f"{kind}, T = {lag}", "right"]
        symbols = of(task, lag, rows)[0]["settings"]["symbols"]
        baseline += ["", *shown(TASKS[task].baseline(lag, symbols))]
    lines = [head, baseline]
    for cell in dict.fromkeys(r["settings"]["cell"] for r in rows):
        cells = [cell]
        for task, lag in tasks:
            finished = of(task, lag, rows, cell)
            cells += ["", "", ""]
            if finished:
                cells[-3:] = [str(finished[0]["units"]), *shown(finished[0])]
        lines.append(cells)
    return tables.markdown(lines[0], lines[1:])


def shown(scores):
    """Return an error and a share as the table has them."""
    return [f"{scores['error']:.4f}", f"{100 * scores['right']:.1f} %"]


def parse(arguments=None):
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = rnn_layers.names()
    parser.add_argument("--cells", nargs="+", default=names, choices=names)
    for task, lag in (("adding", 100), ("copy", 20)):
        parser.add_argument(
            f"--{task}",
            nargs="*",
            type=int,
            default=[lag],
            metavar="T",
            help="lags; none to leave the task out",
        )
    parser.add_argument(
        "--symbols", type=int, default=5, help="how many the copy task has"
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--parameters", type=int, default=10000)
    parser.add_argument("--most-units", type=int, default=128)
    parser.add_argument("--test", type=int, default=1024, help="sequences")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", default="runs/bench/adding_and_copy.json")
    return parser.parse_args(arguments)


def main(options):
    """Run what is not in the JSON file yet; prints and writes all."""
    rows = run_log.runs(options.json, wanted(options), measured, line)
    print(f"\n{table(rows)}\n\n{options.json}")


if __name__ == "__main__":
    cli.main(lambda: main(parse()))
