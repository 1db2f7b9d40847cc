"""Counts of pairs by a loop, their information by its definition."""

import dataclasses

import numpy as np
import pytest
from scipy import sparse

from apps.word_vectors import baselines
from data_pipelines.files.ragged import RaggedArray
from data_pipelines.word_vectors import datasets
from data_pipelines.word_vectors.datasets import Split

SIZE, WINDOW = 12, 3


@pytest.fixture(scope="module")
def split():
    random = np.random.default_rng(0)
    lengths = random.integers(1, 15, 40)
    values = random.integers(0, SIZE, lengths.sum()).astype(np.int32)
    counts = np.bincount(values, minlength=SIZE)
    counts[:2] = 0
    texts = RaggedArray.of(values, lengths)
    ids = np.arange(SIZE, dtype=np.int32)
    return Split(texts, ids, counts, WINDOW, 4, 0.0, 0)


def test_pairs_are_counted_as_random_windows_have_them(split, monkeypatch):
    monkeypatch.setattr(datasets, "SEGMENT", 10_000)  # all in one
    expected = np.zeros((SIZE, SIZE))
    for row in range(len(split.texts)):
        words = [word for word in split.texts[row] if word > 1]
        for window in range(1, WINDOW + 1):
            for place, word in enumerate(words):
                for other in range(place - window, place + window + 1):
                    if 0 <= other < len(words) and other != place:
                        expected[word, words[other]] += 1 / WINDOW
    counts, words = baselines.pair_counts(split)
    np.testing.assert_allclose(counts.toarray(), expected, atol=1e-9)
    assert words == len(split)


def test_information_is_as_defined():
    counts = np.array([[0.0, 4, 1], [4, 2, 0], [1, 0, 8]])
    ours = baselines.positive_pmi(sparse.csr_array(counts)).toarray()
    p = counts / counts.sum()
    smooth = p.sum(axis=0) ** 0.75
    smooth /= smooth.sum()
    for row, column in np.ndindex(3, 3):
        expected = 0.0
        if p[row, column]:
            expected = np.log(p[row, column] / (p[row].sum() * smooth[column]))
        assert ours[row, column] == pytest.approx(max(expected, 0))


def test_vectors_are_the_largest_directions(split):
    counts, _ = baselines.pair_counts(split)
    matrix = baselines.positive_pmi(counts).toarray()
    u, s, _ = np.linalg.svd(matrix)
    vectors, speed = baselines.ppmi_svd(split, 4, seed=0)
    expected = u[:, :4] * s[:4] @ u[:, :4].T
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-6)
    assert speed > 0
    alone = RaggedArray.of(split.texts.values[:9], np.ones(9, int))
    none, _ = baselines.ppmi_svd(dataclasses.replace(split, texts=alone), 4, 0)
    assert not none.any()
    wide, _ = baselines.ppmi_svd(split, 50, seed=0)
    assert wide.shape == (SIZE, 50)
    assert not wide[:2].any()
