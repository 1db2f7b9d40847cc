"""The best tree of heads: maximum spanning arborescence with one root.

Chu and Liu, 1965; Edmonds, 1967: each word takes its best head; if that makes a
circle, the circle becomes one word, whose best way in breaks it. That is exact,
and Python; `repaired` is a tree in TensorFlow operations alone, for the
exported model: nearly always the same one.

Letters of shapes: B sentences, T words.
"""

import numpy as np
import tensorflow as tf


def best_tree(scores: np.ndarray) -> np.ndarray:
    """Return the heads of the tree with the largest sum of scores.

    Args:
        scores: `(T, T + 1)` finite numbers, of each word's heads; head 0 is the
            root, on which exactly one word hangs.

    Returns:
        `(T,)` numbers of heads, from 0 to T.
    """
    size = len(scores) + 1
    arcs = np.full((size, size), -np.inf)
    arcs[1:] = scores
    np.fill_diagonal(arcs, -np.inf)
    # So much that a second root can never pay.
    finite = arcs[np.isfinite(arcs)]
    arcs[1:, 0] -= (finite.max() - finite.min() + 1) * size
    return _spanning(arcs)[1:]


def repaired(scores: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Return the heads of good trees, of a batch of sentences.

    The word that gains most by it is the root, each other word takes its best
    head, and while some words make a circle, that one of them leaves it which
    loses least under a word outside, from which a way leads to the root.

    Args:
        scores: `(B, T, T + 1)` finite numbers, as `best_tree` takes them.
        lengths: `(B,)` integers, words of each sentence.

    Returns:
        `(B, T)` int32, 0 behind the last word.
    """
    batch, time = tf.unstack(tf.shape(scores)[:2])
    lowest = scores.dtype.min
    words = tf.range(1, time + 1)
    real = words <= lengths[:, None]  # B T
    # The scores of nodes under nodes, the root first, under itself.
    none = tf.fill([batch, 1, time + 1], lowest)
    scores = tf.concat([none, scores], axis=1)  # B T+1 T+1
    node = tf.pad(real, [[0, 0], [1, 0]], constant_values=True)
    others = ~tf.eye(time + 1, dtype=tf.bool)
    scores = tf.where(node[:, None] & others, scores, lowest)

    best = tf.reduce_max(scores[:, 1:, 1:], axis=-1)  # B T
    # Halves: the difference of two lowest numbers has no end.
    gain = tf.where(real, scores[:, 1:, 0] / 2 - best / 2, lowest)
    root = tf.argmax(gain, axis=1, output_type=tf.int32)[:, None] + 1
    heads = tf.argmax(scores[:, 1:, 1:], axis=-1, output_type=tf.int32) + 1
    heads = tf.where(real & (words != root), heads, 0)
    heads = tf.pad(heads, [[0, 0], [1, 0]])  # B T+1, the root's is the root
    doublings = tf.cast(
        tf.math.ceil(
            tf.math.log(tf.cast(time + 1, tf.float32)) / tf.math.log(2.0)
        ),
        tf.int32,
    )

    def ancestors(heads):
        """Return what stands above each node, at least T + 1 steps up."""
        return tf.while_loop(
            lambda step, up: step < doublings,
            lambda step, up: (step + 1, tf.gather(up, up, batch_dims=1)),
            (0, heads),
        )[1]

    def leave(heads, up):
        lost = up > 0  # B T+1, in a circle or under one
        circle = tf.reduce_any(
            lost[:, :, None] & (up[:, :, None] == tf.range(time + 1)), axis=1
        )
        ways = circle[:, :, None] & (~lost & node)[:, None]
        # A second word under the root is none.
        ways &= tf.range(time + 1) > 0
        now = tf.gather(scores, heads, batch_dims=2)[:, :, None]
        change = tf.where(ways, scores / 2 - now / 2, lowest)
        change = tf.reshape(change, [batch, -1])
        way = tf.argmax(change, axis=1, output_type=tf.int32)
        word, head = way // (time + 1), way % (time + 1)
        moved = tf.one_hot(word, time + 1, on_value=True, off_value=False)
        moved &= tf.reduce_any(circle, axis=1, keepdims=True)
        heads = tf.where(moved, head[:, None], heads)
        return heads, ancestors(heads)

    heads, _ = tf.while_loop(
        lambda heads, up: tf.reduce_any(up > 0),
        leave,
        (heads, ancestors(heads)),
    )
    return heads[:, 1:]


def _spanning(arcs: np.ndarray) -> np.ndarray:
    """Return the head of each node in the best tree from node 0.

    Args:
        arcs: `(N, N)` scores of nodes (rows) under heads (columns).
    """
    circles = []
    while True:
        heads = arcs.argmax(axis=1)
        heads[0] = 0
        circle = _circle(heads)
        if circle is None:
            break
        rest = np.setdiff1d(np.arange(len(arcs)), circle)
        # The circle is the last node: what another way in loses is counted.
        last = len(rest)
        out = arcs[np.ix_(rest, circle)]
        lost = arcs[circle, heads[circle]]
        into = arcs[np.ix_(circle, rest)] - lost[:, None]
        ways = circle[out.argmax(axis=1)], circle[into.argmax(axis=0)]
        circles.append((heads, rest, *ways))
        smaller = np.full((last + 1, last + 1), -np.inf)
        smaller[:last, :last] = arcs[np.ix_(rest, rest)]
        smaller[:last, last] = out.max(axis=1)
        smaller[last, :last] = into.max(axis=0)
        arcs = smaller
    for outer, rest, out, into in reversed(circles):
        nodes = np.append(rest, -1)[heads[:-1]]
        outer[rest] = np.where(nodes < 0, out, nodes)
        outer[0] = 0
        outer[into[heads[-1]]] = rest[heads[-1]]
        heads = outer
    return heads


def _circle(heads: np.ndarray) -> np.ndarray | None:
    """Return the nodes of a circle, if there is one."""
    reached = np.zeros(len(heads), bool)
    reached[0] = True
    for node in range(1, len(heads)):
        path = []
        while not reached[node]:
            reached[node] = True
            path.append(node)
            node = int(heads[node])
        if node in path:
            return np.array(path[path.index(node) :])
    return None
