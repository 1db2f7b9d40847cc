"""Choosing the hypothesis that agrees with what else the model would say.

The most probable sentence is one of very many, and may say what few of the
others do.  Of the hypotheses of a beam this takes the one whose words stand in
most of the sentences drawn from the model: the least risk, where the loss is
the share of words that another sentence has not; and, but for a little of it,
not the highest probability.  Kumar and Byrne, 2004, "Minimum Bayes-risk
decoding for statistical machine translation"; by drawn sentences Eikema and
Aziz, 2020, "Is MAP decoding all you need?", https://arxiv.org/abs/2005.10283.

Letters of shapes: B batch, K hypotheses, S drawn sentences, L most tokens.
"""

import keras
from keras import ops

from apps.common import decoding

# Found on Flickr8k's validation pictures (CONTRIBUTING.md has the scores):
# logits are divided by the first in drawing, and so much of the score of beam
# search is added to the agreement.
TEMPERATURE = 0.7
SHARE = 0.04


def draw(step, state, rules, count, seed=0):
    """Draws sentences of each row; see `decoding.sample`.

    All rows are drawn by the same chances, so that what is drawn of a row does
    not depend on the others in its batch.

    Args:
        step: As in `decoding`; it gets rows B times S, side by side.
        state: Nest of tensors `(B, ...)`, at least one.
        rules: The `decoding.Rules`.
        count: S.
        seed: Integer; the same one draws the same sentences.

    Returns:
        Tokens `(B, S, L)`.
    """
    batch_size = ops.shape(keras.tree.flatten(state)[0])[0]
    chances = keras.random.uniform((count, rules.max_length), seed=seed)
    found = decoding.sample(
        step,
        keras.tree.map_structure(lambda x: ops.repeat(x, count, axis=0), state),
        rules,
        chances=ops.tile(chances, (batch_size, 1)),
        temperature=TEMPERATURE,
    )
    return ops.reshape(found.tokens, (-1, count, rules.max_length))


def agreement(hypotheses, others, end):
    """Returns the share of their tokens that other sentences have, `(B, K)`.

    It is the mean over these of m / n: of the n tokens of a hypothesis, the end
    not counted, m stand in the other sentence, each as often as it does there.

    Args:
        hypotheses: Tokens `(B, K, L)`, zeros behind the end.
        others: Tokens `(B, S, L)`, likewise.
        end: The token that ends a sentence.
    """
    rows = hypotheses[:, :, :, None]
    real = ops.logical_and(hypotheses != 0, hypotheses != end)  # B K L
    # The first, second, ... of its kind in the hypothesis.
    places = ops.arange(ops.shape(hypotheses)[-1])
    earlier = ops.cast(places[:, None] >= places, "int32")  # L L
    same = ops.cast(rows == hypotheses[:, :, None], "int32")
    rank = ops.sum(same * earlier, axis=-1)  # B K L
    found = rows[:, :, None] == others[:, None, :, None]  # B K S L L
    counts = ops.sum(ops.cast(found, "int32"), axis=-1)  # B K S L
    there = ops.logical_and(counts >= rank[:, :, None], real[:, :, None])
    common = ops.mean(ops.sum(ops.cast(there, "float32"), -1), -1)  # B K
    size = ops.sum(ops.cast(real, "float32"), axis=-1)
    return common / ops.maximum(size, 1.0)


def chosen(found, drawn, rules, n_best):
    """Returns the hypotheses that agree most, the best first.

    Args:
        found: `decoding.Decoded` of `(B, K, ...)`.
        drawn: What `draw` returned.
        rules: The `decoding.Rules`.
        n_best: How many are returned, at most K.

    Returns:
        `decoding.Decoded` of `(B, n_best, ...)`; the score is the agreement
        plus `SHARE` times the score of beam search.
    """
    score = agreement(found.tokens, drawn, rules.end)
    score = score + SHARE * found.scores  # -inf where there is none
    score, places = ops.top_k(score, n_best)
    return decoding.Decoded(
        ops.take_along_axis(found.tokens, places[:, :, None], axis=1),
        ops.take_along_axis(found.lengths, places, axis=1),
        score,
        ops.take_along_axis(found.log_probabilities, places, axis=1),
    )
