"""Reranking by expected overlap, against counting words by hand."""

import collections

import keras
import numpy as np
import pytest
from keras import ops

from apps.common import decoding, minimum_bayes_risk
from apps.common.decoding import Rules
from tests.apps.common.test_decoding import BEGIN, END, B, L, V, stepper

RULES = Rules(BEGIN, END, L)


def sentences(random, *shape):
    """Random rows `(..., L)` that end somewhere, or not at all."""
    rows = random.integers(1, 7, (*shape, 9))
    for row in rows.reshape(-1, 9):
        ends = np.flatnonzero(row == END)
        if len(ends):
            row[ends[0] + 1 :] = 0
    return rows.astype("int32")


def words(row):
    return collections.Counter(t for t in row.tolist() if t not in (0, END))


def test_the_overlap_is_the_share_of_words_that_samples_have():
    random = np.random.default_rng(0)
    ours, others = sentences(random, 4, 5), sentences(random, 4, 7)
    decoded = np.asarray(minimum_bayes_risk.expected_overlap(ours, others, END))
    assert decoded.shape == (4, 5)
    for b in range(4):
        for k in range(5):
            own = words(ours[b, k])
            shares = [
                (own & words(other)).total() / max(own.total(), 1)
                for other in others[b]
            ]
            np.testing.assert_allclose(
                decoded[b, k], np.mean(shares), rtol=1e-5
            )


def test_the_largest_overlap_comes_first():
    hypotheses = np.array([[[3, 4, END], [3, 3, END], [5, 6, END]]], "int32")
    samples = np.array([[[5, 6, END], [6, 3, END]]], "int32")
    decoded = decoding.Decoded(
        ops.convert_to_tensor(hypotheses),
        ops.convert_to_tensor(np.array([[3, 3, 3]], "int32")),
        ops.convert_to_tensor(np.array([[-1.0, -2.0, -3.0]], "float32")),
        ops.convert_to_tensor(np.array([[-4.0, -5.0, -6.0]], "float32")),
    )
    best = minimum_bayes_risk.rerank(
        decoded, ops.convert_to_tensor(samples), RULES, 2
    )
    np.testing.assert_array_equal(best.tokens, hypotheses[:, [2, 0]])
    np.testing.assert_array_equal(best.lengths, [[3, 3]])
    np.testing.assert_allclose(best.log_probabilities, [[-6.0, -4.0]])
    # Overlap 3/4 and 1/4, and a share of the scores of before.
    share = minimum_bayes_risk.BEAM_SCORE_WEIGHT
    np.testing.assert_allclose(
        best.scores, [[0.75 - 3 * share, 0.25 - share]], rtol=1e-5
    )


def test_missing_hypotheses_stay_missing():
    tokens = np.array([[[3, END, 0], [0, 0, 0]]], "int32")
    decoded = decoding.Decoded(
        ops.convert_to_tensor(tokens),
        ops.convert_to_tensor(np.array([[2, 0]], "int32")),
        ops.convert_to_tensor(np.array([[-9.0, -np.inf]], "float32")),
        ops.convert_to_tensor(np.array([[-9.0, -np.inf]], "float32")),
    )
    samples = ops.convert_to_tensor(tokens[:, :1] + 1)
    best = minimum_bayes_risk.rerank(decoded, samples, RULES, 2)
    np.testing.assert_array_equal(best.lengths, [[2, 0]])
    assert np.asarray(best.scores)[0, 1] == -np.inf


@pytest.fixture(scope="module")
def tables():
    """`(B, L, V, V)`, far apart, so that a temperature shows in samples."""
    random = np.random.default_rng(1)
    return random.normal(size=(B, L, V, V)).astype("float32") * 2


def sample(tables, rows, count):
    """Samples sentences of some rows."""
    step, state = stepper(tables)
    state = keras.tree.map_structure(
        lambda x: ops.take(x, np.array(rows), axis=0), state
    )
    return np.asarray(minimum_bayes_risk.sample(step, state, RULES, count))


def test_samples_do_not_depend_on_the_batch(tables):
    whole = sample(tables, range(B), 50)
    assert whole.shape == (B, 50, L)
    for row in range(B):
        np.testing.assert_array_equal(sample(tables, [row], 50), whole[[row]])


def test_samples_follow_the_model(tables):
    """Frequencies of the first word lie within five standard deviations."""
    count = 20_000
    first = sample(tables, [2], count)[0, :, 0]
    logits = np.float64(tables[2, 0, BEGIN]) / minimum_bayes_risk.TEMPERATURE
    right = np.exp(logits) / np.exp(logits).sum()
    shares = np.bincount(first, minlength=V) / count
    spread = np.sqrt(right * (1 - right) / count)
    assert (np.abs(shares - right) <= 5 * spread).all()
