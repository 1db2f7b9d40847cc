"""A training in a process of its own, for a search, which ends when that does.

What it prints goes to a file; what the search wants to know comes through a
pipe: (what, ...) with one of

    began   the score and whether lower ones are better; values of epochs so far
    epoch   its value on valid; the answer is whether to go on
    done    the best value, its epoch, all epochs, seconds of training
    tested  the record of `metrics.json`
    error   a line

A trial never sees test: it ends behind the last epoch (`distributed.Stopped`).
"""

import dataclasses
import importlib
import multiprocessing
import os
import sys
import threading
import traceback
import typing
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import tqdm

from apps.common import cli, distributed, system_errors
from data_pipelines.files.errors import DataError

# Seconds that a process which has said all may take to end by itself.
_LEAVING = 20


class Trial:
    """A training in another process.

    Args:
        app: Name of the app.
        config: Its configuration, whose run is begun or gone on with.
        output: File of what it prints.
        mode: "look", which reads the data and builds the model; "validate",
            which trains without a test; "test", a training like any other.
        about: Name -> value, for TensorBoard's tab of hyperparameters.
    """

    def __init__(
        self,
        app: str,
        config: distributed.Flags,
        output: Path,
        mode: typing.Literal["look", "validate", "test"],
        about: Mapping[str, typing.Any] | None = None,
    ):
        # Not a copy of this process: TensorFlow cannot be copied.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_run,
            args=(app, config, output, mode, dict(about or {}), theirs),
            daemon=True,
        )
        self.process.start()
        theirs.close()

    def __enter__(self) -> "Trial":
        return self

    def __exit__(self, *error: object) -> None:
        if not any(error):
            self.process.join(_LEAVING)
        self.process.kill()
        self.process.join()
        self.connection.close()

    def receive(self) -> tuple:
        """Return what it says next; "error" if it ended without a word."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            status = self.process.exitcode
            how = f"signal {-status}" if status < 0 else f"status {status}"
            return "error", f"ended by {how}"

    def answer(self, go_on: bool) -> None:
        """Say whether it is to go on; it may have ended."""
        try:
            self.connection.send(go_on)
        except OSError:
            return


def _run(app, config, output, mode, about, connection):
    """Train in this process, which is a new one."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with open(output, "a") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    # A lock of several processes, as tqdm has, would outlive one that dies.
    tqdm.tqdm.set_lock(threading.RLock())
    sys.argv = [f"apps/{app}/train.py", *words(config)]
    try:
        train = importlib.import_module(f"apps.{app}.train").train
        if mode == "test":
            connection.send(("tested", train(config)))
            return
        machines = _look() if mode == "look" else _validate(connection, about)
        with distributed.training_by(machines):
            train(config)
        if mode == "look":
            connection.send(("began", machines.monitor, machines.lower, []))
    except (cli.UserError, DataError) as error:
        connection.send(("error", str(error)))
    except Exception as error:
        traceback.print_exc()
        line = system_errors.line(error) or f"{type(error).__name__}: {error}"
        connection.send(("error", line))


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def _look():
    from apps.common.rehearsal import Rehearsal  # TensorFlow takes seconds

    return Rehearsal(timed=False)


def _validate(connection: Connection, about: Mapping):
    from apps.common.validated import Validated

    return Validated(connection, about)


def words(config) -> list[str]:
    """Return the command line that gives a configuration, without presets."""
    flags = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.metadata and value != field.default:
            value = str(value).lower() if field.type is bool else str(value)
            flags += [cli.dashed(field.name), value]
    return flags
