"""Trainings: on bad and odd data; whole ones, killed and in every way."""

import csv
import gzip
import shutil

import pytest

from apps.common import cli, runs
from apps.sentiment import train
from apps.sentiment.config import PRESETS, Config
from apps.sentiment.predict import Predictor
from data_pipelines.sentiment.demo import generator as demo
from tests.apps import tools
from tests.apps.reviews import flags, write_reviews
from tests.apps.tools import (
    check_a_killed_run_ends_as_a_whole_one,
    check_other_data_are_refused,
    check_steps_of_no_size_leave_the_weights,
    train_demo,
)


def bad_data(folder, case):
    """Spoils the reviews; returns parts of the line that must come."""
    path = folder / "reviews" / "train.csv"
    if case == "missing":
        shutil.rmtree(folder / "reviews")
        return ["reviews"]
    if case == "empty":
        path.write_text("")
        return [str(path), "empty"]
    if case == "column":
        path.write_text("words,label\na,b\n")
        return [str(path), "text", "words"]
    if case == "one class":
        path.write_text(
            "text,label\n" + "".join(f"a film {n},good\n" for n in range(60))
        )
        return [str(path), "good"]
    if case == "truncated":
        data = gzip.compress(path.read_bytes())
        path.with_suffix(".csv.gz").write_bytes(data[: len(data) // 2])
        path.unlink()
        return ["train.csv.gz"]
    (folder / "reviews" / "test.csv").write_text("text,label\na,b\na,fine\n")
    return ["test.csv:2", "'b'", "good"]


@pytest.mark.parametrize(
    "case",
    ["missing", "empty", "column", "one class", "truncated", "label"],
)
def test_bad_data_is_one_line_and_leaves_nothing(
    case, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(runs, "make_deterministic", lambda *_: None)
    write_reviews(tmp_path / "reviews")
    parts = bad_data(tmp_path, case)
    config = cli.parse(Config, PRESETS, flags(tmp_path))
    with pytest.raises(SystemExit) as caught:
        cli.main(lambda: train.train(config))
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    for part in parts:
        assert part in printed
    left = [p.name for p in (tmp_path / "runs" / "sentiment").iterdir()]
    assert left == [".lock"]
    left = [p.name for p in tmp_path.glob("data/**/.tmp-*")]
    assert left == []


def test_a_run_does_not_go_on_with_other_reviews(tmp_path, monkeypatch):
    path = write_reviews(tmp_path / "reviews") / "train.csv"
    config = cli.parse(Config, PRESETS, flags(tmp_path, "--name", "x"))

    def change():  # which neither words nor labels show
        head, first, second, *rest = path.read_text().splitlines()
        texts, labels = zip(
            *(line.rsplit(",", 1) for line in (first, second)), strict=True
        )
        assert labels[0] != labels[1]
        swapped = map(",".join, zip(texts, labels[::-1], strict=True))
        path.write_text("\n".join([head, *swapped, *rest]))

    check_other_data_are_refused(monkeypatch, train.train, config, change)


@pytest.mark.parametrize(
    ("labels", "texts", "rows"),
    [
        pytest.param(
            ["x\ny", "\u00e9\u6620", "p\u2028q"],
            "a {} film",
            60,
            marks=pytest.mark.slow,
        ),
        # One word, and that of one letter.
        pytest.param(["0", "1"], "\u6620", 60, marks=pytest.mark.slow),
        pytest.param(
            [f"class {n}" for n in range(150)],
            "word{} film",
            450,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["odd labels", "odd texts", "many classes"],
)
def test_odd_data_train_to_the_end(
    labels, texts, rows, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(runs, "make_deterministic", lambda *_: None)
    folder = tmp_path / "reviews"
    folder.mkdir()
    for split, count in [("train", rows), ("valid", 3), ("test", 2)]:
        with open(folder / f"{split}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            for n in range(count):
                writer.writerow([texts.format(n % 7), labels[n % len(labels)]])
    more = ["--epochs", "1", "--units", "2", "--embedding-size", "2"]
    train.train(cli.parse(Config, PRESETS, flags(tmp_path, *more)))
    printed = capsys.readouterr().out
    assert "bag_of_words" in printed
    assert max(map(len, printed.splitlines())) < 200


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
    write_reviews(tmp_path / "reviews", 2000)
    command = flags(tmp_path, "--epochs", "4", "--learning-rate", "0.001")
    check_a_killed_run_ends_as_a_whole_one(
        "sentiment", tmp_path, command, ["log.csv", "samples.txt"]
    )


@pytest.mark.slow
def test_the_demo_is_learned(tmp_path, monkeypatch):
    """By half of it, not quite as well."""
    sizes = {"train": 4000, "valid": 300, "test": 300}
    monkeypatch.setattr(demo, "SIZES", sizes)
    words = ("--epochs", "7", "--learning-rate", "4e-3")
    record = train_demo("sentiment", tmp_path, *words)
    assert record["metrics"]["accuracy"] >= 0.9
    assert record["baselines"]["bag_of_words"]["accuracy"] < 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        "--mixed-precision",
        "--mixed-precision bfloat16 --depth 2 --cell peephole_lstm"
        " --bidirectional false",
        # Of one width: a step is compiled for each.
        "--jit-compile true --max-length 7",
    ],
)
def test_every_way_of_computing_learns(tmp_path, more):
    write_reviews(tmp_path / "reviews", 600)
    words = flags(tmp_path, "--epochs", "3", "--name", "x", *more.split())
    # Half precision is exported, too; the others are as they usually are.
    exported = "--mixed-precision" in words
    record = tools.train("sentiment", *words, exported=exported)
    assert record["metrics"]["accuracy"] > 0.9


@pytest.mark.slow
def test_chinese_is_classified_by_its_characters(tmp_path, capsys):
    good, bad = ["很好", "可爱", "精彩"], ["无聊", "糟糕", "难看"]
    folder = tmp_path / "reviews"
    folder.mkdir()
    with open(folder / "train.csv", "w", encoding="utf-8") as file:
        file.write("text,label\n")
        for number in range(600):
            first, last = (bad, good) if number % 2 else (good, bad)
            text = (
                f"这部片开头{first[number % 3]}但是结尾{last[number // 3 % 3]}"
            )
            label = "好" if number % 2 else "坏"
            file.write(f"{text}{number}。,{label}\n")
    arguments = flags(tmp_path, "--tokens", "characters", "--name", "x")
    record = tools.train("sentiment", *arguments)
    printed = capsys.readouterr().out
    assert "unknown characters" in printed
    assert "are unknown: a script" not in printed
    run = tmp_path / "runs" / "sentiment" / "x"
    assert record["metrics"]["accuracy"] > 0.95
    words = (run / "vocabulary.txt").read_text("utf-8").split("\n")
    assert {"很", "好", "聊"} <= {*words}
    predictor = Predictor.of_run(runs.open_run("sentiment", str(run)))
    answers = predictor(["开头很好但是结尾无聊", "开头无聊但是结尾很好"])
    assert [answer.label for answer in answers] == ["坏", "好"]


@pytest.mark.slow
def test_one_batch_is_learnt_by_heart_and_profiled(tmp_path, capsys):
    train_demo(
        *("sentiment", tmp_path, "--preset", "overfit", "--profile"),
        *("--dataset", "demo_small", "--units", "16", "--name", "x"),
    )
    assert "near zero, as it should be" in capsys.readouterr().out
    folder = tmp_path / "sentiment" / "x"
    assert list(folder.glob("plugins/profile/*/*.xplane.pb"))
