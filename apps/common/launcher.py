"""The process that starts workers, and follows what they train.

It ends all of them as soon as one has failed, with one line that says which
one and why, and when it ends itself, in whatever way.
"""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path

import keras

from apps.common import checkpoint, cli, distributed
from apps.common.terminal import echo

# Seconds to learn which of several workers failed first.
_GRACE = 1.5

# XLA on CPUs asks for its memory anew at each step. glibc would give it back to
# the system between them, which fills every page with zeros: a third of a step.
_KEEP_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
}


@dataclasses.dataclass
class _Process:
    """A worker, as its starter knows it.

    Attributes:
        rank: Its rank; -1 if only the scheduler knows it.
        end: What has ended it: how little it tells, and a line.
    """

    rank: int
    process: subprocess.Popen
    connection: Connection
    output: typing.IO
    end: tuple[int, str] | None = None


class Launcher(distributed.Distributed):
    """Worker processes on JAX, as many as `--distribute`, or one rank.

    Args:
        app: Name of the app, whose `train` the workers run.
        config: Its configuration.

    Raises:
        UserError: A worker has failed, or not all ranks have come.
    """

    def __init__(self, app: str, config: distributed.Flags):
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        local = not config.coordinator and config.distribute != "auto"
        count = int(config.distribute) if local else 1
        processes, address = config.processes, config.coordinator
        if local:
            processes, address = count, f"127.0.0.1:{_free_port()}"
        elif address and config.process == 0:
            _check_port(address)
        self.workplace = tempfile.TemporaryDirectory(prefix="unroll-")
        self.workers = []
        try:
            for number in range(count):
                rank = number if local else config.process if address else -1
                settings = {
                    "coordinator": address,
                    "processes": processes,
                    "process": rank,
                    "device": rank if local else None,
                    "cores": _cores(number, count) if local else [],
                    "folder": str(Path(self.workplace.name, str(number))),
                }
                self._start(app, rank, settings, Path(config.cache_path))
            self._join(local)
        except BaseException:
            self.close()
            raise

    def _start(self, app, rank, settings, cache):
        path = os.environ.get("PYTHONPATH", "")
        ours, theirs = Pipe()
        Path(settings["folder"]).mkdir()
        output = tempfile.TemporaryFile()  # noqa: SIM115 (`close` closes it)
        with theirs:
            settings["handle"] = theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-m", f"apps.{app}.train", *sys.argv[1:]],
                env={
                    "JAX_COMPILATION_CACHE_DIR": str((cache / "jax").resolve()),
                    **_KEEP_MEMORY,
                    **os.environ,
                    "KERAS_BACKEND": "jax",
                    "PYTHONPATH": f"{cli.ROOT}{os.pathsep}{path}",
                    distributed.SETTINGS: json.dumps(settings),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for this process
            )
        self.workers.append(_Process(rank, process, ours, output))

    def _join(self, local):
        for _ in self.workers:
            worker, message = self._receive()
            _, worker.rank, self.engine, devices = message
        super().__init__(devices)
        self.workers.sort(key=lambda worker: worker.rank)
        rank = self.workers[0].rank
        if rank == 0:
            echo(f"engine   {self.engine}")
            return
        echo(f"engine   {self.engine}; this is rank {rank}")
        self._finish()
        self.close()
        echo(f"rank {rank} is done; rank 0 goes on with the test")
        raise SystemExit(0)

    def _receive(self, workers=None):
        """Return the next worker that says something, and what.

        Raises:
            UserError: A worker has failed.
        """
        workers = workers or self.workers
        ready = wait([worker.connection for worker in workers])
        worker = next(w for w in workers if w.connection in ready)
        message = self._read(worker)
        if worker.end:
            self._fail()
        return worker, message

    def _send(self, *message):
        """Tell rank 0 something; it may be no more."""
        try:
            self.workers[0].connection.send(message)
        except OSError:
            self._fail()

    def _read(self, worker):
        """Return a message, or learn why there is none."""
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            worker.end = _end(worker)
            return None
        if message[0] == "error":
            _, line, lost = message
            worker.end = 2 if lost else 0, line
        return message

    def _fail(self):
        """End all workers, and say which one is to blame."""
        deadline = time.monotonic() + _GRACE
        while living := [w for w in self.workers if not w.end]:
            if any(w.end and w.end[0] == 0 for w in self.workers):
                break  # this one was first
            ready = wait(
                [worker.connection for worker in living],
                max(deadline - time.monotonic(), 0),
            )
            if not ready:
                break
            for worker in living:
                if worker.connection in ready:
                    self._read(worker)
        ended = [worker for worker in self.workers if worker.end]
        worst = min(ended, key=lambda worker: worker.end[0])
        self.close()
        name = "this rank" if worst.rank < 0 else f"rank {worst.rank}"
        line = worst.end[1]
        # One of another machine may be named by the line itself.
        if not line.startswith("rank "):
            line = f"{name}: {line}"
        raise cli.UserError(line)

    def restore(self, run):
        path = run.file("backup/state.npz")
        self.backup = path.read_bytes() if path.exists() else b""

    def close(self):
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
            worker.connection.close()
            worker.output.close()
        self.workers = []
        self.workplace.cleanup()

    def train(self, training):
        """Let the workers train, and do here what follows each epoch."""
        model, progress, epochs, steps = (
            training.model,
            training.progress,
            training.epochs,
            training.steps,
        )
        model.optimizer.build(model.trainable_variables)
        every = keras.callbacks.CallbackList(
            training.callbacks,
            add_progbar=True,
            model=model,
            verbose=2,
            epochs=epochs,
            steps=steps,
        )
        model.stop_training = progress.stopped
        every.on_train_begin()
        if progress.epoch < epochs and not progress.stopped:
            self._send("begin", self.backup)
            for epoch in range(progress.epoch, epochs):
                every.on_epoch_begin(epoch)
                logs = self._take_over(model)
                every.on_train_batch_end(steps - 1, logs)
                logs |= _evaluate(model, training.validation)
                every.on_epoch_end(epoch, logs)
                last = model.stop_training or epoch == epochs - 1
                self._send("go on", last)
                if last:
                    break
            self._finish()
        every.on_train_end()
        self.close()

    def _take_over(self, model):
        """Wait for an epoch, and return its logs."""
        _, (_, logs, values) = self._receive()
        checkpoint.restore(model, values)
        return logs

    def _finish(self):
        """Wait until all workers are done: other machines may have some."""
        missing = list(self.workers)
        while missing:
            missing.remove(self._receive(missing)[0])
        for worker in self.workers:
            worker.process.wait()


def _evaluate(model, validation):
    """Return the logs that `fit` adds for batches of validation."""
    if validation is None:
        return {}
    logs = model.evaluate(validation, verbose=0, return_dict=True)
    return {f"val_{name}": value for name, value in logs.items()}


def _end(worker) -> tuple[int, str]:
    """Return how a worker without a word ended: what it tells, and a line."""
    status = worker.process.wait()
    worker.output.seek(0)
    lines = worker.output.read().decode(errors="replace").split("\n")
    said = next((line for line in reversed(lines) if line.strip()), "")
    if status == -signal.SIGABRT:  # JAX, which has lost a rank
        return 3, f"ended by JAX: {said.strip()[:300]}"
    if status < 0:
        return 0, f"ended by {signal.Signals(-status).name}"
    return 1, said.removeprefix("error: ").strip()[
        :300
    ] or f"ended with {status}"


def _cores(number: int, count: int) -> list[int]:
    """Return the cores of one of several workers; none: any."""
    if not hasattr(os, "sched_getaffinity"):  # not on macOS
        return []
    cores = sorted(os.sched_getaffinity(0))
    size = len(cores) // count
    return cores[number * size : (number + 1) * size]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _check_port(address: str) -> None:
    port = int(address.rpartition(":")[2])
    try:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("", port))
    except OSError as error:
        raise cli.UserError(
            f"--coordinator {address}: port {port}: {error.strerror}"
        ) from None
