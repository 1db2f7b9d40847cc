"""The one batch contract: batch k is a function of the data, the seed and k.

A planner tells which rows stand in which batch, a split's `fetch` turns the
rows of a batch into arrays, and its `dataset` makes a `tf.data.Dataset` of the
two. From that follow, for every task: training is resumed at any step at no
cost, the order is the same on every backend, and several processes share the
batches.

    split.dataset(training=True, start_step=1_000)
    split.dataset()                                     # one pass, in order

Letters of shapes: B rows of a batch.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import SPLITS


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
