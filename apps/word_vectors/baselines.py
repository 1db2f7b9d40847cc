"""What word vectors have to beat: counts of pairs, and their best directions.

Positive pointwise mutual information of words and contexts, and its singular
value decomposition, U S^0.5 (Levy, Goldberg and Dagan 2015, "Improving
distributional similarity with lessons learned from word embeddings"): contexts
count to the power of 0.75, pairs at a distance d as often as a window of
random size has them.
"""

import time

import numpy as np
from scipy import sparse
from sklearn.utils import extmath

from data_pipelines.word_vectors.datasets import Split, blocks_of

BASELINES = {
    "ppmi_svd": "positive pointwise mutual information, its singular vectors",
    "attainable": "of the demo: what is known of how it was generated",
}

# Only the first words of a text are counted, and pairs of the most frequent.
MOST, WORDS = 10_000_000, 30_000
# Segments that are counted at a time.
_SEGMENTS = 128
_SMOOTHING = 0.75
# Of the decomposition, a random one (Halko, Martinsson and Tropp 2011):
# exact methods take as long as training.
_ROUNDS = 4


def ppmi_svd(split: Split, size: int, seed: int) -> tuple[np.ndarray, float]:
    """Return vectors `(V, D)` of a text, and how many words a second it took.

    Words of which nothing is counted have zeros.

    Args:
        split: The text.
        size: D; less for a smaller vocabulary.
        seed: Of the decomposition.
    """
    begin = time.perf_counter()
    counts, words = pair_counts(split)
    matrix = positive_pmi(counts)
    vectors = np.zeros((len(split.counts), size))
    if not matrix.nnz:  # no two words have to do with each other
        return vectors, words / (time.perf_counter() - begin)
    most = min(size, *matrix.shape)
    left, values, _ = extmath.randomized_svd(
        matrix, most, n_iter=_ROUNDS, random_state=seed
    )
    known = np.asarray(counts.sum(axis=1)).reshape(-1, 1) > 0
    vectors[: len(left), :most] = left * np.sqrt(values) * known
    return vectors, words / (time.perf_counter() - begin)


def pair_counts(split: Split) -> tuple[sparse.csr_array, int]:
    """Return how often words are in a window of each other, and the words read.

    Row and column are ids; the window's size is drawn from 1 to its most, and
    this is the mean.
    """
    size = min(len(split.counts), WORDS)
    total, read = sparse.csr_array((size, size)), 0
    for ids, text in blocks_of(split, _SEGMENTS):
        known = split.counts[ids] > 0
        read += len(ids)
        ids, text = ids[known], text[known]
        pairs, weights = [], []
        for distance in range(1, split.window + 1):
            first, second = ids[:-distance], ids[distance:]
            near = text[:-distance] == text[distance:]
            near &= (first < size) & (second < size)
            pairs.append((first[near], second[near]))
            share = (split.window + 1 - distance) / split.window
            weights.append(np.full(near.sum(), share))
        places = tuple(map(np.concatenate, zip(*pairs, strict=True)))
        counted = sparse.csr_array(
            (np.concatenate(weights), places), (size, size)
        )
        total += counted
        if read >= MOST:
            break
    return total + total.T, read


def positive_pmi(counts: sparse.csr_array) -> sparse.csr_array:
    """Return max(0, log p(w, c) / p(w) p(c)), p(c) smoothed, of counts."""
    rows = np.asarray(counts.sum(axis=1)).ravel()
    smooth = rows**_SMOOTHING
    pmi = sparse.coo_array(counts)
    first, second = pmi.coords
    expected = rows[first] * smooth[second] / smooth.sum()
    pmi.data = np.maximum(np.log(pmi.data / expected), 0)
    result = pmi.tocsr()
    result.eliminate_zeros()
    return result
