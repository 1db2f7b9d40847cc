"""Tables of text, a row at a time: .csv, .tsv, .jsonl, .parquet.

Row       the fields by name, as strings, and the line the row starts on
.csv      a header line; quoted fields may hold commas, quotes, line breaks;
          between the fields commas, semicolons, tabs or bars, as in the header
.tsv      a header line; one row per line, tabs between, no quoting
.jsonl    one JSON object per line; its values are strings or numbers
.parquet  a "line" is the number of a row; moments are written as in ISO 8601

All but .parquet may be gzipped. One row, or of .parquet a batch of rows, is in
memory at a time. What is missing or null is an empty string. Whatever is wrong
is a `DataError` with its line.
"""

import contextlib
import copy
import csv
import datetime
import fnmatch
import functools
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from data_pipelines.files import parquet
from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import LONGEST, Lines, decode, encodable
from data_pipelines.files.names import listed
from data_pipelines.files.table_writer import from_cell

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")

# No label has more letters, a text in the column of labels does.
_LONGEST_LABEL = 1000

_DELIMITERS = ",;\t|"

# Values that are one text each.
_SCALARS = (
    *(str, int, float, Decimal),
    *(datetime.date, datetime.time, datetime.timedelta),
)


class Row(dict):
    """Fields by name, texts that UTF-8 can hold.

    Attributes:
        line: Where the row starts, from 1 on.
        cells: All of the row, if the table is read whole: name -> value.
        file: The file it is in, if there may be several.
    """

    def __init__(
        self,
        fields: dict[str, str],
        line: int,
        cells: dict[str, Any] | None = None,
        file: str | Path = "",
    ) -> None:
        super().__init__(fields)
        self.line = line
        self.cells = cells
        self.file = file

    @property
    def where(self) -> str:
        """File, if there may be several, and line, for messages."""
        return f"{self.file}:{self.line}" if self.file else f"line {self.line}"


class Table(Lines):
    """The rows of one file, read anew by every iteration.

    Names of columns are compared without regard to case, if there is none in
    the very case.

    Args:
        path: The file; its name ends in one of `SUFFIXES`, or with .gz behind
            it. Or what stands for several, see `parts`.
        required: Names of columns, or keys, that every row has.
        optional: Names of columns, or keys, that rows may have; others are
            left out.
        encoding: See `Lines`.
        names: Column -> what the flag `--<column>-column` says it is called
            in the file; empty: the flag is not set.
        also: Column -> other names it often has.
        whole: Whether rows get their `cells`, and blank rows stay.

    Attributes:
        named: Column -> what it is called in the file, once that is open.
    """

    def __init__(
        self,
        path: str | Path,
        required: Sequence[str],
        optional: Sequence[str] = (),
        *,
        encoding: str = "",
        names: Mapping[str, str] | None = None,
        also: Mapping[str, Sequence[str]] | None = None,
        whole: bool = False,
    ) -> None:
        super().__init__(path, encoding)
        self.required = tuple(required)
        self.optional = tuple(optional)
        self.names = names or {}
        self.also = also or {}
        self.whole = whole
        self.named: dict[str, str] = {}
        self._understood: list[str] = []
        self._parts: list[Table] = []

    def __iter__(self) -> Iterator[Row]:
        rows = self._rows()
        first = next(rows, None)
        if first is None:
            raise DataError(f"{self.path}: has no records")
        yield first
        yield from rows

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The required and optional names in the header, or the first row."""
        if (first := self._split()[0]) is not self:
            return first.columns
        if self._suffix in (".jsonl", ".parquet"):
            with contextlib.closing(self._rows()) as rows:
                return tuple(next(rows, ()))
        with contextlib.closing(super().__iter__()) as lines:
            header, line = next(self._fields(lines), ([], 1))
            return tuple(self._header(header, line))

    @property
    def _suffix(self) -> str:
        suffix = kind(self.path)
        if not suffix:
            raise DataError(
                f"{self.path}: unknown kind of file; expected "
                f"{', '.join(SUFFIXES)}, or one of these with .gz"
            )
        return suffix

    def _split(self) -> "list[Table]":
        """Return a table for each of several files, or this one."""
        files = parts(self.path)
        if files == [self.path]:
            return [self]
        tables = []
        for file in files:
            tables.append(copy.copy(self))
            tables[-1].path = file
        return tables

    def _rows(self) -> Iterator[Row]:
        self._parts = self._split()
        for table in self._parts:
            yield from table._rows_of_file()

    def _rows_of_file(self) -> Iterator[Row]:
        if self._suffix == ".parquet":
            yield from self._parquet()
            return
        with contextlib.closing(super().__iter__()) as lines:
            if self._suffix == ".jsonl":
                yield from self._jsonl(lines)
            else:
                yield from self._delimited(lines)

    def _csv(self, lines: Iterator[str]) -> Iterator[tuple[list[str], int]]:
        """Yield fields and line of each row, the header first."""
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        start = []
        for line in lines:
            # What Excel puts first to name the delimiter is no header.
            sep = re.fullmatch(r'"?sep=.[;,]*"?\s*', line)
            start.append("\n" if sep else line)
            if start[-1].strip():
                break
        delimiter = self._delimiter(start[-1]) if start else ","
        rows = csv.reader(
            itertools.chain(start, lines), delimiter=delimiter, strict=True
        )
        first = 1
        while True:
            try:
                fields = next(rows, None)
            except csv.Error as error:
                why = (
                    f"{error}; expected quotation marks inside a quoted text "
                    "to be doubled, and the last one closed"
                )
                if "new-line character" in str(error):
                    why = (
                        "a carriage return stands in it; expected quotation "
                        "marks around such texts, or line feeds"
                    )
                raise DataError(
                    f"{self.path}:{first}: the record that starts here is "
                    f"not CSV: {why}"
                ) from None
            if fields is None:
                return
            if fields:
                yield fields, first
            first = rows.line_num + 1

    def _tsv(self, lines: Iterator[str]) -> Iterator[tuple[list[str], int]]:
        """Yield fields and line of each row, the header first."""
        for number, line in enumerate(lines, 1):
            if line := line.rstrip("\r\n"):
                yield line.split("\t"), number

    def _delimiter(self, header: str) -> str:
        """Return which delimiter shows the columns in a header."""
        header = header.replace("\r", "")
        split = {
            d: next(csv.reader([header], delimiter=d)) for d in _DELIMITERS
        }
        for delimiter, names in split.items():
            with contextlib.suppress(DataError):
                if self._positions(names, ""):
                    return delimiter
        return max(split, key=lambda delimiter: len(split[delimiter]))

    def _fields(self, lines: Iterator[str]) -> Iterator[tuple[list[str], int]]:
        return self._csv(lines) if self._suffix == ".csv" else self._tsv(lines)

    def _delimited(self, lines: Iterator[str]) -> Iterator[Row]:
        rows = self._fields(lines)
        header, line = next(rows, ([], 1))
        columns = [*self._header(header, line).items()]
        names = _distinct(header)
        for fields, line in rows:
            # Spreadsheets write empty rows as delimiters alone.
            blank = not fields[0] and not any(map(str.strip, fields))
            if blank and not self.whole:
                continue
            if len(fields) != len(header):
                hint = ""
                if self._suffix == ".tsv" and any('"' in f for f in fields):
                    hint = "; if texts are quoted, let its name end in .csv"
                raise DataError(
                    f"{self.path}:{line}: expected {len(header)} fields as in "
                    f"the header, found {len(fields)}{hint}"
                )
            for index, field in enumerate(fields):
                if field[:1] == "'":
                    fields[index] = from_cell(field)
            cells = (
                dict(zip(names, fields, strict=True)) if self.whole else None
            )
            values = {name: fields[i] for name, i in columns}
            yield Row(values, line, cells, self.path)

    def notes(self) -> list[str]:
        """Return lines about what the last iteration replaced or took as."""
        if self._parts[1:]:
            first, *others = self._parts
            return first.notes() + [
                note for table in others for note in Lines.notes(table)
            ]
        notes = super().notes()
        if self._understood:
            notes.append(f"{self.path}: {', '.join(self._understood)}")
        return notes

    def _header(self, header: list[str], line: int) -> dict[str, int]:
        """Return where each of the columns stands in a row."""
        return self._positions(
            header, f"{self.path}:{line}: ", "column", " in the header"
        )

    def _positions(
        self,
        present: Sequence[str],
        where: str,
        what: str = "column",
        place: str = "",
    ) -> dict[str, int]:
        """Return which of the names that are present each column has."""
        positions = {}
        for column in (*self.required, *self.optional):
            indices = self._matches(column, present)
            flag = ""
            if column in self.names:
                flag = f"; say which it is by --{column}-column"
            names = [present[index].strip() for index in indices]
            if len(set(names)) > 1:
                raise DataError(
                    f"{where}the {what}s {' and '.join(map(repr, names))} may "
                    f"both be the {column}{flag}"
                )
            if len(names) > 1:
                raise DataError(
                    f"{where}the header has the column {names[0]!r} "
                    f"{len(names)} times; expected it once"
                )
            if indices:
                positions[column] = indices[0]
            elif column in self.required:
                name = self.names.get(column) or column
                listed = ", ".join(repr(name.strip()) for name in present)
                raise DataError(
                    f"{where}no {what} {name!r}{place}; the {what}s are "
                    f"{listed}{flag}"
                )
        self.named = {column: present[i] for column, i in positions.items()}
        self._understood = [
            f"{present[i].strip()!r} is the {column}"
            for column, i in positions.items()
            if present[i].strip() != column
        ]
        return dict(sorted(positions.items(), key=lambda item: item[1]))

    def _matches(self, column: str, present: Sequence[str]) -> list[int]:
        """Return which of the names may be that of a column."""
        named = self.names.get(column)
        groups = [(named,)] if named else [(column,), self.also.get(column, ())]
        for group in groups:
            for fold in (str, str.casefold):
                folded = [fold(name) for name in group]
                indices = [
                    index
                    for index, name in enumerate(present)
                    if fold(name.strip()) in folded
                ]
                if indices:
                    return indices
        return []

    def _jsonl(self, lines: Iterator[str]) -> Iterator[Row]:
        keys, columns = None, {}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{self.path}:{number}"
            cells = self._object(line, where)
            values = _flat(cells)
            if keys != tuple(values):
                keys = tuple(values)
                positions = self._positions(keys, f"{where}: ", "key")
                columns = {name: keys[i] for name, i in positions.items()}
            fields = {
                name: self._string(values[key], f"{where}: {key!r}")
                for name, key in columns.items()
            }
            yield Row(fields, number, cells if self.whole else None, self.path)

    def _object(self, line: str, where: str) -> dict:
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            why = getattr(error, "msg", error)  # without a line of its own
            raise DataError(f"{where}: not a line of JSON: {why}") from None
        if not isinstance(item, dict):
            raise DataError(f"{where}: expected a JSON object")
        return item

    def _parquet(self) -> Iterator[Row]:
        self._reset()
        names: list[str] = []
        columns: dict[str, int] = {}

        def choose(present: list[str]) -> Sequence[int]:
            positions = self._positions(present, f"{self.path}: ")
            chosen = range(len(present))
            if not self.whole:
                chosen = sorted({*positions.values()})
            columns.update(
                (name, chosen.index(i)) for name, i in positions.items()
            )
            names.extend(present[i] for i in chosen)
            return chosen

        for number, row in enumerate(parquet.rows(self.path, choose), 1):
            where = f"{self.path}:{number}"
            self._number = number
            values = [
                self._text(value) if isinstance(value, bytes) else value
                for value in row
            ]
            fields = {
                name: self._string(values[i], f"{where}: {names[i]!r}")
                for name, i in columns.items()
            }
            cells = None
            if self.whole:
                cells = dict(zip(_distinct(names), values, strict=True))
            yield Row(fields, number, cells, self.path)

    def _text(self, raw: bytes) -> str:
        self._check(len(raw))
        text, repaired = decode(raw, self._used)
        if repaired:
            self._count(repaired, raw)
        return text

    def _string(self, value: Any, what: str) -> str:
        if value is None or value != value:  # as pandas has it
            return ""
        if not isinstance(value, _SCALARS):
            raise DataError(f"{what} is no string or number")
        return encodable(str(value))


def parts(path: Path) -> list[Path]:
    """Return the files of a table that is in several, by name, or the one.

    Args:
        path: A file; or a folder of them, or their names with a star in it.
    """
    if path.is_dir():
        files = [file for file in listed(path) if kind(file)]
        if not files:
            raise DataError(
                f"{path}: is a folder without any {', '.join(SUFFIXES)}"
            )
        return files
    if "*" not in path.name or path.exists():
        return [path]
    files = listed(path.parent)
    return [file for file in files if fnmatch.fnmatchcase(file.name, path.name)]


def kind(path: str | Path) -> str:
    """Return which of `SUFFIXES` the name of a table has; "": of none."""
    suffix = Path(Path(path).name.lower().removesuffix(".gz")).suffix
    suffix = ".jsonl" if suffix == ".ndjson" else suffix
    return suffix if suffix in SUFFIXES else ""


def _flat(item: dict) -> dict:
    """Return an object with the fields of those in it as `a.b`, too."""
    nested = [(k, v) for k, v in item.items() if isinstance(v, dict)]
    inner = {f"{k}.{name}": v[name] for k, v in nested for name in v}
    return item | inner if nested else item


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names, each that stands there twice with a number behind it."""
    distinct: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        unused = itertools.chain([name], numbered)
        distinct[next(n for n in unused if n not in distinct)] = None
    return list(distinct)


def clean_label(label: str, where: str) -> str:
    """Return a label as one line of UTF-8, single spaces between its words.

    Args:
        label: As it stands in the data.
        where: File and line, for the message if it cannot be a label.
    """
    label = " ".join(label.split())
    if not label:
        raise DataError(f"{where}: the label is empty")
    if len(label) > _LONGEST_LABEL:
        raise DataError(
            f"{where}: the label has {len(label):,} letters; expected at most "
            f"{_LONGEST_LABEL:,}"
        )
    if "\ufffd" in label:
        raise DataError(
            f"{where}: the label {label!r} has broken bytes; save the file as "
            "UTF-8, or name its encoding, as in --encoding cp1252"
        )
    return encodable(label)
