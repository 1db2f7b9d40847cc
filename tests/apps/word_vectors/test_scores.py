"""Scores by hand, by loops, and of what is not known."""

import numpy as np
import pytest
from scipy import stats

from apps.word_vectors import scores
from data_pipelines.text.words import SPECIALS, Vocabulary
from data_pipelines.word_vectors.test_sets import Pair, Question

WORDS = [f"w{number}" for number in range(40)]


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary([*SPECIALS, *WORDS])


@pytest.fixture(scope="module")
def vectors():
    vectors = np.random.default_rng(0).normal(size=(42, 5))
    vectors[:2] = 0
    return vectors


def cosine(vectors, one, other):
    one, other = (vectors[2 + int(word[1:])] for word in (one, other))
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def test_similarity_is_the_correlation_of_ranks(vocabulary, vectors):
    random = np.random.default_rng(1)
    pairs = [
        Pair(*random.choice(WORDS, 2, replace=False), float(score))
        for score in random.integers(0, 9, 30)
    ]
    unknown = [Pair("W3", "zebra", 9.0)]
    unit = scores.lengths_one(vectors)
    ours, known = scores.similarity(unit, vocabulary, pairs + unknown)
    assert known == 30
    ranks = [
        stats.rankdata([cosine(vectors, a, b) for a, b, _ in pairs]),
        stats.rankdata([score for _, _, score in pairs]),
    ]
    assert ours == pytest.approx(np.corrcoef(*ranks)[0, 1])
    large = [pair._replace(first=pair.first.upper()) for pair in pairs]
    assert scores.similarity(unit, vocabulary, large) == (ours, 30)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [Pair("w1", "w2", 3.0)],
        [Pair("w1", "w2", 3.0), Pair("w1", "w3", 3.0)],
    ],
)
def test_without_an_order_there_is_no_correlation(vocabulary, vectors, pairs):
    unit = scores.lengths_one(vectors)
    assert scores.similarity(unit, vocabulary, pairs)[0] is None


def test_analogies_are_those_of_a_loop(vocabulary, vectors, monkeypatch):
    monkeypatch.setattr(scores, "_BATCH", 7)
    random = np.random.default_rng(2)
    questions, expected = [], np.zeros(2, int)
    for _ in range(60):
        a, b, c = random.choice(WORDS, 3, replace=False)
        best = []
        for way in (
            lambda a, b, c: b - a + c,
            lambda a, b, c: (1 + b) * (1 + c) / 4 / ((1 + a) / 2 + 1e-3),
        ):
            values = {
                w: way(*(cosine(vectors, w, other) for other in (a, b, c)))
                for w in WORDS
                if w not in (a, b, c)
            }
            best.append(max(values, key=values.get))
        d = random.choice([*best, "w7"])
        questions.append(Question("one", a, b, c, d))
        expected += [d == answer for answer in best]
    questions.append(Question("two", "w1", "w2", "w3", "zebra"))
    unit = scores.lengths_one(vectors)
    sections = scores.analogies(unit, vocabulary, questions)
    assert sections["one"] == (60, 60, *expected)
    assert 20 < expected[0] < 60
    assert sections["two"] == (1, 0, 0, 0)


def test_answers_are_among_the_most_frequent(vocabulary, vectors, monkeypatch):
    monkeypatch.setattr(scores, "ANSWERS", 20)
    questions = [Question("", "w1", "w2", "w3", w) for w in ("w19", "w20")]
    unit = scores.lengths_one(vectors)
    assert scores.analogies(unit, vocabulary, questions)[""].known == 1


def test_what_is_not_tested_has_no_score(vocabulary, vectors):
    own = scores.score(vectors, vocabulary, [], [], 5.0)
    assert own.metrics == {
        **dict.fromkeys(scores.METRICS),
        "words_per_second": 5,
    }
    signature = scores.signature(own, 0, 0)
    assert signature["wordsim_spearman"] == "0 of 0 pairs known"
