"""Polyphonic music, one frame from all before it, by every cell.

    python -m benchmarks.chorales --cells lstm gru
    python -m benchmarks.chorales --data "JSB Chorales.json"

`benchmarks/bach.py` writes such a file.

The task is that of Boulanger-Lewandowski, Bengio and Vincent, 2012, "Modeling
temporal dependencies in high-dimensional sequences": which of 88 notes sound in
each frame of a piece, the first one too. The notes of a frame are taken as
independent, and reported is the negative log-likelihood per frame: the sum over
the notes, in nats, and the mean over all frames of all pieces. Padding counts
nowhere.

Without `--data` the pieces are generated (`benchmarks/polyphony.py`): chords
over which a soprano is free, in phrases, so that a model has to know which
chord sounds, for how long it has, and how far the phrase is. Printed beside the
cells are the notes' frequencies alone, and the best that any model of
independent notes can do, which is known for generated music.

Every cell gets the same number of epochs of Adam, at a rate that falls to zero
as a half cosine; one layer, of as many units as fit into the same number of
parameters. The weights of the epoch with the best likelihood of the validation
pieces are those that are tested, once.

Letters of shapes: B batch, T frames, N notes (88).
"""

import argparse
import time

import keras
import numpy as np
from keras import ops

import rnn_layers
from apps.common import cli, tables
from benchmarks import polyphony, run_log
from benchmarks.adding_and_copy import units_for

SIZES = (128, 64, 256)  # pieces for training, validation and test
PADDING = -1


def load(data):
    """Return the pieces of a file, or generated ones."""
    return polyphony.read(data) if data else polyphony.generate(SIZES)


def padded(pieces):
    """Return inputs and targets `(B, T, N)` of pieces `(T, N)`.

    The inputs are the frames before, at first silence. Targets end with
    `PADDING` where a piece is shorter than the longest.
    """
    shape = len(pieces), max(map(len, pieces)), polyphony.NOTES
    inputs = np.zeros(shape, "float32")
    targets = np.full(shape, PADDING, "float32")
    for row, piece in enumerate(pieces):
        inputs[row, 1 : len(piece)] = piece[:-1]
        targets[row, : len(piece)] = piece
    return inputs, targets


def frame_loss(targets, logits):
    """Return the negative log-likelihood per frame that is no padding."""
    is_frame = ops.cast(targets[..., 0] != PADDING, logits.dtype)  # (B, T)
    losses = ops.binary_crossentropy(
        ops.maximum(targets, 0), logits, from_logits=True
    )
    return ops.sum(ops.sum(losses, axis=-1) * is_frame) / ops.sum(is_frame)


def baselines(pieces, is_made):
    """Return the likelihood of what does without a model.

    Args:
        pieces: Dictionary of lists of `(T, N)`.
        is_made: Whether they are, so that the best is known.
    """
    frequencies = np.concatenate(pieces["train"]).mean(axis=0)  # (N,)
    smallest = 1 / (2 + sum(map(len, pieces["train"])))
    frequencies = np.clip(frequencies, smallest, 1 - smallest)
    predictors = {"frequency of each note": lambda _: frequencies}
    if is_made:
        predictors["best there is"] = polyphony.ideal
    return {
        name: float(
            np.concatenate(
                [
                    polyphony.likelihood(piece, predict(piece))
                    for piece in pieces["test"]
                ]
            ).mean()
        )
        for name, predict in predictors.items()
    }


def model_for(settings, batches):
    """Return a compiled model of one recurrent layer, and its units."""
    keras.utils.set_random_seed(settings["seed"])
    units, count = units_for(
        settings["cell"],
        polyphony.NOTES,
        settings["parameters"],
        settings["most_units"],
    )
    model = keras.Sequential(
        [
            keras.Input((None, polyphony.NOTES)),
            rnn_layers.rnn(settings["cell"], units, return_sequences=True),
            keras.layers.Dense(polyphony.NOTES),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(
        settings["rate"], settings["epochs"] * batches
    )
    adam = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(adam, frame_loss)
    return model, {"units": units, "parameters": count}


def measured(settings):
    """Trains and tests one cell; returns what came out."""
    pieces = load(settings["data"])
    inputs, targets = padded(pieces["train"])
    valid, test = padded(pieces["valid"]), padded(pieces["test"])
    batch = settings["batch_size"]
    model, result = model_for(settings, -(-len(inputs) // batch))
    start = time.perf_counter()
    best = keras.callbacks.EarlyStopping(
        "val_loss", patience=settings["epochs"], restore_best_weights=True
    )
    model.fit(
        inputs,
        targets,
        batch_size=batch,
        epochs=settings["epochs"],
        validation_data=valid,
        validation_batch_size=len(valid[0]),  # one, for the mean over frames
        callbacks=[best],
        verbose=0,
    )
    result["seconds"] = round(time.perf_counter() - start, 1)
    results = {
        name: model.evaluate(*data, batch_size=len(data[0]), verbose=0)
        for name, data in (("valid", valid), ("test", test))
    }
    return {**result, "epoch": best.best_epoch + 1, **results}


def wanted(options):
    """Yield the settings of every run, all cells before the next seed."""
    same = ("epochs", "batch_size", "rate", "parameters", "most_units", "data")
    for seed in options.seeds:
        for cell in options.cells:
            yield {
                "cell": cell,
                **{name: getattr(options, name) for name in same},
                "seed": seed,
            }


def line(row):
    """Return what is printed of one run."""
    s = row["settings"]
    return (
        f"{s['cell']}, seed {s['seed']}: {row['test']:.3f} nats per frame "
        f"({row['valid']:.3f} valid), {row['units']} units, epoch "
        f"{row['epoch']}, {row['seconds']:.0f} s"
    )


def table(rows, options):
    """Return means over seeds as a table, one line a cell."""
    lines = [["cell", "units", "nats per frame"]]
    scores = baselines(load(options.data), not options.data)
    lines += [[name, "", f"{value:.3f}"] for name, value in scores.items()]
    for cell in dict.fromkeys(r["settings"]["cell"] for r in rows):
        own = [r for r in rows if r["settings"]["cell"] == cell]
        mean = np.mean([r["test"] for r in own])
        lines.append([cell, str(own[0]["units"]), f"{mean:.3f}"])
    return tables.markdown(lines[0], lines[1:])


def parse(arguments=None):
    """Return the flags."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = rnn_layers.names()
    parser.add_argument("--cells", nargs="+", default=names, choices=names)
    parser.add_argument(
        "--data", metavar="FILE", help=".json or .pickle of pieces"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--parameters", type=int, default=20000)
    parser.add_argument("--most-units", type=int, default=128)
    parser.add_argument("--json", default="runs/bench/chorales.json")
    return parser.parse_args(arguments)


def main(options):
    """Run what is not in the JSON file yet; prints and writes all."""
    rows = run_log.runs(options.json, wanted(options), measured, line)
    print(f"\n{table(rows, options)}\n\n{options.json}")


if __name__ == "__main__":
    cli.main(lambda: main(parse()))
