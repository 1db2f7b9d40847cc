"""Minimum Bayes risk decoding: the hypothesis that the samples agree with.

The most probable sentence is one of very many, and may say what few of the
others do. Of the hypotheses of a beam this prefers the one whose words occur in
most of the sentences sampled from the model: the least risk, where the loss is
the share of words that another sentence lacks; the score of beam search weighs
little. Kumar and Byrne, 2004, "Minimum Bayes-risk decoding for statistical
machine translation"; with samples Eikema and Aziz, 2020, "Is MAP decoding all
you need?", https://arxiv.org/abs/2005.10283.

Letters of shapes: B batch, K hypotheses, S samples, L most tokens.
"""

from collections.abc import Callable

import keras
from keras import ops

from apps.common import decoding

# Tuned on Flickr8k's validation pictures (docs/decisions.md has the scores):
# the temperature of the samples, and how much of the score of beam search is
# added to the expected overlap.
TEMPERATURE = 0.7
BEAM_SCORE_WEIGHT = 0.04


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


def expected_overlap(hypotheses, samples, end: int) -> keras.KerasTensor:
    """Return the share of their tokens that samples have, too, `(B, K)`.

    It is the mean over the samples of m / n: of the n tokens of a hypothesis,
    the end not counted, m occur in the sample, each as often as it does there.

    Args:
        hypotheses: Tokens `(B, K, L)`, zeros behind the end.
        samples: Tokens `(B, S, L)`, likewise.
        end: The token that ends a sentence.
    """
    rows = hypotheses[:, :, :, None]
    real = ops.logical_and(hypotheses != 0, hypotheses != end)  # B K L
    # The first, second, ... of its kind in the hypothesis.
    positions = ops.arange(ops.shape(hypotheses)[-1])
    earlier = ops.cast(positions[:, None] >= positions, "int32")  # L L
    same = ops.cast(rows == hypotheses[:, :, None], "int32")
    rank = ops.sum(same * earlier, axis=-1)  # B K L
    equal = rows[:, :, None] == samples[:, None, :, None]  # B K S L L
    counts = ops.sum(ops.cast(equal, "int32"), axis=-1)  # B K S L
    shared = ops.logical_and(counts >= rank[:, :, None], real[:, :, None])
    overlap = ops.mean(ops.sum(ops.cast(shared, "float32"), -1), -1)  # B K
    size = ops.sum(ops.cast(real, "float32"), axis=-1)
    return overlap / ops.maximum(size, 1.0)


def rerank(
    decoded: decoding.Decoded, samples, rules: decoding.Rules, n_best: int
) -> decoding.Decoded:
    """Return the hypotheses of the largest expected overlap, the best first.

    Args:
        decoded: Of beam search, `(B, K, ...)`.
        samples: What `sample` returned.
        rules: The `decoding.Rules`.
        n_best: How many are returned, at most K.

    Returns:
        `decoding.Decoded` of `(B, n_best, ...)`; the score is the overlap plus
        `BEAM_SCORE_WEIGHT` times the score of beam search.
    """
    overlap = expected_overlap(decoded.tokens, samples, rules.end)
    # -inf where there is no hypothesis.
    scores = overlap + BEAM_SCORE_WEIGHT * decoded.scores
    scores, order = ops.top_k(scores, n_best)
    return decoding.Decoded(
        ops.take_along_axis(decoded.tokens, order[:, :, None], axis=1),
        ops.take_along_axis(decoded.lengths, order, axis=1),
        scores,
        ops.take_along_axis(decoded.log_probabilities, order, axis=1),
    )
