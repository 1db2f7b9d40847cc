"""Scores by their definitions, on sentences counted by hand."""

import itertools

import pytest

from apps.tagging import scores
from data_pipelines.tagging.schemes import spans

TARGETS = [
    ["B-a", "I-a", "O", "B-b"],
    ["O", "O"],
    ["B-b", "I-b", "I-b", "O"],
]
PREDICTED = [
    ["B-a", "I-a", "O", "B-a"],
    ["B-a", "O"],
    ["B-b", "I-b", "O", "O"],
]


def test_spans_are_right_as_a_whole_or_wrong():
    by_type = scores.of_spans(TARGETS, PREDICTED)
    # Of three spans one is right; four are predicted.
    assert by_type[""] == {
        "precision": 1 / 4,
        "recall": 1 / 3,
        "f1": pytest.approx(2 / (4 + 3)),
        "test": 3,
    }
    assert by_type["a"]["precision"] == 1 / 3
    assert by_type["a"]["recall"] == 1.0
    assert by_type["b"] == {
        "precision": 0.0, "recall": 0.0, "f1": 0.0, "test": 2
    }  # fmt: skip


def test_labels_have_precision_and_recall_each():
    table = scores.of_labels([["X", "Y", "X"], ["Y"]], [["X", "X", "Z"], ["Y"]])
    f1 = {"X": 2 * 1 / (2 + 2), "Y": 2 * 1 / (2 + 1), "Z": 0}
    assert list(table) == list(f1)
    for label, expected in f1.items():
        assert table[label]["f1"] == expected
    assert table["X"]["precision"] == table["X"]["recall"] == 1 / 2
    assert [row["test"] for row in table.values()] == [2, 2, 0]


def test_labels_and_sentences():
    results = scores.of_tags(TARGETS, PREDICTED, True)
    assert results["accuracy"] == 7 / 10
    assert results["sentence_accuracy"] == 0.0
    assert results["f1"] == pytest.approx(2 / 7)
    plain = scores.of_tags([["X", "Y"], ["X"]], [["X", "X"], ["X"]], False)
    assert plain == {"accuracy": 2 / 3, "sentence_accuracy": 1 / 2}


def test_f1_is_its_formula_for_all_short_sentences():
    """By sets of (first, last, type), counted one by one."""
    labels = ["O", "B-a", "I-a", "B-b"]
    pairs = itertools.product(itertools.product(labels, repeat=3), repeat=2)
    for target, guess in pairs:
        wanted, guessed = spans(target), spans(guess)
        right = sum(span in wanted for span in guessed)
        expected = 0.0
        if right:
            precision, recall = right / len(guessed), right / len(wanted)
            expected = 2 * precision * recall / (precision + recall)
        results = scores.of_spans([target], [guess])[""]
        assert results["f1"] == pytest.approx(expected)


def test_heads_and_relations_without_punctuation():
    target = [2, 0, 2, 3], ["nsubj", "root", "nmod:poss", "punct"]
    guess = [2, 0, 1, 1], ["nsubj:pass", "root", "nmod:tmod", "punct"]
    results = scores.of_heads([target], [guess])
    assert results == {"uas": 2 / 3, "las": 2 / 3}
    guess = [2, 0, 2, 3], ["obj", "root", "nmod:tmod", "x"]
    results = scores.of_heads([target], [guess])
    assert results == {"uas": 1.0, "las": 2 / 3}
    assert scores.of_heads([], []) == {"uas": 0.0, "las": 0.0}
