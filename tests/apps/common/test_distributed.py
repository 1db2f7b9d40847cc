"""Flags of where to train; and trainings on several devices of a machine."""

import csv
import importlib.util

import pytest

from apps.common import cli, distributed
from apps.sentiment.config import Config
from apps.translation.config import Config as TranslationConfig


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


def logs(run):
    with open(run / "log.csv") as file:
        return list(csv.DictReader(file))
