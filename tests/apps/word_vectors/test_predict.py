"""Sums of words to the words near them, as one calls the command."""

import csv
import json

import numpy as np
import pytest

from apps.common import cli
from apps.word_vectors import predict
from apps.word_vectors.config import PredictOptions
from apps.word_vectors.predict import Sum, parsed


def run(trained, *words):
    """What `predict` does with a command line."""
    words = ["--run", "x", "--runs-path", trained.runs_path, *words]
    options = cli.parse(PredictOptions, None, words)
    cli.check(options, words)
    predict.main(options)


def test_the_nearest_are_those_of_a_loop(predictor):
    words = predictor.vocabulary.words
    asked = ["king", "woman", "man"]
    king, woman, man = (predictor.unit[words.index(word)] for word in asked)
    target = king - man + woman
    target /= np.linalg.norm(target)
    cosines = {
        word: float(predictor.unit[number] @ target)
        for number, word in enumerate(words)
        if number > 1 and word not in asked
    }
    expected = sorted(cosines, key=cosines.get, reverse=True)[:4]
    near = predictor.near(Sum(["king", "woman"], ["man"]), 4)
    assert [word for word, _ in near] == expected
    assert near[0][1] == pytest.approx(cosines[expected[0]], abs=1e-5)
    every = predictor.near(Sum(["king"], []), 10_000)
    assert len(every) == len(words) - 3


def test_products_are_those_of_the_paper(predictor):
    words = predictor.vocabulary.words
    plus = [words.index("king"), words.index("woman")]
    minus = words.index("man")
    alike = (1 + predictor.unit @ predictor.unit.T) / 2
    values = alike[:, plus].prod(axis=1) / (alike[:, minus] + 1e-3)
    values[[0, 1, *plus, minus]] = -1
    ((word, value),) = predictor.near(Sum(["king", "woman"], ["man"]), 1, True)
    assert word == words[values.argmax()]
    assert value == pytest.approx(values.max(), rel=1e-4)


@pytest.mark.parametrize(
    ("text", "positive", "negative"),
    [
        ("king - man + woman", ["king", "woman"], ["man"]),
        ("paris", ["paris"], []),
        ("well-known - x", ["well-known"], ["x"]),
    ],
)
def test_sums_are_read(text, positive, negative):
    assert parsed(text) == (positive, negative)


@pytest.mark.parametrize(
    "text", ["", "king -", "- king", "king man", "a + - b"]
)
def test_what_is_no_sum_is_one_line(text):
    with pytest.raises(cli.UserError, match=r"expected words with \+ or -"):
        parsed(text)


def test_the_command_lists_words(trained, loaded, capsys):
    run(trained, "king", "-", "man", "+", "woman", "--count", "3")
    first, *near = capsys.readouterr().out.splitlines()
    assert first == "king - man + woman"
    assert len(near) == 3
    run(trained, "--neighbours", "paris", "Rome", "--count", "2")
    lines = capsys.readouterr().out.splitlines()
    assert [len(line.split()) for line in lines] == [1, 2, 2, 0, 1, 2, 2]
    values = [float(line.split()[0]) for line in lines[1:3]]
    assert values == sorted(values, reverse=True)


def test_words_are_compared(trained, loaded, predictor, capsys):
    run(trained, "--similarity", "cat", "dog", "violin")
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows] == [
        ["cat", "dog"],
        ["cat", "violin"],
        ["dog", "violin"],
    ]
    assert float(rows[0][2]) > float(rows[1][2])
    assert float(rows[0][2]) == pytest.approx(
        predictor.similarity("cat", "dog"), abs=1e-4
    )


def test_answers_are_written_as_tables(trained, loaded, capsys, tmp_path):
    (tmp_path / "sums.txt").write_text("king - man + woman\n\nparis\n")
    table = tmp_path / "near.csv"
    words = ["--input", str(tmp_path / "sums.txt"), "--count", "2"]
    run(trained, *words, "--output", str(table))
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["text"], row["rank"]) for row in rows] == [
        ("king - man + woman", "1"),
        ("king - man + woman", "2"),
        ("paris", "1"),
        ("paris", "2"),
    ]
    capsys.readouterr()
    run(trained, "paris", "--count", "1", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "text": "paris",
        "rank": 1,
        "word": rows[2]["word"],
        "similarity": float(rows[2]["similarity"]),
    }


def test_an_unknown_word_is_named_with_those_spelled_alike(
    trained, loaded, tmp_path
):
    with pytest.raises(cli.UserError) as error:
        run(trained, "king", "-", "wman")
    message = str(error.value)
    assert message.startswith("'wman' is not among the 303 words of ")
    assert "; did you mean woman or " in message
    assert "\n" not in message
    path = tmp_path / "sums.txt"
    for sums, message in (
        ("man\nwman\n", "'wman' is not"),
        ("\n+\n", "'+': e"),
    ):
        path.write_text(sums)
        with pytest.raises(cli.UserError) as error:
            run(trained, "--input", str(path))
        assert str(error.value).startswith(f"{path}:2: {message}")
    with pytest.raises(cli.UserError, match="'qqqqqqq' is not among") as error:
        run(trained, "--neighbours", "qqqqqqq")
    assert "did you mean" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["paris", "--neighbours", "rome"], "give a sum of words, --neigh"),
        (["--similarity", "cat"], "--similarity compares two words or more"),
        (
            ["--neighbours", "a", "--input", "conftest"],
            "no effect with --neigh",
        ),
        (["--input", "nowhere"], "nowhere: No such file"),
    ],
)
def test_what_makes_no_sense_is_one_line(trained, words, message):
    with pytest.raises(cli.UserError) as error:
        run(trained, *words)
    assert message in str(error.value)
