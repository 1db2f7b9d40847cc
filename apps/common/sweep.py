"""Search for better settings, by Optuna, and test the best ones.

    make sweep-sentiment ARGS="--vary units=32,64,128 learning_rate=1e-4..1e-2"
    make sweep-tagging ARGS="--trials 50 --vary dropout=0.1..0.6 cell=gru,lstm"

`vary.py` says what may stand behind `--vary`. Each trial is trained in a
process of its own and scored on valid after each epoch; one that is worse than
half of those before it is stopped. The settings of the best one are trained
with three seeds, as usual runs, which are tested: no trial is.

Everything is in `runs/<app>/<name>/`: `sweep.json`, what is searched;
`journal.log`, Optuna's; `sweep.html`, with the importance of each setting;
`output/`, what trials print; and of each trial a folder with its log and event
files.

The same command goes on with a sweep that was killed, within its trial, and
with one that is done if `--trials` are more. Several at once share the trials.
"""

import contextlib
import dataclasses
import itertools
import json
import math
import shlex
import shutil
import sys
import time
import typing
from collections.abc import Iterator
from pathlib import Path

import filelock

from apps.common import cli, distributed, provenance
from apps.common.cli import UserError
from apps.common.terminal import busy, echo
from data_pipelines.files.atomic import build_folder
from data_pipelines.files.errors import DataError

if typing.TYPE_CHECKING:  # Optuna takes a second: flags are read before
    from apps.common.journal import Journal

RECORD = "sweep.json"

# Where a sweep stands, which is no part of what it searches.
_PLACES = {"name", "runs_path", "cache_path", *distributed.NAMES}

# Trials that fail before any ends well: something else is wrong then.
_MOST_FAILURES = 3

# Seconds between looks at what other processes do, and between pages.
_PAUSE, _REFRESH = 0.5, 15


@dataclasses.dataclass(frozen=True)
class Options:
    """Search for the settings that score best on valid; test the best."""

    vary: tuple = cli.flag(
        (),
        "what to search: units=64,128 learning_rate=1e-4..1e-2",
        several=True,
        group="search",
    )
    trials: int = cli.flag(20, "trials in all", at_least=1, at_most=100_000)
    prune: bool = cli.flag(
        True, "stop trials that are worse than half of those before"
    )
    seeds: int = cli.flag(
        3, "seeds to train and test the best with", at_least=0, below=100
    )

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()  # of the app
        why = "in a sweep; start its command several times"
        yield distributed.names_of(self), why


@dataclasses.dataclass(frozen=True)
class Sweep:
    """A sweep's folder, and what it searches.

    Attributes:
        app: Name of the app.
        path: The folder.
        config: What all trials have in common.
        space: What they choose from, see `vary.space`.
        options: The flags.
        record: What `sweep.json` says.
        journal: The trials.
    """

    app: str
    path: Path
    config: typing.Any
    space: dict
    options: Options
    record: dict
    journal: "Journal"

    def lock(self, name: str) -> filelock.FileLock:
        """Return a lock, which the system opens when this process ends."""
        (self.path / "locks").mkdir(exist_ok=True)
        return filelock.FileLock(self.path / "locks" / f"{name}.lock")

    def output(self, name: str) -> Path:
        """Return the file of what a training prints."""
        (self.path / "output").mkdir(exist_ok=True)
        return self.path / "output" / f"{name}.txt"

    def folder(self, number: int) -> Path:
        """Return the folder of a trial."""
        return self.path / self.app / f"trial-{number}"


def opened(app: str, config, options: Options) -> Sweep:
    """Open the sweep of this command, new or begun.

    Raises:
        UserError: It is another one; or it is new, and its data or settings
            cannot be.
    """
    from apps.common import journal, vary

    space = vary.space(config, options.vary)
    name = config.name or f"sweep-{config.dataset}".replace("/", "-")
    common = dataclasses.replace(config, name="", preset="")
    searched = {
        "app": app,
        "config": {
            name: value
            for name, value in dataclasses.asdict(common).items()
            if name not in _PLACES
        },
        "vary": {key: vary.text(one) for key, one in space.items()},
    }
    others = (f"{name}-{number}" for number in itertools.count(2))
    for chosen in itertools.chain([name], others):
        path = Path(config.runs_path, app, chosen)
        if not path.exists():
            echo(f"sweep {path}")
            _begin(path, app, common, searched)
        record = read(path) if (path / RECORD).exists() else None
        if record is None:
            differences = ["it is no sweep"]
        else:
            differences = _differences(record, searched)
        if not differences:
            trials = journal.Journal(
                path / "journal.log", record["lower"], options.prune
            )
            return Sweep(app, path, common, space, options, record, trials)
        if config.name:
            raise UserError(
                f"{path} is something else ({'; '.join(differences)}); repeat"
                " its command or give another --name"
            )
    raise AssertionError("there are always other names")


def _begin(path, app, config, searched):
    """Create the folder, once a process has seen that a training can begin."""
    from apps.common.trial import Trial

    def write(folder):
        busy("reading the data")
        with Trial(app, config, folder / "look.txt", "look") as look:
            what, *rest = look.receive()
        if what == "error":
            raise UserError(rest[0])
        monitor, lower, _ = rest
        if not monitor.startswith("val_"):
            raise UserError(
                f"{app} has no score on valid that a search could go by"
            )
        record = {
            **searched,
            "monitor": monitor,
            "lower": lower,
            "command": shlex.join(
                ["python", "-m", "apps.common.sweep", *sys.argv[1:]]
            ),
            "commit": provenance.commit(),
        }
        (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n")

    build_folder(path, write)


def read(path: Path) -> dict:
    """Read what a sweep searches.

    Raises:
        UserError: It cannot be read.
    """
    record = None
    with contextlib.suppress(OSError, ValueError, RecursionError):
        record = json.loads((path / RECORD).read_bytes())
    kinds = {"app": str, "config": dict, "vary": dict, "monitor": str}
    if not isinstance(record, dict) or not all(
        isinstance(record.get(name), kind) for name, kind in kinds.items()
    ):
        raise UserError(f"{path / RECORD} is damaged; delete {path}")
    return record


def _differences(record, searched):
    """Return in what two sweeps differ."""
    if record["app"] != searched["app"]:
        return [f"it is of {record['app']}"]
    defaults = searched["config"]
    lines = []
    for part, sign in (("config", "--"), ("vary", "--vary ")):
        old, new = record[part], searched[part]
        if part == "config":
            # A flag that is younger than the sweep has its default.
            old = {k: old.get(k, v) for k, v in defaults.items()}
        lines += [
            f"{sign}{key.replace('_', '-') if part == 'config' else key}"
            f" was {old.get(key)!r}, is {new.get(key)!r}"
            for key in {**old, **new}
            if old.get(key) != new.get(key)
        ]
    return lines


def run(sweep: Sweep) -> None:
    """Train trials until there are enough, then test the best of them.

    Raises:
        UserError: None was trained to the end.
    """
    from apps.common import sweep_page

    written = time.monotonic()
    while True:
        number, lock = _next(sweep)
        if lock is not None:
            try:
                _train(sweep, number)
            finally:
                lock.release()
            if time.monotonic() > written + _REFRESH:
                sweep_page.write(sweep)
                written = time.monotonic()
        elif _are_running(sweep):
            busy("waiting for trials of other processes")
            time.sleep(_PAUSE)
        else:
            break
    if sweep.journal.best is None:
        raise UserError(
            f"no trial was trained to the end; see {sweep.path / 'output'}"
        )
    if sweep.options.seeds:
        sweep_page.write(sweep)
    names = _test_best(sweep)
    sweep_page.write(sweep)
    sweep_page.summary(sweep, names)


def _are_running(sweep):
    from optuna.trial import TrialState

    return bool(sweep.journal.trials(TrialState.RUNNING))


def _next(sweep):
    """Return a trial to train, with its lock; without one if there is none.

    One that was begun by a process that is no more comes first.
    """
    from optuna.trial import TrialState

    from apps.common import vary

    journal = sweep.journal
    with sweep.lock("choice"):
        for trial in journal.trials(TrialState.RUNNING):
            lock = sweep.lock(f"trial-{trial.number}")
            with contextlib.suppress(filelock.Timeout):
                lock.acquire(blocking=False)
                echo(f"going on with trial {trial.number}")
                return trial.number, lock
        params = vary.propose(
            journal.study,
            sweep.space,
            sweep.options.trials,
            sweep.config.seed,
        )
        if params is None:
            return None, None
        # The number of a new one: nobody else begins one meanwhile.
        lock = sweep.lock(f"trial-{len(journal.trials())}")
        lock.acquire()
        return journal.begin(params, sweep.space), lock


def _train(sweep, number):
    """Train a trial, from where it is, and write down how it ends."""
    from optuna.trial import TrialState

    from apps.common import sweep_page

    journal = sweep.journal
    params = journal.trial(number).params
    busy(f"trial {number}")
    end, value, about = TrialState.FAIL, None, {}
    try:
        config = dataclasses.replace(
            sweep.config,
            **params,
            name=f"trial-{number}",
            runs_path=str(sweep.path),
        )
        cli.check(config, ())
        end, value, about = _followed(sweep, number, config)
    except (UserError, DataError) as error:
        about = {"reason": str(error)}
    if end == TrialState.FAIL:
        about.setdefault("reason", "its value is not finite")
        value = None
    journal.end(number, end, value, **about)
    # The best settings are trained again, with several seeds.
    for path in sweep.folder(number).glob("*.keras"):
        path.unlink()
    shutil.rmtree(sweep.folder(number) / "backup", ignore_errors=True)
    echo(sweep_page.line(sweep, journal.trial(number)))
    failed = journal.trials(TrialState.FAIL)
    if len(failed) == len(journal.trials()) >= _MOST_FAILURES:
        raise UserError(
            f"all of {len(failed)} trials failed, the last one:"
            f" {about['reason']}; see {sweep.path / 'output'}"
        )


def _followed(sweep, number, config):
    """Return how a trial ends, its value, and what else there is to say."""
    from optuna.trial import TrialState

    from apps.common.trial import Trial

    journal, is_hopeless = sweep.journal, False
    output = sweep.output(f"trial-{number}")
    with Trial(
        sweep.app, config, output, "validate", journal.trial(number).params
    ) as training:
        while True:
            what, *rest = training.receive()
            if what == "error":
                raise UserError(rest[0])
            if what == "done":
                break
            if what == "began":  # with what was trained before
                values = dict(enumerate(rest[2], 1))
            else:
                values = dict([rest])
            for epoch, value in values.items():
                journal.report(number, epoch, value)
                busy(f"trial {number}", f"epoch {epoch}, {value:.4f}")
            is_hopeless = bool(values) and journal.is_hopeless(number)
            training.answer(not is_hopeless)
    best, best_epoch, epochs, seconds = rest
    about = {"best_epoch": best_epoch, "epochs": epochs, "seconds": seconds}
    if is_hopeless:
        return TrialState.PRUNED, None, about
    if not math.isfinite(best):
        return TrialState.FAIL, None, about
    return TrialState.COMPLETE, best, about


def _test_best(sweep):
    """Train and test the best settings with several seeds; return the runs."""
    best = sweep.journal.best
    first = sweep.config.seed
    names = {
        f"{sweep.path.name}-trial-{best.number}-seed-{seed}": seed
        for seed in range(first, first + sweep.options.seeds)
    }
    left = dict(names)
    while left:
        for name, seed in list(left.items()):
            lock = sweep.lock(name)
            with contextlib.suppress(filelock.Timeout):
                lock.acquire(blocking=False)
                try:
                    config = dataclasses.replace(
                        sweep.config, **best.params, name=name, seed=seed
                    )
                    _tested(sweep, config)
                    del left[name]
                finally:
                    lock.release()
        if left:
            busy("waiting for other processes that test the best settings")
            time.sleep(_PAUSE)
    return list(names)


def _tested(sweep, config):
    """Train and test one run, unless that is done."""
    from apps.common.trial import Trial

    path = sweep.path.with_name(config.name)
    if (path / "metrics.json").exists():
        return
    echo(f"training and testing {path}")
    busy(f"training {config.name}")
    output = sweep.output(config.name)
    with Trial(sweep.app, config, output, "test") as training:
        what, *rest = training.receive()
    if what == "error":
        raise UserError(f"{path}: {rest[0]}; see {output}")


def main(app: str, config, options: Options) -> None:
    """Go on with a sweep until it is done."""
    run(opened(app, config, options))


if __name__ == "__main__":
    app, config, options = cli.training_command(Options)
    cli.main(lambda: main(app, config, options))
