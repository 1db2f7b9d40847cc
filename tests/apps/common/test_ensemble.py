"""Several runs as one: means of what they say, and where their scores stand."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from apps.common import ensemble
from apps.common.cli import UserError
from apps.common.runs import Run
from apps.sentiment.config import Config

P = np.array([[[0.5, 0.3, 0.2]], [[0.1, 0.8, 0.1]]], "float32")


def opened(tmp_path, name, words="a\nb\n", **settings):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "vocabulary.txt").write_text(words)
    config = dataclasses.asdict(Config(**settings))
    return Run("sentiment", folder, {"config": config})


def test_log_probabilities_are_averaged_and_normalised():
    product = np.sqrt(P[0] * P[1])
    expected = product / product.sum()
    np.testing.assert_allclose(ensemble.probabilities(P), expected, rtol=1e-5)
    # Logits may be shifted, each of a member by itself.
    logits = ensemble.logits([np.log(P[0]) + 5, np.log(P[1]) - 2])
    np.testing.assert_allclose(keras.ops.softmax(logits), expected, rtol=1e-5)
    np.testing.assert_allclose(logits, np.log(P).mean(axis=0), rtol=1e-4)


def test_models_of_one_name_are_joined():
    def model(factor):
        x = keras.Input((2,), name="x")
        layer = keras.layers.Rescaling(factor, name="same")
        return keras.Model(x, [layer(x), x], name="same")

    both = ensemble.joined([model(1.0), model(3.0)], *[ensemble.mean] * 2)
    double, same = both(np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(double, [[2.0, 4.0]])
    np.testing.assert_allclose(same, [[1.0, 2.0]])


class Decoder:
    """Adds up tokens; its probabilities are those of `P`."""

    def __init__(self, number, has_attention):
        self.number, self.has_attention = number, has_attention

    def encode(self, inputs):
        return inputs * self.number

    def initial_state(self, memory):
        return {"total": memory, "weights": keras.ops.zeros((1, 1))}

    def step(self, tokens, state, memory):
        total = state["total"] + tokens + memory
        weights = keras.ops.full((1, 1), self.number)
        logits = np.log(P[self.number])
        return logits, {"total": total, "weights": weights}

    def attention(self, inputs):
        return inputs + self.number


def test_decoders_step_together():
    both = ensemble.Decoders([Decoder(0, False), Decoder(1, True)])
    memory = both.encode(np.array([3.0]))
    state = both.initial_state(memory)
    logits, state = both.step(np.array([2.0]), state, memory)
    np.testing.assert_allclose(logits, np.log(P).mean(axis=0), rtol=1e-4)
    totals = [float(own["total"][0]) for own in state["members"]]
    assert totals == [2.0, 8.0]
    # One of the two looks at its input.
    assert float(state["weights"][0, 0]) == 1
    assert both.attention(np.array([1.0])) == 2


def test_what_does_not_fit_together_is_one_line(tmp_path):
    first = opened(tmp_path, "a")
    files, fields = ["vocabulary.txt", "none.txt"], ["tokens"]
    ensemble.check([first, opened(tmp_path, "b", units=3)], Config, files)
    other = opened(tmp_path, "c", "b\na\n")
    with pytest.raises(UserError, match=r"c does .*a: its vocabulary\.txt"):
        ensemble.check([first, other], Config, files)
    other = opened(tmp_path, "d", tokens="characters")
    message = "--tokens is 'characters' there, not 'words'"
    with pytest.raises(UserError, match=message):
        ensemble.check([first, other], Config, files, fields)


def test_scores_stand_in_the_folder_of_the_first(tmp_path, capsys):
    members = [opened(tmp_path, name) for name in "ab"]
    path = members[0].file("ensemble.json")
    ensemble.keep_scores(members[:1], {}, "test", ("demo", None))
    assert not path.exists()
    for damaged in ("torn", "5", "[5]"):
        path.write_text(damaged)
        ensemble.keep_scores(members, {}, "test", ("demo", None))
    capsys.readouterr()
    for split, score in (("test", 1), ("valid", 2), ("test", 3)):
        scores = {"ensemble": {"accuracy": score}}
        ensemble.keep_scores(members, scores, split, ("demo", None))
    about = {
        "runs": [str(run.path) for run in members],
        "dataset": "demo",
        "data_path": "",
    }
    assert json.loads(path.read_text()) == [
        {**about, "split": split, "scores": {"ensemble": {"accuracy": score}}}
        for split, score in (("valid", 2), ("test", 3))
    ]
    assert capsys.readouterr().out == f"wrote {path}\n" * 3


def test_each_is_scored_and_then_all(tmp_path):
    members = [opened(tmp_path, name) for name in "ab"]

    def scored(runs, whole):
        return ensemble.score(
            runs,
            lambda run: run.name,
            whole,
            lambda one: ({"of": one}, f"shown of {one}"),
            "valid",
            ("demo", None),
        )

    one, two = (f"{run.path} (valid)" for run in members)
    rows = {one: "a", two: "b", "ensemble (valid)": "both"}
    assert scored(members, "both") == (
        {name: {"of": of} for name, of in rows.items()},
        "shown of both",
    )
    (kept,) = json.loads(members[0].file("ensemble.json").read_text())
    assert list(kept["scores"]) == list(rows)
    rows, shown = scored(members[:1], "one")
    assert (rows, shown) == ({"a (valid)": {"of": "one"}}, "shown of one")
