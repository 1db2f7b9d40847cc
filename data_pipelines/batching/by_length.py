"""Batches of similar length, in an order one can enter anywhere.

The order of pass e is a function of (seed, e) alone:

1. all examples are permuted; those that do not fill a batch, the last ones
    of the permutation, form a smaller batch of their own or sit this pass out;
2. the rest is cut into pools of 100 batches; each pool is sorted by length
    and cut into batches, so that the examples of one are about equally long;
3. the batches are shuffled.

So every pass has the same number of batches, and batch k can be made without
making the ones before it.

Letters of shapes: N examples, B batch.
"""

import dataclasses

import numpy as np

from data_pipelines.batching.passes import Batch

POOL = 100


@dataclasses.dataclass(frozen=True)
class ByLength:
    """Batches of similar length.

    Attributes:
        lengths: `(N,)` of the examples.
        widths: Ascending; a batch is padded up to the first one that holds
            it, so the last one must hold the longest example.
        batch_size: Examples in a batch.
        drop_remainder: Whether the examples of a training pass that do not
            fill a batch sit it out; a split smaller than one batch is one
            smaller batch all the same.
        positions: Most of a batch of `once`, padding counted, but for an
            example that alone has more; 0: as many as there are.
    """

    lengths: np.ndarray
    widths: np.ndarray
    batch_size: int
    drop_remainder: bool = True
    positions: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(
                f"batch_size must be at least 1, not {self.batch_size}"
            )

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        examples = len(self.lengths)
        if self.drop_remainder and examples >= self.batch_size:
            return examples // self.batch_size
        return -(-examples // self.batch_size)

    @property
    def order(self) -> np.ndarray:
        """Row numbers in the order of `once`, by length, `(N,)`."""
        return np.argsort(self.lengths, kind="stable")

    @property
    def efficiency(self) -> float:
        """Share of a training pass's positions that are not padding."""
        plan = self.plan(0, 0)
        real = sum(int(self.lengths[batch.rows].sum()) for batch in plan)
        return real / max(sum(len(rows) * width for rows, width in plan), 1)

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """Return the batches of one training pass."""
        random = np.random.default_rng([seed, epoch])
        rows = random.permutation(len(self.lengths))
        full = len(rows) - len(rows) % self.batch_size
        batches = []
        for start in range(0, full, POOL * self.batch_size):
            pool = rows[start : min(start + POOL * self.batch_size, full)]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches.extend(pool.reshape(-1, self.batch_size))
        if full < len(rows) and not (self.drop_remainder and full):
            batches.append(rows[full:])
        return [
            self.batch(batches[i]) for i in random.permutation(len(batches))
        ]

    def once(self) -> list[Batch]:
        """Return the batches of a pass by length; some may be smaller."""
        order, batches = self.order, []
        while len(order):
            rows = order[: self.batch_size]
            while 0 < self.positions < len(rows) * self.width(rows) and (
                len(rows) > 1
            ):
                rows = rows[: len(rows) // 2]
            batches.append(self.batch(rows))
            order = order[len(rows) :]
        return batches

    def width(self, rows: np.ndarray) -> int:
        """Return the width of a batch of some examples."""
        longest = self.lengths[rows].max()
        return int(self.widths[np.searchsorted(self.widths, longest)])

    def batch(self, rows: np.ndarray) -> Batch:
        """Return the batch of some examples."""
        return Batch(rows, self.width(rows))
