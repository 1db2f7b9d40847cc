"""The SavedModel of a run: raw input in, final output out, nothing of ours.

It loads with tensorflow alone:

    served = tf.saved_model.load("runs/sentiment/x/export")
    served.serve(tf.constant(["what a film"]))
"""

import shutil
import typing

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from apps.common.cli import UserError


class Endpoint(typing.NamedTuple):
    """Another function of a SavedModel, beside `serve`.

    Attributes:
        name: Of the signature.
        function: Of the signature's tensors to a dict of tensors.
        signature: List of `tf.TensorSpec`; may be empty.
        examples: List of inputs to compare on.
    """

    name: str
    function: typing.Callable
    signature: list
    examples: list


def write(run, model, serve, signature, *, track=(), examples, more=()):
    """Writes `export/` and checks it against the live function.

    Args:
        run: The `runs.Run`.
        model: The Keras model whose weights `serve` uses.
        serve: Function of the signature's tensors that gives a dict of tensors.
        signature: List of `tf.TensorSpec`, the inputs of `serve`.
        track: Lookup tables that `serve` uses.
        examples: List of inputs to compare on, each as `serve` takes them.
        more: Other `Endpoint`s.

    Returns:
        The largest difference between the exported and the live numbers, or
        `None` on another backend than TensorFlow, where nothing is written.

    Raises:
        UserError: The exported model answers otherwise than the live one.
    """
    if keras.config.backend() != "tensorflow":
        print("no export/: run the export again with KERAS_BACKEND=tensorflow")
        return None
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
    return difference


def load(folder):
    """Loads a SavedModel without TensorFlow's warnings.

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
    """Returns the largest difference of numbers; all else has to be equal."""
    largest = 0.0
    for name, value in live.items():
        here, there = value.numpy(), exported[name].numpy()
        if np.issubdtype(here.dtype, np.floating):
            known = np.isfinite(here)  # a missing hypothesis is -inf
            if not np.array_equal(known, np.isfinite(there)):
                raise UserError(f"the exported model differs in '{name}'")
            apart = np.abs(here[known] - there[known]).max(initial=0.0)
            largest = max(largest, float(apart))
        elif not np.array_equal(here, there):
            raise UserError(f"the exported model differs in '{name}'")
    return largest
