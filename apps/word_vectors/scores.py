"""Scores of word vectors, by the cosines of words.

wordsim_spearman      Spearman's rank correlation of the cosines of pairs with
                      the scores that people gave them
analogy_accuracy      share of questions a : b = c : d for which no word but d
                      has a larger cosine with b - a + c, a, b and c left out
                      (3CosAdd, Mikolov et al. 2013)
analogy_accuracy_mul  the same by cos(b) cos(c) / cos(a), cosines moved to
                      [0, 1] (3CosMul, Levy and Goldberg 2014)
words_per_second      words of the text, those that are left out now and then
                      among them, that training reads in a second

All vectors have length one. Pairs and questions with an unknown word are left
out and counted; answers are among the 30,000 most frequent words, and questions
with others count as unknown, as in word2vec's own program. What there is
nothing to score of is None.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from data_pipelines.text.words import SPECIALS, UNKNOWN, Vocabulary
from data_pipelines.word_vectors.test_sets import Pair, Question

METRICS = {
    "wordsim_spearman": "rank correlation of cosines with people's scores of"
    " pairs, -1 to 1",
    "analogy_accuracy": "share of questions a : b = c : d that are answered by"
    " b - a + c",
    "analogy_accuracy_mul": "the same by products of cosines",
    "words_per_second": "words of the text that training reads in a second",
}

# Words among which the answer to a question is.
ANSWERS = 30_000
# So that no similarity is divided by zero.
EPSILON = 1e-3
# Questions at a time.
_BATCH = 256


class Section(NamedTuple):
    """How many questions of a section there are, are known, and are right."""

    questions: int
    known: int
    added: int
    multiplied: int


class Scores(NamedTuple):
    """Scores, and what they are of.

    Attributes:
        metrics: Name -> value or None.
        pairs: How many pairs have two known words.
        sections: Name -> `Section`.
    """

    metrics: dict[str, float | None]
    pairs: int
    sections: dict[str, Section]


def lengths_one(vectors: np.ndarray) -> np.ndarray:
    """Return vectors `(V, D)` of length one; those that are zero stay so."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


def ids_of(vocabulary: Vocabulary, words: Sequence[str]) -> np.ndarray:
    """Return the ids of words, or of their small letters; 1 where unknown."""
    ids = vocabulary.ids(words)
    small = vocabulary.ids([word.lower() for word in words])
    return np.where(ids == UNKNOWN, small, ids)


def score(
    vectors: np.ndarray,
    vocabulary: Vocabulary,
    pairs: Sequence[Pair],
    questions: Sequence[Question],
    words_per_second: float | None,
) -> Scores:
    """Return the scores of vectors `(V, D)`."""
    unit = lengths_one(vectors)
    spearman, known = similarity(unit, vocabulary, pairs)
    sections = analogies(unit, vocabulary, questions)
    total = sum(section.known for section in sections.values())
    shares = [
        sum(getattr(section, way) for section in sections.values()) / total
        if total
        else None
        for way in ("added", "multiplied")
    ]
    values = (spearman, *shares, words_per_second)
    metrics = dict(zip(METRICS, values, strict=True))
    return Scores(metrics, known, sections)


def similarity(
    unit: np.ndarray, vocabulary: Vocabulary, pairs: Sequence[Pair]
) -> tuple[float | None, int]:
    """Return Spearman's correlation, and how many pairs are known."""
    first = ids_of(vocabulary, [pair.first for pair in pairs])
    second = ids_of(vocabulary, [pair.second for pair in pairs])
    known = (first != UNKNOWN) & (second != UNKNOWN)
    cosines = (unit[first[known]] * unit[second[known]]).sum(axis=1)
    people = np.array([pair.score for pair in pairs])[known]
    if len(people) < 2 or min(np.ptp(people), np.ptp(cosines)) == 0:
        return None, len(people)
    return float(stats.spearmanr(cosines, people)[0]), len(people)


def analogies(
    unit: np.ndarray, vocabulary: Vocabulary, questions: Sequence[Question]
) -> dict[str, Section]:
    """Return the results of every section."""
    ids = np.array(
        [ids_of(vocabulary, question[1:]) for question in questions]
    ).reshape(-1, 4)
    most = len(SPECIALS) + ANSWERS
    known = ((ids != UNKNOWN) & (ids < most)).all(axis=1)
    right = np.zeros((2, len(ids)), bool)
    answers = unit[:most]
    rows = np.flatnonzero(known)
    for start in range(0, len(rows), _BATCH):
        batch = rows[start : start + _BATCH]
        near = [answers[ids[batch, i]] @ answers.T for i in range(3)]
        for way, combine in enumerate((added, multiplied)):
            values = combine(*near)
            values[:, : len(SPECIALS)] = -np.inf
            np.put_along_axis(values, ids[batch, :3], -np.inf, axis=1)
            right[way, batch] = values.argmax(axis=1) == ids[batch, 3]
    names = np.array([question.section for question in questions])
    return {
        name: Section(
            int(own.sum()),
            int(known[own].sum()),
            *map(int, right[:, own].sum(1)),
        )
        for name in dict.fromkeys(names.tolist())
        for own in [names == name]
    }


def added(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return b - a + c of cosines."""
    return b - a + c


def multiplied(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return b c / a of cosines moved to [0, 1]."""
    a, b, c = ((cosine + 1) / 2 for cosine in (a, b, c))
    return b * c / (a + EPSILON)


def signature(scores: Scores, pairs: int, questions: int) -> dict[str, str]:
    """Return exactly how scores were computed."""
    known = sum(section.known for section in scores.sections.values())
    return {
        "wordsim_spearman": f"{scores.pairs:,} of {pairs:,} pairs known",
        "analogy_accuracy": (
            f"{known:,} of {questions:,} questions known|answers among the"
            f" {ANSWERS:,} most frequent words"
        ),
    }
