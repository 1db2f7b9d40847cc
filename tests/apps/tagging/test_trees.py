"""The best tree against all trees of short sentences."""

import itertools

import numpy as np
import pytest

from apps.tagging.trees import best_tree


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


def test_a_long_sentence_with_many_circles_is_a_tree():
    scores = np.random.default_rng(0).normal(size=(300, 301))
    assert is_tree(best_tree(scores))
