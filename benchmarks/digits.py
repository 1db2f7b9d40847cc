"""Handwritten digits read pixel by pixel, by every cell.

    python -m benchmarks.digits --cells lstm gru --seeds 0 1 2

The task is that of Le et al., 2015, "A simple way to initialize recurrent
networks of rectified linear units", on the 1,797 digits of 8 x 8 pixels that
come with scikit-learn: a sequence of 64 steps of one number in [0, 1], row by
row, and one of ten classes after the last. Permuted means that the pixels come
in another order, drawn once and the same for all digits, so that what belongs
together stands far apart.

1,408 digits train and 389 test, as many of each class in both as there are.
Every cell gets the same number of epochs of Adam, at a rate that falls to zero
as a half cosine; one layer, of as many units as fit into the same number of
parameters. Nothing is chosen by the test digits, which are read once, at the
end. Right is the share of them whose class has the highest output.

Letters of shapes: B batch, T time.
"""

import argparse
import statistics
import time

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import rnn_layers
from apps.common import cli, tables
from benchmarks import run_log
from benchmarks.adding_and_copy import units_for

CLASSES = 10
TRAIN = 1408  # a whole number of batches of 64
SPLIT_SEED = 0
ORDER_SEED = 1
ORDERS = {"row by row": False, "permuted": True}


def digits(permuted):
    """Return sequences `(B, 64, 1)` and classes `(B,)`, train and test.

    Args:
        permuted: Whether the pixels come in another order.

    Returns:
        A tuple: training sequences, test sequences, and the classes of both.
    """
    x, y = load_digits(return_X_y=True)
    x = x.astype("float32") / 16
    if permuted:
        x = x[:, np.random.default_rng(ORDER_SEED).permutation(x.shape[1])]
    return train_test_split(
        x[..., None],
        y,
        train_size=TRAIN,
        stratify=y,
        random_state=SPLIT_SEED,
    )


def baselines():
    """Return the share that is right without any sequence.

    The most frequent class of the training digits, and a logistic regression on
    all pixels at once, which does not know their order either.
    """
    train, test, train_classes, classes = digits(permuted=False)
    most = np.bincount(train_classes).argmax()
    regression = LogisticRegression(max_iter=1000)
    regression.fit(train[..., 0], train_classes)
    return {
        "most frequent class": float(np.mean(classes == most)),
        "logistic regression": regression.score(test[..., 0], classes),
    }


def model_for(settings):
    """Return a compiled model of one recurrent layer, and its units."""
    keras.utils.set_random_seed(settings["seed"])
    units, count = units_for(
        settings["cell"], 1, settings["parameters"], settings["most_units"]
    )
    model = keras.Sequential(
        [
            keras.Input((64, 1)),
            rnn_layers.rnn(settings["cell"], units),
            keras.layers.Dense(CLASSES),
        ]
    )
    steps = settings["epochs"] * TRAIN // settings["batch_size"]
    rate = keras.optimizers.schedules.CosineDecay(settings["rate"], steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss)
    return model, {"units": units, "parameters": count}


def measured(settings):
    """Trains and tests one cell; returns what came out."""
    train, test, train_classes, classes = digits(settings["permuted"])
    model, result = model_for(settings)
    start = time.perf_counter()
    history = model.fit(
        train,
        train_classes,
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
        verbose=0,
    ).history
    result["seconds"] = round(time.perf_counter() - start, 1)
    outputs = model.predict(test, batch_size=len(test), verbose=0)
    return {
        **result,
        "training_loss": history["loss"][-1],
        "right": float(np.mean(outputs.argmax(axis=1) == classes)),
    }


def wanted(options):
    """Yield the settings of every run, all cells before the next seed."""
    same = ("epochs", "batch_size", "rate", "parameters", "most_units")
    for seed in options.seeds:
        for cell in options.cells:
            for order in options.orders:
                yield {
                    "cell": cell,
                    "permuted": ORDERS[order],
                    **{name: getattr(options, name) for name in same},
                    "seed": seed,
                }


def line(row):
    """Return what is printed of one run."""
    s = row["settings"]
    order = "permuted" if s["permuted"] else "row by row"
    return (
        f"{s['cell']} {order}, seed {s['seed']}: right "
        f"{100 * row['right']:.1f} %, training loss "
        f"{row['training_loss']:.3f}, {row['units']} units, "
        f"{row['seconds']:.0f} s"
    )


def table(rows):
    """Return means over seeds as a table, one line a cell."""
    orders = [
        order
        for order, permuted in ORDERS.items()
        if any(r["settings"]["permuted"] == permuted for r in rows)
    ]
    lines = [["cell", "units", *orders]]
    for name, right in baselines().items():
        lines.append([name, "", *[f"{100 * right:.1f} %"] * len(orders)])
    for cell in dict.fromkeys(r["settings"]["cell"] for r in rows):
        own = [r for r in rows if r["settings"]["cell"] == cell]
        cells = [cell, str(own[0]["units"])]
        for order in orders:
            permuted = ORDERS[order]
            cells.append(
                spread(r for r in own if r["settings"]["permuted"] == permuted)
            )
        lines.append(cells)
    return tables.markdown(lines[0], lines[1:])


def spread(rows):
    """Return the mean over seeds, and with several the standard deviation."""
    right = [100 * row["right"] for row in rows]
    if len(right) < 2:
        return "".join(f"{value:.1f} %" for value in right)
    mean, deviation = statistics.mean(right), statistics.stdev(right)
    return f"{mean:.1f} ± {deviation:.1f} %"


def parse(arguments=None):
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = rnn_layers.names()
    parser.add_argument("--cells", nargs="+", default=names, choices=names)
    parser.add_argument(
        "--orders", nargs="+", default=list(ORDERS), choices=ORDERS
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--parameters", type=int, default=10000)
    parser.add_argument("--most-units", type=int, default=128)
    parser.add_argument("--json", default="runs/bench/digits.json")
    return parser.parse_args(arguments)


def main(options):
    """Run what is not in the JSON file yet; prints and writes all."""
    rows = run_log.runs(options.json, wanted(options), measured, line)
    print(f"\n{table(rows)}\n\n{options.json}")


if __name__ == "__main__":
    cli.main(lambda: main(parse()))
