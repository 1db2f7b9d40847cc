"""Which data and which split are scored."""

import types

import pytest

from apps.common import runs, scoring
from apps.common.cli import UserError


@pytest.mark.parametrize(
    ("dataset", "data_path", "expected"),
    [
        ("", "", ("demo", None)),
        ("files", "mine", ("files", "mine")),
        ("demo", "", ("demo", None)),
    ],
)
def test_scored_are_the_data_of_the_run_or_others(dataset, data_path, expected):
    options = types.SimpleNamespace(dataset=dataset, data_path=data_path)
    config = {"dataset": "demo", "data_path": ""}
    scored = scoring.data_to_score(options, config, ["demo", "files"])
    assert scored == expected


def test_a_path_alone_does_not_say_what_stands_there():
    options = types.SimpleNamespace(dataset="", data_path="mine")
    message = "--data-path mine needs --dataset, one of demo, "
    with pytest.raises(UserError, match=message):
        scoring.data_to_score(options, {"dataset": "demo"}, ["demo", "files"])


def data(*digest, test=(1,)):
    return types.SimpleNamespace(digest=[*digest], test=test)


def test_data_that_have_changed_since_training_are_named(tmp_path, capsys):
    options = scoring.ScoringOptions()
    object.__setattr__(options, "dataset", "")
    run = runs.Run("sentiment", tmp_path, {})
    one = data("train a", "valid b", "test c")
    runs.keep_data(run, one)
    capsys.readouterr()
    assert scoring.split_to_score(run, one, options) == (1,)
    assert capsys.readouterr().err == ""
    other = data("train b", "valid b", "test b")
    scoring.split_to_score(run, other, options)
    assert capsys.readouterr().err == (
        f"note: train and test have changed since {run.path} was trained\n"
    )
    with pytest.raises(UserError, match="--split test: the data have none"):
        scoring.split_to_score(run, data(test=()), options)
    object.__setattr__(options, "dataset", "files")
    scoring.split_to_score(run, other, options)
    assert capsys.readouterr().err == ""
