"""Captions -> batches of equally many rows, in a few fixed shapes.

Captions are put into groups by their lengths, and the groups in a line, the
one of the longest captions first.  In each pass the rows of each group are
permuted, the whole line is cut into batches, and the batches are shuffled.  A
batch is as wide as its first row needs, so at the end of a group it is filled
up with rows of the next one, and no caption is left out because its group is
small.  What is left over at the end of the line, less than a batch of the
shortest captions, sits this pass out, other ones each time.

So there are no more shapes than groups, every pass has the same number of
batches, the order of pass e is a function of (seed, e) alone, and batch k can
be made without making the ones before it.

Letters of shapes: N captions.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from data_pipelines import buckets

# As many groups as these at most.
_GROUPS = 5

Batch = tuple[int, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Groups:
    """Captions by length.

    Attributes:
        rows: which captions each group has, the longest ones first.
        widths: how wide the batches of each are.
        size: how many rows a batch has.
    """

    rows: list[np.ndarray]
    widths: np.ndarray
    size: int

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return sum(map(len, self.rows)) // self.size

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """(width, rows) of each batch of one training pass."""
        random = np.random.default_rng([seed, epoch])
        permuted = [random.permutation(rows) for rows in self.rows]
        batches = self._cut(permuted)[: self.steps_per_pass]
        return [batches[i] for i in random.permutation(len(batches))]

    def once(self) -> list[Batch]:
        """(width, rows) of each batch of a pass over all captions.

        The longest come first; the last batch may have fewer rows.
        """
        return self._cut(self.rows)

    def endless(self, seed: int, step: int) -> Iterator[Batch]:
        """Yields the batches of training from any step on."""
        while True:
            epoch, first = divmod(step, self.steps_per_pass)
            for batch in self.plan(seed, epoch)[first:]:
                yield batch
                step += 1

    def _cut(self, rows: list[np.ndarray]) -> list[Batch]:
        line = np.concatenate(rows)
        starts = np.arange(0, len(line), self.size)
        ends = np.cumsum([len(found) for found in rows])
        groups = np.searchsorted(ends, starts, side="right")
        return [
            (int(self.widths[group]), line[start : start + self.size])
            for group, start in zip(groups, starts, strict=True)
        ]


def group(lengths: np.ndarray, batch_size: int) -> Groups:
    """Puts captions into groups.

    Args:
        lengths: `(N,)` how wide a batch with each must be, N at least 1.
        batch_size: rows of a batch, if there are so many.
    """
    # With fewer than two full batches in a group nothing would be shuffled.
    count = min(max(len(lengths) // (2 * batch_size), 1), _GROUPS)
    widths = buckets.boundaries(lengths, count)
    places = np.searchsorted(widths, lengths)
    rows = [np.flatnonzero(places == place) for place in range(len(widths))]
    return Groups(rows[::-1], widths[::-1], min(batch_size, len(lengths)))
