"""`make check-APP`: what it says of data, and that it trains nothing."""

import csv
import dataclasses
import importlib

import numpy as np
import pytest

from apps.common import check, cli, data_page, distributed
from apps.common.duplicates import Overlap
from apps.common.rehearsal import Rehearsal
from apps.common.tables import duration
from apps.sentiment import config as sentiment
from apps.sentiment import train
from data_pipelines.files.errors import DataError
from tests.apps.reviews import flags, write_reviews
from tests.apps.tools import run_module
from tests.test_architecture import APPS


def options(folder, *more):
    return cli.parse(sentiment.Config, sentiment.PRESETS, flags(folder, *more))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Reviews with a leak, and a page of them."""
    folder = tmp_path_factory.mktemp("check")
    write_reviews(folder / "reviews", 200)
    with open(folder / "reviews" / "train.csv", newline="") as file:
        rows = list(csv.reader(file))
    odd = ["<b>Odd</b> review of a warm & clever film", "good"]
    with open(folder / "reviews" / "test.csv", "w", newline="") as file:
        csv.writer(file).writerows([*rows[:5], odd, ["", "bad"]])
    with open(folder / "reviews" / "valid.csv", "w", newline="") as file:
        others = [["nothing to do with it", "good"], ["too long", "bad"]]
        csv.writer(file).writerows([rows[0], *others])
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return check.check("sentiment", options(folder))


def test_the_page_says_what_there_is(page, folder, capsys):
    assert page == folder / "runs/sentiment/check-reviews/data.html"
    text = page.read_text()
    assert "&lt;b&gt;Odd&lt;/b&gt; review" in text  # shown, escaped
    assert "<b>Odd" not in text
    assert "1 texts without any word left out" in text
    cells = '<tr class="wrong"><td>test</td><td>train</td><td>4</td><td>0</td>'
    assert cells + "<td>5</td></tr>" in text
    for what in ("bag_of_words", "a step", "epoch", "good", "Sizes"):
        assert what in text


def test_nothing_but_the_page_is_left(page, folder):
    assert [p.name for p in (folder / "runs/sentiment").iterdir()] == [
        "check-reviews"
    ]
    assert [p.name for p in page.parent.iterdir()] == ["data.html"]


def test_what_is_wrong_ends_as_a_training_ends(tmp_path):
    write_reviews(tmp_path / "reviews", 20)
    with open(tmp_path / "reviews" / "valid.csv", "w") as file:
        file.write("text,label\nfine,good,what\n")
    messages = []
    for function in (train.train, lambda c: check.check("sentiment", c)):
        with pytest.raises(DataError) as error:
            function(options(tmp_path))
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert "valid.csv" in messages[0]
    assert not list((tmp_path / "runs").rglob("check-*"))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--app sentimental", "expected --app NAME first, one of captioning,"),
        ("--dataset demo", "expected --app NAME first, one of captioning,"),
        (
            "--app sentiment --devices 2",
            "--devices 2 has no effect where nothing is trained",
        ),
        (
            "--app sentiment --dataset files",
            "--data-path FOLDER is needed to read files",
        ),
        (
            "--app sentiment --dataset demos",
            "unknown 'demos'; did you mean demo?",
        ),
    ],
)
def test_mistakes_are_one_line(words, line):
    done = run_module("apps.common.check", *words.split())
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert line in done.stderr


def test_help_has_the_flags_of_the_app():
    done = run_module("apps.common.check", "--app", "tagging", "--help")
    assert done.returncode == 0
    assert "trains nothing" in done.stdout
    assert "--model-scheme" in done.stdout


def test_classes_and_files_that_are_many_are_counted(tmp_path):
    classes = {
        "train": {f"class {n}": 100 - n for n in range(60)},
        "valid": {"class 3": 1},
        "test": {"new": 2},
    }
    described = data_page.Description(
        counts={"train": {"rows": 1234}},
        measured={"sizes": {"train": np.array([1, 1, 2]), "test": np.zeros(0)}},
        classes=classes,
        overlaps=[Overlap("test", "train", 7, 0, 1, [(0.9, "one", "two")])],
        left_out={f"{n}.jpg": "is empty" for n in range(60)},
    )
    data_page.write(tmp_path / "x.html", "X", described, ["a note"], {})
    text = (tmp_path / "x.html").read_text()
    assert text.count("<li>and 10 more</li>") == 1  # files
    assert "and 11 more" in text  # classes: 61, of which "new" is the last
    assert "1,234" in text
    assert "0.90" in text
    assert "class 49" in text
    assert "class 50" not in text
    assert list(described.leaks()) == [
        "0 of 7 examples of test are in train (0.0%), 1 more nearly so"
    ]


def test_a_class_that_train_lacks_is_marked(tmp_path):
    described = data_page.Description(
        {}, {}, {"train": {"a": 2}, "test": {"a": 1, "b": 1}}
    )
    data_page.write(tmp_path / "x.html", "X", described, [], {})
    text = (tmp_path / "x.html").read_text()
    assert '<tr class="wrong"><td>b (not in train)</td>' in text
    assert "<td>1 (50.0%)</td>" in text


def test_times_are_said_as_people_say_them():
    assert [duration(s) for s in (8, 90, 5400, 172_800)] == [
        "8 seconds",
        "1.5 minutes",
        "1.5 hours",
        "2.0 days",
    ]


def test_machines_are_those_that_are_given_until_the_end(folder):
    machines = Rehearsal(timed=False)
    with distributed.training_by(machines):
        train.train(options(folder))
    assert machines.costs == {}
    assert (machines.monitor, machines.lower) == ("val_accuracy", False)
    assert not machines.folder.exists()
    assert distributed.begin("sentiment", options(folder)) is distributed.HERE


@pytest.mark.slow
@pytest.mark.parametrize("app", APPS)
def test_every_app_describes_its_data(app, tmp_path):
    module = importlib.import_module(f"apps.{app}.config")
    words = ["--preset", "smoke", "--runs-path", str(tmp_path / "runs")]
    words += ["--cache-path", str(tmp_path / "data")]
    config = cli.parse(module.Config, module.PRESETS, words)
    page = check.check(app, dataclasses.replace(config, name="x"))
    text = page.read_text()
    for heading in ("Splits", "In more than one", "Trivial", "Examples"):
        assert f"<h2>{heading}" in text
    assert "<article>" in text
