"""What must survive a kill: the best model, the backup, the log.

A run that is killed at any moment and started again ends with the very weights
of a run that was not. For this the backup holds every variable of the model
and of the optimizer, the random state of dropout included (Keras's own backup
leaves it out), beside the history; and the data of step k must be a function
of the seed and of k alone, so that `fit` can start at the step that
`Progress.epoch` says.
"""

import csv
import dataclasses
import json
import math
import sys
import time
import typing
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from apps.common.cli import UserError
from apps.common.digests import replacing
from apps.common.optimizer import averaged
from apps.common.progress import Progress
from apps.common.runs import Run
from apps.common.terminal import busy

# Small data: what a training has at least, by epochs of a few steps, and how
# many steps it goes on without an improvement.
_FEW_STEPS, _MOST_EPOCHS, _PATIENT_STEPS = 240, 100, 20

# What a file that is no archive of arrays, or a broken one, raises.
_BROKEN = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


def epochs(steps: int, total: int, least: int, most: int) -> int:
    """Return how many epochs to train: many if they have few steps.

    Args:
        steps: Of an epoch.
        total: Steps that training should have, if that is neither too few
            epochs nor too many.
        least: Fewest epochs.
        most: Most epochs, but for those of less than a few steps.
    """
    most = max(most, min(_FEW_STEPS // steps, _MOST_EPOCHS))
    return min(max(total // steps, least), most)


def patience(epochs: int, steps: int) -> int:
    """Return the epochs to wait: as many as asked for, and some steps."""
    return max(epochs, _PATIENT_STEPS // steps)


def resume(run: Run, model: keras.Model) -> Progress:
    """Bring a compiled model, built as when the run began, to where it stood.

    Return the `Progress`: all zero for a new run.

    Raises:
        UserError: The backup is damaged, or is one of another model.
    """
    run.machines.restore(run)
    # A first step that creates variables is traced twice, which takes seconds.
    model.optimizer.build(model.trainable_variables)
    path = run.file("backup/state.npz")
    if not path.exists():
        return Progress()
    variables = _variables(model)
    again = f"; delete {run.path} to begin again"
    with open(path, "rb") as file:
        try:
            with np.load(file) as stored:
                values = {name: stored[name] for name in stored.files}
            progress = _progress(values.pop("progress"))
            resumable = 0 <= progress.best_epoch <= progress.epoch == len(
                progress.rows
            ) and math.isfinite((progress.best or 0) + progress.seconds)
            numbers = all(np.isfinite(value).all() for value in values.values())
        except _BROKEN as error:
            line = " ".join(str(error).split())[:200]
            raise UserError(f"{path} is damaged ({line}){again}") from None
    shapes = {name: tuple(v.shape) for name, v in variables.items()}
    if {name: value.shape for name, value in values.items()} != shapes:
        raise UserError(f"{path} belongs to another model{again}")
    if not (resumable and numbers):
        what = "numbers that are not finite" if resumable else "no progress"
        raise UserError(f"{path} is damaged: it holds {what}{again}")
    restore(model, values)
    return progress


class Checkpoint(keras.callbacks.Callback):
    """Write `model.keras`, `log.csv` and `backup/` at the end of an epoch.

    Each is written under a temporary name and renamed, the backup last: a kill
    in between repeats the epoch and writes the same files again.

    Args:
        run: The `runs.Run`.
        progress: What `resume` returned; kept up to date.
        artifact: The model to write, which shares the weights trained.
        monitor: Name of the score in the logs.
        mode: `max` if larger scores are better, `min` if smaller ones are.
        patience: Training ends after so many epochs in which neither the score
            nor `val_loss` improved by a thousandth of its improvement so far.
    """

    def __init__(
        self,
        run: Run,
        progress: Progress,
        artifact: keras.Model,
        *,
        monitor: str,
        mode: typing.Literal["min", "max"] = "max",
        patience: int,
    ):
        super().__init__()
        if mode not in ("min", "max"):
            raise ValueError(f"mode is 'min' or 'max', not {mode!r}")
        self.lower = mode == "min"
        self.run = run
        self.progress = progress
        self.artifact = artifact
        self.monitor = monitor
        self.patience = patience

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = time.perf_counter()
        self._epoch = f"epoch {epoch + 1}"
        busy(self._epoch, "the first step")

    def on_train_batch_end(self, batch, logs=None):
        step, steps = batch + 1, self.params["steps"]
        if step == steps:
            busy(self._epoch, "validating")
        elif sys.stdout.isatty():
            busy("")  # Keras draws a bar.
        else:
            busy(self._epoch, f"step {step} of {steps}")

    def on_train_end(self, logs=None):
        busy("testing, with the baselines and the report")

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in logs.items()}
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"the loss is {logs['loss']} in epoch {epoch + 1};"
                " try a smaller --learning-rate"
            )
        progress = self.progress
        progress.seconds += time.perf_counter() - self._begun
        progress.rows.append({"epoch": epoch + 1, **logs})
        score, loss = logs[self.monitor], logs.get("val_loss", math.inf)
        if progress.add(epoch + 1, score, loss, self.lower):
            with averaged(self.model):
                save_model(self.artifact, self.run.file("model.keras"))
        plural = "s" if epoch else ""
        progress.ending = f"trained for {epoch + 1} epoch{plural}"
        if progress.waited >= self.patience:
            progress.stopped = self.model.stop_training = True
        epochs = self.params["epochs"]
        if progress.stopped and epoch + 1 < epochs:
            score = self.monitor.removeprefix("val_").replace("_", " ")
            either = "" if loss == math.inf else " or lower loss"
            progress.ending = (
                f"stopped after epoch {epoch + 1} of {epochs}: no noticeably"
                f" better {score}{either} for {progress.waited}"
            )
        progress.ending += f"; epoch {progress.best_epoch} kept"
        self._write_log()
        self._write_backup()

    def _write_log(self):
        rows = self.progress.rows
        names = list(dict.fromkeys(name for row in rows for name in row))
        with (
            replacing(self.run.file("log.csv")) as temporary,
            open(temporary, "w", newline="") as file,
        ):
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)

    def _write_backup(self):
        progress = json.dumps(dataclasses.asdict(self.progress))
        path = self.run.file("backup/state.npz")
        path.parent.mkdir(exist_ok=True)
        with (
            replacing(path) as temporary,
            open(temporary, "wb") as file,
        ):
            np.savez(file, progress=np.array(progress), **values(self.model))


def _progress(stored):
    """Return the `Progress` that a backup holds, also one of before."""
    fields = json.loads(str(stored))
    for name in ("lowest_loss", "lowest_epoch"):
        fields.pop(name, None)
    return Progress(**fields)


def among(callbacks: Iterable[keras.callbacks.Callback]) -> Checkpoint:
    """Return the checkpoint of a training."""
    return next(c for c in callbacks if isinstance(c, Checkpoint))


def save_model(model: keras.Model, path: str | Path) -> None:
    """Write a model; a kill never leaves a torn file.

    The optimizer, if there is one, stays out.

    What is saved loads as an ordinary Keras model, with no class of ours but
    those of `rnn_layers`.
    """
    bare = keras.Model(model.input, model.output, name=model.name)
    with replacing(path, suffix=".keras") as temporary:
        bare.save(temporary)


def values(model: keras.Model) -> dict[str, np.ndarray]:
    """Return what a training has to remember, by name."""
    return {
        name: keras.ops.convert_to_numpy(variable)
        for name, variable in _variables(model).items()
    }


def restore(model: keras.Model, values: dict[str, np.ndarray]) -> None:
    """Bring a model, its optimizer built, to where another one stood."""
    for name, variable in _variables(model).items():
        variable.assign(values[name])


def _variables(model):
    """Name every variable by number and path; both have to agree later."""
    variables = {
        id(v): v for v in [*model.variables, *model.optimizer.variables]
    }
    return {
        f"{number:04d} {variable.path}": variable
        for number, variable in enumerate(variables.values())
    }
