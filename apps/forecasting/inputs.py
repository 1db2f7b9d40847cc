"""What networks see: windows, scaled by themselves, and what else is known.

    raw [B, C], NaN where missing -> scaled [B, C] -> numbers of each step
    [B, H, P] -> raw numbers, beside the size of an error [B, H, P + 1]

Letters of shapes: B batch, C context, H horizon, L context and the true values
of the horizon, N steps that are forecast, P numbers of a step, S season, V
covariates, F features of a step.
"""

import dataclasses

import keras
import numpy as np
from keras import layers, ops

from apps.common.transfer import Origin
from data_pipelines.forecasting import Datasets
from data_pipelines.forecasting.frequency import DAY, WEEK, YEAR

from .config import Config

# Seasons back in which what stands for a missing value is looked for.
_LOOKED_BACK = 8

# Of the mean absolute value of a window: smaller values are forecast no
# more exactly for that.
_LEAST_LEVEL = 0.2

# A window of smaller values is one of zeros: float32 does not hold the squares.
_ZERO = 1e-16


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a network has to know of its data."""

    context: int
    horizon: int
    season: int
    covariates: int
    series: int
    periods: tuple[int, ...]
    seconds: int

    @property
    def lags(self) -> int:
        """K: as many as leave the encoder a season at least."""
        return self.context // self.season - 1 if self.season > 1 else 0


class Window:
    """A window, scaled by its own context.

    Attributes:
        z: Scaled values `(B, L)`, zero where missing.
        observed: One where they are not, `(B, L)`.
        filled: The same as z, or, where missing, the value a season before.
        base: What is added to forecasts, `(B, N)`.
        steps: N of a recursive model.
        shift, scale: `(B, 1)`.
        size: Of an error, `(B, N)`: the harmonic mean of a twentieth of the
            value a season before and of the mean absolute change over a season.
            So errors count as in sMAPE and as in MASE.
    """

    def __init__(self, full, config, shape, recursive):
        context, season = shape.context, shape.season
        missing = ops.isnan(full)
        self.observed = ops.cast(ops.logical_not(missing), "float32")  # B L
        values = ops.where(missing, 0.0, full)
        x, present = values[:, :context], self.observed[:, :context]
        count = ops.maximum(ops.sum(present, 1, keepdims=True), 1.0)
        level = ops.sum(ops.abs(x), 1, keepdims=True) / count
        mean = ops.sum(x, 1, keepdims=True) / count
        spread = ops.sqrt(
            ops.sum(ops.square((x - mean) * present), 1, keepdims=True) / count
        )
        both = present[:, season:] * present[:, :-season]
        changes = ops.abs(x[:, season:] - x[:, :-season]) * both
        change = ops.sum(changes, 1, keepdims=True) / ops.maximum(
            ops.sum(both, 1, keepdims=True), 1.0
        )
        if context < 2 * season:
            change = spread
        self.shift, self.scale = {
            "none": (ops.zeros_like(mean), ops.ones_like(mean)),
            "mean": (ops.zeros_like(mean), level),
            "instance": (mean, spread),
            "seasonal": (mean, change),
        }[config.scaling]
        floor = 1e-3 * level
        if config.scaling != "none":
            scale = ops.maximum(self.scale, floor)
            self.scale = ops.where(level > _ZERO, scale, 1.0)
        change = ops.maximum(change, floor)
        self.z = (values - self.shift) / self.scale * self.observed
        self.filled = self.z
        for _ in range(min(_LOOKED_BACK, context // season)):
            before = _later(self.filled, season)
            self.filled = ops.where(missing, before, self.z)
        self.steps = full.shape[1] - context + 1
        if recursive:
            end = context - season
            base = self.filled[:, end : end + self.steps]  # B N
        else:
            season_before = self.filled[:, context - season : context]
            base = tiled(season_before, shape.horizon)  # B H
        self.base = base if config.residual else ops.zeros_like(base)
        before = ops.abs(base * self.scale + self.shift)
        before = ops.maximum(before, _LEAST_LEVEL * level)
        size = 2 / (20 / (before + 1e-30) + 1 / (change + 1e-30))
        # A window of zeros says nothing of the size of errors.
        self.size = ops.where(level > _ZERO, size, 1.0)

    def unscaled(self, output, values):
        """Return numbers in the unit of the series, and the size of errors."""
        shift, scale = self.shift[:, :, None], self.scale[:, :, None]
        if output in ("gaussian", "student_t"):
            parts = [values[:, :, :1] * scale + shift, values[:, :, 1:] * scale]
        else:
            parts = [values * scale + shift]
        return ops.concatenate([*parts, self.size[:, :, None]], axis=-1)


def _later(x, steps):
    """Return values `(B, L)` so many steps later; before them are zeros."""
    return ops.concatenate([0 * x[:, :steps], x[:, :-steps]], axis=1)


def tiled(x, length):
    """Repeat `(B, S, ...)` to so many steps."""
    times = -(-length // x.shape[1])
    return ops.concatenate([x] * times, axis=1)[:, :length]


def periods_of(
    origin: Origin | None, config: Config, data: Datasets
) -> tuple[int, ...]:
    """Return the seconds of the periods that the training has seen twice.

    Where it goes on from a run, they are those of the run.
    """
    if origin and (origin.path / "periods.txt").exists():
        return tuple(map(int, origin.lines("periods.txt")))
    step = data.store.frequency.seconds
    longest = step * int(data.valid.begins.max())
    if not config.calendar or config.model in ("ar", "hmm"):
        return ()
    return tuple(
        period
        for period in (DAY, WEEK, YEAR)
        if 2 * step < period and 2 * period <= longest
    )


class Features:
    """What is known of each step beside the values."""

    def __init__(self, config, shape, data):
        self.shape = shape
        self.mean, self.deviation = (
            np.asarray(x, "float32") for x in _statistics(data)
        )
        self.embedding = None
        if config.embedding_size and config.model in ("nn_ar", "rnn"):
            # Series that no training has seen are number 0.
            self.embedding = layers.Embedding(
                shape.series + 1, config.embedding_size, name="series_embedding"
            )
        self.covariates = shape.covariates * (config.model in ("nn_ar", "rnn"))

    def __call__(self, inputs, length):
        """Add inputs; return the features `(B, length, F)`, or `None`."""
        shape, parts = self.shape, []
        if shape.periods:
            time = keras.Input((), dtype="int64", name="time")
            inputs["time"] = time
            steps = np.arange(length, dtype="int64") - shape.context
            seconds = time[:, None] + steps * shape.seconds  # B length
            for period in shape.periods:
                turn = ops.cast(ops.mod(seconds, period), "float32")
                for harmonic in (1, 2):
                    angle = turn * (2 * np.pi * harmonic / period)
                    parts += [ops.sin(angle), ops.cos(angle)]
            parts = [ops.stack(parts, axis=-1)]
        if self.covariates:
            columns = keras.Input((length, self.covariates), name="covariates")
            inputs["covariates"] = columns
            present = ops.logical_not(ops.isnan(columns))
            values = (columns - self.mean) / self.deviation
            values = ops.clip(ops.where(present, values, 0.0), -10, 10)
            parts += [values, ops.cast(present, "float32")]
        if self.embedding:
            number = keras.Input((), dtype="int32", name="id")
            inputs["id"] = number
            vectors = self.embedding(number)[:, None]  # B 1 D
            parts.append(ops.repeat(vectors, length, axis=1))
        return ops.concatenate(parts, axis=-1) if parts else None


def _statistics(data):
    """Return mean and deviation of the covariates in train, `(V,)` each."""
    width = len(data.train.known)
    if not width:
        return np.zeros(0), np.ones(0)
    rows = np.concatenate(
        [
            data.store.covariates[s].reshape(-1, width)[: data.valid.begins[s]]
            for s in data.train.planner.series
        ]
    ).astype("float64")
    count = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
    mean = np.nansum(rows, axis=0) / count
    deviation = np.sqrt(np.nansum((rows - mean) ** 2, axis=0) / count)
    return mean, np.where(deviation > 0, deviation, 1.0)
