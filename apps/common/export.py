"""The SavedModel of a run: raw input in, final output out, nothing of ours.

It loads with tensorflow alone:

    served = tf.saved_model.load("runs/sentiment/x/export/1")
    served.serve(tf.constant(["what a film"]))

What is written is compared with what `predict` says, on inputs of every kind. A
bad row of a batch gets an empty answer and a `status` other than "ok", so that
the others are answered.
"""

import contextlib
import shutil
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from apps.common import runs
from apps.common.cli import UserError
from apps.common.terminal import busy, echo
from data_pipelines.files import atomic

# TensorFlow Serving wants a folder of numbered versions.
VERSION = "1"
# Numbers that differ by more are another answer.
TOLERANCE = 0.02
COARSE = 0.25  # in bfloat16, whose steps are eight times those of float16


class Endpoint(typing.NamedTuple):
    """Another function of a SavedModel, beside `serve`.

    Attributes:
        name: Of the signature.
        function: Of the signature's tensors to a dict of tensors.
        signature: `tf.TensorSpec`s; may be empty.
        examples: Inputs to compare on.
        predict: What it has to answer: function of an example to a dict of
            arrays; by default `function` itself, outside of a graph.
    """

    name: str
    function: Callable
    signature: Sequence[tf.TensorSpec]
    examples: Sequence[Sequence]
    predict: Callable | None = None


def write(
    run: runs.Run,
    model: keras.Model,
    serve: Callable,
    signature: Sequence[tf.TensorSpec],
    *,
    predict: Callable,
    track: Sequence = (),
    examples: Sequence[Sequence],
    more: Sequence[Endpoint] = (),
) -> None:
    """Write `export/` and compare it with what `predict` says.

    Args:
        run: The `runs.Run`.
        model: The Keras model whose weights `serve` uses.
        serve: Function of the signature's tensors that gives a dict of tensors.
        signature: `tf.TensorSpec`s of the inputs of `serve`.
        predict: What `serve` has to answer; see `Endpoint`.
        track: Lookup tables that `serve` uses.
        examples: Inputs to compare on, each as `serve` takes them.
        more: Other `Endpoint`s.

    On another backend than TensorFlow nothing is written.

    Raises:
        UserError: The exported model answers otherwise than `predict`.
    """
    if keras.config.backend() != "tensorflow":
        echo("no export/: run the export again with KERAS_BACKEND=tensorflow")
        return
    busy("exporting")
    archive = keras.export.ExportArchive()
    archive.track(model)
    for table in track:
        archive.track(table)
    endpoints = [
        Endpoint("serve", serve, signature, examples, predict),
        *more,
    ]
    for name, function, inputs, *_ in endpoints:
        traced = tf.function(function, inputs, autograph=False)
        traced.get_concrete_function()
        archive.add_endpoint(name, traced)
    with replacing_folder(run.file("export")) as new:
        archive.write_out(str(new / VERSION), verbose=False)
        coarse = any(
            layer.compute_dtype == "bfloat16"
            for layer in getattr(model, "layers", ())
        )
        difference = _compare(new, endpoints, coarse)
    echo(
        f"wrote {run.file('export')}; largest difference to predict:"
        f" {difference:.1e}"
    )


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of another if all goes well."""
    new, old = (
        path.with_name(f".tmp-{path.name}{end}") for end in ("", "-old")
    )
    for stale in (new, old):
        shutil.rmtree(stale, ignore_errors=True)
    try:
        new.mkdir()
        with atomic.naming(path):
            yield new
        if path.exists():
            path.rename(old)
        new.rename(path)
    finally:
        for stale in (new, old):
            shutil.rmtree(stale, ignore_errors=True)


def load(folder: str | Path):
    """Load a SavedModel: of a run's `export/` the latest version.

    TensorFlow's warnings are left out: one of a run of before, which has no
    versions, may have lost its gradients; it needs none.

    Raises:
        UserError: It is damaged, or none.
    """
    every = Path(folder).glob("[0-9]*")
    versions = [p for p in every if p.name.isdecimal() and p.is_dir()]
    latest = max(versions, key=lambda path: int(path.name), default=folder)
    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        return tf.saved_model.load(str(latest))
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(
            f"{latest} cannot be loaded as a SavedModel: {line}"
        ) from None
    finally:
        logging.set_verbosity(level)


def text_status(texts: tf.Tensor, is_empty: tf.Tensor) -> tf.Tensor:
    """Return the status of texts `(N,)`: "ok", "empty" or "repaired"."""
    valid = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
    status = tf.where(tf.equal(valid, texts), "ok", "repaired")
    return tf.where(is_empty, "empty", status)


def _compare(folder, endpoints, coarse):
    loaded = load(folder)
    return max(
        _difference((predict or function)(*example), answer, coarse)
        for name, function, _, examples, predict in endpoints
        for example in examples
        for answer in [getattr(loaded, name)(*example)]
    )


def _difference(predicted, exported, coarse):
    """Return the largest difference of numbers; all else has to be equal.

    Of a coarse model, near hypotheses change places: texts may differ.
    """
    tolerance = COARSE if coarse else TOLERANCE
    largest = 0.0
    for name, value in predicted.items():
        ours, theirs = np.asarray(value), np.asarray(exported[name])
        equal = ours.shape == theirs.shape
        if equal and np.issubdtype(ours.dtype, np.floating):
            finite = np.isfinite(ours)  # a missing hypothesis is -inf
            if coarse:
                finite &= np.isfinite(theirs)
            else:
                equal = np.array_equal(finite, np.isfinite(theirs))
            differences = np.abs(ours[finite] - theirs[finite] if equal else 1)
            difference = float(differences.max(initial=0.0))
            largest = max(largest, difference)
            equal = equal and difference <= tolerance
        elif equal and not coarse:
            equal = np.array_equal(ours, theirs)
        if not equal:
            raise UserError(
                f"the exported model differs from predict in '{name}':"
                f" {theirs.tolist()} instead of {ours.tolist()}"[:500]
            )
    return largest
