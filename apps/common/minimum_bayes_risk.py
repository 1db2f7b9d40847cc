"""Minimum Bayes risk decoding: the hypothesis that the samples agree with.

The most probable sentence is one of very many, and may say what few of the
others do. Of the hypotheses of a beam this prefers the one that has most in
common with sentences sampled from the model, which stand for what people may
say. With p(g) the share of samples that have an n-gram g, a hypothesis y is
worth

    (1)  mean over its words w of 1 - (1 - p(w))^5
         + a * mean over its 4-grams g of p(g) + b * score of beam search

Its first part is how many of its words at least one of five sentences has, the
precision of BLEU with as many references: a word that half of the sentences
have is almost as safe as one that all have. Kumar and Byrne, 2004, "Minimum
Bayes-risk decoding for statistical machine translation"; with samples Eikema
and Aziz, 2020, "Is MAP decoding all you need?",
https://arxiv.org/abs/2005.10283.

Letters of shapes: B batch, K hypotheses, S samples, L most tokens.
"""

from collections.abc import Callable

import keras
from keras import ops

from apps.common import decoding

# Tuned on Flickr8k's validation pictures (docs/decisions.md has the scores):
# the temperature of the samples, and a and b of equation (1).
TEMPERATURE = 0.7
RUN_WEIGHT = 0.4
BEAM_SCORE_WEIGHT = 0.08

# How many sentences of people there are in equation (1), and how long a run of
# words counts.
SENTENCES, RUN = 5, 4


def sample(
    step: Callable,
    state,
    rules: decoding.Rules,
    count: int,
    seed: int = 0,
) -> keras.KerasTensor:
    """Sample sentences for each row; see `decoding.sample`.

    All rows share one set of random numbers, so that the samples of a row do
    not depend on the others in its batch.

    Args:
        step: As in `decoding`; it gets rows B times S, side by side.
        state: Nest of tensors `(B, ...)`, at least one.
        rules: The `decoding.Rules`.
        count: S.
        seed: Integer; the same one samples the same sentences.

    Returns:
        Tokens `(B, S, L)`.
    """
    batch_size = ops.shape(keras.tree.flatten(state)[0])[0]
    chances = keras.random.uniform((count, rules.max_length), seed=seed)
    decoded = decoding.sample(
        step,
        keras.tree.map_structure(lambda x: ops.repeat(x, count, axis=0), state),
        rules,
        chances=ops.tile(chances, (batch_size, 1)),
        temperature=TEMPERATURE,
    )
    return ops.reshape(decoded.tokens, (-1, count, rules.max_length))


def shares(hypotheses, samples, end: int, size: int):
    """Return how many of the samples have the n-grams of a hypothesis.

    Args:
        hypotheses: Tokens `(B, K, L)`, zeros behind the end.
        samples: Tokens `(B, S, L)`, likewise.
        end: The token that ends a sentence, and counts as none of it.
        size: How many tokens an n-gram has.

    Returns:
        The share of samples that have the n-gram that begins at a token,
        `(B, K, L)`, and 1 where one begins, else 0. One that a hypothesis has
        twice has to occur twice.
    """
    rows = hypotheses[:, :, :, None]
    word = ops.logical_and(hypotheses != 0, hypotheses != end)  # B K L
    own = rows == hypotheses[:, :, None]  # B K L L
    same = rows[:, :, None] == samples[:, None, :, None]  # B K S L L
    real = _runs(word, size, 1)
    # The first, second, ... of its kind in the hypothesis.
    positions = ops.arange(ops.shape(hypotheses)[-1])
    earlier = positions[:, None] >= positions  # L L
    rank = _count(ops.logical_and(_runs(own, size, 2), earlier))  # B K L
    shared = _count(_runs(same, size, 2)) >= rank[:, :, None]  # B K S L
    share = ops.mean(ops.cast(shared, "float32"), axis=2)
    return share, ops.cast(real, "float32")


def _runs(flags, size, axes):
    """Return where so many flags in a row are set, along the last axes."""
    runs = flags
    later = (..., *[slice(1, None)] * axes)
    room = [(0, 0)] * (len(flags.shape) - axes) + [(0, 1)] * axes
    for _ in range(size - 1):
        runs = ops.logical_and(flags, ops.pad(runs[later], room))
    return runs


def _count(flags):
    return ops.sum(ops.cast(flags, "int32"), axis=-1)


def _mean(values, weights):
    """Return means along the last axis, zero where no weight is."""
    total = ops.sum(values * weights, axis=-1)
    return total / ops.maximum(ops.sum(weights, axis=-1), 1.0)


def worth(hypotheses, samples, end: int) -> keras.KerasTensor:
    """Return equation (1) without the score of beam search, `(B, K)`.

    Args:
        hypotheses: Tokens `(B, K, L)`, zeros behind the end.
        samples: Tokens `(B, S, L)`, likewise.
        end: The token that ends a sentence.
    """
    share, real = shares(hypotheses, samples, end, 1)
    words = _mean(1.0 - (1.0 - share) ** SENTENCES, real)
    return words + RUN_WEIGHT * _mean(*shares(hypotheses, samples, end, RUN))


def rerank(
    decoded: decoding.Decoded, samples, rules: decoding.Rules, n_best: int
) -> decoding.Decoded:
    """Return the hypotheses that are worth most, the best first.

    Args:
        decoded: Of beam search, `(B, K, ...)`.
        samples: What `sample` returned.
        rules: The `decoding.Rules`.
        n_best: How many are returned, at most K.

    Returns:
        `decoding.Decoded` of `(B, n_best, ...)`; the score is equation (1).
    """
    scores = worth(decoded.tokens, samples, rules.end)
    # -inf where there is no hypothesis.
    scores = scores + BEAM_SCORE_WEIGHT * decoded.scores
    scores, order = ops.top_k(scores, n_best)
    return decoding.Decoded(
        ops.take_along_axis(decoded.tokens, order[:, :, None], axis=1),
        ops.take_along_axis(decoded.lengths, order, axis=1),
        scores,
        ops.take_along_axis(decoded.log_probabilities, order, axis=1),
    )
