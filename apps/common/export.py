"""The SavedModel of a run: raw input in, final output out, nothing of ours.

It loads with tensorflow alone:

    served = tf.saved_model.load("runs/sentiment/x/export")
    served.serve(tf.constant(["what a film"]))
"""

import shutil
import typing
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from apps.common import runs
from apps.common.cli import UserError


class Endpoint(typing.NamedTuple):
    """Another function of a SavedModel, beside `serve`.

    Attributes:
        name: Of the signature.
        function: Of the signature's tensors to a dict of tensors.
        signature: `tf.TensorSpec`s; may be empty.
        examples: Inputs to compare on.
    """

    name: str
    function: Callable
    signature: Sequence[tf.TensorSpec]
    examples: Sequence[Sequence]


def write(
    run: runs.Run,
    model: keras.Model,
    serve: Callable,
    signature: Sequence[tf.TensorSpec],
    *,
    track: Sequence = (),
    examples: Sequence[Sequence],
    more: Sequence[Endpoint] = (),
) -> None:
    """Write `export/` and check it against the live function.

    Args:
        run: The `runs.Run`.
        model: The Keras model whose weights `serve` uses.
        serve: Function of the signature's tensors that gives a dict of tensors.
        signature: `tf.TensorSpec`s of the inputs of `serve`.
        track: Lookup tables that `serve` uses.
        examples: Inputs to compare on, each as `serve` takes them.
        more: Other `Endpoint`s.

    On another backend than TensorFlow nothing is written.

    Raises:
        UserError: The exported model answers otherwise than the live one.
    """
    if keras.config.backend() != "tensorflow":
        print("no export/: run the export again with KERAS_BACKEND=tensorflow")
        return
    archive = keras.export.ExportArchive()
    archive.track(model)
    for table in track:
        archive.track(table)
    endpoints = [Endpoint("serve", serve, signature, examples), *more]
    for name, function, inputs, _ in endpoints:
        traced = tf.function(function, inputs, autograph=False)
        traced.get_concrete_function()
        archive.add_endpoint(name, traced)
    new, old = run.file(".tmp-export"), run.file(".tmp-export-old")
    for stale in (new, old):
        shutil.rmtree(stale, ignore_errors=True)
    try:
        archive.write_out(str(new), verbose=False)
        difference = _compare(new, endpoints)
        if run.file("export").exists():
            run.file("export").rename(old)
        new.rename(run.file("export"))
    finally:
        for stale in (new, old):
            shutil.rmtree(stale, ignore_errors=True)
    print(
        f"wrote {run.file('export')}; largest difference to the live model:"
        f" {difference:.1e}"
    )


def load(folder: str | Path):
    """Load a SavedModel without TensorFlow's warnings.

    It warns that what it loads may have lost its gradients; it has, and needs
    none.
    """
    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        return tf.saved_model.load(str(folder))
    finally:
        logging.set_verbosity(level)


def _compare(folder, endpoints):
    loaded = load(folder)
    return max(
        _difference(function(*example), getattr(loaded, name)(*example))
        for name, function, _, examples in endpoints
        for example in examples
    )


def _difference(live, exported):
    """Return the largest difference of numbers; all else has to be equal."""
    largest = 0.0
    for name, value in live.items():
        ours, theirs = value.numpy(), exported[name].numpy()
        if np.issubdtype(ours.dtype, np.floating):
            finite = np.isfinite(ours)  # a missing hypothesis is -inf
            if not np.array_equal(finite, np.isfinite(theirs)):
                raise UserError(f"the exported model differs in '{name}'")
            differences = np.abs(ours[finite] - theirs[finite])
            largest = max(largest, float(differences.max(initial=0.0)))
        elif not np.array_equal(ours, theirs):
            raise UserError(f"the exported model differs in '{name}'")
    return largest
