"""Trainings: refused; whole ones, killed and in every way."""

import itertools
import shlex

import pytest

from apps.common import cli
from apps.translation import train
from apps.translation.config import PRESETS, Config
from data_pipelines.translation.demo import generator as demo
from tests.apps import tools
from tests.apps.tools import (
    check_a_killed_run_ends_as_a_whole_one,
    check_other_data_are_refused,
    check_steps_of_no_size_leave_the_weights,
    swap_first_lines,
    train_demo,
)
from tests.apps.translations import flags, write_pairs


def test_the_smoke_preset_is_a_training():
    config = cli.parse(Config, PRESETS, ["--preset", "smoke"])
    assert config.epochs == 1


def test_a_missing_language_file_is_one_line(tmp_path, capsys):
    write_pairs(tmp_path / "pairs", 50)
    (tmp_path / "pairs" / "train.it").unlink()
    config = cli.parse(Config, PRESETS, flags(tmp_path))
    with pytest.raises(SystemExit) as ended:
        cli.main(lambda: train.train(config))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "train.it" in line
    assert not list((tmp_path / "runs").rglob("config.json"))


def test_a_run_does_not_go_on_with_other_pairs(tmp_path, monkeypatch):
    path = write_pairs(tmp_path / "pairs", 200) / "train.it"
    for split, language in itertools.product(("valid", "test"), ("en", "it")):
        content = path.with_suffix(f".{language}").read_text()
        path.with_name(f"{split}.{language}").write_text(content)
    config = cli.parse(Config, PRESETS, flags(tmp_path, "--name", "x"))
    check_other_data_are_refused(
        monkeypatch, train.train, config, lambda: swap_first_lines(path)
    )


@pytest.mark.slow
def test_steps_of_no_size_leave_the_weights_of_the_run(
    trained, tmp_path, capsys
):
    words = flags(trained.folder)
    check_steps_of_no_size_leave_the_weights(
        trained.run.path, words, tmp_path, capsys
    )


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(tmp_path):
    write_pairs(tmp_path / "pairs", 2000)
    more = ["--epochs", "4", "--tokens", "subwords", "--subword-dropout", "0.1"]
    check_a_killed_run_ends_as_a_whole_one(
        "translation",
        tmp_path,
        flags(tmp_path, *more),
        ["log.csv", "samples.txt"],
    )


@pytest.mark.slow
def test_the_demo_is_learned(tmp_path, monkeypatch):
    """By half the units, so not all of it.

    Half of test has combinations that train does not have: who knows only those
    of train has half of it right.
    """
    sizes = {**demo.SIZES, "valid": 60, "test": 100}
    monkeypatch.setattr(demo, "SIZES", sizes)
    words = shlex.split(
        "--epochs 4 --units 128 --embedding-size 128 --vocabulary-size 1000"
        " --learning-rate 8e-3 --averaging 0.99"
    )
    record = train_demo("translation", tmp_path, *words)
    assert record["metrics"]["bleu"] >= 85
    assert record["metrics"]["exact_match"] > 0.65
    assert all(b["bleu"] < 5 for b in record["baselines"].values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "lengths"),
    [
        ("--mixed-precision --scheduled-sampling 0.2", range(1, 5)),
        (
            "--mixed-precision bfloat16 --depth 2 --cell lstm"
            " --decoder-cell peephole_lstm",
            range(1, 5),
        ),
        # Of two widths: a step is compiled for each.
        (
            "--jit-compile true --attention general --tied false --averaging 0",
            (3, 4),
        ),
        # Of few words, which have many characters.
        (
            "--attention dot --tokens characters --max-length 40 --epochs 10",
            (2, 3),
        ),
    ],
)
def test_every_way_of_computing_learns(tmp_path, more, lengths):
    write_pairs(tmp_path / "pairs", 700, lengths=lengths)
    arguments = flags(
        *(tmp_path, "--epochs", "8", "--name", "x", *more.split())
    )
    # Half precision is exported, too; the others are as they usually are.
    record = tools.train(
        "translation", *arguments, exported="--mixed-precision" in arguments
    )
    assert record["metrics"]["bleu"] > 60
