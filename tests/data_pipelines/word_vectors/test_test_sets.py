"""Pairs and questions: what is read, and what is refused with its line."""

import gzip

import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.word_vectors.test_sets import (
    Pair,
    Question,
    read_pairs,
    read_questions,
)


@pytest.mark.parametrize("between", ["\t", ","])
def test_pairs(tmp_path, between):
    path = tmp_path / "pairs.tsv"
    lines = ["Word 1|Word 2|Human", "# a remark", "cat|Dog|7.5", "", "a b|c|0"]
    path.write_text("\n".join(lines).replace("|", between) + "\n")
    assert read_pairs(path) == [Pair("cat", "Dog", 7.5), Pair("a b", "c", 0.0)]


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("cat\tdog", 3),
        ("cat\tdog\tmuch", 3),
        ("cat\tdog\tnan", 3),
        ("cat\t\t5", 3),
        ("cat\tdog\t5\t6", 3),
        ("cat dog 5", 3),
    ],
)
def test_bad_pairs_are_named_with_their_line(tmp_path, line, number):
    path = tmp_path / "pairs.tsv"
    path.write_text(f"a\tb\t1\nc\td\t2\n{line}\n")
    with pytest.raises(DataError) as error:
        read_pairs(path)
    message = f"{path}:{number}: expected two words and a score"
    assert str(error.value).startswith(message)


def test_one_pair_has_no_order(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\t1\n")
    with pytest.raises(DataError, match="fewer than two pairs"):
        read_pairs(path)


def test_questions(tmp_path):
    path = tmp_path / "questions.txt.gz"
    with gzip.open(path, "wt") as file:
        file.write("a b c d\n: family\n\nking queen man woman\n")
    assert read_questions(path) == [
        Question("", "a", "b", "c", "d"),
        Question("family", "king", "queen", "man", "woman"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (": one\na b c\n", "questions.txt:2: expected four words"),
        ("a b c d\na b c d e\n", "questions.txt:2: expected four words"),
        (": one\n", "has no question of four words"),
    ],
)
def test_bad_questions_are_one_line(tmp_path, text, message):
    path = tmp_path / "questions.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_questions(path)
    assert "\n" not in str(error.value)
