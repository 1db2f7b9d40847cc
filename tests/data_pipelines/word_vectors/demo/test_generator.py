"""What is planted is in the sentences, and in what they are tested on."""

import collections
import random

import numpy as np
import pytest
from scipy import stats

from data_pipelines.word_vectors.demo import generator
from data_pipelines.word_vectors.test_sets import read_pairs, read_questions


@pytest.fixture(scope="module")
def sentences():
    return list(generator.sentences(20_000, random.Random(0)))


def test_a_word_stands_beside_what_it_is_about_and_its_role(sentences):
    near = collections.defaultdict(set)
    for sentence in sentences:
        words = set(sentence.split())
        for word in words:
            near[word] |= words
    for relation in generator.RELATIONS:
        for row, about in relation.rows.items():
            for word, role in zip(
                row.split(), relation.roles.values(), strict=True
            ):
                assert {*about.split(), *role.split()} <= near[word]
    for family, members in generator.FAMILIES.items():
        for names, about in members.items():
            for word in names.split():
                assert {*about.split(), *family.split()} <= near[word]


def test_words_of_kinds_and_relations_are_different():
    words = [word for _, names in generator.kinds() for word in names]
    for relation in generator.RELATIONS:
        words += " ".join(relation.rows).split()
    assert len(words) == len(set(words))


def test_the_files_are_read_and_the_same_each_time(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        generator.write(tmp_path / name, sizes={"train": 50})
    for name in ("train.txt", "pairs.tsv", "questions.txt"):
        files = [tmp_path / folder / name for folder in ("one", "two")]
        assert files[0].read_text() == files[1].read_text()
    assert len((tmp_path / "one" / "train.txt").read_text().splitlines()) == 50
    pairs = read_pairs(tmp_path / "one" / "pairs.tsv")
    assert len({(a, b) for a, b, _ in pairs}) == len(pairs) == 180
    kind_of = {
        w: n for n, (_, own) in enumerate(generator.kinds()) for w in own
    }
    for first, second, score in pairs:
        assert (score == generator.SCORES["kind"]) == (
            kind_of[first] == kind_of[second]
        )
    questions = read_questions(tmp_path / "one" / "questions.txt")
    assert ("man-woman", "king", "queen", "man", "woman") in questions
    assert len(questions) == len(set(questions))


def test_the_attainable_correlation_is_that_of_ties():
    """Of numbers in the order of the scores, at random where they tie."""
    draw = np.random.default_rng(0)
    scores = np.array([score for _, _, score in generator.pairs()])
    measured = [
        stats.spearmanr(scores + draw.random(len(scores)), scores)[0]
        for _ in range(20)
    ]
    attainable = generator.attainable()["wordsim_spearman"]
    np.testing.assert_allclose(measured, attainable, atol=1e-9)
