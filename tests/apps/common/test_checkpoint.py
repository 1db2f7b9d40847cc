"""A run that was killed ends as one that was not."""

import contextlib
import csv
import errno
import itertools
import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.common import checkpoint, runs
from apps.common.cli import UserError
from apps.common.optimizer import AdamW
from apps.common.progress import Progress

STEPS, EPOCHS = 4, 5


@pytest.fixture
def make_run(tmp_path):
    def make(name):
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        return runs.Run("sentiment", path, {})

    return make


def make_model(units=5):
    keras.utils.clear_session()  # names as in a new process
    keras.utils.set_random_seed(7)
    inputs = keras.Input((3,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(units)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, STEPS * EPOCHS)
    model.compile(AdamW(schedule, global_clipnorm=1.0), "mse")
    return model


def stream(start):
    """Batch k is a function of k alone."""

    def batches():
        k = start
        while True:
            x = np.random.default_rng(k).normal(size=(8, 3)).astype("float32")
            yield x, x.sum(1, keepdims=True)
            k += 1

    spec = (tf.TensorSpec((8, 3)), tf.TensorSpec((8, 1)))
    return tf.data.Dataset.from_generator(batches, output_signature=spec)


class Score(keras.callbacks.Callback):
    """Gives each epoch the score, and the loss if any, that lists say."""

    def __init__(self, scores, losses=()):
        super().__init__()
        self.scores, self.losses = scores, losses

    def on_epoch_end(self, epoch, logs=None):
        logs["val_score"] = self.scores[epoch]
        if self.losses:
            logs["val_loss"] = self.losses[epoch]


class KilledError(Exception):
    pass


class KillAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.step:
            raise KilledError


def fit(run, scores, *, losses=(), patience=99, kill_at=None, mode="max"):
    model = make_model()
    progress = checkpoint.resume(run, model)
    model.fit(
        stream(progress.epoch * STEPS),
        initial_epoch=progress.epoch,
        epochs=progress.epoch if progress.stopped else EPOCHS,
        steps_per_epoch=STEPS,
        shuffle=False,
        verbose=0,
        callbacks=[
            Score(scores, losses),
            checkpoint.Checkpoint(
                run,
                progress,
                model,
                monitor="val_score",
                mode=mode,
                patience=patience,
            ),
            KillAt(kill_at),
        ],
    )
    return model, progress


RISING = [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    "kill_at",
    [
        pytest.param(2, marks=pytest.mark.slow),
        9,
        pytest.param(16, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_reaches_the_same_weights(make_run, kill_at):
    whole, _ = fit(make_run("whole"), RISING)
    with pytest.raises(KilledError):
        fit(make_run("killed"), RISING, kill_at=kill_at)
    resumed, _ = fit(make_run("killed"), RISING)
    assert int(resumed.optimizer.iterations) == STEPS * EPOCHS
    for ours, theirs in zip(resumed.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    logs = [make_run(n).file("log.csv") for n in ("whole", "killed")]
    assert logs[0].read_text() == logs[1].read_text()


@pytest.mark.slow
def test_without_the_random_state_the_weights_would_differ(
    make_run, monkeypatch
):
    whole, _ = fit(make_run("whole"), RISING)
    with pytest.raises(KilledError):
        fit(make_run("killed"), RISING, kill_at=9)
    variables = checkpoint._variables

    def forgetful(model):
        return {n: v for n, v in variables(model).items() if "seed" not in n}

    # As if the backup had been written without the state of dropout.
    path = make_run("killed").file("backup/state.npz")
    with np.load(path) as stored:
        kept = {n: stored[n] for n in stored.files if "seed" not in n}
    np.savez(path, **kept)
    monkeypatch.setattr(checkpoint, "_variables", forgetful)
    resumed, _ = fit(make_run("killed"), RISING)
    assert not np.array_equal(resumed.weights[0], whole.weights[0])


def test_the_best_model_is_kept_and_patience_ends_the_run(make_run):
    run = make_run("run")
    model, progress = fit(run, [0.1, 0.5, 0.3, 0.2, 0.9], patience=2)
    assert (progress.epoch, progress.best_epoch) == (4, 2)
    assert progress.stopped
    best = keras.models.load_model(run.file("model.keras"))
    shorter = make_run("shorter")
    with pytest.raises(KilledError):
        fit(shorter, [0.1, 0.5, 0, 0, 0], kill_at=9)
    expected = keras.models.load_model(shorter.file("model.keras"))
    for ours, theirs in zip(best.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(best.weights[0], model.weights[0])


def test_a_loss_is_better_when_it_is_smaller(make_run):
    run = make_run("run")
    scores = [0.5, 0.3, 0.4, 0.2, 0.6]
    _, progress = fit(run, scores, mode="min")
    assert (progress.best, progress.best_epoch) == (0.2, 4)
    _, progress = fit(make_run("impatient"), scores, mode="min", patience=1)
    assert (progress.epoch, progress.best_epoch) == (3, 2)
    with pytest.raises(ValueError, match="'min' or 'max', not 'least'"):
        fit(make_run("wrong"), scores, mode="least")


def test_patience_and_the_best_score_survive_a_kill(make_run):
    scores = [0.5, 0.3, 0.4, 0.4, 0.4]
    with pytest.raises(KilledError):
        fit(make_run("killed"), scores, patience=3, kill_at=10)
    _, progress = fit(make_run("killed"), scores, patience=3)
    assert (progress.epoch, progress.best, progress.best_epoch) == (4, 0.5, 1)
    _, again = fit(make_run("killed"), scores, patience=3)
    assert again.epoch == 4  # a stopped run does not go on


def test_the_first_step_is_traced_once(make_run):
    traces = []

    class Counted(keras.Model):
        def train_step(self, data):
            traces.append(data)
            return super().train_step(data)

    inputs = keras.Input((3,))
    model = Counted(inputs, keras.layers.Dense(1)(inputs))
    model.compile(AdamW(0.1, averaging=0.9), "mse")
    checkpoint.resume(make_run("run"), model)
    x = np.ones((4, 3))
    model.fit(x, x.sum(1), batch_size=2, verbose=0)
    assert len(traces) == 1


def test_the_log_has_a_row_an_epoch(make_run):
    run = make_run("run")
    fit(run, RISING)
    rows = list(csv.DictReader(run.file("log.csv").read_text().splitlines()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5]
    assert [float(row["val_score"]) for row in rows] == RISING


def test_a_backup_of_another_model_is_refused(make_run):
    run = make_run("run")
    fit(run, RISING)
    other = make_model(units=5)
    other.compile("sgd", "mse")
    with pytest.raises(UserError, match="belongs to another model"):
        checkpoint.resume(run, other)


def test_a_loss_that_is_not_a_number_ends_the_run(make_run):
    model = make_model()
    run = make_run("run")
    callback = checkpoint.Checkpoint(
        run, Progress(), model, monitor="val_score", patience=1
    )
    callback.set_model(model)
    callback.on_epoch_begin(0)
    with pytest.raises(UserError, match="smaller --learning-rate"):
        callback.on_epoch_end(0, {"loss": float("nan"), "val_score": 0.5})
    assert not run.file("model.keras").exists()


def test_a_full_disk_leaves_the_backup_of_the_epoch_before(
    make_run, monkeypatch
):
    run, model = make_run("run"), make_model()
    model.optimizer.build(model.trainable_variables)

    def write_epoch(epoch):
        writer = checkpoint.Checkpoint(
            run,
            checkpoint.resume(run, model),
            model,
            monitor="val_score",
            patience=9,
        )
        writer.set_model(model)
        writer.set_params({"epochs": EPOCHS})
        writer.on_epoch_begin(epoch)
        writer.on_epoch_end(epoch, {"loss": 1.0, "val_score": RISING[epoch]})

    write_epoch(0)
    flush = os.fsync
    for room, name in enumerate(("model.keras", "log.csv", "backup/state.npz")):
        calls = itertools.count()

        def flush_while_there_is_room(file, room=room, calls=calls):
            if next(calls) >= room:
                raise OSError(errno.ENOSPC, "No space left on device")
            flush(file)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", flush_while_there_is_room)
            with pytest.raises(OSError, match="No space left") as caught:
                write_epoch(1)
        assert caught.value.filename == str(run.file(name))
        assert not list(run.path.rglob(".tmp-*"))
        assert checkpoint.resume(run, model).epoch == 1
    write_epoch(1)
    assert checkpoint.resume(run, model).epoch == 2


def test_a_failed_save_leaves_the_old_model(make_run, monkeypatch):
    path = make_run("run").file("model.keras")
    checkpoint.save_model(make_model(), path)
    before = path.read_bytes()

    def torn(self, target):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(keras.Model, "save", torn)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save_model(make_model(), path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.keras"]


def test_a_backup_that_is_cut_off_or_changed_is_one_line(make_run):
    run = make_run("run")
    fit(run, RISING)
    path = run.file("backup/state.npz")
    raw = path.read_bytes()
    with np.load(path) as stored:
        values = dict(stored)
    name = next(n for n in values if "kernel" in n)
    progress = json.loads(str(values["progress"]))

    def saved(**changes):
        np.savez(path, **{**values, **changes})

    def saved_progress(**changes):
        saved(progress=np.array(json.dumps({**progress, **changes})))

    # No entry is an object of Python: it would run code.
    damages = [
        *(lambda n=n: path.write_bytes(raw[:n]) for n in (0, 9, 999, -1)),
        lambda: path.write_bytes(b"hello"),
        lambda: path.write_bytes(b"PK\x03\x04" + raw[4:]),
        lambda: saved(**{name: values[name] * np.nan}),
        lambda: saved(**{name: values[name][:, :1]}),
        lambda: saved(**{name: np.array("text")}),
        lambda: saved(**{name: np.array([None])}),
        lambda: saved(progress=np.array("{")),
        lambda: saved(progress=np.array("null")),
        lambda: saved(progress=np.arange(3)),
        lambda: saved_progress(epoch="7"),
        lambda: saved_progress(epoch=-1),
        lambda: saved_progress(epoch=10**9),
        lambda: saved_progress(best="high"),
        lambda: saved_progress(rows=None),
        lambda: saved_progress(more=1),
    ]
    model = make_model()
    for number, damage in enumerate(damages):
        damage()
        if number == 5 and path.read_bytes() == raw:
            continue
        with pytest.raises(UserError) as caught:
            checkpoint.resume(run, model)
        message = str(caught.value)
        assert message.startswith(f"{path} is damaged") or (
            message.startswith(f"{path} belongs to another model")
        )
        assert message.endswith(f"; delete {run.path} to begin again")
        assert "\n" not in message
    draw = np.random.default_rng(0)
    for place in draw.integers(0, len(raw), 60):
        changed = bytearray(raw)
        changed[place] ^= 1 << int(draw.integers(8))
        path.write_bytes(changed)
        with contextlib.suppress(UserError):
            again = checkpoint.resume(run, model)
            assert again.epoch == progress["epoch"]


@pytest.mark.parametrize(
    ("losses", "best", "ending"),
    [
        # Without a loss, the first of equal scores is the best.
        ((), 1, "stopped after epoch 3 of 5: no noticeably better score for 2"),
        ([9, 7, 5, 5, 5], 3, "trained for 5 epochs"),
        # Ties go to the lower loss, which is what patience waits for, too.
        ([9, 8, 7, 6, 5], 5, "trained for 5 epochs"),
        (
            [9, 7, 8, 8, 8],
            2,
            "stopped after epoch 4 of 5: no noticeably better score or lower"
            " loss for 2",
        ),
    ],
)
def test_equal_scores_go_to_the_lower_loss(make_run, losses, best, ending):
    _, progress = fit(make_run("run"), [0.9] * 5, losses=losses, patience=2)
    assert progress.best_epoch == best
    assert progress.ending == f"{ending}; epoch {best} kept"


def test_a_lower_loss_with_a_worse_score_is_waited_for_but_not_best(make_run):
    scores, losses = [0.9, 0.8, 0.8, 0.8, 0.8], [9, 8, 7, 6, 5]
    _, progress = fit(make_run("run"), scores, losses=losses, patience=2)
    assert (progress.epoch, progress.best_epoch) == (5, 1)


@pytest.mark.slow
def test_the_loss_waited_for_survives_a_kill(make_run):
    options = dict(losses=[9, 7, 8, 8, 8], patience=2)
    with pytest.raises(KilledError):
        fit(make_run("killed"), [0.9] * 5, kill_at=10, **options)
    _, progress = fit(make_run("killed"), [0.9] * 5, **options)
    assert (progress.epoch, progress.best_epoch) == (4, 2)


@pytest.mark.parametrize(
    ("steps", "epochs", "patience"),
    [
        (1, 100, 20),  # a handful of examples
        (7, 34, 3),  # 600 texts: at least 240 steps
        (40, 30, 3),  # as many as the app wants
        (400, 3, 3),
        (5000, 3, 3),
    ],
)
def test_few_steps_an_epoch_mean_more_epochs(steps, epochs, patience):
    assert checkpoint.epochs(steps, 1200, 3, 30) == epochs
    assert checkpoint.patience(3, steps) == patience


def test_a_backup_of_before_histories_goes_on(make_run):
    run = make_run("run")
    model, _ = fit(run, RISING)
    path = run.file("backup/state.npz")
    with np.load(path) as stored:
        values = dict(stored)
    progress = json.loads(str(values["progress"]))
    del progress["scores"], progress["losses"]
    progress |= {"lowest_loss": 0.5, "lowest_epoch": 2}
    np.savez(path, **{**values, "progress": np.array(json.dumps(progress))})
    progress = checkpoint.resume(run, model)
    assert (progress.epoch, progress.best_epoch) == (5, 5)
    progress.add(6, 0.4, 0.6)
    assert progress.waited == 0
