"""Few widths for many lengths, with the least padding possible."""

import numpy as np

# Above this many different lengths the search works on rounded lengths.
_FINEST = 1024


def boundaries(lengths: np.ndarray, count: int) -> np.ndarray:
    """Choose the widths that rows are padded to.

    Every row is padded to the smallest boundary that holds it. Among all
    sets of at most `count` boundaries, the one with the least padding in
    total comes from dynamic programming over the different lengths c_1 < ...
    < c_n: with cost(i, j) the padding of all rows longer than c_i and not
    longer than c_j when they are padded to c_j,

        best(1, j) = cost(0, j)
        best(k, j) = min over i < j of best(k - 1, i) + cost(i, j)

    Args:
        lengths: `(N,)` positive integers, N at least 1.
        count: Most boundaries.

    Returns:
        Ascending boundaries; the last one is the longest length. With more
        than 1,024 different lengths they are the best multiples of a step.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    longest = int(lengths.max())
    step = -(-longest // _FINEST)
    widths = np.minimum(-(-lengths // step) * step, longest)
    widths, rows = np.unique(widths, return_counts=True)
    count = min(count, len(widths))
    cost = _costs(widths, rows)
    best = cost[0]
    choices = []
    for _ in range(count - 1):
        # total[i, j]: the last boundary is c_j, the one before it c_i.
        total = np.concatenate([[np.inf], best])[:, None] + cost
        choices.append(total.argmin(axis=0))
        best = total.min(axis=0)
    chosen = [len(widths) - 1]
    for choice in reversed(choices):
        chosen.append(int(choice[chosen[-1]]) - 1)
    return widths[chosen[::-1]]


def _costs(widths: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return cost(i, j) up to a constant, infinite where i >= j.

    The tokens themselves are left out: their number does not depend on the
    boundaries, so the sum of what is computed is compared, not the padding.
    """
    size = len(widths)
    before = np.concatenate([[0], np.cumsum(rows)])  # (n + 1,)
    held = before[None, 1:] - before[:, None]  # (n + 1, n)
    cost = held * widths[None, :].astype(np.float64)
    earlier = np.arange(size + 1)[:, None] > np.arange(size)[None, :]
    cost[earlier] = np.inf
    return cost
