"""Series from tables, in the three forms in which people have them.

    long   a row a value: `series` (without it there is one), `time`, `value`,
           and more columns of numbers, which are covariates
    wide   a row a time: `time`, and a column a series
    rows   a row a series: its name, then its values, as M4 publishes them

Which form a table has, its header says: a column of values makes it long, one
of times wide. Missing values are empty or one of `MISSING`.
"""

import dataclasses
import math
import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.files.errors import DataError
from data_pipelines.files.tables import Table
from data_pipelines.forecasting import frequency

# Other names that the columns of such tables often have.
COLUMNS = {
    "series": ("series_id", "unique_id", "id", "item_id", "item", "name"),
    "time": (
        *("date", "datetime", "timestamp", "ds", "month", "day", "week"),
        *("quarter", "year", "period", "t"),
    ),
    "value": ("y", "target", "values"),
}
# Models compute in float32, which holds sums of the squares of such values.
LARGEST = 1e16
# What is no name of a series, ISO or not.
_DATE = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}\b.*")
MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?", ".")


@dataclasses.dataclass
class Series:
    """One series of a file, by time.

    Attributes:
        times: See `frequency.parse`; empty in a file of rows.
        values: `(T,)`, NaN where missing.
        covariates: `(T, V)`.
        lines: `(T,)` of the file.
    """

    times: np.ndarray
    values: np.ndarray
    covariates: np.ndarray
    lines: np.ndarray


@dataclasses.dataclass
class File:
    """The series of a file.

    Attributes:
        path: Of the file.
        form: "long", "wide" or "rows".
        are_dates: Whether the times are dates.
        series: Name -> `Series`, in the order of the file.
        covariates: Names of the covariates.
        notes: Lines about what was understood.
    """

    path: Path
    form: str
    are_dates: bool
    series: dict[str, Series]
    covariates: tuple[str, ...]
    notes: list[str]


def read(
    path: Path,
    names: dict[str, str],
    covariates: Sequence[str] | None = None,
    encoding: str = "",
) -> File:
    """Read a file.

    Args:
        path: The table.
        names: Column -> what the user calls it; see `Table`.
        covariates: Names of the columns to read beside the values of a long
            table; `None`: all that are numbers.
        encoding: See `Table`.

    Raises:
        DataError: A value is no number, times are mixed or there twice.
    """
    table, form = _table(path, names, encoding)
    if form == "rows":
        return _rows(path, table)
    times = _Times(path)
    # Of each series time and line of its rows, and its numbers.
    rows: dict[str, tuple[array, array]] = {}
    chosen, left_out = [], []
    for row in table:
        where = f"{path}:{row.line}"
        if not any(str(cell).strip() for cell in row.cells.values()):
            continue
        if not rows:
            chosen, left_out = _chosen(table, row, form, covariates, where)
        time = times.read(_time(row), where)
        if form == "wide":
            values = {name: [name] for name in chosen}
        else:
            name = " ".join(row.get("series", "value").split())
            values = {name: [table.named["value"], *chosen]}
        for name, cells in values.items():
            if name not in rows:
                rows[name] = array("q"), array("d")
            places, numbers = rows[name]
            places.extend((time, row.line))
            numbers.extend(
                number(row.cells[cell], where, cell) for cell in cells
            )
    series, notes = _sorted(path, rows, times.are_dates)
    if left_out:
        names = ", ".join(map(repr, left_out))
        notes.append(f"{path}: left out {names}: text, no numbers")
    if form == "wide":
        chosen = []
    notes = table.notes() + notes
    return File(path, form, times.are_dates, series, tuple(chosen), notes)


def number(cell: Any, where: str, column: str) -> float:
    """Return a cell as a number, NaN if it is missing.

    Raises:
        DataError: It is text, or infinite.
    """
    if cell is None or str(cell).strip().lower() in MISSING:
        return math.nan
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        point = ", with a decimal point" if "," in str(cell) else ""
        raise DataError(
            f"{where}: {str(cell)!r} in the column {column!r} is no number; "
            f"expected one{point}, or an empty cell where it is missing"
        ) from None
    if math.isnan(value):
        return value
    if abs(value) > LARGEST:
        raise DataError(
            f"{where}: {cell} in the column {column!r} is infinite or too "
            f"large; expected a number up to {LARGEST:g}, or an empty cell "
            "where it is missing"
        )
    return value


def _is_number(cell):
    try:
        number(cell, "", "")
    except DataError:
        return False
    return True


class _Times:
    """The times of a file, all dates or all whole numbers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.are_dates = False
        self.first = ""

    def read(self, text: str, where: str) -> int:
        parsed = frequency.parse(text)
        if parsed is None:
            raise DataError(
                f"{where}: the time {text!r} is neither an ISO date, such as "
                "2026-01-31 or 2026-01-31 13:00, nor a whole number"
            )
        is_date, time = parsed
        if not self.first:
            self.are_dates, self.first = is_date, f"{text!r} ({where})"
        if is_date != self.are_dates:
            kinds = ("a whole number", "a date")
            raise DataError(
                f"{where}: the time {text!r} is {kinds[is_date]}, and "
                f"{self.first} {kinds[self.are_dates]}; expected one kind"
            )
        return time


_PARTS = ("year", "month", "day", "hour")


def _parts(names):
    """Return the columns of the parts of a date, if there are such."""
    folded = {name.strip().casefold(): name for name in names}
    parts = [folded[part] for part in _PARTS if part in folded]
    return parts if {"year", "month"} <= folded.keys() else []


def _time(row):
    """Return the time of a row as text, also of a date in parts."""
    if "time" in row:
        return row["time"]
    year, month, *rest = (str(row.cells[n]) for n in _parts(row.cells))
    day = rest[0] if rest else "1"
    hour = rest[1] if rest[1:] else "0"
    return f"{year}-{month:0>2}-{day:0>2} {hour:0>2}:00"


def _table(path, names, encoding):
    """Return the table of a file, and which form it has."""

    def table(*required, optional=()):
        columns = (*required, *optional)
        return Table(
            path,
            required,
            optional,
            encoding=encoding,
            names={name: names.get(name, "") for name in columns},
            also=COLUMNS,
            whole=True,
        )

    header = table()
    present = next(iter(header)).cells
    time = () if _parts(present) and not names.get("time") else ("time",)
    try:
        columns = table(optional=("value", *time)).columns
    except DataError:
        columns = ("time",)  # several may be: the table says so
    if "value" in columns or names.get("value"):
        return table("value", *time, optional=("series",)), "long"
    if "time" in columns or not time:
        return table(*time), "wide"
    return table(), "rows"


def _chosen(table, row, form, covariates, where):
    """Return the columns of values or covariates, and what is no number."""
    named = {
        *table.named.values(),
        *([] if "time" in row else _parts(row.cells)),
    }
    more = [name for name in row.cells if name not in named]
    if form == "wide":
        if not more:
            raise DataError(f"{where}: expected a column of values")
        return more, []
    if covariates is None:
        numbers = [name for name in more if _is_number(row.cells[name])]
        return numbers, [name for name in more if name not in numbers]
    missing = [name for name in covariates if name not in more]
    if missing:
        raise DataError(
            f"{table.path}: no column {missing[0]!r}; beside the values it has "
            f"{', '.join(map(repr, more)) or 'none'}"
        )
    return list(covariates), []


def _sorted(path, rows, are_dates):
    """Return each series by time, and notes on those that were not."""
    series, notes = {}, []
    for name, (places, numbers) in rows.items():
        times, lines = np.array(places, np.int64).reshape(-1, 2).T
        values = np.array(numbers, np.float64).reshape(len(times), -1)
        back = np.flatnonzero(np.diff(times) < 0)
        if len(back) and not notes:
            line = lines[back[0] + 1]
            notes.append(f"{path}:{line}: not in the order of time; sorted")
        order = np.argsort(times, kind="stable")
        times, lines, values = times[order], lines[order], values[order]
        twice = np.flatnonzero(np.diff(times) == 0)
        if len(twice):
            first, second = lines[twice[0]], lines[twice[0] + 1]
            raise DataError(
                f"{path}:{second}: {name!r} has a second row for the time of "
                f"line {first}{', in whole seconds' * are_dates}; expected one"
            )
        series[name] = Series(times, values[:, 0], values[:, 1:], lines)
    return series, notes


def _rows(path, table):
    """Read a file with a row for each series."""
    series: dict[str, Series] = {}
    for row in table:
        where = f"{path}:{row.line}"
        (first, name), *cells = row.cells.items()
        name = " ".join(str(name).split())
        if _DATE.fullmatch(name):
            raise DataError(
                f"{where}: is the column {first!r} the time, {name!r}? say so "
                f"by --time-column {first}"
            )
        if not name and not any(str(cell).strip() for _, cell in cells):
            continue
        if name in series:
            raise DataError(f"{where}: a second row for the series {name!r}")
        values = np.array([number(c, where, column) for column, c in cells])
        # Shorter rows are filled up on the right.
        known = np.flatnonzero(~np.isnan(values))
        values = values[: known[-1] + 1 if len(known) else 0]
        series[name] = Series(
            np.arange(len(values)),
            values,
            np.zeros((len(values), 0)),
            np.full(len(values), row.line),
        )
    return File(path, "rows", False, series, (), table.notes())
