"""The best tree of heads: maximum spanning arborescence with one root.

Chu and Liu, 1965; Edmonds, 1967: each word takes its best head; if that makes a
circle, the circle becomes one word, whose best way in breaks it.
"""

import numpy as np


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
