"""Run folders: one training, everything about it, `runs/<app>/<name>/`.

    config.json      the resolved configuration, command, versions, git commit
    vocabulary.txt   one token a line (written by the app, as are the labels)
    data.txt         digests of the data
    digests.json     digests of these files, which belong together
    model.keras      the best weights so far
    backup/          what a killed run needs to go on
    log.csv          one row an epoch
    train/, validation/, test/   event files of TensorBoard
    README.md        the model card
    metrics.json     test scores; its presence says that the run is finished
    export/          the SavedModel
    onnx/, litert/   the networks in other forms, if asked for

The same command on an unfinished run resumes it; on a finished one it
takes the next free name. Nothing is ever overwritten.
"""

import contextlib
import dataclasses
import itertools
import json
import shlex
import shutil
import sys
import typing
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import filelock

from apps.common import (
    checks,
    cli,
    digests,
    distributed,
    outcome,
    provenance,
)
from apps.common.cli import UserError, flag, with_new_names
from apps.common.terminal import busy, echo
from data_pipelines.files.atomic import build_folder, naming
from data_pipelines.files.errors import EXHAUSTED

if typing.TYPE_CHECKING:  # TensorFlow takes seconds: flags are read before
    import keras


ENCODING = flag("", "encoding of your files; empty: UTF-8, or as marked")
MIXED_PRECISION = flag(
    "",
    "compute in float16 or bfloat16, for GPUs",
    choices=("", "float16", "bfloat16"),
    alone="float16",
    rare=True,
)

# What readers of `config.json` rely on.
_RECORD = {"app": str, "config": dict, "command": str}


@dataclasses.dataclass(frozen=True)
class Options:
    """The flags of every command that uses a run of an `app`."""

    app = ""

    run: str = flag("", "name or folder of a run; empty: the newest")
    runs_path: str = flag("runs", "folder of all runs", at_least=1)

    def check(self) -> None:
        """Refuse a run that there is not, before TensorFlow is imported."""
        find_run(self.app, self.run, self.runs_path)


@dataclasses.dataclass(frozen=True)
class EnsembleOptions(Options):
    """The flags of every command that takes several runs as one."""

    run: str = flag(
        "",
        "name or folder of a run; several, separated by commas, are one"
        " ensemble; empty: the newest",
    )

    def check(self) -> None:
        """Refuse runs that there are not, before TensorFlow is imported."""
        find_runs(self.app, self.run, self.runs_path)


@dataclasses.dataclass(frozen=True)
class Run:
    """A run folder: where it is, what `config.json` says, where it trains."""

    app: str
    path: Path
    record: dict
    machines: distributed.Machines = distributed.HERE

    @property
    def name(self) -> str:
        """Name of its folder."""
        return self.path.name

    @property
    def finished(self) -> bool:
        """Whether it was trained to the end and tested."""
        return (self.path / "metrics.json").exists()

    @property
    def begun(self) -> bool:
        """Whether there is training to go on with."""
        return self.file("backup/state.npz").exists()

    def file(self, name: str) -> Path:
        """Return the path of a file in the folder."""
        return self.path / name

    def config(self, config_class: type):
        """Return its configuration as an instance of its app's dataclass.

        Raises:
            UserError: `config.json` holds another, or what cannot be.
        """
        try:
            return cli.restored(config_class, self.record["config"])
        except UserError as error:
            raise UserError(f"{self.file('config.json')}: {error}") from None


@contextlib.contextmanager
def start(app: str, config) -> Iterator[Run]:
    """Open the run that `config` names, new or unfinished, for one process.

    Args:
        app: Name of the app, as in `apps/<app>`.
        config: Its configuration, with `name`, `runs_path`, `dataset`, and a
            `cell` or a `model`.

    Yields:
        A `Run`. A new folder is removed again after an error before the first
        backup.

    Raises:
        UserError: The named run was started with other settings, is in use, or
            is not a run folder.
    """
    with contextlib.closing(distributed.begin(app, config)) as machines:
        if machines.folder:
            with machines.or_leave():
                record = {"config": dataclasses.asdict(config)}
                yield Run(app, machines.folder, record, machines)
        else:
            with _opened(app, config) as run:
                yield dataclasses.replace(run, machines=machines)


@contextlib.contextmanager
def _opened(app, config):
    """Open a run for this process, and remove it if nothing was trained."""
    run, lock = _find(app, Path(config.runs_path) / app, config)
    echo(f"{'resuming' if run.begun else 'run'} {run.path}")
    busy("preparing the data")
    for stale in run.path.rglob(".tmp-*"):
        if stale.is_dir():
            shutil.rmtree(stale)
        else:
            stale.unlink(missing_ok=True)
    try:
        if run.begun:
            digests.check(run.path, "*.txt", "*.keras", "*.npz")
            _say_other_device(run)
        with naming(run.path):
            yield run
    except BaseException:  # a user's Ctrl-C, too
        if not run.begun:
            shutil.rmtree(run.path, ignore_errors=True)
        raise
    finally:
        lock.release()


def open_run(app: str, run: str, runs_path: str = "runs") -> Run:
    """Open a run to use its best model, once it is verified; see `find_run`."""
    opened = find_run(app, run, runs_path)
    digests.check(opened.path, "*.txt", "*.keras")
    return opened


def open_runs(app: str, names: str, runs_path: str = "runs") -> list[Run]:
    """Open runs as `open_run` does, one or several; see `find_runs`."""
    opened = find_runs(app, names, runs_path)
    for run in opened:
        digests.check(run.path, "*.txt", "*.keras")
    return opened


def find_runs(app: str, names: str, runs_path: str = "runs") -> list[Run]:
    """Return runs that have models.

    Args:
        app: Name of the app.
        names: As `find_run` takes them, or several, separated by commas.
        runs_path: Folder that holds the runs of all apps.

    Raises:
        UserError: One is no run, or there twice.
    """
    # A name may have a comma, too.
    if any(p.is_dir() for p in (Path(runs_path, app, names), Path(names))):
        return [find_run(app, names, runs_path)]
    parts = [name.strip() for name in names.split(",")]
    if len(parts) > 1 and not all(parts):
        raise UserError(f"--run {names}: expected names, separated by commas")
    opened = {}
    for name in parts:
        run = find_run(app, name, runs_path)
        if run.path.resolve() in opened:
            raise UserError(f"--run {names}: {run.path} is there twice")
        opened[run.path.resolve()] = run
    return list(opened.values())


def find_run(app: str, run: str, runs_path: str = "runs") -> Run:
    """Return a run that has a model.

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
    opened = Run(app, path, read_record(path))
    if opened.record["app"] != app:
        raise UserError(f"{path} is a run of {opened.record['app']}, not {app}")
    if not (path / "model.keras").exists():
        raise UserError(f"{path} has no model.keras yet; train it first")
    return opened


def load_model(path: str | Path) -> "keras.Model":
    """Load a `model.keras`, or say in one line why that is impossible.

    Code inside the file is never run: layers that carry Python code are
    refused.

    Raises:
        UserError: The file is truncated, corrupt, or not to be trusted.
    """
    import keras

    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise zipfile.BadZipFile(f"{damaged} is damaged")
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path} cannot be loaded as a Keras model: {line}"
        ) from None


def make_deterministic(seed: int, jit_compile: bool = False) -> None:
    """Seed everything, so that the same command gives the same weights.

    Args:
        seed: Of Python, NumPy and Keras.
        jit_compile: Whether XLA is to compile the training step. Keras does
            not let it in TensorFlow's deterministic mode, which is left off
            then: on a CPU the results are the same again, on a GPU they may
            differ in the last digits.
    """
    import keras

    keras.utils.set_random_seed(seed)
    if keras.config.backend() == "tensorflow" and not jit_compile:
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def keep_lines(run: Run, name: str, lines: Iterable[str]) -> None:
    """Write strings into the run, one a line.

    Raises:
        UserError: The run is resumed and has others: the data have changed
            since it began.
    """
    path, lines = run.file(name), list(lines)
    if run.begun and read_lines(path) != lines:
        raise UserError(
            f"{path} differs from what the data give now: they have changed"
            " since the run began; restore them, or give this one another"
            " --name"
        )
    with digests.replacing(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def keep_data(run: Run, datasets, encoder=None) -> None:
    """Write digests of the data, and of what encodes them, into the run.

    Args:
        run: The run.
        datasets: Its data, `passes.BatchedDatasets`.
        encoder: A frozen network that training sees them through.

    Raises:
        UserError: The run is resumed and began with other data.
    """
    lines = datasets.digest
    if encoder is not None:
        lines.append(f"encoder {encoder.key}")
    path = run.file("data.txt")
    if run.begun:
        if not path.exists():
            return  # Begun before there were digests.
        # Runs of before say nothing of an encoder.
        lines = lines[: len(read_lines(path))]
    keep_lines(run, path.name, lines)
    run.machines.compare(run, datasets)


def read_lines(path: str | Path) -> list[str]:
    """Read what `keep_lines` wrote.

    Raises:
        UserError: It cannot be read, or is something else.
    """
    try:
        lines = Path(path).read_text("utf-8").split("\n")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is damaged: it is not UTF-8") from None
    if lines.pop():
        raise UserError(f"{path} is damaged: its last line has no end")
    if len(set(lines)) < len(lines):
        raise UserError(f"{path} is damaged: a line is in it twice")
    return lines


def read_record(path: Path) -> dict:
    """Read `config.json`, under the names of today.

    Raises:
        UserError: It is missing or damaged.
    """
    digests.check(path, "config.json")
    try:
        record = json.loads((path / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        if getattr(error, "errno", None) in EXHAUSTED:
            raise
        record = None
    if not outcome.has(record, _RECORD):
        raise UserError(
            f"{path} is not a run folder: no readable config.json in it"
        )
    record["config"] = with_new_names(record["app"], record["config"])
    return record


def _find(app, folder, config):
    """Return the run to train, new or unfinished, and its lock."""
    # Public sets have names such as `multi_nli/plain_text`.
    # Of an app without cells the model says what is trained.
    what = getattr(config, "cell", "") or config.model
    name = config.name or f"{config.dataset}-{what}".replace("/", "-")
    if not config.name and getattr(config, "preset", "") == "smoke":
        name += "-smoke"
    checks.name(name)
    others = (f"{name}-{number}" for number in itertools.count(2))
    for path in map(folder.joinpath, itertools.chain([name], others)):
        _create(app, path, config)
        try:
            run = Run(app, path, read_record(path))
        except UserError as error:
            if config.name:
                raise
            echo(f"note: {error}", file=sys.stderr)
            continue
        if run.finished:
            continue
        differences = _differences(run, config)
        if not differences:
            if config.name and run.name != name:
                echo(
                    f"note: the run {name} is finished and stays; this one is"
                    f" {run.name}, to be used by --run {run.name}",
                    file=sys.stderr,
                )
            return run, _lock(run)
        if config.name:
            raise UserError(
                f"{run.path} is unfinished and was started with other settings"
                f" ({'; '.join(differences)}); repeat its command or give"
                " another --name"
            )


def _create(app, path, config):
    """Create a run folder, if it is missing, in one step with its record."""

    def write(folder):
        record = {
            "app": app,
            "run": path.name,
            "config": dataclasses.asdict(config),
            "command": shlex.join(
                ["python", "-m", f"apps.{app}.train", *sys.argv[1:]]
            ),
            "versions": provenance.versions(),
            "commit": provenance.commit(),
            "device": provenance.device(),
        }
        digests.write_json(folder / "config.json", record)
        digests.begin(folder)

    build_folder(path, write)


def _say_other_device(run):
    before, now = run.record.get("device"), provenance.device()
    if before not in (None, now):
        echo(
            f"note: {run.path} began on {before}; on {now} the last digits of"
            " its weights will differ",
            file=sys.stderr,
        )


def _lock(run):
    """Keep a second process out of a run that is being trained."""
    lock = filelock.FileLock(run.file("lock"))
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise UserError(
            f"{run.path} is being trained by another process;"
            " give this one another --name"
        ) from None
    return lock


def _differences(run, config):
    """Return in which flags a configuration differs from that of a run.

    Which folder is meant has been said already, and where it trains is free.
    """
    free = {*distributed.NAMES, "name", "runs_path"}
    # A flag that is younger than the run has its default.
    defaults = {f.name: f.default for f in dataclasses.fields(config)}
    old, new = defaults | run.record["config"], dataclasses.asdict(config)
    return [
        f"--{key.replace('_', '-')} was {old[key]!r}, is {new.get(key)!r}"
        for key in old
        if old[key] != new.get(key) and key not in free
    ]
