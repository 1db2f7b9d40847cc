"""Sequences in chunks that continue those of the batch before.

Row b of a batch goes on where row b of the batch before stopped, unless the
row begins anew: so a recurrent state can be carried from batch to batch, and
gradients end where chunks do (truncated backpropagation through time).

The order of pass e is a function of (seed, e) alone: the sequences are
permuted, cut into chunks of K steps and laid end to end, and this strip is cut
into B rows of equal length. So every pass has the same number of batches and
each chunk once; at most B - 1 sequences begin anew in their middle, where a
row does, other ones in each pass; the rows beyond the end of the strip, fewer
chunks than B and one row, are empty.

Letters of shapes: N sequences, B rows of a batch, K steps of a chunk, S
batches of a pass.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from data_pipelines.batching import bucket_widths
from data_pipelines.batching.by_length import ByLength
from data_pipelines.batching.passes import Batch

# Index of the sequence of an empty row.
NONE = -1

# Widths of batches of whole sequences at most.
_WIDTHS = 8


@dataclasses.dataclass(frozen=True)
class Strips:
    """Chunks of sequences.

    The rows of its batches are `(B, 3)`: index of the sequence or `NONE`, the
    step its chunk starts at, and 1 if the row begins anew, else 0.

    Attributes:
        lengths: `(N,)` steps of each sequence.
        rows: B.
        chunk: K, the width of all batches.
    """

    lengths: np.ndarray
    rows: int
    chunk: int

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each pass."""
        chunks = int((-(-self.lengths // self.chunk)).sum())
        return -(-chunks // self.rows)

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """Return the batches of one training pass."""
        random = np.random.default_rng([seed, epoch])
        return self._cut(random.permutation(len(self.lengths)))

    def once(self) -> list[Batch]:
        """Return the batches of a pass in the order of the sequences."""
        return self._cut(np.arange(len(self.lengths)))

    def _cut(self, order: np.ndarray) -> list[Batch]:
        chunks = -(-self.lengths[order] // self.chunk)
        sequences = np.repeat(order, chunks)
        ends = np.cumsum(chunks)
        within = np.arange(len(sequences)) - np.repeat(ends - chunks, chunks)
        empty = self.steps_per_pass * self.rows - len(sequences)
        sequences = np.pad(sequences, (0, empty), constant_values=NONE)
        starts = np.pad(within * self.chunk, (0, empty))
        sequences = sequences.reshape(self.rows, -1).T  # (S, B)
        starts = starts.reshape(self.rows, -1).T
        begins = np.ones_like(sequences)
        begins[1:] = (sequences[1:] != sequences[:-1]) | (
            starts[1:] != starts[:-1] + self.chunk
        )
        rows = np.stack([sequences, starts, begins], axis=-1)  # (S, B, 3)
        return [Batch(batch, self.chunk) for batch in rows]


class WholeSequences(ByLength):
    """Whole sequences of similar lengths, in batches like those of `Strips`.

    Every row begins anew, and a batch is padded to one of few widths; the last
    one may have fewer than B.
    """

    @classmethod
    def of(cls, lengths: np.ndarray, rows: int) -> "WholeSequences":
        """Put sequences of `(N,)` lengths into batches of B rows."""
        widths = lengths
        if len(lengths):
            widths = bucket_widths.boundaries(lengths, _WIDTHS)
        return cls(lengths, widths, rows, drop_remainder=False)

    def batch(self, sequences: np.ndarray) -> Batch:
        """Return the batch of some sequences."""
        rows = np.tile([NONE, 0, 1], (self.batch_size, 1))  # (B, 3)
        rows[: len(sequences), 0] = sequences
        return Batch(rows, self.width(sequences))


def take(batch: Batch, sequences: Sequence[np.ndarray]) -> np.ndarray:
    """Return the chunks of a batch, padded with 0, `(B, K, ...)`.

    Args:
        batch: Of `Strips` or `WholeSequences`.
        sequences: The sequences, `(T, ...)` each.
    """
    first = sequences[0]
    size = (len(batch.rows), batch.width)
    chunks = np.zeros((*size, *first.shape[1:]), first.dtype)
    for row, (index, start, _) in zip(chunks, batch.rows, strict=True):
        if index != NONE:
            chunk = sequences[index][start : start + batch.width]
            row[: len(chunk)] = chunk
    return chunks


def begins(batch: Batch) -> np.ndarray:
    """Return which rows do not continue those of the batch before, `(B,)`."""
    return batch.rows[:, 2].astype(bool)


def weights(batch: Batch, lengths: np.ndarray) -> np.ndarray:
    """Return 1 for each step of a batch, 0 for padding, float32 `(B, K)`.

    Args:
        batch: Of `Strips` or `WholeSequences`.
        lengths: `(N,)` steps of each sequence.
    """
    index, start, _ = batch.rows.T
    left = np.where(index == NONE, 0, lengths[index] - start)  # (B,)
    return (np.arange(batch.width) < left[:, None]).astype(np.float32)
