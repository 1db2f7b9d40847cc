"""The best tree of heads: maximum spanning arborescence with one root.

Chu and Liu, 1965; Edmonds, 1967: each word takes its best head; if that makes a
circle, the circle becomes one word, whose best way in breaks it. That is exact,
and NumPy; `repaired` is a tree in TensorFlow operations alone, for the
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


def _spanning(scores: np.ndarray) -> np.ndarray:
    """Return the head of each node in the best tree from node 0.

    The first node of a circle stands for all of it, in place, so that the whole
    takes N x N steps (Tarjan, 1977).

    Args:
        scores: `(N, N)` of nodes (rows) under heads (columns); overwritten.
    """
    size = len(scores)
    # Word and head behind each score, where rows and columns are circles.
    words, heads = np.indices(scores.shape, dtype=np.int32)
    best = scores.argmax(axis=1)
    done = np.arange(size) == 0  # under the root, or inside of a circle
    names = list(range(size))  # node of each row; circles are from N on
    arcs: dict[int, tuple[int, int]] = {}  # node in a circle -> word, head
    circles: dict[int, list[int]] = {}
    for node in range(1, size):
        path: list[int] = []
        while not done[node]:
            if node in path:
                place = path.index(node)
                path, circle = path[:place], np.array(path[place:])
                for row in circle:
                    arc = words[row, best[row]], heads[row, best[row]]
                    arcs[names[row]] = arc
                inside = [names[row] for row in circle]
                names[node] = size + len(circles)
                circles[names[node]] = inside
                _join(circle, best[circle], scores, words, heads)
                done[circle[1:]] = True
                best[np.isin(best, circle)] = node
                best[node] = scores[node].argmax()
            path.append(node)
            node = best[node]
        done[path] = True
    outside = [row for row in range(1, size) if names[row] not in arcs]
    for row in outside:
        arcs[names[row]] = words[row, best[row]], heads[row, best[row]]
    return _opened([names[row] for row in outside], circles, arcs, size)


def _join(circle, into, scores, words, heads):
    """Let the first node of a circle stand for all of it.

    Args:
        circle: `(C,)` its nodes.
        into: `(C,)` the head of each in the circle.
        scores: `(N, N)`, overwritten like those that follow.
        words: `(N, N)` of each score the word that hangs.
        heads: `(N, N)` of each score the word on which it does.
    """
    node, every = circle[0], np.arange(len(scores))
    # What another way in loses is counted.
    ways = scores[circle] - scores[circle, into][:, None]  # C N
    rows = circle[ways.argmax(axis=0)]
    columns = circle[scores[:, circle].argmax(axis=1)]
    scores[:, node] = scores[every, columns]
    scores[node] = ways.max(axis=0)
    scores[:, circle[1:]] = -np.inf
    scores[node, node] = -np.inf
    for behind in (words, heads):
        column = behind[every, columns]
        behind[node] = behind[rows, every]
        behind[:, node] = column


def _opened(nodes, circles, arcs, size):
    """Return the head of each word: circles keep all arcs but one."""
    above = {n: circle for circle, inside in circles.items() for n in inside}
    tree = np.zeros(size, np.int64)
    while nodes:
        node = nodes.pop()
        word, head = arcs[node]
        tree[word] = head
        # Where it enters a circle, the others of it keep their arcs.
        within = int(word)
        while within != node:
            circle = above[within]
            nodes += [other for other in circles[circle] if other != within]
            within = circle
    return tree
