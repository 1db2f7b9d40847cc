"""A process that trains with others, on JAX, for the one that started it.

It writes nothing into the run: what belongs there goes into a folder of its
own, which is removed, and after each epoch rank 0 sends all variables to the
process that started it (`launcher.py`).

Where one rank has an error the others hang, and a Python that ends as usual
waits for them for minutes. So a worker never returns: it says what is wrong
and leaves by `os._exit`; and so it does when its starter is no more.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import queue
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import jax
import keras
import numpy as np
import tensorflow as tf
from jax.experimental import multihost_utils

from apps.common import checkpoint, cli, distributed, provenance, system_errors
from apps.common.cli import UserError
from data_pipelines.files.errors import DataError

# Seconds that JAX waits longer than we do: its own end has no message.
_LONGER = 30

# What errors say that are only the end of another rank.
_LOST = ("Gloo", "NCCL", "Connection closed", "coordination service")

# Seconds that a rank with an error stays for the others to read it.
_FAREWELL, _KEY = 2, "unroll/error"

# Flags that may differ from rank to rank: names of files of a machine.
_OWN = {*distributed.NAMES, *("name", "runs_path", "cache_path", "data_path")}


class Worker(distributed.Distributed):
    """This process, as one rank of a training.

    Args:
        config: The configuration of the training.

    Raises:
        UserError: The other ranks have not come, or are not like this one.
    """

    def __init__(self, config):
        settings = json.loads(os.environ[distributed.SETTINGS])
        self.folder = Path(settings["folder"])
        self.starter = Connection(settings["handle"])
        self.messages = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        if settings["cores"]:
            os.sched_setaffinity(0, settings["cores"])
        if hasattr(os, "SCHED_BATCH"):  # Linux; later threads inherit
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        tf.config.set_visible_devices([], "GPU")  # they are for JAX
        with self.or_leave():
            self._join(config, settings)
            self._compare_starts(config)
            backup = b""
            if self.shard[0] == 0:
                _, backup = self.messages.get()
            self.backup = _broadcast(backup)

    @contextlib.contextmanager
    def or_leave(self):
        """Leave, and say why, if there is an error."""
        try:
            yield
        except BaseException as error:
            self._fail(error)

    def _listen(self):
        with contextlib.suppress(EOFError, OSError):
            while True:
                self.messages.put(self.starter.recv())
        self._leave(1)  # the starter is no more

    def _join(self, config, settings):
        address = settings["coordinator"]
        timer = threading.Timer(
            config.join_timeout, self._nobody, [config, address]
        )
        timer.daemon = True
        timer.start()
        known = {"coordinator_address": address} if address else {}
        if settings["processes"]:
            known["num_processes"] = settings["processes"]
            known["process_id"] = settings["process"]
        if settings["device"] is not None:
            known["local_device_ids"] = [settings["device"]]
        try:
            jax.distributed.initialize(
                initialization_timeout=config.join_timeout + _LONGER, **known
            )
        except ValueError as error:
            if known:
                raise
            raise UserError(
                "--distribute auto: no job of SLURM, Open MPI or Kubernetes has"
                " started this process; give --coordinator, --processes and"
                f" --process ({error})"
            ) from None
        timer.cancel()
        rank, ranks = self.shard = jax.process_index(), jax.process_count()
        devices = keras.distribution.list_devices()
        super().__init__(len(devices))
        self.engine = distributed.describe(
            config, "JAX", ranks, len(devices), jax.default_backend()
        )
        size = getattr(config, "batch_size", 0)
        if size % len(devices):
            raise UserError(
                f"--batch-size {size} cannot be shared by {len(devices)}"
                " devices"
            )
        # On one device Keras would place variables in two ways, and each
        # mixture of them costs a compilation of the step.
        if len(devices) > 1:
            keras.distribution.set_distribution(
                keras.distribution.DataParallel(
                    devices=devices, auto_shard_dataset=False
                )
            )
        self.starter.send(("joined", rank, self.engine, len(devices)))

    def _nobody(self, config, address):
        where = address or "the address that the scheduler names"
        self.starter.send(
            (
                "error",
                f"not all ranks have come to {where} in {config.join_timeout}"
                " seconds; is each started, and the port open to it?"
                " (--join-timeout)",
                False,
            )
        )
        self._leave(1)

    def _compare_starts(self, config):
        """Refuse ranks of other code, versions or flags than rank 0."""
        about = {
            "code": _code(),
            **provenance.versions(),
            "jax": jax.__version__,
        }
        about |= {
            cli.dashed(name): value
            for name, value in dataclasses.asdict(config).items()
            if name not in _OWN
        }
        self._compare(about)

    def _compare(self, about):
        every = _gather(json.dumps(about).encode())
        check_equal([json.loads(text) for text in every])

    def compare(self, run, datasets):
        digests = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(run.path.glob("*.txt"))
        }
        self._compare(digests)

    def restore(self, run):
        if self.backup:
            path = run.file("backup/state.npz")
            path.parent.mkdir()
            path.write_bytes(self.backup)

    def train(self, training):
        """Train; the callbacks and the validation are the starter's."""
        training.model.fit(
            training.batches,
            initial_epoch=training.progress.epoch,
            epochs=training.epochs,
            steps_per_epoch=training.steps,
            shuffle=False,
            verbose=0,
            callbacks=[_Report(self)],
        )
        self.starter.send(("done",))
        self._leave_after(_LONGER, 0)
        jax.distributed.shutdown()
        self._leave(0)

    def report(self, logs: dict, model: keras.Model) -> None:
        """Hand an epoch over; all ranks stop when the starter says so."""
        stop = 0
        if self.shard[0] == 0:
            logs = {name: float(value) for name, value in logs.items()}
            self.starter.send(("epoch", logs, checkpoint.values(model)))
            _, stop = self.messages.get()
        stop = multihost_utils.broadcast_one_to_all(np.int32(stop))
        model.stop_training = bool(stop)

    def _fail(self, error):
        """Say what is wrong, and leave."""
        text = " ".join(str(error).split())
        line = text
        if not isinstance(error, UserError | DataError):
            line = system_errors.line(error) or (
                f"{type(error).__name__}: {text[:300]}{_place(error)}"
            )
        traceback.print_exception(error)
        lost = any(word in text for word in _LOST)
        if lost:
            line = _cause() or line
        with contextlib.suppress(OSError):
            self.starter.send(("error", line, lost))
        if not lost:
            self._leave_after(_FAREWELL, 1)
            _tell(f"rank {self.shard[0]}: {line}")
        self._leave(1)

    def _leave_after(self, seconds, status):
        timer = threading.Timer(seconds, self._leave, [status])
        timer.daemon = True
        timer.start()

    def _leave(self, status):
        shutil.rmtree(self.folder, ignore_errors=True)
        sys.stderr.flush()
        os._exit(status)


class _Report(keras.callbacks.Callback):
    """Hands each epoch over."""

    def __init__(self, worker):
        super().__init__()
        self.worker = worker

    def on_epoch_end(self, epoch, logs=None):
        self.worker.report(logs or {}, self.model)


def check_equal(abouts: Sequence[Mapping[str, object]]) -> None:
    """Refuse ranks that differ from rank 0.

    Args:
        abouts: What is known of each rank: name -> value, or digest.

    Raises:
        UserError: The first one that differs, and in what.
    """
    first = abouts[0]
    for rank, other in enumerate(abouts):
        names = [n for n in other if other[n] != first.get(n)]
        names += [n for n in first if n not in other]
        if names:
            # A digest says nothing to a reader.
            what = ", ".join(
                name
                if len(str(other.get(name))) == 64
                else f"{name} ({other.get(name)}, not {first.get(name)})"
                for name in names
            )
            raise UserError(f"rank {rank} has not what rank 0 has: {what}")


def _gather(data: bytes) -> list[bytes]:
    """Return the bytes of every rank."""
    lengths = multihost_utils.process_allgather(np.int32(len(data))).ravel()
    padded = np.zeros(lengths.max(), np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    rows = multihost_utils.process_allgather(padded).reshape(len(lengths), -1)
    return [
        row[:length].tobytes()
        for row, length in zip(np.asarray(rows), lengths, strict=True)
    ]


def _broadcast(data: bytes) -> bytes:
    """Return the bytes of rank 0."""
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(data))))
    padded = np.zeros(length, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    return multihost_utils.broadcast_one_to_all(padded).tobytes()


def _tell(line):
    """Leave what is wrong where the other ranks, of other machines, look."""
    # JAX shows this store nowhere else; without it they name no rank.
    with contextlib.suppress(Exception):
        jax._src.distributed.global_state.client.key_value_set(_KEY, line)
        time.sleep(_FAREWELL / 2)  # rank 0 has the store


def _cause():
    """Return what another rank has told; `None` if it could not."""
    with contextlib.suppress(Exception):
        client = jax._src.distributed.global_state.client
        return client.blocking_key_value_get(_KEY, _FAREWELL * 500)
    return None


def _code():
    """Return a digest of all code of ours."""
    paths = (
        path
        for room in ("apps", "data_pipelines", "rnn_layers")
        for path in sorted((cli.ROOT / room).rglob("*.py"))
    )
    digest = hashlib.sha256()
    for path in paths:
        digest.update(str(path.relative_to(cli.ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _place(error):
    """Return where in our code an error comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if Path(f.filename).is_relative_to(cli.ROOT)]
    ours = [f for f in ours if "site-packages" not in f.filename]
    if not ours:
        return ""
    path = Path(ours[-1].filename).relative_to(cli.ROOT)
    return f" ({path}:{ours[-1].lineno})"
