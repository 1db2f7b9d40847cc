"""Scores of a finished run."""

import json
import types

import pytest

from apps.captioning import evaluate
from apps.common import cli
from data_pipelines.captioning.demo import generator as demo
from tests.apps import squares


def table_row(text, name):
    line = next(line for line in text.splitlines() if line.startswith(name))
    return line.removeprefix(name).split()


def evaluated(trained, capsys, **more):
    folder = str(trained[0].parents[1])
    evaluate.main(evaluate.Options(runs_path=folder, **more))
    return capsys.readouterr().out


def test_evaluate_gives_the_scores_of_training(trained, quick, capsys):
    out = evaluated(trained, capsys)
    record = json.loads((trained[0] / "metrics.json").read_text())
    rows = {"x (test)": record["metrics"], **record["baselines"]}
    head = out.splitlines()[0].split()
    for name, found in rows.items():
        expected = [
            f"{found[key]:.4f}" if key in found else "-" for key in head
        ]
        assert table_row(out, name) == expected
    assert "cider: pycocoevalcap" in out


def test_evaluate_on_valid_and_on_other_data(trained, quick, tmp_path, capsys):
    out = evaluated(trained, capsys, split="valid", beam=1)
    assert len(table_row(out, "x (valid)")) > 6
    assert "most_frequent" not in out
    other = squares.write_pictures(tmp_path / "other", {"test": 4})
    more = dict(dataset="files", data_path=str(other))
    out = evaluated(trained, capsys, beam=1, **more)
    assert len(table_row(out, "x (test)")) > 6
    assert "most_frequent" not in out  # there is no train to take it from
    with pytest.raises(cli.UserError, match="--split valid: the data"):
        evaluated(trained, capsys, split="valid", **more)


def test_right_captions_say_all_and_no_more():
    examples = demo.splits(0, {"test": 6})["test"]
    split = types.SimpleNamespace(facts=[e.scene.facts for e in examples])
    texts = [example.captions[2] for example in examples]
    assert evaluate.share_right(texts, split) == {"right": 1}
    texts[0], texts[1] = texts[1], "no caption of the grammar"
    assert evaluate.share_right(texts, split) == {"right": 4 / 6}
    unknown = types.SimpleNamespace(facts=[None])
    assert evaluate.share_right(["a cat"], unknown) == {}
