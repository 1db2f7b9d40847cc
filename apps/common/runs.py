"""Run folders: one training, everything about it, `runs/<app>/<name>/`.

    config.json      the resolved configuration, command, versions, git commit
    vocabulary.txt   one token a line (written by the app, as are the labels)
    data.txt         digests of the data, of apps that make them
    model.keras      the best weights so far
    backup/          what a killed run needs to go on
    log.csv          one row an epoch
    tensorboard/     event files
    metrics.json     test scores; its presence says that the run is finished
    export/          the SavedModel

The same command on an unfinished run goes on with it; on a finished one it
takes the next free name.  Nothing is ever overwritten.
"""

import contextlib
import dataclasses
import fcntl
import itertools
import json
import math
import shlex
import shutil
import sys
import zipfile
from pathlib import Path

import keras

from apps.common import provenance
from apps.common.cli import UserError, with_new_names
from data_pipelines.files import cache
from data_pipelines.files.atomic import replacing
from data_pipelines.files.errors import DataError


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder: where it is and what `config.json` says."""

    app: str
    path: Path
    record: dict

    @property
    def name(self):
        return self.path.name

    @property
    def finished(self):
        return (self.path / "metrics.json").exists()

    def file(self, name):
        return self.path / name


@contextlib.contextmanager
def start(app, config):
    """Opens the run that `config` names, new or unfinished, for one process.

    Args:
        app: Name of the app, as in `apps/<app>`.
        config: Its configuration, with `name`, `runs_path`, `dataset`, `cell`.

    Yields:
        A `Run`.  A new folder is removed again when the user's input turns out
        to be unusable before the first backup.

    Raises:
        UserError: The named run was started with other settings, is in use, or
            is not a run folder.
    """
    folder = Path(config.runs_path) / app
    run, lock = _find(app, folder, config)
    print(f"{'resuming' if _begun(run) else 'run'} {run.path}")
    for stale in run.path.rglob(".tmp-*"):
        _remove(stale)
    try:
        yield run
    except (UserError, DataError):
        if not _begun(run):
            shutil.rmtree(run.path)
        raise
    finally:
        lock.close()


def open_run(app, run, runs_path="runs"):
    """Opens a run to use its best model.

    Args:
        app: Name of the app.
        run: A name, or the path of a run folder, or "" for the newest run
            that is finished.
        runs_path: Folder that holds the runs of all apps.

    Raises:
        UserError: There is no such run, or it is not one, or has no model yet.
    """
    folder = Path(runs_path) / app
    if not run:
        finished = sorted(
            folder.glob("*/metrics.json"), key=lambda p: p.stat().st_mtime
        )
        if not finished:
            raise UserError(
                f"no finished run in {folder}; train one with"
                f" `make train-{app.replace('_', '-')}`"
            )
        path = finished[-1].parent
    else:
        path = next(
            (p for p in (folder / run, Path(run)) if p.is_dir()), Path(run)
        )
    if not path.is_dir():
        names = ", ".join(
            sorted(p.parent.name for p in folder.glob("*/config.json"))
        )
        raise UserError(f"no run '{run}'; the runs are: {names or 'none yet'}")
    opened = Run(app, path, _read_record(path))
    if opened.record["app"] != app:
        raise UserError(f"{path} is a run of {opened.record['app']}, not {app}")
    if not (path / "model.keras").exists():
        raise UserError(f"{path} has no model.keras yet; train it first")
    return opened


def data_to_score(options, config, sources):
    """Returns the data set and its path: those of the flags, or of the run.

    Args:
        options: What `evaluate` was called with.
        config: The configuration of the run, a dict.
        sources: Names of the data sets that there are.

    Raises:
        UserError: There is a path, and nothing that says what stands there.
    """
    if options.dataset:
        return options.dataset, options.data_path or None
    if options.data_path:
        raise UserError(
            f"--data-path {options.data_path}: say what is there by --dataset,"
            f" one of {', '.join(sources)}"
        )
    return config["dataset"], config["data_path"] or None


def load_model(path):
    """Loads a `model.keras`, or says in one line why it cannot be.

    Code inside the file is never run: layers that carry Python code are
    refused.

    Raises:
        UserError: The file is truncated, corrupt, or not to be trusted.
    """
    path = Path(path)
    members = {"config.json", "metadata.json", "model.weights.h5"}
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            missing = sorted(members - set(archive.namelist()))
    except (OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} is truncated or not a Keras model ({error})"
        ) from None
    if damaged or missing:
        what = (
            f"{damaged} is damaged" if damaged else f"{missing[0]} is missing"
        )
        raise UserError(f"{path} is corrupt: {what}")
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(f"{path} cannot be loaded: {line}") from None


def make_deterministic(seed, jit_compile=False):
    """Seeds everything and makes the same command give the same weights.

    Args:
        seed: Of Python, NumPy and Keras.
        jit_compile: Whether XLA is to compile the training step.  Keras does
            not let it in TensorFlow's deterministic mode, which is left off
            then: on a CPU the results are the same again, on a GPU they may
            differ in the last digits.
    """
    keras.utils.set_random_seed(seed)
    if keras.config.backend() == "tensorflow" and not jit_compile:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def keep_lines(run, name, lines):
    """Writes strings into the run, one a line.

    Raises:
        UserError: The run goes on, and began with others: the data it was
            started with have changed.
    """
    path = run.file(name)
    if _begun(run) and read_lines(path) != list(lines):
        raise UserError(
            f"{path} differs from what the data give now: they have changed"
            f" since the run began; give this one another --name"
        )
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def read_lines(path):
    """Reads what `keep_lines` wrote."""
    try:
        return Path(path).read_text("utf-8").split("\n")[:-1]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def finish(
    run, config, model, scores, baselines, progress, data, signatures=None
):
    """Writes `metrics.json`, the only source of a published number.

    Args:
        run: The `Run`.
        config: Its configuration.
        model: The Keras model that was tested.
        scores: Dict of test scores.
        baselines: Dict name -> dict of the same scores.
        progress: What `checkpoint.resume` returned, after training.
        data: The data sets; `examples` are their numbers.
        signatures: Optional dict: exactly how scores were computed.
    """
    record = {
        "app": run.app,
        "run": run.name,
        "dataset": config.dataset,
        "command": run.record["command"],
        "metrics": scores,
        "baselines": baselines,
        "signatures": signatures or {},
        "parameters": model.count_params(),
        "trainable_parameters": sum(
            math.prod(weight.shape) for weight in model.trainable_weights
        ),
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "train_seconds": round(progress.seconds, 1),
        "examples": data.examples,
        "seed": config.seed,
        "versions": run.record["versions"],
        "device": provenance.device(),
        "commit": run.record["commit"],
    }
    _write_json(run.file("metrics.json"), record)
    return record


def _find(app, folder, config):
    """Returns the run to go on with, new or unfinished, and its lock."""
    # Public sets have names such as `multi_nli/plain_text`.
    name = config.name or f"{config.dataset}-{config.cell}".replace("/", "-")
    if "/" in name or name.startswith("."):
        raise UserError(f"--name {name}: a plain folder name is needed")
    for path in _numbered(folder / name):
        _create(app, path, config)
        try:
            run = Run(app, path, _read_record(path))
        except UserError:
            if config.name:
                raise
            continue
        if run.finished:
            continue
        if run.record["config"] == dataclasses.asdict(config):
            return run, _lock(run)
        if config.name:
            raise UserError(_difference(run, config))


def _numbered(path):
    """Yields x, x-2, x-3 and so on."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.name}-{number}")


def _create(app, path, config):
    """Makes a run folder, if it is not there, in one step with its record."""

    def write(place):
        record = {
            "app": app,
            "run": path.name,
            "config": dataclasses.asdict(config),
            "command": shlex.join(
                ["python", "-m", f"apps.{app}.train", *sys.argv[1:]]
            ),
            "versions": provenance.versions(),
            "commit": provenance.commit(),
        }
        _write_json(place / "config.json", record)

    cache.folder(path, write)


def _read_record(path):
    try:
        record = json.loads((path / "config.json").read_text())
        app, config, _ = record["app"], record["config"], record["command"]
        record["config"] = with_new_names(app, config)
    except (AttributeError, OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} is not a run folder: no readable config.json in it"
        ) from None
    return record


def _lock(run):
    """Keeps a second process out of a run that is being trained."""
    lock = open(run.file("lock"), "w")  # noqa: SIM115 (held until the end)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise UserError(
            f"{run.path} is being trained by another process;"
            " give this one another --name"
        ) from None
    return lock


def _begun(run):
    return run.file("backup/state.npz").exists()


def _difference(run, config):
    old, new = run.record["config"], dataclasses.asdict(config)
    flags = [
        f"--{key.replace('_', '-')} was {old.get(key)!r}, is {value!r}"
        for key, value in new.items()
        if old.get(key) != value
    ]
    return (
        f"{run.path} is unfinished and was started with other settings"
        f" ({'; '.join(flags)}); repeat its command or give another --name"
    )


def _remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _write_json(path, value):
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")
