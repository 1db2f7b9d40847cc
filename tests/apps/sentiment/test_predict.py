"""Labels of texts, one line each, and the words that weighed most."""

import csv
import json
import os
import re
import shutil
import sys

import numpy as np
import pytest

from apps.common import cli
from apps.sentiment import predict
from data_pipelines.files.tables import Table
from tests.apps.tools import jittered

TEXTS = ("A dull start, a lovely end.", "A warm start, a stupid end.")


def options(trained, **more):
    return predict.Options(runs_path=trained.runs_path, **more)


def test_a_text_is_a_line(trained, loaded, capsys):
    predict.main(options(trained, texts=TEXTS))
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["good", "bad"]
    assert [line[2] for line in lines] == list(TEXTS)
    assert all(0.5 <= float(line[1]) <= 1 for line in lines)


def test_a_text_stays_on_its_line(trained, loaded, capsys):
    predict.main(options(trained, texts=("two\nlines\tand a tab",)))
    printed = capsys.readouterr().out
    assert printed.endswith("\ttwo lines and a tab\n")
    assert printed.count("\n") == 1
    assert printed.count("\t") == 2


def test_a_file_and_standard_input_give_the_same(
    trained, loaded, tmp_path, capsys, monkeypatch
):
    path = tmp_path / "texts.txt"
    # A carriage return ends no line, in the data it does not either.
    lines = b"a lovely\rend\r\n\n <br />\na dull end\n" * 70
    path.write_bytes(b"\xef\xbb\xbf" + lines + b"\xff\n")
    predict.main(options(trained, input=str(path)))
    from_file, notes = capsys.readouterr()
    expected = [True, False, False, True] * 70 + [True]
    assert [bool(line) for line in from_file.splitlines()] == expected
    assert len({line[:9] for line in from_file.splitlines()[:280:4]}) == 1
    assert notes.startswith(f"note: answers of the run {trained.run.path}\n")
    assert "texts.txt: 1 broken bytes, which are not UTF-8, replaced" in notes
    with open(path) as file:
        monkeypatch.setattr(sys, "stdin", file)
        predict.main(options(trained))
    assert capsys.readouterr().out == from_file


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_table_is_written_back(trained, loaded, tmp_path, capsys, suffix):
    table, out = tmp_path / "in.csv", tmp_path / "new" / f"out.{suffix}"
    content = (
        f'id;Review;label\n1;"{TEXTS[0]}";=1+1\n2; ;\n-3;"{TEXTS[1]}\n";bad\n'
    )
    table.write_bytes(content.encode("utf-16"))
    predict.main(options(trained, input=str(table), output=str(out)))
    assert capsys.readouterr().out == ""
    if suffix == "csv":
        with open(out, newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = list(map(json.loads, out.read_text().splitlines()))
    assert [row["id"] for row in rows] == ["1", "2", "-3"]
    assert [row["Review"] for row in rows] == [TEXTS[0], " ", TEXTS[1] + "\n"]
    formula = "'=1+1" if suffix == "csv" else "=1+1"
    assert [row["label"] for row in rows] == [formula, "", "bad"]
    assert [r["predicted_label"] or None for r in rows] == ["good", None, "bad"]
    names = ("probability_good", "probability_bad", "probability")
    for row in (rows[0], rows[2]):
        good, bad, best = (float(row[name]) for name in names)
        assert good + bad == pytest.approx(1, abs=1e-5)
        assert best == max(good, bad)
    assert not rows[1]["probability_good"]
    # Our own reader has the very cells again.
    back = Table(out, ["Review"], whole=True)
    assert [row.cells["label"] for row in back] == ["=1+1", "", "bad"]


def test_objects_are_printed(trained, loaded, tmp_path, capsys):
    table = tmp_path / "in.jsonl"
    table.write_text('{"text": "a dull end", "n": 1}\n{"text": null}\n')
    predict.main(options(trained, input=str(table), json=True))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["n"] == 1
    assert first["label"] == "bad"
    assert first["probability"] == first["probability_bad"]
    assert (
        second["text"] is second["label"] is second["probability_bad"] is None
    )
    predict.main(options(trained, texts=("a dull end",), json=True))
    assert json.loads(capsys.readouterr().out) == {
        key: value for key, value in first.items() if key != "n"
    }


def test_words_that_are_no_utf8_are_marked(trained, loaded, capsys):
    texts = (os.fsdecode(b"a lovely caf\xe9"),)
    predict.main(options(trained, texts=texts))
    printed = capsys.readouterr().out
    assert printed.endswith("\ta lovely caf\N{REPLACEMENT CHARACTER}\n")


def test_explain_marks_the_words(trained, loaded, tmp_path, capsys):
    page = tmp_path / "page.html"
    texts = ("A <b>dull</b> start & a lovely end",)
    predict.main(options(trained, texts=texts, explain=True, page=str(page)))
    second = capsys.readouterr().out.splitlines()[1].split()
    weights = [float(w) for w in second[1::2]]
    assert sorted(weights, reverse=True) == weights
    assert set(second[::2]) <= {"a", "dull", "start", "&", "lovely", "end"}
    assert sum(weights) == pytest.approx(1, abs=0.1)
    written = page.read_text()
    assert ">lovely</mark>" in written
    assert ">&amp;</mark>" in written
    # As it was written, tags and case; the word that does most is the darkest.
    assert ">A</mark> &lt;b&gt;<mark" in written
    words = written[written.index('<p class="words">') :]
    marks = re.findall('class="shade(\\d+)[^"]*" title="(.*?)"', words)
    changes = {abs(float(change)): int(step) for step, change in marks}
    assert changes[max(changes)] == 10


def test_a_prediction_does_not_depend_on_its_batch(predictor):
    texts = ["a lovely end", "dull " * 30, "a"] * 30
    together = [p.probability for p in predictor(texts)]
    alone = [predictor([text])[0].probability for text in texts[:3]]
    np.testing.assert_allclose(together, alone * 30, atol=1e-6)
    assert predictor([]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "none.txt"], "none.txt: No such file"),
        (["--input", "x", "a text"], "give texts or --input, not both"),
        (["--run", "y", "a text"], "no run 'y'; the runs are: x"),
    ],
)
def test_an_error_is_one_line(trained, loaded, arguments, message, capsys):
    arguments = [*arguments, "--runs-path", trained.runs_path]
    with pytest.raises(SystemExit) as caught:
        cli.main(
            lambda: predict.main(cli.parse(predict.Options, None, arguments))
        )
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_files_that_do_not_belong_together_are_refused(trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained.run.path, copy)
    (copy / "digests.json").unlink()  # as in a run of before them
    with open(copy / "vocabulary.txt", "a") as file:
        file.write("another\n")
    with pytest.raises(cli.UserError, match="another vocabulary"):
        predict.main(predict.Options(texts=("a",), run=str(copy)))


def test_several_runs_are_the_normalised_product_of_what_they_say(
    trained, predictor, tmp_path
):
    other = jittered(trained.run, tmp_path)
    both = predict.Predictor.of_runs([trained.run, other], eager=True)
    members = [predictor, predict.Predictor.of_run(other, eager=True)]
    one, two = (
        np.array([p.probabilities for p in member(TEXTS)]) for member in members
    )
    assert np.abs(one - two).max() > 1e-4
    product = np.sqrt(one * two)
    np.testing.assert_allclose(
        [p.probabilities for p in both(TEXTS)],
        product / product.sum(axis=1, keepdims=True),
        atol=1e-5,
    )
    weights = [member(TEXTS)[0].weights for member in (*members, both)]
    np.testing.assert_allclose(weights[2], np.mean(weights[:2], 0), atol=1e-5)
