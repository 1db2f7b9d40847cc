"""Pairs -> batches of about equally many tokens, in a few fixed shapes.

Pairs are put into buckets by their lengths, first by the longer lengths of
the target, then, within, by those of the source.  All batches of a bucket
have one shape: its widths hold its longest rows, and it has as many rows as

    rows * max(source width, target width) <= batch_tokens

allows, or a little fewer, so that almost none of the bucket's pairs is left
over.  So there are no more shapes than buckets, and the model is compiled as
often.

The order of pass e is a function of (seed, e) alone: the rows of each bucket
are permuted and cut into batches, the rows left over sit this pass out, and
the batches of all buckets are shuffled.  So every pass has the same number of
batches, and batch k can be made without making the ones before it.

Letters of shapes: N pairs, B batch, S source, T target.
"""

import dataclasses
import math

import numpy as np

from data_pipelines.batching import bucket_widths

# As many buckets as these at most; on sentences of 10 to 20 tokens an eighth
# of the positions are padding then.
_TARGETS, _SOURCES = 5, 3


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Pairs of similar lengths.

    Attributes:
        rows: which pairs, ascending by length.
        widths: of source and target, the longest rows of each.
        most: how many rows a batch may have.
        size: how many rows a training batch has.
    """

    rows: np.ndarray
    widths: tuple[int, int]
    most: int
    size: int

    @property
    def batches(self) -> int:
        """Number of batches in each pass of training."""
        return len(self.rows) // self.size

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, source width and target width of a training batch."""
        return (self.size, *self.widths)


def group(lengths: np.ndarray, batch_tokens: int) -> list[Bucket]:
    """Puts pairs into buckets.

    Args:
        lengths: `(2, N)` lengths of source and target, N at least 1.
        batch_tokens: most positions of either side in a batch.  A batch has
            one row at least, however long.
    """
    # With fewer than two full batches in a bucket nothing would be shuffled.
    full = int(lengths.max(axis=0).sum()) // (2 * batch_tokens)
    count = min(max(full, 1), _TARGETS * _SOURCES)
    inner = min(math.isqrt(count), _SOURCES)
    found = []
    for rows in _cut(np.arange(lengths.shape[1]), lengths[1], count // inner):
        for part in _cut(rows, lengths[0], inner):
            found.append(_bucket(part, lengths[:, part], batch_tokens))
    return found


def _cut(rows: np.ndarray, lengths: np.ndarray, count: int) -> list:
    widths = bucket_widths.boundaries(lengths[rows], count)
    places = np.searchsorted(widths, lengths[rows])
    return [rows[places == place] for place in range(len(widths))]


def _bucket(rows: np.ndarray, lengths: np.ndarray, batch_tokens: int) -> Bucket:
    widths = lengths.max(axis=1)
    most = max(1, batch_tokens // int(widths.max()))
    order = np.lexsort((lengths[0], lengths[1]))
    return Bucket(
        rows[order],
        (int(widths[0]), int(widths[1])),
        most,
        _size(len(rows), most),
    )


def _size(rows: int, most: int) -> int:
    """How many rows a batch should have: a compromise.

    The cost is the share of the rows that are left over, and a fifth of the
    share of a batch that is not used.
    """
    sizes = np.arange(1, min(rows, most) + 1)
    return int(sizes[np.argmin(rows % sizes / rows - 0.2 * sizes / most)])


def steps_per_pass(grouped: list[Bucket]) -> int:
    """Number of batches in each training pass."""
    return sum(bucket.batches for bucket in grouped)


def plan(grouped: list[Bucket], seed: int, epoch: int) -> list:
    """(bucket, rows) of each batch of one training pass."""
    random = np.random.default_rng([seed, epoch])
    batches = []
    for bucket in grouped:
        rows = random.permutation(bucket.rows)
        rows = rows[: bucket.batches * bucket.size]
        batches += [
            (bucket, part) for part in rows.reshape(bucket.batches, bucket.size)
        ]
    return [batches[i] for i in random.permutation(len(batches))]


def once(grouped: list[Bucket]) -> list:
    """(bucket, rows) of each batch of a pass over all rows, by length.

    There are as few batches as can be; the last one of a bucket may have fewer
    rows than the others.
    """
    batches = []
    for bucket in grouped:
        count = -(-len(bucket.rows) // bucket.most)
        size = -(-len(bucket.rows) // count)
        for start in range(0, len(bucket.rows), size):
            batches.append((bucket, bucket.rows[start : start + size]))
    return batches
