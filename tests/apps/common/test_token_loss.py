"""Loss and perplexity of tokens against their definitions."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.common.token_loss import (
    Perplexity,
    TokenCrossentropy,
    perplexity,
    teacher_forced,
    token_nll,
)

RANDOM = np.random.default_rng(0)
TOKENS = np.array([[3, 1, 0, 0], [2, 2, 4, 1]], "int32")
LOGITS = RANDOM.normal(size=(2, 4, 5)).astype("float32") * 3


def log_softmax(x):
    x = np.float64(x)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def expected_losses(smoothing):
    """Losses of the real tokens, one after another, by the definition."""
    losses = []
    for row, known in zip(TOKENS, log_softmax(LOGITS), strict=True):
        for token, log_p in zip(row, known, strict=True):
            if token:
                target = np.full(5, smoothing / 5)
                target[token] += 1 - smoothing
                losses.append(-(target * log_p).sum())
    return losses


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_loss_is_the_mean_over_real_tokens(smoothing):
    loss = TokenCrossentropy(smoothing)(TOKENS, LOGITS)
    assert float(loss) == pytest.approx(
        np.mean(expected_losses(smoothing)), rel=1e-5
    )


def test_loss_survives_huge_logits():
    loss = TokenCrossentropy(0.1)(TOKENS, LOGITS * 1e4)
    assert np.isfinite(float(loss))


def test_loss_of_padding_alone_is_zero():
    assert float(TokenCrossentropy()(np.zeros_like(TOKENS), LOGITS)) == 0


def test_perplexity_weighs_tokens_not_batches():
    metric = Perplexity()
    metric.update_state(TOKENS[:1], LOGITS[:1])  # two tokens
    metric.update_state(TOKENS[1:], LOGITS[1:])  # four
    expected = np.exp(np.mean(expected_losses(0.0)))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 1


def test_token_nll_equals_keras():
    expected = keras.losses.sparse_categorical_crossentropy(
        TOKENS, LOGITS, from_logits=True
    )
    np.testing.assert_allclose(token_nll(TOKENS, LOGITS), expected, rtol=1e-5)


def test_teacher_forcing_predicts_the_next_token():
    source, target = np.array([[5, 3]]), np.array([[2, 7, 8, 3]])
    (source_read, target_read), target_next = teacher_forced(source, target)
    assert source_read is source
    assert target_read.tolist() == [[2, 7, 8]]
    assert target_next.tolist() == [[7, 8, 3]]


def test_the_perplexity_of_batches_is_that_of_their_tokens():
    """A model that knows nothing of the tokens it reads but their logits."""
    read = keras.Input((None,), dtype="int32")
    source = keras.Input((1,))
    logits = keras.layers.Embedding(5, 5, name="logits")(read)
    model = keras.Model([source, read], logits)
    rows = np.array([[1, 3, 2, 0], [1, 4, 4, 2]], "int32")
    batches = tf.data.Dataset.from_tensors((np.zeros((2, 1)), rows))
    table = model.get_layer("logits").get_weights()[0]
    losses = [
        -log_softmax(table[before])[after]
        for row in rows
        for before, after in itertools.pairwise(row)
        if after
    ]
    expected = np.exp(np.mean(losses))
    assert perplexity(model, batches) == pytest.approx(expected, rel=1e-5)
