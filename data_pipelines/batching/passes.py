"""The one batch contract: batch k is a function of the data, the seed and k.

A planner tells which rows stand in which batch, a split's `fetch` turns the
rows of a batch into arrays, and its `dataset` makes a `tf.data.Dataset` of the
two. From that follow, for every task: training is resumed at any step at no
cost, the order is the same on every backend, and several processes share the
batches.

    split.dataset(training=True, start_step=1_000)
    split.dataset()                                     # one pass, in order

Two planners serve several tasks. `ByLength` makes batches of rows of similar
length, `Strips` of chunks that continue those of the batch before.

Letters of shapes: N examples or sequences, B rows of a batch, K steps of a
chunk, S batches of a pass.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import tensorflow as tf

from data_pipelines.batching import bucket_widths
from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import SPLITS

# Batches of similar lengths are cut from as many at a time.
POOL = 100

# Index of the sequence of an empty row.
NONE = -1

# Widths of batches of whole sequences at most.
_WIDTHS = 8


class Batch(NamedTuple):
    """What a batch holds.

    Attributes:
        rows: `(B, ...)` integers, for each row of the batch what it shows:
            the index of an example, or several numbers.
        width: What the rows are padded to, one number for each padded axis.
    """

    rows: np.ndarray
    width: int | tuple[int, ...]


class Planner(Protocol):
    """Which rows stand in which batch.

    Attributes:
        steps_per_pass: Number of batches in each training pass; it is the
            same for every seed and epoch.
    """

    steps_per_pass: int

    def plan(self, seed: int, epoch: int) -> Sequence[Batch]:
        """Return the batches of one training pass, by (seed, epoch) alone."""

    def once(self) -> Sequence[Batch]:
        """Return the batches of one pass over every row, in a fixed order."""


def stream(
    planner: Planner, seed: int, step: int = 0
) -> Iterator[tuple[int, Batch]]:
    """Yield (step, batch) of training without end, from any step on.

    Nothing is computed for the batches before `step`.
    """
    while True:
        epoch, first = divmod(step, planner.steps_per_pass)
        for batch in planner.plan(seed, epoch)[first:]:
            yield step, batch
            step += 1


def part(batch: Batch, shard: tuple[int, int]) -> Batch:
    """Return the rows that one of several processes takes of a batch.

    Args:
        batch: The whole batch.
        shard: (process, number of processes). The parts of all processes one
            after another are the batch; all have its width.

    Raises:
        DataError: If the parts cannot have equally many rows.
    """
    process, processes = shard
    size, rest = divmod(len(batch.rows), processes)
    if rest:
        raise DataError(
            f"a batch of {len(batch.rows):,} rows cannot be shared by "
            f"{processes} processes; expected a batch size that divides by "
            f"{processes}, and full batches"
        )
    return batch._replace(
        rows=batch.rows[process * size : (process + 1) * size]
    )


def digest(counted: str, parts: Iterable[bytes | np.ndarray]) -> str:
    """Return what `BatchedSplit.digest` promises.

    Args:
        counted: Such as "3 texts".
        parts: What there is, in its order.
    """
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return f"{counted} sha256 {whole.hexdigest()}"


class BatchedSplit:
    """What every split has: batches of its rows.

    Subclasses have a `seed`, a `planner`, `fetch` and `spec`; where training
    is not like evaluation, also `training_planner` and `fetch_training`; where
    evaluation is not in the order of the file, `order`, the row numbers.
    """

    seed: int
    planner: Planner
    prefetch = tf.data.AUTOTUNE

    @property
    def training_planner(self) -> Planner:
        """The batches of training."""
        return self.planner

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return self.training_planner.steps_per_pass

    def in_order(self, rows: list | np.ndarray) -> list | np.ndarray:
        """Put what was made in the split's `order` into that of the file.

        Args:
            rows: One item for each row.
        """
        positions = np.argsort(self.order)
        if isinstance(rows, np.ndarray):
            return rows[positions]
        return [rows[position] for position in positions]

    def digest(self) -> str:
        """Return how much there is, and a digest of what a model reads of it.

        Paths, names and times of files do not count.
        """
        raise NotImplementedError

    def spec(self, processes: int) -> Any:
        """Return shapes and types of a batch's part for each process."""
        raise NotImplementedError

    def fetch(self, batch: Batch, step: int) -> Any:
        """Return the arrays of a batch; `step` counts from 0 on."""
        raise NotImplementedError

    def fetch_training(self, batch: Batch, step: int) -> Any:
        """Return the arrays of a batch of training."""
        return self.fetch(batch, step)

    def dataset(
        self,
        training: bool = False,
        start_step: int = 0,
        shard: tuple[int, int] = (0, 1),
    ) -> tf.data.Dataset:
        """Make batches: one pass in order, or the endless training stream.

        Args:
            training: Whether to make the stream.
            start_step: Batches of the stream to leave out, for resuming; this
                costs no more than starting at 0.
            shard: (process, number of processes) that share each batch; see
                `part`.

        Returns:
            A dataset. Each iteration of it starts anew at `start_step`, so pass
            `steps_per_epoch` to `fit`, which then goes on through one.

        Raises:
            DataError: If a batch cannot be shared by so many processes.
        """
        planner = self.training_planner if training else self.planner
        fetch = self.fetch_training if training else self.fetch
        process, processes = shard
        spec = self.spec(processes)
        if not planner.steps_per_pass:
            raise ValueError("there are no examples to make batches of")
        if not 0 <= process < processes:
            raise ValueError(f"there is no process {process} of {processes}")
        if processes > 1:
            # Every pass has the same sizes: what is wrong shows before it.
            epoch = start_step // planner.steps_per_pass
            plan = (
                planner.plan(self.seed, epoch) if training else planner.once()
            )
            for batch in plan:
                part(batch, shard)

        def batches() -> Iterator[Any]:
            if training:
                numbered = stream(planner, self.seed, start_step)
            else:
                numbered = enumerate(planner.once())
            for step, batch in numbered:
                yield fetch(part(batch, shard), step)

        size = tf.data.INFINITE_CARDINALITY if training else len(planner.once())
        return (
            tf.data.Dataset.from_generator(batches, output_signature=spec)
            .apply(tf.data.experimental.assert_cardinality(size))
            .prefetch(self.prefetch)
        )


AnySplit = TypeVar("AnySplit", bound=BatchedSplit)


@dataclasses.dataclass(frozen=True)
class BatchedDatasets(Generic[AnySplit]):
    """The splits of a task.

    Attributes:
        train: The split that vocabularies and labels come from; empty if an
            old run is to be evaluated on data without it, as then valid or
            test may be.
        valid: For every choice.
        test: To be read once, at the end.
    """

    train: AnySplit
    valid: AnySplit
    test: AnySplit

    @property
    def examples(self) -> dict[str, int]:
        """Split -> how many examples it has."""
        return {name: len(getattr(self, name)) for name in SPLITS}

    @property
    def digest(self) -> list[str]:
        """The digest of each split in a line, to notice that data change."""
        return [f"{name} {getattr(self, name).digest()}" for name in SPLITS]


@dataclasses.dataclass(frozen=True)
class ByLength:
    """Batches of similar length, in an order one can enter anywhere.

    The order of pass e is a function of (seed, e) alone:

    1. all examples are permuted; those that do not fill a batch, the last ones
        of the permutation, form a smaller batch of their own or sit this pass
        out;
    2. the rest is cut into pools of 100 batches; each pool is sorted by length
        and cut into batches, so that the examples of one are about equally
        long;
    3. the batches are shuffled.

    So every pass has the same number of batches, and batch k can be made
    without making the ones before it.

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


@dataclasses.dataclass(frozen=True)
class Strips:
    """Chunks of sequences that continue those of the batch before.

    Row b of a batch goes on where row b of the batch before stopped, unless
    the row begins anew: so a recurrent state can be carried from batch to
    batch, and gradients end where chunks do (truncated backpropagation through
    time).

    The order of pass e is a function of (seed, e) alone: the sequences are
    permuted, cut into chunks of K steps and laid end to end, and this strip is
    cut into B rows of equal length. So every pass has the same number of
    batches and each chunk once; at most B - 1 sequences begin anew in their
    middle, where a row does, other ones in each pass; the rows beyond the end
    of the strip, fewer chunks than B and one row, are empty.

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


def take_chunks(batch: Batch, sequences: Sequence[np.ndarray]) -> np.ndarray:
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


def step_weights(batch: Batch, lengths: np.ndarray) -> np.ndarray:
    """Return 1 for each step of a batch, 0 for padding, float32 `(B, K)`.

    Args:
        batch: Of `Strips` or `WholeSequences`.
        lengths: `(N,)` steps of each sequence.
    """
    index, start, _ = batch.rows.T
    left = np.where(index == NONE, 0, lengths[index] - start)  # (B,)
    return (np.arange(batch.width) < left[:, None]).astype(np.float32)
