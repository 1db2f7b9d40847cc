"""Writes the demo: hourly series whose best forecasts are known.

Written are `train.csv`, with `series,time,value`, and `attainable.npy`: of each
series the quantiles of its last `HORIZON` values, given all before them, by the
process that drew it. No model can do better on average. A third each are

    seasons   a day of two waves, a week, and noise
    ar        x[t] = a x[t-1] + b x[t-2] + noise, around a level
    regime    noise around one of two levels, between which a hidden state
              switches once in 33 hours

Some values of the first kind are missing. Scales are between 1 and 1,000.
"""

import csv
import datetime
from pathlib import Path

import numpy as np
from scipy import stats

from data_pipelines.forecasting.datasets import LEVELS

# Raise it with any change of the series: files of one version are written once
# and then taken as they are.
VERSION = 2

# Series of each kind, and days of each.
SIZES = {"series": 24, "days": 35}
SMALL_SIZES = {"series": 2, "days": 14}
HORIZON = 24
STAYS = 0.97
MISSING = 0.01

_BEGIN = datetime.datetime(2026, 1, 5)


def write(folder: Path, seed: int = 0, sizes: dict | None = None) -> None:
    """Write all files into a folder that belongs to the demo alone."""
    sizes = sizes or SIZES
    length, best = sizes["days"] * 24, []
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["series", "time", "value"])
        for kind, draw in KINDS.items():
            for number in range(sizes["series"]):
                name = f"{kind}_{number:02}"
                random = np.random.default_rng([seed, *name.encode()])
                scale = 10 ** random.uniform(0, 3)
                values, quantiles = draw(random, length)
                best.append(scale * quantiles)
                present = np.ones(length, bool)
                if kind == "seasons":
                    present[: -3 * HORIZON] = (
                        random.random(length - 3 * HORIZON) > MISSING
                    )
                for hour in np.flatnonzero(present).tolist():
                    time = _BEGIN + datetime.timedelta(hours=hour)
                    value = f"{scale * values[hour]:.6g}"
                    table.writerow([name, f"{time:%Y-%m-%d %H:%M}", value])
    np.save(folder / "attainable.npy", np.stack(best).astype(np.float32))


def seasons(
    random: np.random.Generator, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return values `(T,)`, and the best quantiles of the last, `(H, Q)`."""
    hours = np.arange(length)
    mean = np.full(length, 3.0)
    for period, size in ((24, 1.0), (12, 0.5), (168, 0.5)):
        phase, size = (
            random.uniform(0, 2 * np.pi),
            size * random.uniform(0.5, 1),
        )
        mean += size * np.sin(2 * np.pi * hours / period + phase)
    values = mean + 0.2 * random.standard_normal(length)
    return values, _normal(mean[-HORIZON:], np.full(HORIZON, 0.2))


def ar(
    random: np.random.Generator, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return an autoregression, as `seasons` does."""
    root, angle = random.uniform(0.85, 0.97), random.uniform(0.1, 0.8)
    a, b = 2 * root * np.cos(angle), -(root**2)
    noise = random.standard_normal(length + 200)
    x = np.zeros(length + 200)
    for t in range(2, len(x)):
        x[t] = a * x[t - 1] + b * x[t - 2] + noise[t]
    x = x[200:]
    scale = x.std() * 3
    mean, weights = list(x[-HORIZON - 2 : -HORIZON]), [0.0, 1.0]
    for _ in range(HORIZON):
        mean.append(a * mean[-1] + b * mean[-2])
        weights.append(a * weights[-1] + b * weights[-2])
    # The variance of step h is that of the noise of h steps.
    spread = np.sqrt(np.cumsum(np.square(weights[1 : HORIZON + 1])))
    best = _normal(np.array(mean[2:]), spread)
    return x / scale + 2, best / scale + 2


def regime(
    random: np.random.Generator, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a series of two levels, as `seasons` does."""
    levels, noise = np.array([1.0, 3.0]), 0.3
    transition = np.array([[STAYS, 1 - STAYS], [1 - STAYS, STAYS]])
    switches = random.random(length) > STAYS
    states = (int(random.random() < 0.5) + np.cumsum(switches)) % 2
    values = levels[states] + noise * random.standard_normal(length)
    belief = np.full(2, 0.5)
    for value in values[:-HORIZON]:
        belief = (belief @ transition) * stats.norm.pdf(value, levels, noise)
        belief /= belief.sum()
    grid = np.linspace(-1, 5, 3001)
    cdfs = stats.norm.cdf(grid[:, None], levels, noise)  # G K
    best = []
    for _ in range(HORIZON):
        belief = belief @ transition
        best.append(np.interp(LEVELS, cdfs @ belief, grid))
    return values, np.array(best)


KINDS = {"seasons": seasons, "ar": ar, "regime": regime}


def _normal(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return mean[:, None] + spread[:, None] * stats.norm.ppf(LEVELS)
