"""A training up to its first step: is it sound, and what would it cost?"""

import contextlib
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from apps.common import checkpoint, distributed, provenance
from apps.common.tables import duration
from apps.common.terminal import busy

# Steps on one batch: the first one is traced and compiled, the others timed.
# That batch is the middle one, by size, of the first ones.
_STEPS, _BATCHES = 4, 16


class Rehearsal(distributed.Machines):
    """Takes what an app's `train` gives to `fit`, and trains nothing.

    Args:
        timed: Whether to train on one batch a few times, to time it.

    Attributes:
        folder: Stands in for the run until `close`.
        data: The datasets.
        model: The model to train.
        monitor: Name in the logs of the score that chooses the best epoch.
        lower: Whether lower ones are better.
        costs: What is needed, in words, by what it is.
    """

    def __init__(self, timed: bool = True):
        self.folder = Path(tempfile.mkdtemp(prefix="unroll-"))
        self.timed = timed
        self.data = None
        self.costs = {}

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def or_leave(self) -> Iterator[None]:
        """Let errors pass, those that the user reads."""
        yield

    def compare(self, run, datasets):
        self.data = datasets

    def train(self, training):
        model, saving = training.model, checkpoint.among(training.callbacks)
        self.model = model
        self.monitor, self.lower = saving.monitor, saving.lower
        if self.timed:
            self.costs = _costs(
                model,
                saving.artifact,
                training.batches,
                training.epochs,
                training.steps,
            )
        for callback in training.callbacks:
            for name in ("train", "validation", "writer"):
                writer = getattr(callback, name, None)
                if isinstance(writer, tf.summary.SummaryWriter):
                    writer.close()
        raise distributed.Stopped


class _Timer(keras.callbacks.Callback):
    """Takes the seconds of each step."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_train_batch_begin(self, batch, logs=None):
        self._begun = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self._begun)


def _costs(model, artifact, batches, epochs, steps):
    """Return what a training needs, by what it is."""
    # What is written is of the size of what is in memory.
    backup = sum(value.nbytes for value in checkpoint.values(model).values())
    weights = sum(
        keras.ops.convert_to_numpy(weight).nbytes for weight in artifact.weights
    )
    busy("timing a batch")
    first, *others = _seconds(model, batches)
    step = statistics.median(others)
    trained = sum(keras.ops.size(weight) for weight in model.trainable_weights)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak *= 1 if sys.platform == "darwin" else 1024
    total = epochs * steps
    return {
        "parameters": f"{model.count_params():,}, of which {int(trained):,} are"
        " trained",
        "steps": f"{steps:,} an epoch; {total:,} in all at most",
        "a step": f"{step:.3f} s, the first one {first:.1f} s, on"
        f" {provenance.device()}",
        "training": f"{duration(first + step * total)} at most, by that step;"
        " validation, test and export come on top",
        "memory": f"{peak / 2**30:.1f} GB at the peak, until here",
        "disk": f"{(2 * weights + backup) / 2**20:.1f} MB for the run",
    }


def _seconds(model, batches):
    """Return how long each of a few steps on one batch takes."""
    sizes = [
        sum(part.size for part in tf.nest.flatten(batch))
        for batch in batches.take(_BATCHES).as_numpy_iterator()
    ]
    middle = sorted(range(len(sizes)), key=sizes.__getitem__)[len(sizes) // 2]
    timer = _Timer()
    model.fit(
        batches.skip(middle).take(1).repeat(),
        steps_per_epoch=_STEPS,
        shuffle=False,
        verbose=0,
        callbacks=[timer],
    )
    return timer.seconds
