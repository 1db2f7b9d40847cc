"""Reranking by what samples have in common, against counting by hand."""

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


def words(row, size):
    tokens = [t for t in row.tolist() if t not in (0, END)]
    starts = range(len(tokens) - size + 1)
    return [tuple(tokens[i : i + size]) for i in starts]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_share_of_samples_that_have_an_ngram(size):
    random = np.random.default_rng(0)
    ours, others = sentences(random, 6, 5), sentences(random, 6, 7)
    others[:, :2] = ours[:, 1:3]  # so that long ones occur
    others[:, 2, 1:] = ours[:, 0, :-1]
    share, real = map(
        np.asarray, minimum_bayes_risk.shares(ours, others, END, size)
    )
    for b, k in np.ndindex(6, 5):
        own = words(ours[b, k], size)
        assert real[b, k].tolist() == [1] * len(own) + [0] * (9 - len(own))
        for start, ngram in enumerate(own):
            rank = own[: start + 1].count(ngram)
            has = [words(row, size).count(ngram) >= rank for row in others[b]]
            np.testing.assert_allclose(share[b, k, start], np.mean(has))
    assert (share * real).max() > 0


def test_what_a_hypothesis_is_worth():
    """Of its words, those in at least one of five; and runs of four."""
    hypotheses = np.array(
        [[[5, 6, 4, 5, END], [4, END, 0, 0, 0], [END, 0, 0, 0, 0]]], "int32"
    )
    samples = np.array([[[5, 6, 4, 5, END], [5, 1, 5, 1, END]]], "int32")
    value = minimum_bayes_risk.worth(hypotheses, samples, END)
    half = 1 - 0.5**minimum_bayes_risk.SENTENCES
    whole = (1 + half + half + 1) / 4 + minimum_bayes_risk.RUN_WEIGHT / 2
    np.testing.assert_allclose(value, [[whole, half, 0]], rtol=1e-5)


def test_the_hypothesis_worth_most_comes_first():
    hypotheses = np.array([[[3, 4, END], [3, 3, END], [5, 6, END]]], "int32")
    samples = np.array([[[5, 6, END], [6, 3, END]]], "int32")
    tokens, scores = map(ops.convert_to_tensor, (hypotheses, [[-1.0, -2, -3]]))
    decoded = decoding.Decoded(
        tokens,
        ops.convert_to_tensor(np.array([[3, 3, 3]], "int32")),
        scores,
        ops.convert_to_tensor(np.array([[-4.0, -5.0, -6.0]], "float32")),
    )
    best = minimum_bayes_risk.rerank(
        decoded, ops.convert_to_tensor(samples), RULES, 2
    )
    np.testing.assert_array_equal(best.tokens, hypotheses[:, [2, 0]])
    np.testing.assert_array_equal(best.lengths, [[3, 3]])
    np.testing.assert_allclose(best.log_probabilities, [[-6.0, -4.0]])
    worth = np.asarray(minimum_bayes_risk.worth(tokens, samples, END))[0]
    share = minimum_bayes_risk.BEAM_SCORE_WEIGHT
    np.testing.assert_allclose(
        best.scores, [[worth[2] - 3 * share, worth[0] - share]], rtol=1e-5
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
