"""Labels of texts, one line each, and the words that weighed most."""

import os
import shutil

import numpy as np
import pytest

from apps.common import cli
from apps.sentiment import predict
from tests.apps.tools import run_module

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
    trained, loaded, tmp_path, capsys
):
    path = tmp_path / "texts.txt"
    # A carriage return ends no line, in the data it does not either.
    path.write_bytes(b"a lovely\rend\r\n\n\xff a dull end\n" * 70)
    predict.main(options(trained, input=str(path)))
    from_file = capsys.readouterr().out
    assert from_file.count("\n") == 140
    with open(path, "rb") as file:
        done = run_module(
            "apps.sentiment.predict",
            *("--runs-path", trained.runs_path),
            stdin=file,
        )
    assert done.stdout == from_file


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
    # The heaviest word has the full colour.
    heaviest = written.index(f">{second[0]}</mark>")
    assert "184, 0, 1.00)" in written[heaviest - 60 : heaviest]


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
        (["--explain", "--page", "no/x.html", "a"], "no is not a folder"),
        (["--explain", "--page", ".", "a"], "--page .: is a folder"),
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
    with open(copy / "vocabulary.txt", "a") as file:
        file.write("another\n")
    with pytest.raises(cli.UserError, match="another vocabulary"):
        predict.main(predict.Options(texts=("a",), run=str(copy)))
