"""Training on several devices and machines: what the apps know of it.

    --devices 2         the GPUs of this machine, by MirroredStrategy
    --devices cpu:2     the same on logical CPUs
    --distribute 2      so many processes of this machine, on JAX
    --distribute auto   as a rank that SLURM, Open MPI or Kubernetes has started
    --coordinator host:port --processes n --process k
                        as rank k of n that were started in any other way

Keras trains on several processes with JAX alone. So the process that a user
starts, on TensorFlow, opens the run, makes the data and starts workers, which
train (`launcher.py`, `worker.py`). After each epoch it takes over their
variables; validation, samples, logs and backups are then what they always
are, and so is all that follows training: nobody else writes to the run. On
several machines rank 0 does this, and the others only have a worker each.
"""

import contextlib
import contextvars
import dataclasses
import functools
import importlib.util
import math
import os
import re
import sys
import typing
from collections.abc import Iterator

from apps.common import cli
from apps.common.terminal import echo

# What a worker reads from its environment, as JSON.
SETTINGS = "UNROLL_WORKER"

# Batches whose size is ours to choose have a multiple of so many rows, so that
# they are the same on 1, 2, 4 and 8 processes.
_ROWS = 8

# XLA compiles a training step for each width of a batch.
_FEW_WIDTHS = 4

_COUNT = re.compile(r"[1-9][0-9]{0,3}")

_flag = functools.partial(cli.flag, last=True)


@dataclasses.dataclass(frozen=True)
class Flags:
    """Where to train: flags of every training, which do not change what."""

    devices: str = _flag(
        "",
        "train on so many GPUs of this machine, or logical CPUs (cpu:2)",
        group="machines",
    )
    distribute: str = _flag(
        "", "train in so many processes, on JAX; auto: as one rank of a job"
    )
    coordinator: str = _flag(
        "", "HOST:PORT of rank 0, on a port that is free there", rare=True
    )
    processes: int = _flag(
        0, "ranks of a --coordinator", at_least=0, below=10_000, rare=True
    )
    process: int = _flag(
        0, "this rank, from 0 on", at_least=0, below=10_000, rare=True
    )
    join_timeout: int = _flag(
        60,
        "seconds until all ranks must have come",
        at_least=1,
        at_most=86_400,
        rare=True,
    )


NAMES = frozenset(field.name for field in dataclasses.fields(Flags))


def names_of(config) -> str:
    """Return the names of the `Flags` that a configuration has, in a line."""
    own = {field.name for field in dataclasses.fields(config)}
    return " ".join(sorted(NAMES & own))


def check(config: Flags) -> None:
    """Refuse what is no number of devices or ranks, or cannot be shared."""
    if config.devices:
        if config.distribute or config.coordinator:
            raise cli.UserError(
                "--devices is of one process, on TensorFlow; give it, or"
                " --distribute, not both"
            )
        if not _COUNT.fullmatch(config.devices.removeprefix("cpu:")):
            raise cli.UserError(
                f"--devices {config.devices}: expected a number of GPUs, such"
                " as 2, or of logical CPUs, such as cpu:2"
            )
        _check_batch(config, int(config.devices.split(":")[-1]), "--devices")
    if config.distribute not in ("", "auto"):
        if not _COUNT.fullmatch(config.distribute):
            raise cli.UserError(
                f"--distribute {config.distribute}: expected a number of"
                " processes, such as 2, or auto"
            )
        if config.coordinator:
            raise cli.UserError(
                "--coordinator is for one rank; leave out --distribute"
                f" {config.distribute}, which starts all of them here"
            )
        _check_batch(config, int(config.distribute), "--distribute")
    _check_rank(config)
    several = config.distribute or config.coordinator
    if several and getattr(config, "profile", False):
        raise cli.UserError(
            "--profile is for this process, which does not train with"
            " --distribute; leave out one of them"
        )
    if several and getattr(config, "mixed_precision", "") == "float16":
        raise cli.UserError(
            "--mixed-precision float16 scales losses, which --distribute does"
            " not carry over; bfloat16 needs no scale"
        )
    if several and importlib.util.find_spec("jax") is None:
        raise cli.UserError(
            "--distribute needs JAX; `make install-jax` installs it"
        )


def _check_rank(config):
    if not config.coordinator:
        for name in ("processes", "process"):
            if getattr(config, name):
                raise cli.UserError(
                    f"--{name} {getattr(config, name)} has no effect without"
                    " --coordinator"
                )
        return
    port = config.coordinator.rpartition(":")[2]
    if not re.fullmatch(r"\S+:[0-9]{1,5}", config.coordinator) or not (
        0 < int(port) < 65_536
    ):
        raise cli.UserError(
            f"--coordinator {config.coordinator}: expected HOST:PORT, such as"
            " 10.0.0.1:8476"
        )
    if not config.process < config.processes:
        raise cli.UserError(
            f"--process {config.process} of --processes {config.processes}:"
            " expected a rank from 0 to one less than there are"
        )
    _check_batch(config, config.processes, "--processes")


def _check_batch(config, count, flag):
    size = getattr(config, "batch_size", 0)
    if size % count:
        raise cli.UserError(
            f"--batch-size {size} cannot be shared by {flag} {count}; take a"
            f" multiple, such as {math.ceil(size / count) * count}"
        )


class Training(typing.NamedTuple):
    """What `Machines.fit` is given."""

    model: typing.Any
    batches: typing.Any
    progress: typing.Any
    epochs: int
    steps: int
    callbacks: list
    validation: typing.Any


class Machines:
    """Where a run trains: in this process, on one device; base of the others.

    Attributes:
        engine: What trains, in words; empty if it is this process.
        shard: (process, processes) that share each batch.
        rows: Batches whose size is free have a multiple of so many rows.
        few_shapes: Whether each shape of a batch costs a compilation, and must
            not depend on the rows that one process makes.
        folder: Of a worker, which stands in for the run.
    """

    engine = ""
    folder = None
    shard = 0, 1
    rows = 1
    few_shapes = False

    def few(self, widths: int) -> int:
        """Return how many widths batches may have, instead of `widths`."""
        return widths

    def close(self) -> None:
        """End what was begun."""

    def compare(self, run, datasets) -> None:
        """Refuse ranks whose vocabulary, labels or data differ.

        Args:
            run: The `runs.Run`, in which they are written down.
            datasets: The data of this process, `passes.BatchedDatasets`.
        """

    def restore(self, run) -> None:
        """Bring the backup to where `checkpoint.resume` looks for it."""

    def fit(
        self,
        model,
        batches,
        progress,
        epochs,
        steps,
        callbacks,
        validation=None,
    ) -> None:
        """Train a compiled model from where it stands.

        Args:
            model: The `keras.Model`.
            batches: The endless `tf.data.Dataset` of this process, which
                begins where the progress says.
            progress: The `progress.Progress`.
            epochs: When training ends at the latest.
            steps: Batches of an epoch.
            callbacks: What happens after each epoch.
            validation: Batches to evaluate the model itself on before.
        """
        self.train(
            Training(
                model=model,
                batches=batches,
                progress=progress,
                epochs=epochs,
                steps=steps,
                callbacks=callbacks,
                validation=validation,
            )
        )

    def train(self, training: Training) -> None:
        """Do what `fit` says."""
        progress = training.progress
        training.model.fit(
            training.batches,
            validation_data=training.validation,
            initial_epoch=progress.epoch,
            epochs=progress.epoch if progress.stopped else training.epochs,
            steps_per_epoch=training.steps,
            shuffle=False,  # the stream has its own order
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=training.callbacks,
        )


HERE = Machines()
_INSTEAD = contextvars.ContextVar("machines", default=None)


class Stopped(Exception):  # noqa: N818 (it is none)
    """Training is over, and what comes after it is not wanted."""


@contextlib.contextmanager
def training_by(machines: Machines) -> Iterator[None]:
    """Train on given machines what begins inside; `Stopped` ends it, quietly.

    So `fit` may do less than train, or end without a test, whatever app calls
    it.
    """
    token = _INSTEAD.set(machines)
    try:
        with contextlib.suppress(Stopped):
            yield
    finally:
        _INSTEAD.reset(token)


class Mirrored(Machines):
    """Several devices of this machine, by `tf.distribute.MirroredStrategy`.

    What is built from now on until the end of training is built for all of
    them.
    """

    def __init__(self, config: Flags):
        import keras
        import tensorflow as tf

        if keras.config.backend() != "tensorflow":
            raise cli.UserError(
                "--devices is for TensorFlow as Keras's backend"
            )
        kind, count = "GPU", int(config.devices.split(":")[-1])
        if config.devices.startswith("cpu:"):
            kind = "CPU"
            tf.config.set_logical_device_configuration(
                tf.config.list_physical_devices("CPU")[0],
                [tf.config.LogicalDeviceConfiguration()] * count,
            )
        there = len(tf.config.list_logical_devices(kind))
        if there < count:
            raise cli.UserError(
                f"--devices {config.devices}: this machine has {there}"
                f" {kind}{'' if there == 1 else 's'} that TensorFlow can use"
            )
        self.rows = math.lcm(_ROWS, count)
        self.engine = describe(config, "TensorFlow", 1, count, kind.lower())
        strategy = tf.distribute.MirroredStrategy(
            [f"{kind}:{number}" for number in range(count)]
        )
        self._scope = contextlib.ExitStack()
        self._scope.enter_context(strategy.scope())
        echo(f"engine   {self.engine}")

    def train(self, training):
        if any(tensor.shape[0] for tensor in training.model.inputs):
            raise cli.UserError(
                "--devices divides batches, and this model carries states from"
                " row to row of whole ones; take --distribute"
            )
        import keras

        begin = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: _stay_built(training.model)
        )
        callbacks = [begin, *training.callbacks]
        super().train(training._replace(callbacks=callbacks))
        self.close()

    def close(self):
        self._scope.close()


def _stay_built(model):
    """Keep Keras from building a model that it has built.

    It would at each validation, by the mean of what the devices have of the
    first batch, which there is none of where they have not equally many rows.
    """
    model._maybe_symbolic_build = lambda **_: None


def replicas() -> int:
    """Return among how many devices a training step is divided, inside it."""
    import keras

    if keras.config.backend() != "tensorflow":
        return 1  # JAX computes as if there were one
    import tensorflow as tf

    if tf.distribute.in_cross_replica_context():
        return 1
    return tf.distribute.get_replica_context().num_replicas_in_sync


def on_one_device() -> bool:
    """Return whether TensorFlow trains, and does not divide steps."""
    import keras

    if keras.config.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.distribute.has_strategy()


def total(tensor):
    """Return the sum of what the replicas have; of one, what it has.

    Keras adds up the losses of the replicas. So a loss that divides by what it
    has counted has to divide by the total.
    """
    if replicas() == 1:
        return tensor
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_reduce("SUM", tensor)


def of_equal_rows(loss, rows):
    """Return a replica's part of a loss, as large as if all had as many rows.

    What Keras shows is a mean of the parts, each weighted by its rows, of which
    a replica may have fewer in a batch that cannot be divided. The gradient is
    that of `loss`.
    """
    if replicas() == 1:
        return loss
    from keras import ops

    rows = ops.cast(rows, "float32")
    factor = total(rows) / (replicas() * ops.maximum(rows, 1))
    return loss + ops.stop_gradient(loss * (factor - 1))


class Distributed(Machines):
    """What the starting process and its workers have in common."""

    few_shapes = True

    def __init__(self, devices: int):
        self.rows = math.lcm(_ROWS, devices)

    def few(self, widths):
        return min(widths, _FEW_WIDTHS)


def describe(config, backend, processes, devices, kind) -> str:
    """Return what trains, in one line."""
    of = "processes" if processes > 1 else "process"
    size = f"{getattr(config, 'batch_size', 0)} rows"
    if hasattr(config, "batch_tokens"):
        size = f"{config.batch_tokens} tokens"
    return (
        f"{backend}, {processes} {of}, {devices} {kind}"
        f" device{'s' if devices > 1 else ''}, global batch {size}"
    )


def begin(app: str, config: Flags) -> Machines:
    """Return where a run trains; workers are started, or joined.

    Raises:
        UserError: There are too few devices, or not all ranks have come.
    """
    if (machines := _INSTEAD.get()) is not None:
        return machines
    if not isinstance(config, Flags):
        return HERE
    if SETTINGS in os.environ:
        from apps.common.worker import Worker

        return Worker(config)
    if config.distribute or config.coordinator:
        from apps.common.launcher import Launcher

        return Launcher(app, config)
    if config.devices:
        return Mirrored(config)
    return HERE
