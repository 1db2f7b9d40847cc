"""Trainings: on bad and odd data; whole ones, killed and in every way."""

import pytest

from apps.common import cli, runs
from apps.forecasting import train
from apps.forecasting.config import PRESETS, Config
from tests.apps import tools
from tests.apps.forecast_files import flags, write_long
from tests.apps.tools import (
    check_a_killed_run_ends_as_a_whole_one,
    check_steps_of_no_size_leave_the_weights,
    train_demo,
)

# Models without layers take no other number of units than the default.
DEFAULT = ("--units", "64")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "series").mkdir()
    write_long(tmp_path / "series" / "train.csv")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("time,value\n1,2\n2,x\n", (), "train.csv:3: 'x' in the column"),
        ("time,value\n1,2\n2,3\n", (), "no series can be used; 'value', for"),
        (None, ("--known-covariates", "x"), "--known-covariates x: no such"),
        (None, ("--covariates", "y"), "no column 'y'; beside the values"),
    ],
)  # fmt: skip
def test_bad_data_is_one_line_and_leaves_nothing(
    text, more, message, folder, capsys, monkeypatch
):
    monkeypatch.setattr(runs, "make_deterministic", lambda *_: None)
    if text:
        (folder / "series" / "train.csv").write_text(text)
    config = cli.parse(Config, PRESETS, flags(folder, *more))
    with pytest.raises(SystemExit) as caught:
        cli.main(lambda: train.train(config))
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert message in printed
    left = [p.name for p in (folder / "runs" / "forecasting").iterdir()]
    assert left == [".lock"]


def test_a_monitor_without_meaning_is_refused(folder, monkeypatch):
    monkeypatch.setattr(runs, "make_deterministic", lambda *_: None)
    lines = "".join(f"{t},5\n" for t in range(60))
    (folder / "series" / "train.csv").write_text("time,value\n" + lines)
    config = cli.parse(Config, None, flags(folder, "--monitor", "mase"))
    with pytest.raises(cli.UserError, match="all series are constant"):
        train.train(config)


def test_a_stride_is_that_of_a_test_file(folder):
    words = flags(folder, "--stride", "1")
    config = cli.parse(Config, None, words)
    with pytest.raises(cli.UserError, match="--stride 1 has no effect with"):
        cli.check(config, words)
    write_long(folder / "series" / "test.csv")
    cli.check(config, words)


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        ("--model", "ar", *DEFAULT),
        ("--model", "ar", *DEFAULT, "--horizon-mode", "recursive"),
        ("--model", "hmm", *DEFAULT, "--output", "gaussian"),
        ("--model", "nn_ar", "--output", "point"),
        ("--horizon-mode", "recursive", "--output", "student_t"),
        ("--cell", "peephole_lstm", "--depth", "2", "--embedding-size", "3"),
        ("--jit-compile",),
    ],
    ids=lambda more: "".join(more),
)
def test_every_model_trains_to_the_end(folder, more):
    arguments = flags(folder, "--name", "x", *more)
    # The usual network is exported in `test_export.py`.
    exported = "--model" in more
    stored = tools.train("forecasting", *arguments, exported=exported)
    scores, naive = stored["metrics"], stored["baselines"]["naive"]
    assert 0 < scores["mase"] < naive["mase"]
    assert scores["coverage_95"] is not None


@pytest.mark.slow
def test_steps_of_no_size_leave_the_weights_of_the_run(
    trained, tmp_path, capsys
):
    words = flags(trained.folder, "--known-covariates", "load")
    check_steps_of_no_size_leave_the_weights(
        trained.run.path, words, tmp_path, capsys
    )


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_with_the_same_weights(folder):
    more = ["--epochs", "5", "--dropout", "0.1", "--steps-per-epoch", "60"]
    check_a_killed_run_ends_as_a_whole_one(
        "forecasting",
        folder,
        flags(folder, *more),
        ["log.csv", "samples.txt", "horizon.csv"],
    )


@pytest.mark.slow
def test_the_demo_comes_near_to_what_is_attainable(tmp_path):
    """In six epochs; more of them are no better."""
    words = ("--baseline-series", "0", "--epochs", "6")
    record = train_demo("forecasting", tmp_path, *words)
    best = record["baselines"].pop("attainable")
    found = record["metrics"]
    assert best["mase"] < found["mase"] < 1.2 * best["mase"]
    assert found["crps"] < min(b["crps"] for b in record["baselines"].values())
    assert abs(found["coverage_80"] - 0.8) < 0.06
