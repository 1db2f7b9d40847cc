"""Flags of where to train; and trainings on several devices of a machine."""

import importlib
import importlib.util
import json

import pytest

from apps.common import cli, distributed
from apps.sentiment.config import Config
from apps.translation.config import Config as TranslationConfig
from apps.word_vectors.config import Config as WordVectorsConfig
from tests.apps import ranks, reviews, translations, videos
from tests.apps.tools import ROOT, log_of, run_module, train_elsewhere
from tests.test_architecture import RECURRENT


def refused(line, config=Config):
    words = line.split()
    with pytest.raises(cli.UserError) as error:
        cli.check(cli.parse(config, None, words), words)
    return str(error.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--devices 0", "--devices 0: expected a number of GPUs, such as 2"),
        ("--devices -1", "--devices -1: expected"),
        ("--devices gpu:2", "--devices gpu:2: expected"),
        ("--devices cpu:0", "--devices cpu:0: expected"),
        ("--distribute 0", "--distribute 0: expected a number of processes"),
        ("--distribute all", "--distribute all: expected"),
        ("--devices 2 --distribute 2", "not both"),
        ("--profile --distribute 2", "--profile is for this process"),
        (
            "--mixed-precision float16 --distribute 2",
            "--mixed-precision float16 scales losses",
        ),
        ("--devices cpu:3", "--batch-size 64 cannot be shared by --devices 3"),
        (
            "--distribute 3 --batch-size 2",
            "--batch-size 2 cannot be shared by --distribute 3; take a"
            " multiple, such as 3",
        ),
        ("--processes 2", "--processes 2 has no effect without --coordinator"),
        ("--process 1", "--process 1 has no effect without --coordinator"),
        ("--coordinator a:1", "--process 0 of --processes 0"),
        ("--coordinator a:1 --processes 2 --process 2", "from 0 to one less"),
        (
            "--coordinator a --processes 2",
            "--coordinator a: expected HOST:PORT",
        ),
        ("--coordinator a:0 --processes 2", "expected HOST:PORT"),
        ("--coordinator a:65536 --processes 2", "expected HOST:PORT"),
        ("--coordinator a:1 --processes 2 --distribute 2", "leave out"),
    ],
)
def test_what_cannot_be_is_refused(line, message):
    assert message in refused(line)


@pytest.mark.parametrize("app", RECURRENT)
def test_every_app_trains_where_the_flags_say(app):
    config = importlib.import_module(f"apps.{app}.config").Config
    assert issubclass(config, distributed.Flags)
    text = (ROOT / "apps" / app / "train.py").read_text()
    assert "run.machines.fit(" in text
    assert "run.machines.shard" in text
    assert 'set_dtype_policy(f"mixed_{config.mixed_precision}")' in text


def test_word_vectors_say_why_they_have_no_such_flag(capsys):
    for flag in ("--devices", "--distribute", "--join-timeout"):
        with pytest.raises(SystemExit) as error:
            cli.parse(WordVectorsConfig, None, [flag, "2"])
        assert error.value.code == 2
        assert capsys.readouterr().err == (
            f"error: there is no {flag}: word vectors train on all cores of"
            " one machine\n"
        )


def test_without_jax_one_line_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    line = refused("--distribute 2")
    assert line == "--distribute needs JAX; `make install-jax` installs it"


def test_tokens_are_shared_by_the_pipeline_not_by_the_flag():
    words = ["--devices", "cpu:3"]
    config = cli.parse(TranslationConfig, None, words)
    cli.check(config, words)
    line = distributed.describe(config, "TensorFlow", 1, 3, "cpu")
    assert line == (
        "TensorFlow, 1 process, 3 cpu devices, global batch"
        f" {config.batch_tokens} tokens"
    )


def test_here_nothing_changes():
    here = distributed.begin("sentiment", Config())
    assert (here.shard, here.rows, here.few(16)) == ((0, 1), 1, 16)
    assert distributed.Distributed(2).few(16) < 16
    assert distributed.Distributed(3).rows % 3 == 0


# Dropout off, clipping on: a norm of 0.1 clips every step.
EXACT = {
    "sentiment": (
        lambda folder: reviews.write_reviews(folder / "reviews"),
        reviews.flags,
        (
            *("--dropout", "0", "--word-dropout", "0", "--clip-norm", "0.1"),
            *ranks.ONE_WIDTH,
        ),
    ),
    "translation": (
        # A batch of valid has 45 rows, which two devices share unequally.
        lambda folder: translations.write_pairs(
            folder / "pairs", lengths=(3, 4)
        ),
        translations.flags,
        ("--dropout", "0", "--batch-tokens", "400", "--clip-norm", "0.1"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("app", EXACT)
def test_two_devices_train_as_one_does(app, tmp_path):
    write, flags, exact = EXACT[app]
    write(tmp_path)
    logs = []
    for count in "12":
        words = flags(tmp_path, *exact, "--epochs", "2", "--name", count)
        words.append(f"--devices=cpu:{count}")
        done = (
            train_elsewhere(app, *words)
            if count == "1"
            else run_module(f"apps.{app}.train", *words)
        )
        assert done.returncode == 0, done.stderr
        assert f"engine   TensorFlow, 1 process, {count} cpu dev" in done.stdout
        logs.append(log_of(tmp_path / "runs" / app / count))
    for one, two in zip(*logs, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-5)
        assert two["val_loss"] == pytest.approx(one["val_loss"], abs=1e-4)
    run = tmp_path / "runs" / app / "2"
    assert (run / "export" / "1" / "saved_model.pb").exists()
    assert json.loads((run / "metrics.json").read_text())["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "app", "message"),
    [
        ("4095", "sentiment", "this machine has 0 GPUs that TensorFlow can"),
        ("cpu:2", "video_labeling", "--devices divides batches, and this"),
    ],
)
def test_devices_that_cannot_be_are_one_line(devices, app, message, tmp_path):
    write, flags = {
        "sentiment": EXACT["sentiment"][:2],
        "video_labeling": (
            lambda folder: videos.write_videos(folder / "clips", (6, 2, 2)),
            videos.flags,
        ),
    }[app]
    write(tmp_path)
    words = flags(tmp_path, "--name", "x", f"--devices={devices}")
    if app == "sentiment":
        words += ["--batch-size", "4095"]
    done = run_module(f"apps.{app}.train", *words)
    (line,) = ranks.errors_in(done.stderr)
    assert done.returncode == 2
    assert message in line
    assert not list(tmp_path.glob("runs/*/x"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("float16", "--devices=cpu:2"),
        ("bfloat16", "--devices=cpu:2"),
        pytest.param("bfloat16", "--distribute=2", marks=ranks.needs_jax),
    ],
)
def test_mixed_precision_learns(kind, where, tmp_path):
    words = ranks.sentiment_flags(tmp_path, "x", "--epochs", "6", where)
    done = train_elsewhere("sentiment", *words, "--mixed-precision", kind)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "runs" / "sentiment" / "x" / "metrics.json"
    assert json.loads(path.read_text())["metrics"]["accuracy"] > 0.9
