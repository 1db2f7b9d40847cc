"""Pairs -> batches of about equally many tokens, in a few fixed shapes.

Pairs are put into buckets by their lengths, first by the longer lengths of
the target, then, within, by those of the source. All batches of a bucket
have one shape: its widths hold its longest rows, and it has as many rows as

    rows * max(source width, target width) <= batch_tokens

allows, or a little fewer, so that almost none of the bucket's pairs is left
over. So there are no more shapes than buckets, and the model is compiled as
often.

The order of pass e is a function of (seed, e) alone: the rows of each bucket
are permuted and cut into batches, the rows left over sit this pass out, and
the batches of all buckets are shuffled. So every pass has the same number of
batches, and batch k can be made without making the ones before it.

Letters of shapes: N pairs, B batch, S source, T target.
"""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np

from data_pipelines.batching import bucket_widths
from data_pipelines.batching.passes import Batch

# As many buckets at most, and as many widths of the source for each of the
# target; on sentences of 10 to 20 tokens an eighth of the positions are padding
# then.
BUCKETS, _SOURCES = 15, 3


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Pairs of similar lengths.

    Attributes:
        rows: Which pairs, ascending by length.
        widths: Of source and target, the longest rows of each.
        most: How many rows a batch may have.
        multiple: Of which the rows of a training batch are one, if the bucket
            has so many.
    """

    rows: np.ndarray
    widths: tuple[int, int]
    most: int
    multiple: int = 1

    @property
    def size(self) -> int:
        """How many rows a training batch has: a compromise.

        The cost is the share of the rows that are left over, and a fifth of
        the share of a batch that is not used.
        """
        rows = len(self.rows)
        largest = min(rows, self.most)
        least = self.multiple if largest >= self.multiple else 1
        sizes = np.arange(least, largest + 1, least)
        cost = rows % sizes / rows - 0.2 * sizes / self.most
        return int(sizes[np.argmin(cost)])

    def cut(self, rows: np.ndarray, size: int) -> list[Batch]:
        """Cut rows into batches; the last one may have fewer."""
        starts = range(0, len(rows), size)
        return [Batch(rows[i : i + size], self.widths) for i in starts]


@dataclasses.dataclass(frozen=True)
class Buckets:
    """Batches of pairs, each from one bucket.

    Attributes:
        buckets: The pairs by length.
    """

    buckets: list[Bucket]

    @classmethod
    def of(
        cls,
        lengths: np.ndarray,
        batch_tokens: int,
        most: int = BUCKETS,
        multiple: int = 1,
    ) -> "Buckets":
        """Put pairs into buckets.

        Args:
            lengths: `(2, N)` lengths of source and target.
            batch_tokens: Most positions of either side in a batch. A batch
                has one row at least, however long.
            most: Buckets at most.
            multiple: See `Bucket`.
        """
        if not lengths.size:
            return cls([])
        # With fewer than two full batches in a bucket nothing is shuffled.
        full = int(lengths.max(axis=0).sum()) // (2 * batch_tokens)
        count = min(max(full, 1), most)
        inner = min(math.isqrt(count), _SOURCES)
        every = np.arange(lengths.shape[1])
        return cls(
            [
                _bucket(part, lengths[:, part], batch_tokens, multiple)
                for rows in _cut(every, lengths[1], count // inner)
                for part in _cut(rows, lengths[0], inner)
            ]
        )

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return sum(len(b.rows) // b.size for b in self.buckets)

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """Return the batches of one training pass."""
        random = np.random.default_rng([seed, epoch])
        batches = []
        for bucket in self.buckets:
            full = len(bucket.rows) // bucket.size * bucket.size
            rows = random.permutation(bucket.rows)[:full]
            batches += bucket.cut(rows, bucket.size)
        return [batches[i] for i in random.permutation(len(batches))]

    def once(self) -> list[Batch]:
        """Return the batches of a pass over all rows, by length.

        There are as few batches as can be; the last one of a bucket may have
        fewer rows than the others.
        """
        batches = []
        for bucket in self.buckets:
            count = -(-len(bucket.rows) // bucket.most)
            batches += bucket.cut(bucket.rows, -(-len(bucket.rows) // count))
        return batches


def _cut(
    rows: np.ndarray, lengths: np.ndarray, count: int
) -> Iterable[np.ndarray]:
    widths = bucket_widths.boundaries(lengths[rows], count)
    index = np.searchsorted(widths, lengths[rows])
    return [rows[index == number] for number in range(len(widths))]


def _bucket(
    rows: np.ndarray, lengths: np.ndarray, batch_tokens: int, multiple: int
) -> Bucket:
    widths = lengths.max(axis=1)
    order = np.lexsort((lengths[0], lengths[1]))
    return Bucket(
        rows[order],
        (int(widths[0]), int(widths[1])),
        max(1, batch_tokens // int(widths.max())),
        multiple,
    )
