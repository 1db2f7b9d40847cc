"""`make check-APP`: what it says of data, and that it trains nothing."""

import csv
import dataclasses
import importlib

import pytest

from apps.common import check, cli
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
