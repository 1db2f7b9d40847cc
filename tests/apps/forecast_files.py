"""What the tests of forecasting share: small series, and a way to train."""

import csv
import datetime
import shlex

import numpy as np

from tests.apps.tools import file_flags

SEASON, LENGTH, HORIZON = 6, 90, 4
SMALL = shlex.split(
    f"--horizon {HORIZON} --season {SEASON} --context 14 --units 6 --epochs 2"
    " --steps-per-epoch 5 --batch-size 16 --baseline-series 1"
)
START = datetime.datetime(2026, 1, 1)


def waves(length=LENGTH, count=3, seed=0):
    """Seasons around levels of different size, `(count, length)`."""
    random = np.random.default_rng(seed)
    steps = np.arange(length)
    levels = 10.0 ** np.arange(count)[:, None]
    season = 1 + 0.5 * np.sin(2 * np.pi * steps / SEASON)
    return levels * (season + 0.05 * random.standard_normal((count, length)))


def write_long(path, values=None):
    """A long table of hours, with a covariate; a value is missing."""
    values = waves() if values is None else values
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["series", "time", "value", "load"])
        for number, row in enumerate(values):
            for step, value in enumerate(row):
                time = START + datetime.timedelta(hours=step)
                cell = "" if (number, step) == (0, 7) else f"{value:.6g}"
                table.writerow([f"s{number}", time, cell, step % 3])


def flags(folder, *more):
    """The command line of a small training on `series` in a folder."""
    return file_flags(folder, "series", *SMALL, *more)
