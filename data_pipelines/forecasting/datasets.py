"""Splits of series: windows by index, batches of them, report.

A window begins its horizon at an origin: what is before is its context, what
comes from there on are its targets. Windows are cut from what is mapped from
disk when their batch is fetched; an index of them is all that is in memory.

Letters of shapes: S series, N windows, B rows of a batch, C context, H horizon,
V covariates.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.batching import passes
from data_pipelines.batching.passes import Batch, BatchedDatasets, BatchedSplit
from data_pipelines.files.ragged import RaggedArray
from data_pipelines.files.splits import SPLITS
from data_pipelines.forecasting.frequency import Frequency

# Of the quantiles of every forecast: intervals of 80 and 95 %, and the median.
LEVELS = (0.025, *(round(0.1 * n, 1) for n in range(1, 10)), 0.975)

# Series named in one line of the report.
_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Store:
    """All series on disk, each without gaps: what is missing is NaN.

    Attributes:
        names: Of the series.
        values: S rows of values, float32.
        covariates: S rows, V numbers for each value.
        starts: `(S,)` index of the first value of each, in `frequency`.
        frequency: Of all.
        covariate_names: V names.
        notes: Lines about what was read.
    """

    names: list[str]
    values: RaggedArray
    covariates: RaggedArray
    starts: np.ndarray
    frequency: Frequency
    covariate_names: list[str]
    notes: list[str]


@dataclasses.dataclass(frozen=True)
class Windows:
    """Which windows stand in which batch; see `passes.Planner`.

    Attributes:
        series: `(S,)` the series that have windows.
        first: `(S,)` the first origin of each, in steps of the series.
        counts: `(S,)` how many windows each has.
        stride: Steps from one origin to the next.
        batch_size: Rows of a batch.
        most_steps: Batches of a training pass at most; 0: any number.
    """

    series: np.ndarray
    first: np.ndarray
    counts: np.ndarray
    stride: int
    batch_size: int
    most_steps: int = 0

    def __len__(self) -> int:
        return int(self.counts.sum())

    @functools.cached_property
    def ends(self) -> np.ndarray:
        """Windows up to the end of each series."""
        return np.cumsum(self.counts)

    def locate(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the series and the origin of windows."""
        place = np.searchsorted(self.ends, rows, side="right")
        number = rows - (self.ends - self.counts)[place]
        return self.series[place], self.first[place] + number * self.stride

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        steps = len(self) // self.batch_size or min(len(self), 1)
        return min(steps, self.most_steps or steps)

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """Return the batches of one training pass: windows at random."""
        random = np.random.default_rng([seed, epoch])
        size = min(self.steps_per_pass * self.batch_size, len(self))
        rows = random.choice(len(self), size, replace=False)
        return self._batches(rows)

    def once(self) -> list[Batch]:
        """Return the batches of all windows in order."""
        return self._batches(np.arange(len(self)))

    def _batches(self, rows):
        size = self.batch_size
        starts = range(0, len(rows), size)
        return [Batch(rows[start : start + size], 0) for start in starts]


@dataclasses.dataclass(frozen=True)
class Split(BatchedSplit):
    """Windows of one split.

    Attributes:
        store: The series.
        planner: Which windows stand in which batch.
        begins: `(S,)` where the split begins in each series of the store.
        context: C.
        horizon: H.
        seed: Random seed of the order of training.
        ids: `(S,)` the number by which a model knows each series, 0 unknown.
        known: `(V,)` whether a covariate is known in the future.
        teacher: Whether inputs have the H - 1 first targets, as `future`.
    """

    store: Store
    planner: Windows
    begins: np.ndarray
    context: int
    horizon: int
    seed: int
    ids: np.ndarray
    known: np.ndarray
    teacher: bool = False

    def __len__(self) -> int:
        return len(self.planner)

    @functools.cached_property
    def windows(self) -> tuple[np.ndarray, np.ndarray]:
        """Series and origin of all windows, `(N,)` each."""
        return self.planner.locate(np.arange(len(self)))

    @functools.cached_property
    def targets(self) -> np.ndarray:
        """The targets of all windows, `(N, H)`."""
        return self._values(*self.windows)[:, self.context :]

    def before(self, series: int) -> np.ndarray:
        """Return the values of a series before the split begins."""
        return self.store.values[series][: self.begins[series]]

    def spec(self, processes: int) -> tuple:
        """See `BatchedSplit`."""
        length, width = self.context + self.horizon, len(self.known)
        inputs = {"series": tf.TensorSpec((None, self.context), tf.float32)}
        inputs["time"] = tf.TensorSpec((None,), tf.int64)
        inputs["id"] = tf.TensorSpec((None,), tf.int32)
        if width:
            shape = (None, length, width)
            inputs["covariates"] = tf.TensorSpec(shape, tf.float32)
        if self.teacher:
            shape = (None, self.horizon - 1)
            inputs["future"] = tf.TensorSpec(shape, tf.float32)
        return inputs, tf.TensorSpec((None, self.horizon), tf.float32)

    def fetch(self, batch: Batch, step: int) -> tuple[dict, np.ndarray]:
        """See `BatchedSplit`."""
        series, origins = self.planner.locate(batch.rows)
        window = self._values(series, origins)
        moments = self.store.frequency.moments(
            self.store.starts[series] + origins
        )
        inputs = {
            "series": window[:, : self.context],
            "time": moments,
            "id": self.ids[series],
        }
        if len(self.known):
            inputs["covariates"] = self._covariates(series, origins)
        targets = window[:, self.context :]
        if self.teacher:
            inputs["future"] = targets[:, :-1]
        return inputs, targets

    def _places(self, series, origins):
        """Return where windows stand in a series, and which parts are in it."""
        steps = origins[:, None] + np.arange(-self.context, self.horizon)
        length = self.store.values.lengths[series][:, None]
        return steps, (steps >= 0) & (steps < length)

    def _values(self, series, origins):
        steps, inside = self._places(series, origins)
        places = self.store.values.starts[series][:, None] + steps
        values = self.store.values.values[np.where(inside, places, 0)]
        return np.where(inside, values, np.float32(np.nan))

    def _covariates(self, series, origins):
        steps, inside = self._places(series, origins)
        width = len(self.known)
        flat = self.store.covariates.values.reshape(-1, width)
        starts = self.store.covariates.starts[series][:, None] // width
        values = flat[np.where(inside, starts + steps, 0)]
        is_future = np.arange(-self.context, self.horizon) >= 0
        hidden = is_future[:, None] & ~self.known
        shown = inside[:, :, None] & ~hidden
        return np.where(shown, values, np.float32(np.nan))

    def digest(self) -> str:
        """See `BatchedSplit`."""
        series = self.planner.series
        parts = [self.store.values[s].tobytes() for s in series]
        parts += [self.store.covariates[s].tobytes() for s in series]
        numbers = np.concatenate([self.planner.first, self.planner.counts])
        parts.append(numbers.tobytes())
        return passes.digest(f"{len(self)} windows", parts)


@dataclasses.dataclass(frozen=True)
class Datasets(BatchedDatasets[Split]):
    """What the pipeline of forecasting returns.

    Attributes:
        store: All series.
        season: Steps of a season; 1: none.
        left_out: Series that are too short, or all missing, and why.
        constant: Series whose training values are all the same: MASE has no
            meaning for them.
        attainable: Forecasts that no model can beat on average, of a demo:
            `(N, H, Q)` quantiles of the test windows, or `None`.
    """

    store: Store
    season: int
    left_out: dict[str, str]
    constant: list[str]
    attainable: np.ndarray | None = None

    @property
    def names(self) -> list[str]:
        """Names of all series."""
        return self.store.names

    def report(self) -> list[str]:
        """Return a few lines for the terminal."""
        series = self.test.planner.series
        lengths = self.store.values.lengths[series]
        missing = np.mean(
            [np.isnan(self.store.values[s]).mean() for s in series]
        )
        lines = [
            f"series   {len(series):,} of {lengths.min():,} to "
            f"{lengths.max():,} values, {missing:.1%} missing",
            f"times    every {self.store.frequency.name}, inferred; season of "
            f"{self.season:,}, context {self.train.context:,}, horizon "
            f"{self.train.horizon:,}",
        ]
        lines += [
            f"{name:8} {len(getattr(self, name)):,} windows" for name in SPLITS
        ]
        if self.store.covariate_names:
            pairs = zip(
                self.store.covariate_names, self.train.known, strict=True
            )
            names = (f"{n} (known ahead)" if known else n for n, known in pairs)
            lines.append(f"columns  {', '.join(names)}")
        reasons = sorted(set(self.left_out.values()))
        for reason in reasons:
            names = [n for n, why in self.left_out.items() if why == reason]
            lines.append(f"note     left out, {reason}: {listed(names)}")
        if self.constant:
            lines.append(
                "note     constant, without MASE and left out of its mean: "
                f"{listed(self.constant)}"
            )
        return lines + [f"note     {note}" for note in self.store.notes]


def listed(names: Sequence[str]) -> str:
    """Return how many series there are, and the names of the first."""
    more = ", ..." if len(names) > _MOST_NAMED else ""
    return f"{len(names):,} ({', '.join(names[:_MOST_NAMED])}{more})"
