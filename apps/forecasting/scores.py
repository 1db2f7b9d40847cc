"""Scores of forecasts, those of M4 as it defines them.

    mase      mean absolute error of a series, over the mean absolute seasonal
              difference of its values before the split
    smape     200 |y - f| / (|y| + |f|), in per cent
    owa       half of smape and half of mase, each over that of Naive 2, which
              repeats the last value, seasonally adjusted
    rmse      root of the mean squared error
    pinball   mean of max(l (y - q), (l - 1) (y - q)) over the levels l
    crps      twice the integral of the pinball loss over the levels, by the
              trapezoidal rule
    coverage  share of the targets within the interval

Forecasts are quantiles, and points their medians. All are means over the
windows of a series, and then over series: rmse and crps are in the unit of the
values. Missing targets do not count.

Letters of shapes: S series, N windows, H horizon, Q levels.
"""

import dataclasses

import numpy as np

from data_pipelines.forecasting import Split
from data_pipelines.forecasting.datasets import LEVELS

from .distributions import MEDIAN

METRICS = {
    "mase": "absolute error, over that of repeating the season; lower is"
    " better, under 1 is better than that",
    "smape": "absolute error in percent of the values; lower is better",
    "owa": "smape and mase over those of Naive 2; lower is better",
    "rmse": "root of the squared error, in the unit of the values; lower is"
    " better",
    "pinball": "error of the quantiles, by level; lower is better",
    "crps": "error of the whole distribution, in the unit of the values; lower"
    " is better",
    "coverage_80": "share of values within the interval of 80 %, which should"
    " be 0.8",
    "coverage_95": "share within that of 95 %, which should be 0.95",
}

# Scores of which lower ones are better, and those of which none is the best.
LOWER = ("mase", "smape", "owa", "rmse", "pinball", "crps")
UNRANKED = ("coverage_80", "coverage_95")

INTERVALS = {
    "coverage_80": (LEVELS.index(0.1), LEVELS.index(0.9)),
    "coverage_95": (LEVELS.index(0.025), LEVELS.index(0.975)),
}


@dataclasses.dataclass(frozen=True)
class Truth:
    """What forecasts of windows are compared with.

    Attributes:
        targets: `(N, H)`, NaN where missing.
        series: `(N,)` number of the series of each.
        changes: `(N,)` the mean absolute seasonal difference of the series
            before the split; NaN where that is zero.
        naive2: `(N, H)` forecasts of Naive 2.
    """

    targets: np.ndarray
    series: np.ndarray
    changes: np.ndarray
    naive2: np.ndarray

    @classmethod
    def of_split(cls, split: Split, season: int) -> "Truth":
        """Return that of a split of series with a season."""
        series, origins = split.windows
        changes, naive2 = np.zeros(len(series)), np.zeros(split.targets.shape)
        for number in np.unique(series):
            rows = np.flatnonzero(series == number)
            before = split.before(number).astype("float64")
            change = np.abs(before[season:] - before[:-season])
            some = (~np.isnan(change)).any()
            changes[rows] = np.nanmean(change) if some else 0
            adjust = Seasons(before, season)
            values = split.store.values[number]
            for row in rows:
                past = values[: origins[row]]
                last = len(past) - 1 - np.argmax(~np.isnan(past[::-1]))
                level = adjust.remove(past[last], last)
                steps = origins[row] + np.arange(split.horizon)
                naive2[row] = adjust.add(level, steps)
        changes = np.where(changes > 0, changes, np.nan)
        return cls(split.targets.astype("float64"), series, changes, naive2)

    def chosen(self, rows: np.ndarray) -> "Truth":
        """Return that of some of the windows."""
        parts = (getattr(self, f.name)[rows] for f in dataclasses.fields(self))
        return Truth(*parts)


class Seasons:
    """The seasonal indices of M4, multiplicative, of values `(T,)`.

    There are some if the autocorrelation at the season is significant at 90 %;
    where values are not all positive, they are differences.
    """

    def __init__(self, values: np.ndarray, season: int):
        from statsmodels.tsa.seasonal import seasonal_decompose

        self.season = season
        values = interpolated(values)
        self.multiplied = bool(len(values)) and values.min() > 0
        self.indices = None
        if season > 1 and is_seasonal(values, season):
            kind = "multiplicative" if self.multiplied else "additive"
            parts = seasonal_decompose(values, model=kind, period=season)
            self.indices = parts.seasonal[:season]

    def remove(self, values, steps):
        """Return values at steps of the series, seasonally adjusted."""
        if self.indices is None:
            return values
        own = self.indices[steps % self.season]
        return values / own if self.multiplied else values - own

    def add(self, values, steps):
        """Return adjusted values at steps of the series as they are."""
        if self.indices is None:
            return values + np.zeros(np.shape(steps))
        own = self.indices[steps % self.season]
        return values * own if self.multiplied else values + own


def is_seasonal(values: np.ndarray, season: int) -> bool:
    """Return whether the autocorrelation at the season is significant.

    That is the test of M4, at 90 %.
    """
    if len(values) < 3 * season or not np.ptp(values):
        return False
    r = autocorrelation(values, season)
    limit = 1.645 * np.sqrt((1 + 2 * np.sum(r[:-1] ** 2)) / len(values))
    return bool(abs(r[-1]) > limit)


def autocorrelation(values: np.ndarray, lags: int) -> np.ndarray:
    """Return the autocorrelations at the lags 1, 2, ..., `(lags,)`."""
    x = np.asarray(values, "float64")
    x = np.where(np.isnan(x), 0, x - np.nanmean(x))
    total = max(np.dot(x, x), 1e-300)
    return np.array([np.dot(x[k:], x[:-k]) / total for k in range(1, lags + 1)])


def interpolated(values: np.ndarray) -> np.ndarray:
    """Return values with straight lines where they are missing."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) in (0, len(values)):
        return values[: len(known)]
    return np.interp(np.arange(len(values)), known, values[known])


def score(truth: Truth, quantiles: np.ndarray) -> dict[str, float | None]:
    """Return all scores of quantiles `(N, H, Q)`."""
    return {
        name: None if np.isnan(value) else float(value)
        for name, value in (
            (name, by_step[0])
            for name, by_step in _scores(truth, quantiles, False).items()
        )
    }


def by_step(truth: Truth, quantiles: np.ndarray) -> dict[str, np.ndarray]:
    """Return all scores at each step of the horizon, `(H,)` each."""
    return _scores(truth, quantiles, True)


def _scores(truth, quantiles, steps):
    y, point = truth.targets, quantiles[:, :, MEDIAN].astype("float64")

    def mean(values):
        """Return means over windows, then over series, for each step."""
        if not steps:
            values = _nanmean(values, axis=1)[:, None]
        numbers, places = np.unique(truth.series, return_inverse=True)
        sums = np.zeros((len(numbers), values.shape[1]))
        counts = np.zeros_like(sums)
        np.add.at(sums, places, np.nan_to_num(values))
        np.add.at(counts, places, ~np.isnan(values))
        with np.errstate(invalid="ignore"):
            return _nanmean(sums / counts, axis=0)

    error = np.abs(y - point)
    scores = {"mase": mean(error / truth.changes[:, None])}
    scores["smape"] = mean(_smape(y, point))
    naive = mean(np.abs(y - truth.naive2) / truth.changes[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        scores["owa"] = 0.5 * (
            scores["mase"] / naive
            + scores["smape"] / mean(_smape(y, truth.naive2))
        )
    scores["rmse"] = np.sqrt(mean(error**2))
    errors = y[:, :, None] - quantiles  # N H Q
    levels = np.array(LEVELS)
    losses = np.maximum(levels * errors, (levels - 1) * errors)
    scores["pinball"] = mean(losses.mean(axis=-1))
    # Beyond the last levels the quantiles are taken as those of the levels.
    errors = np.pad(errors, [(0, 0), (0, 0), (1, 1)], "edge")
    levels = np.array([0, *LEVELS, 1])
    losses = np.maximum(levels * errors, (levels - 1) * errors)
    scores["crps"] = mean(2 * np.trapezoid(losses, levels, axis=-1))
    for name, (low, high) in INTERVALS.items():
        inside = (quantiles[:, :, low] <= y) & (y <= quantiles[:, :, high])
        scores[name] = mean(np.where(np.isnan(y), np.nan, inside))
    return scores


def _smape(y, forecast):
    size = np.abs(y) + np.abs(forecast)
    error = 200 * np.abs(y - forecast)
    return np.where(size > 0, error / np.where(size > 0, size, 1), y * 0)


def _nanmean(values, axis):
    """Return means of what is not NaN; NaN where there is nothing."""
    count = (~np.isnan(values)).sum(axis=axis)
    sums = np.nansum(values, axis=axis)
    return np.where(count, sums / np.maximum(count, 1), np.nan)
