"""What the tests of apps share: ways to train and to run."""

import contextlib
import csv
import importlib
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import filelock
import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing import event_accumulator

import rnn_layers  # noqa: F401 (the saved models are made of its layers)
from apps.common import checkpoint, cli, runs

ROOT = Path(__file__).parents[2]

# How far slow work is, and for how long: "reading: 10%|#   | 1/10 [00:03<...]".
PROGRESS = re.compile(r"^.*\[\d+:\d\d.*\]\n", re.MULTILINE)

needs_formats = pytest.mark.skipif(
    importlib.util.find_spec("tf2onnx") is None,
    reason="no ONNX here: `make install-formats`, as .ci/run does",
)


def run_module(module, *arguments, **options):
    return run_python("-m", module, *arguments, **options)


def run_python(*words, **options):
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def file_flags(folder, data, *more):
    """The command line of a training on files, all in one folder.

    Args:
        folder: The data's, with `runs` and the cache `data`.
        data: Name of the folder inside that has the files.
        more: Words of the command line.
    """
    return [
        *("--dataset", "files", "--data-path", str(folder / data)),
        *("--runs-path", str(folder / "runs")),
        *("--cache-path", str(folder / "data"), *more),
    ]


def train(app, *arguments, exported=True):
    """Trains in this process, which need not begin anew.

    Args:
        app: Name of the app.
        arguments: Words of the command line.
        exported: Whether the model is exported, too, which takes as long as a
            small training.

    Returns:
        The record of the run.
    """
    config, export, module, show = (
        importlib.import_module(f"apps.{app}.{name}")
        for name in ("config", "export", "train", "show")
    )
    policy = keras.config.dtype_policy()
    try:
        with pytest.MonkeyPatch.context() as patch:
            if not exported:
                patch.setattr(export, "write", lambda *_: None)
            draw_once(patch, show)
            options = cli.parse(config.Config, config.PRESETS, arguments)
            return module.train(options)
    finally:
        keras.config.set_dtype_policy(policy)
        keras.utils.clear_session(free_memory=False)


def draw_once(patch, show):
    """Leaves out pictures of an epoch but some of the first: they take long."""
    patch.setattr(show, "PICTURES", 1, raising=False)
    if hasattr(show, "Samples"):
        draw = show.Samples.pictures

        def pictures(own, epoch):
            return draw(own, epoch) if epoch == 0 else {}

        patch.setattr(show.Samples, "pictures", pictures)


def train_demo(app, folder, *arguments):
    """Trains on the demo, without an export; returns the record."""
    paths = ("--runs-path", str(folder), "--cache-path", str(folder / "data"))
    return train(app, *paths, *arguments, exported=False)


def train_once(tmp_path_factory, app, write_data, flags, name=None):
    """A training that all tests of a session share, those of other workers too.

    Args:
        tmp_path_factory: The fixture of pytest.
        app: Name of the app.
        write_data: Function of a folder, which writes the data into it.
        flags: Function of the folder and more words to the command line.
        name: Of the folder; by default that of the app.

    Returns:
        An object with the `folder`, the `runs.Run`, its `runs_path`, and
        `stdout` and `stderr` of the training, which lacks the progress lines
        that a slow machine gets.
    """

    def make(folder):
        write_data(folder)
        with (
            open(folder / "stdout", "w") as stdout,
            open(folder / "stderr", "w") as stderr,
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            train(app, *flags(folder, "--name", "x"))

    folder = made_once(tmp_path_factory, f"trained-{name or app}", make)
    runs_path = str(folder / "runs")
    return types.SimpleNamespace(
        folder=folder,
        run=runs.open_run(app, "x", runs_path),
        runs_path=runs_path,
        stdout=(folder / "stdout").read_text(),
        stderr=PROGRESS.sub("", (folder / "stderr").read_text()),
    )


def predictor_fixtures(kind):
    """Fixtures: the predictor of `trained`, and one that needs no loading.

    Args:
        kind: The `Predictor` of an app.
    """

    @pytest.fixture(scope="session")
    def predictor(trained):
        return kind.of_run(trained.run)

    @pytest.fixture
    def loaded(predictor, monkeypatch):
        """Saves the tests the seconds of loading and compiling it again."""
        monkeypatch.setattr(kind, "of_run", lambda *_, **__: predictor)

    return predictor, loaded


def made_once(tmp_path_factory, name, make):
    """Returns a folder that `make` fills, once for all processes of tests."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / name
    with filelock.FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


def in_all_forms(app, run_path, folder, *words):
    """A copy of a run, with ONNX, int8, and LiteRT; returns its path."""
    export = importlib.import_module(f"apps.{app}.export")
    copy = folder / "run"
    shutil.copytree(run_path, copy)
    words = "--run", str(copy), "--format", "onnx,litert", *words
    options = cli.parse(export.Options, {}, words)
    cli.check(options, words)
    export.main(options)
    return copy


def greedy(folder, **inputs):
    """Decodes by the `greedy.py` of an export, where nothing of ours is."""
    np.savez(folder / "inputs.npz", **inputs)
    script = """
import sys, json, numpy as np
sys.path.insert(0, "onnx")
import greedy
inputs = dict(np.load("inputs.npz"))
print(json.dumps(greedy.greedy("onnx", **inputs).tolist()))
for name in ("apps", "keras", "rnn_layers", "tensorflow"):
    assert name not in sys.modules, name
"""
    return json.loads(in_a_new_process(script, folder))


def file_names(folder):
    """What is in a run folder, but for the event files of HParams."""
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if not name.startswith(("events.", "test"))]


def jittered(run, folder):
    """Copies a run, with weights that are a little other; returns it."""
    copy = Path(folder, "jittered")
    shutil.copytree(run.path, copy)
    (copy / "digests.json").unlink()
    model = runs.load_model(copy / "model.keras")
    random = np.random.default_rng(0)
    for weight in model.trainable_weights:
        noise = random.normal(scale=0.4, size=weight.shape)
        weight.assign(np.array(weight) + noise)
    model.save(copy / "model.keras")
    return runs.open_run(run.app, str(copy))


def tensorboard_tags(run):
    """The tags of TensorBoard, a dict of `train` and `validation`."""
    tags = {}
    for part in ("train", "validation"):
        folder = str(run.file(part))
        events = event_accumulator.EventAccumulator(folder)
        events.Reload()
        tags[part] = set(events.Tags()["tensors"])
    return tags


def in_a_new_process(script, folder, *words):
    """Runs a Python script in a folder; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def weights_of(folder):
    classifier = keras.models.load_model(folder / "model.keras")
    return [np.array(w) for w in classifier.get_weights()]


def check_same_weights(run, other):
    """Compares the weights of two run folders, bit for bit."""
    for one, two in zip(weights_of(run), weights_of(other), strict=True):
        np.testing.assert_array_equal(one, two)


def scores_of(folder):
    """The scores of a run and its baselines, without what a clock measures."""
    record = json.loads((folder / "metrics.json").read_text())
    rows = {"": record["metrics"], **record["baselines"]}
    for scores in rows.values():
        scores.pop("words_per_second", None)
    return rows


def log_of(folder):
    """The rows of a run's `log.csv`, numbers by name."""
    with open(folder / "log.csv") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


def kill_when(process, ready):
    """Kills a process once `ready()`; says whether it was still alive."""
    while process.poll() is None and not ready():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


class Moment:
    """Is true some seconds after a log has so many epochs."""

    def __init__(self, log, epochs, seconds):
        self.log, self.epochs, self.seconds = log, epochs, seconds
        self.since = None

    def __call__(self):
        if self.since is None:
            done = 0
            if self.log.exists():
                done = self.log.read_text().count("\n") - 1
            if done < self.epochs:
                return False
            self.since = time.time()
        return time.time() > self.since + self.seconds


def check_other_data_are_refused(monkeypatch, train, config, change):
    """Kills a training once its data are read: it goes on with these alone."""
    keep = runs.keep_data

    def killed(run, *data):
        keep(run, *data)
        run.file("backup").mkdir(exist_ok=True)
        run.file("backup/state.npz").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "keep_data", killed)
    monkeypatch.setattr(runs, "make_deterministic", lambda *_: None)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(config)
    change()
    with pytest.raises(cli.UserError, match=r"data\.txt differs .* --name"):
        train(config)


def check_a_killed_run_ends_as_a_whole_one(app, folder, command, files=()):
    """Kills a training at two random moments; then lets it finish.

    Args:
        app: Name of the app.
        folder: With the data, as `file_flags` has it.
        command: Words of the command line, without a name.
        files: Names of texts in the run folder, which are to be alike.
    """
    whole, killed = (
        folder / "runs" / app / name for name in ("whole", "killed")
    )
    train(app, *command, "--name", "whole", exported=False)
    # So that what is prepared can be torn, too.
    shutil.rmtree(folder / "data", ignore_errors=True)
    run_and_kill(app, [*command, "--name", "killed"], killed)
    check_same_weights(killed, whole)
    for name in files:
        ours, theirs = ((run / name).read_text() for run in (killed, whole))
        assert ours.replace("killed", "whole") == theirs
    assert scores_of(killed) == scores_of(whole)
    assert {*file_names(whole)} <= {*file_names(killed)}


def swap_first_lines(path):
    """Changes a text in a way that its vocabulary does not show."""
    first, second, *rest = path.read_text().splitlines()
    path.write_text("\n".join([second, first, *rest]) + "\n")


def check_another_vocabulary_is_refused(run, of_run, folder):
    """Adds a word to a copy of a run, changed or written by another run."""
    copy = folder / "copy"
    shutil.copytree(run.path, copy)
    with (copy / "vocabulary.txt").open("a") as file:
        file.write("zebra\n")
    with pytest.raises(cli.UserError, match=r"vocabulary\.txt"):
        runs.open_run(run.app, str(copy))
    (copy / "digests.json").unlink()
    changed = runs.open_run(run.app, str(copy))
    with pytest.raises(cli.UserError, match=r"for another vocabulary\.txt"):
        of_run(changed)


def train_and_stop(train, config, epoch):
    """Trains until the backup of an epoch, counted from 0, is written."""
    keras.utils.clear_session(free_memory=False)  # as in a new process
    keep = checkpoint.Checkpoint.on_epoch_end

    def stopped(self, number, logs=None):
        keep(self, number, logs)
        if number == epoch:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint.Checkpoint, "on_epoch_end", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    keras.utils.clear_session(free_memory=False)


def check_is_exported_again(export, run, folder, capsys):
    """Exports a copy of a run, without its folder `export`."""
    copy = folder / "copy"
    shutil.copytree(run.path, copy)
    shutil.rmtree(copy / "export")
    export.main(export.Options(run=str(copy)))
    printed = capsys.readouterr().out
    assert f"wrote {copy / 'export'}; largest difference" in printed
    assert (copy / "export" / "1" / "saved_model.pb").exists()
    assert not list(copy.glob(".tmp-*"))


def check_steps_of_no_size_leave_the_weights(run, words, folder, capsys):
    """Goes on from a run with a learning rate of zero.

    Args:
        run: The folder of a finished run.
        words: Of the command line that it was trained by.
        folder: Where the other run is written.
        capsys: The fixture of pytest.
    """
    words = *words, "--runs-path", str(folder), "--name", "b", "--epochs", "1"
    words = *words, "--from-run", str(run), "--learning-rate", "0"
    app = Path(run).parent.name
    train(app, *words, exported=False)
    kinds = {line[:9] for line in capsys.readouterr().out.splitlines()}
    assert {"from     ", "layers   "} <= kinds
    assert not {"new      ", "left out "} & kinds
    check_near_weights(run, folder / app / "b")


def check_near_weights(*folders):
    """Compares what two runs have trained; averages are a little behind."""
    models = (runs.load_model(folder / "model.keras") for folder in folders)
    weights = (model.trainable_weights for model in models)
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


# Does what `python -m apps.<app>.train` does, but waits in place of the export.
UNEXPORTED = """
import importlib, runpy, sys, time
app, seconds = sys.argv.pop(1), float(sys.argv.pop(1))
export = importlib.import_module(f"apps.{app}.export")
export.write = lambda *_: time.sleep(seconds)
runpy.run_module(f"apps.{app}.train", run_name="__main__", alter_sys=True)
"""


def train_elsewhere(app, *arguments):
    """Trains in a new process, without an export."""
    return run_python("-c", UNEXPORTED, app, "0", *arguments)


def run_and_kill(app, arguments, folder):
    """Kills a training at two random moments; then lets it finish.

    The first is while it begins, the other while it trains or is tested. The
    model is not exported.

    Args:
        app: Name of the app.
        arguments: Of its command line.
        folder: Its run folder.
    """
    random_moment = random.Random(time.time())  # others each time, on purpose
    # Without a wait there may be no process by the last of the moments.
    command = [sys.executable, "-c", UNEXPORTED, app, "3", *arguments]
    late = random_moment.choice([(1, 1), (2, 1), (4, 2), (4, 0.3)])
    for epochs, most in [(0, 12), late]:
        for halvings in range(5):
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.DEVNULL
            )
            seconds = random_moment.uniform(0, most / 2**halvings)
            if kill_when(process, Moment(folder / "log.csv", epochs, seconds)):
                break
            # It was done by then: anew, to be killed sooner.
            shutil.rmtree(folder)
        else:
            raise AssertionError("every kill came too late")
    if not (folder / "metrics.json").exists():
        last = train_elsewhere(app, *arguments)
        assert last.returncode == 0, last.stderr


def conforms(value, schema):
    """Says whether a JSON value is as a schema of `serving.openapi` says."""
    if "anyOf" in schema:
        return any(conforms(value, one) for one in schema["anyOf"])
    kinds = {
        "array": list,
        "boolean": bool,
        "integer": int,
        "null": type(None),
        "number": float,
        "object": dict,
        "string": str,
    }
    if type(value) is not kinds[schema["type"]]:
        return False
    if schema["type"] == "array":
        return all(conforms(item, schema["items"]) for item in value)
    if "properties" in schema:
        return value.keys() == schema["properties"].keys() and all(
            conforms(value[name], kind)
            for name, kind in schema["properties"].items()
        )
    if "additionalProperties" in schema:
        inside = schema["additionalProperties"]
        return all(conforms(item, inside) for item in value.values())
    return True
