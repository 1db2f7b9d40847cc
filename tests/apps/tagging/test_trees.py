"""The best tree against all trees of short sentences; its graph twin."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from apps.tagging.trees import best_tree, repaired


def is_tree(heads):
    """Whether one word hangs on the root, and all of them under it."""
    if list(heads).count(0) != 1:
        return False
    for node in range(1, len(heads) + 1):
        steps = 0
        while node and steps <= len(heads):
            node, steps = heads[node - 1], steps + 1
        if node:
            return False
    return True


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seed", range(8))
def test_no_tree_is_better(words, seed):
    scores = np.random.default_rng(seed).normal(size=(words, words + 1))
    if seed % 2:
        scores[:, 0] += 5  # All would rather be the root.
    rows = np.arange(words)
    best = max(
        scores[rows, list(heads)].sum()
        for heads in itertools.product(range(words + 1), repeat=words)
        if is_tree(heads) and all(h != n + 1 for n, h in enumerate(heads))
    )
    heads = best_tree(scores)
    assert is_tree(heads)
    assert scores[rows, heads].sum() == pytest.approx(best)


@tf.function(
    input_signature=[
        tf.TensorSpec((None,) * 3),
        tf.TensorSpec((None,), "int32"),
    ]
)
def in_graph(scores, lengths):
    return repaired(scores, lengths)


def test_the_tree_of_a_graph_is_a_tree_and_mostly_the_best_one():
    random = np.random.default_rng(0)
    lengths = random.integers(1, 13, 200).astype("int32")
    scores = random.normal(size=(200, 12, 13)).astype("float32")
    scores[::2, :, 0] += 3  # All would rather be the root.
    best = total = 0.0
    same = []
    heads = in_graph(scores, lengths).numpy()
    for row, length in enumerate(lengths):
        own = scores[row, :length, : length + 1]
        words = np.arange(length)
        assert is_tree(heads[row, :length])
        assert (heads[row, length:] == 0).all()
        exact = best_tree(own)
        same.append((heads[row, :length] == exact).all())
        best += own[words, exact].sum()
        total += own[words, heads[row, :length]].sum()
    # Of random scores, which are full of circles; those of a model are not.
    assert np.mean(same) > 0.6
    assert 0.97 * best < total <= best + 1e-3


def test_clear_scores_give_the_best_tree_in_a_graph():
    random = np.random.default_rng(0)
    for words in range(1, 9):
        tree = best_tree(random.normal(size=(words, words + 1)))
        scores = random.normal(size=(1, words, words + 1)).astype("float32")
        scores[0, np.arange(words), tree] += 9
        heads = in_graph(scores, np.array([words], "int32")).numpy()
        assert heads[0].tolist() == best_tree(scores[0]).tolist()
        assert heads[0].tolist() == tree.tolist()


def test_a_long_sentence_with_many_circles_is_a_tree():
    scores = np.random.default_rng(0).normal(size=(300, 301))
    assert is_tree(best_tree(scores))
