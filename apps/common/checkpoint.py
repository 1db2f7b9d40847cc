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
import operator
import time
import typing
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np

from apps.common.cli import UserError
from apps.common.digests import replacing
from apps.common.optimizer import averaged
from apps.common.runs import Progress, Run


def resume(run: Run, model: keras.Model) -> Progress:
    """Bring a compiled model, built as when the run began, to where it stood.

    Return the `Progress`: all zero for a new run.

    Raises:
        UserError: The backup is damaged, or is one of another model.
    """
    path = run.file("backup/state.npz")
    if not path.exists():
        return Progress()
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    again = f"; delete {run.path} to begin again"
    with open(path, "rb") as file:
        try:
            with np.load(file) as stored:
                values = {name: stored[name] for name in stored.files}
            progress = Progress(**json.loads(str(values.pop("progress"))))
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
    for name, variable in variables.items():
        variable.assign(values[name])
    return progress


# What a file that is no archive of arrays, or a broken one, raises.
_BROKEN = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error),
)


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
        patience: Training ends after so many epochs without a better score.
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
        self.better = operator.lt if mode == "min" else operator.gt
        self.run = run
        self.progress = progress
        self.artifact = artifact
        self.monitor = monitor
        self.patience = patience

    def on_epoch_begin(self, epoch, logs=None):
        self._begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in logs.items()}
        if not math.isfinite(logs["loss"]):
            raise UserError(
                f"the loss is {logs['loss']} in epoch {epoch + 1};"
                " try a smaller --learning-rate"
            )
        progress = self.progress
        progress.epoch = epoch + 1
        progress.seconds += time.perf_counter() - self._begun
        progress.rows.append({"epoch": epoch + 1, **logs})
        score = logs[self.monitor]
        if progress.best is None or self.better(score, progress.best):
            progress.best, progress.best_epoch = score, epoch + 1
            with averaged(self.model):
                save_model(self.artifact, self.run.file("model.keras"))
        if epoch + 1 - progress.best_epoch >= self.patience:
            progress.stopped = self.model.stop_training = True
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
        values = {
            name: keras.ops.convert_to_numpy(variable)
            for name, variable in _variables(self.model).items()
        }
        progress = json.dumps(dataclasses.asdict(self.progress))
        path = self.run.file("backup/state.npz")
        path.parent.mkdir(exist_ok=True)
        with (
            replacing(path) as temporary,
            open(temporary, "wb") as file,
        ):
            np.savez(file, progress=np.array(progress), **values)


def save_model(model: keras.Model, path: str | Path) -> None:
    """Write a model; a kill never leaves a torn file.

    The optimizer, if there is one, stays out.

    What is saved loads as an ordinary Keras model, with no class of ours but
    those of `rnn_layers`.
    """
    bare = keras.Model(model.input, model.output, name=model.name)
    with replacing(path, suffix=".keras") as temporary:
        bare.save(temporary)


def _variables(model):
    """Name every variable by number and path; both have to agree later."""
    variables = {
        id(v): v for v in [*model.variables, *model.optimizer.variables]
    }
    return {
        f"{number:04d} {variable.path}": variable
        for number, variable in enumerate(variables.values())
    }
