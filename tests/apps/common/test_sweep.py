"""A search: what is tried, stopped, gone on with, tested and shown."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import filelock
import pytest
from optuna.trial import TrialState
from tensorboard.backend.event_processing import event_accumulator

from apps.common import cli, results, runs, sweep, trial
from apps.common.journal import Journal
from apps.sentiment.config import Config
from tests.apps.reviews import flags, write_reviews
from tests.apps.tools import ROOT, kill_when, run_module

EPOCHS = 3


class Stand:
    """In the place of a training: a curve that the settings tell.

    Attributes:
        seen: (mode, name, settings, epochs that were trained) of each.
        kill: (name, epoch) at which this process is interrupted.
        bad: Units with which there is an error.
    """

    seen: list
    kill: tuple
    bad: tuple

    def __init__(self, app, config, output, mode, about=None):
        self.config, self.mode, self.trained = config, mode, []
        Stand.seen.append((mode, config.name, about, self.trained))
        Path(output).touch()

    def __enter__(self):
        self.told = self._talk()
        return self

    def __exit__(self, *error):
        self.told.close()

    def receive(self):
        return next(self.told)

    def answer(self, go_on):
        self.go_on = go_on

    def _talk(self):
        if self.mode == "look":
            yield "began", "val_accuracy", False, []
            return
        if self.config.units in Stand.bad:
            yield "error", "not enough memory"
            return
        folder = Path(self.config.runs_path, "sentiment", self.config.name)
        if self.mode == "test":
            yield "tested", self._test(folder)
            return
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / "log.json"
        values = json.loads(log.read_text()) if log.exists() else []
        yield "began", "val_accuracy", False, values
        while self.go_on and len(values) < EPOCHS:
            values.append(self.config.units / 100 + len(values) / 1000)
            self.trained.append(len(values))
            log.write_text(json.dumps(values))
            if (self.config.name, len(values)) == Stand.kill:
                raise KeyboardInterrupt
            yield "epoch", len(values), values[-1]
        (folder / "model.keras").touch()
        yield "done", max(values), len(values), len(values), 6.0

    def _test(self, folder):
        folder.mkdir()
        record = {
            "app": "sentiment",
            "run": folder.name,
            "dataset": "demo",
            "metrics": {"accuracy": self.config.seed / 10},
            "baselines": {"majority": {"accuracy": 0.5}},
            "parameters": 1,
            "train_seconds": 1.0,
            "examples": {},
        }
        about = {"app": "sentiment", "config": vars(self.config), "command": ""}
        (folder / "config.json").write_text(json.dumps(about))
        (folder / "metrics.json").write_text(json.dumps(record))
        return record


@pytest.fixture
def stand(monkeypatch):
    """Trainings that take no time."""
    monkeypatch.setattr(trial, "Trial", Stand)
    Stand.seen, Stand.kill, Stand.bad = [], (), ()
    return Stand


def search(tmp_path, *vary, config=None, **options):
    config = config or Config(runs_path=str(tmp_path / "runs"))
    options = {"trials": 4, "seeds": 0, **options}
    sweep.main("sentiment", config, sweep.Options(vary=vary, **options))
    return tmp_path / "runs/sentiment/sweep-demo"


def tried(folder):
    journal = Journal(folder / "journal.log", lower=False)
    return [(t.params, t.state, t.value) for t in journal.trials()]


def test_the_best_settings_are_tested_with_all_seeds(tmp_path, stand, capsys):
    config = Config(runs_path=str(tmp_path / "runs"), seed=5)
    folder = search(tmp_path, "units=10,30,20", config=config, seeds=3)
    assert len(tried(folder)) == 3
    modes = [mode for mode, *_ in stand.seen]
    assert modes == ["look", *["validate"] * 3, *["test"] * 3]
    best = Journal(folder / "journal.log", lower=False).best
    assert (best.params, best.value) == ({"units": 30}, 0.302)
    names = [f"sweep-demo-trial-{best.number}-seed-{n}" for n in (5, 6, 7)]
    assert [name for mode, name, *_ in stand.seen if mode == "test"] == names
    for name in names:
        assert runs.read_record(folder.with_name(name))["config"]["units"] == 30
    # Mean and deviation of 0.5, 0.6, 0.7.
    assert "test     accuracy 0.6000 ± 0.1000" in capsys.readouterr().out
    page = (folder / "sweep.html").read_text()
    for what in ("Importance", "0.6000 ± 0.1000", "All trials", "0.3020"):
        assert what in page
    # What only the next epoch needs is gone.
    assert not list(folder.rglob("model.keras"))
    # Nothing more is to be done.
    stand.seen.clear()
    search(tmp_path, "units=10,30,20", config=config, seeds=3)
    assert stand.seen == []


def test_results_show_a_sweep_and_its_tested_runs(tmp_path, stand, capsys):
    search(tmp_path, "units=10,30", seeds=2)
    capsys.readouterr()
    page = tmp_path / "results.html"
    results.main(results.Options(runs_path=str(tmp_path / "runs")))
    printed = capsys.readouterr().out
    results.main(
        results.Options(runs_path=str(tmp_path / "runs"), html=str(page))
    )
    line = (
        "sweep-demo: trials 2 trained, 0 stopped, 0 failed, 0 running; best on"
        " valid, val_accuracy 0.3020: units 30"
    )
    assert line in printed
    assert line in page.read_text()
    assert "0.0500 ± 0.0707" in printed  # of seeds 0 and 1, in tenths


def test_a_sweep_without_a_finished_run_is_shown(tmp_path, stand, capsys):
    search(tmp_path, "units=10,30")
    results.main(results.Options(runs_path=str(tmp_path / "runs")))
    assert "trials 2 trained" in capsys.readouterr().out


def test_a_killed_sweep_goes_on_within_its_trial(tmp_path, stand):
    whole = search(tmp_path / "whole", "units=1..90", trials=6)
    stand.kill = ("trial-2", 2)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "killed", "units=1..90", trials=6)
    stand.kill = ()
    stand.seen.clear()
    killed = search(tmp_path / "killed", "units=1..90", trials=6)
    assert tried(killed) == tried(whole)
    assert len(tried(whole)) == 6
    first = stand.seen[0]
    assert first[:2] == ("validate", "trial-2")
    assert first[3] == [3]  # two epochs were there
    assert [name for _, name, *_ in stand.seen] == [
        f"trial-{number}" for number in (2, 3, 4, 5)
    ]


def test_more_trials_go_on(tmp_path, stand):
    search(tmp_path, "units=1..90", trials=3)
    folder = search(tmp_path, "units=1..90", trials=5)
    assert len(tried(folder)) == 5
    assert [mode for mode, *_ in stand.seen].count("look") == 1


def test_hopeless_trials_are_stopped_and_are_not_the_best(tmp_path, stand):
    folder = search(tmp_path, "units=1..90", trials=14)
    states = [state for _, state, _ in tried(folder)]
    stopped = states.count(TrialState.PRUNED)
    assert stopped
    assert set(states[:5]) == {TrialState.COMPLETE}
    epochs = [trained for *_, trained in stand.seen[1:]]
    assert [len(e) for e in epochs].count(2) == stopped
    assert f"{stopped} stopped" in (folder / "sweep.html").read_text()
    never = search(tmp_path / "never", "units=1..90", trials=9, prune=False)
    assert {state for _, state, _ in tried(never)} == {TrialState.COMPLETE}


def test_a_trial_that_fails_is_said_and_the_others_go_on(
    tmp_path, stand, capsys
):
    stand.bad = (20,)
    folder = search(tmp_path, "units=10,20,30")
    assert (
        "units 20: val_accuracy failed: not enough" in capsys.readouterr().out
    )
    assert sum(s == TrialState.FAIL for _, s, _ in tried(folder)) == 1
    assert "not enough memory" in (folder / "sweep.html").read_text()


def test_a_sweep_of_which_all_fails_ends_soon(tmp_path, stand):
    stand.bad = tuple(range(1, 91))
    with pytest.raises(cli.UserError, match="all of 3 trials failed, the last"):
        search(tmp_path, "units=1..90", trials=20)
    assert len(stand.seen) == 4


def test_what_another_process_trains_is_let_be(tmp_path, stand):
    """And it is taken over when that process has given it up."""
    folder = search(tmp_path, "units=10,20,30", trials=1)
    journal = Journal(folder / "journal.log", lower=False)
    (first,) = [params for params, *_ in tried(folder)]
    space = {"units": journal.trials()[0].distributions["units"]}
    other = next(u for u in (10, 20, 30) if u != first["units"])
    number = journal.begin({"units": other}, space)
    lock = filelock.FileLock(folder / f"locks/trial-{number}.lock")
    lock.acquire()

    class Waits(Stand):
        def __init__(self, *words, **more):
            super().__init__(*words, **more)
            if len(Stand.seen) == 3:  # look, trial 0, trial 2
                lock.release()

    trial.Trial = Waits  # the fixture puts back what was there
    search(tmp_path, "units=10,20,30", trials=3)
    assert [name for _, name, *_ in stand.seen][1:] == [
        "trial-0",
        "trial-2",
        "trial-1",
    ]


def test_another_sweep_has_another_name(tmp_path, stand):
    folder = search(tmp_path, "units=10,20")
    search(tmp_path, "units=10,30")
    assert (folder.parent / "sweep-demo-2" / sweep.RECORD).exists()
    config = Config(runs_path=str(tmp_path / "runs"), name="sweep-demo")
    search(tmp_path, "units=10,20", config=config)  # the same one
    with pytest.raises(cli.UserError) as error:
        search(tmp_path, "units=10,30", config=config)
    assert "--vary units was '10,20', is '10,30'" in str(error.value)
    config = Config(runs_path=config.runs_path, name="sweep-demo", depth=2)
    with pytest.raises(cli.UserError, match="--depth was 1, is 2"):
        search(tmp_path, "units=10,20", config=config)
    (folder.parent / "a-run").mkdir()
    config = Config(runs_path=config.runs_path, name="a-run")
    with pytest.raises(cli.UserError, match="it is no sweep"):
        search(tmp_path, "units=10,20", config=config)
    (folder / sweep.RECORD).write_text("{}")
    with pytest.raises(cli.UserError, match=r"sweep\.json is damaged"):
        search(tmp_path, "units=10,20")


def test_nothing_is_left_of_a_sweep_that_cannot_begin(tmp_path, stand):
    class Wrong(Stand):
        def _talk(self):
            yield "error", "train.csv:3: has three cells"

    trial.Trial = Wrong  # the fixture puts back what was there
    with pytest.raises(cli.UserError, match=r"^train\.csv:3: has three cells$"):
        search(tmp_path, "units=10,20")
    assert not list((tmp_path / "runs/sentiment").glob("sweep*"))


def test_an_app_without_a_score_on_valid_is_refused(tmp_path, stand):
    class Blind(Stand):
        def _talk(self):
            yield "began", "words", False, []

    trial.Trial = Blind
    with pytest.raises(cli.UserError, match="sentiment has no score on valid"):
        search(tmp_path, "units=10,20")
    assert not list((tmp_path / "runs/sentiment").glob("sweep*"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--vary unit=1,2", "--vary unit=1,2: unknown setting 'unit'; did you"),
        ("", "--vary: name what to search, such as --vary units=64,128"),
        ("--vary", "argument --vary: expected at least one argument"),
        ("--vary units=1,2 --trials 0", "argument --trials: 0 is less than 1"),
        (
            "--vary units=1,2 --devices 2",
            "--devices 2 has no effect in a sweep",
        ),
    ],
)
def test_mistakes_are_one_line(words, line, tmp_path):
    runs_path = str(tmp_path / "runs")
    done = run_module(
        *("apps.common.sweep", "--app", "sentiment", "--runs-path", runs_path),
        *words.split(),
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert line in done.stderr
    assert not (tmp_path / "runs").exists()


# With real trainings.


def command(folder, *more):
    words = flags(
        folder, *more, "--vary", "units=4..12", "learning_rate=1e-3..0.1"
    )
    return ["apps.common.sweep", "--app", "sentiment", *words]


def begun(folder, *more):
    return subprocess.Popen(
        [sys.executable, "-m", *command(folder, *more)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_a_killed_sweep_ends_as_one_that_was_not(tmp_path):
    write_reviews(tmp_path / "reviews", 200)
    more = ("--trials", "1", "--seeds", "0", "--epochs", "6", "--patience", "9")
    done = run_module(*command(tmp_path, *more, "--name", "whole"))
    assert done.returncode == 0, done.stderr
    process = begun(tmp_path, *more, "--name", "killed")
    whole, killed = (
        tmp_path / "runs/sentiment" / n for n in ("whole", "killed")
    )
    run = killed / "sentiment/trial-0"
    # SIGKILL for the search alone.
    assert kill_when(process, (run / "backup/state.npz").exists)
    process.communicate()
    # Its training ends with it, in the middle.
    with filelock.FileLock(run / "lock").acquire(timeout=10):
        assert (run / "log.csv").read_text().count("\n") < 7
    done = run_module(*command(tmp_path, *more, "--name", "killed"))
    assert done.returncode == 0, done.stderr
    assert "going on with trial 0" in done.stdout
    assert "resuming" in (killed / "output/trial-0.txt").read_text()
    assert tried(killed) == tried(whole)
    logs = [f / "sentiment/trial-0/log.csv" for f in (whole, killed)]
    assert logs[0].read_bytes() == logs[1].read_bytes()


@pytest.mark.slow
def test_two_processes_share_a_sweep(tmp_path):
    write_reviews(tmp_path / "reviews", 200)
    more = ("--trials", "3", "--seeds", "1", "--epochs", "2")
    processes = [begun(tmp_path, *more) for _ in range(2)]
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    folder = tmp_path / "runs/sentiment/sweep-files"
    trials = tried(folder)
    assert [state for _, state, _ in trials] == 3 * [TrialState.COMPLETE]
    assert len({tuple(params.items()) for params, *_ in trials}) == 3
    for number in range(3):
        assert "".join(printed).count(f"\ntrial {number} ") == 1
        run = folder / f"sentiment/trial-{number}"
        # No trial has seen test, nor is tested.
        assert not (run / "metrics.json").exists()
        assert not (run / "report.html").exists()
        events = event_accumulator.EventAccumulator(str(run))
        events.Reload()
        about = events.SummaryMetadata("_hparams_/session_start_info")
        assert about.plugin_data.plugin_name == "hparams"
        assert b"learning_rate" in about.plugin_data.content
    tested = list(folder.parent.glob("sweep-files-trial-*-seed-0/metrics.json"))
    assert len(tested) == 1
    best = Journal(folder / "journal.log", lower=False).best
    record = runs.read_record(tested[0].parent)
    assert record["config"]["units"] == best.params["units"]
    words = shlex.split(record["command"])
    assert cli.parse(Config, {}, words[3:]) == Config(**record["config"])
    assert os.listdir(folder / "locks")
