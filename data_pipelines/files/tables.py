"""Tables of text, a row at a time: .csv, .tsv, .jsonl, gzipped or not.

Row       the fields by name, as strings, and the line the row starts on
.csv      a header line; quoted fields may hold commas, quotes, line breaks
.tsv      a header line; one row per line, tabs between, no quoting
.jsonl    one JSON object per line; its values are strings or numbers

One row is in memory at a time. Bytes that are not UTF-8 become U+FFFD and are
counted. Everything else that is wrong is a `DataError` with its line.
"""

import contextlib
import csv
import functools
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from data_pipelines.files.errors import DataError
from data_pipelines.files.names import refuse_special

SUFFIXES = (".csv", ".tsv", ".jsonl")

# No text is this long; an open quotation mark or a binary file is.
LONGEST = 2**24


class Lines:
    """The lines of one file with their line ends, read anew every time.

    The byte order mark is removed.

    Args:
        path: The file, gzipped or not.

    Attributes:
        repaired: How many bytes or broken sequences the last iteration
            replaced because they are not UTF-8.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.repaired = 0

    def __iter__(self) -> Iterator[str]:
        self.repaired = 0
        number = 0
        try:
            with _open(self.path) as file:
                while raw := file.readline(LONGEST):
                    number += 1
                    yield self._decode(raw, number)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{self.path}:{number + 1}: the gzip file is damaged or cut "
                f"off here; compress or copy it again ({error})"
            ) from None

    def _decode(self, raw: bytes, number: int) -> str:
        if len(raw) >= LONGEST:
            raise DataError(
                f"{self.path}:{number}: the line is longer than {LONGEST:,} "
                "bytes; expected one record per line of text"
            )
        if number == 1:
            if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise DataError(
                    f"{self.path}:1: the file is UTF-16; save it as UTF-8"
                )
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        line, repaired = decode(raw)
        self.repaired += repaired
        return line

    def notes(self) -> list[str]:
        """Return a line about what the last iteration replaced, if it did."""
        if not self.repaired:
            return []
        return [
            f"{self.path}: {self.repaired:,} broken bytes, which are not "
            "UTF-8, replaced"
        ]


def decode(raw: bytes) -> tuple[str, int]:
    """Return UTF-8 as text, and how many broken sequences were replaced."""
    try:
        return raw.decode("utf-8"), 0
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
        return text, text.count("\ufffd") - raw.count(b"\xef\xbf\xbd")


class Row(dict):
    """Fields by name.

    Attributes:
        line: Where the row starts, from 1 on.
    """

    def __init__(self, fields: dict[str, str], line: int) -> None:
        super().__init__(fields)
        self.line = line


class Table(Lines):
    """The rows of one file, read anew by every iteration.

    Args:
        path: The file; its name ends in .csv, .tsv or .jsonl, or one of these
            followed by .gz.
        required: Names of columns, or keys, that every row has.
        optional: Names of columns, or keys, that rows may have; others are
            left out.
    """

    def __init__(
        self,
        path: str | Path,
        required: Sequence[str],
        optional: Sequence[str] = (),
    ) -> None:
        super().__init__(path)
        self.required = tuple(required)
        self.optional = tuple(optional)

    def __iter__(self) -> Iterator[Row]:
        with contextlib.closing(super().__iter__()) as lines:
            rows = self._rows(lines)
            first = next(rows, None)
            if first is None:
                raise DataError(f"{self.path}: has no records")
            yield first
            yield from rows

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The required and optional names in the header, or the first row."""
        with contextlib.closing(super().__iter__()) as lines:
            if self._suffix == ".jsonl":
                return tuple(next(self._jsonl(lines), ()))
            header, line = next(self._fields(lines), ([], 1))
            return tuple(self._positions(header, line))

    @property
    def _suffix(self) -> str:
        suffix = Path(self.path.name.lower().removesuffix(".gz")).suffix
        if suffix not in SUFFIXES:
            raise DataError(
                f"{self.path}: unknown kind of file; expected "
                f"{', '.join(SUFFIXES)}, or one of these with .gz"
            )
        return suffix

    def _csv(self, lines: Iterator[str]) -> Iterator[tuple[list[str], int]]:
        """Yield fields and line of each row, the header first."""
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        rows = csv.reader(lines, strict=True)
        first = 1
        while True:
            try:
                fields = next(rows, None)
            except csv.Error as error:
                raise DataError(
                    f"{self.path}:{first}: the record that starts here is "
                    f"not CSV: {error}; expected quotation marks inside a "
                    "quoted text to be doubled, and the last one closed"
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

    def _fields(self, lines: Iterator[str]) -> Iterator[tuple[list[str], int]]:
        return self._csv(lines) if self._suffix == ".csv" else self._tsv(lines)

    def _rows(self, lines: Iterator[str]) -> Iterator[Row]:
        if self._suffix == ".jsonl":
            yield from self._jsonl(lines)
            return
        rows = self._fields(lines)
        header, line = next(rows, ([], 1))
        columns = self._positions(header, line)
        for fields, line in rows:
            if len(fields) != len(header):
                raise DataError(
                    f"{self.path}:{line}: expected {len(header)} fields as in "
                    f"the header, found {len(fields)}"
                )
            yield Row({name: fields[i] for name, i in columns.items()}, line)

    def _positions(self, header: list[str], line: int) -> dict[str, int]:
        """Return where each of the columns stands in a row."""
        names = [name.strip() for name in header]
        for name in (*self.required, *self.optional):
            if names.count(name) > 1:
                raise DataError(
                    f"{self.path}:{line}: the header has the column {name!r} "
                    f"{names.count(name)} times; expected it once"
                )
        for name in self.required:
            if name not in names:
                listed = ", ".join(map(repr, names))
                raise DataError(
                    f"{self.path}:{line}: no column {name!r} in the header; "
                    f"the columns are {listed}"
                )
        wanted = {*self.required, *self.optional}
        return {name: i for i, name in enumerate(names) if name in wanted}

    def _jsonl(self, lines: Iterator[str]) -> Iterator[Row]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield self._object(line, number)

    def _object(self, line: str, number: int) -> Row:
        where = f"{self.path}:{number}"
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not a line of JSON: {error}") from None
        if not isinstance(item, dict):
            raise DataError(f"{where}: expected a JSON object")
        fields = {}
        for name in (*self.required, *self.optional):
            if name in item:
                if not isinstance(item[name], str | int | float):
                    raise DataError(f"{where}: {name!r} is no string or number")
                fields[name] = str(item[name])
            elif name in self.required:
                listed = ", ".join(map(repr, item))
                raise DataError(
                    f"{where}: no key {name!r}; the keys are {listed}"
                )
        return Row(fields, number)


def clean_label(label: str, where: str) -> str:
    """Return a label as one line of UTF-8, single spaces between its words.

    Args:
        label: As it stands in the data.
        where: File and line, for the message if the label is empty.
    """
    label = " ".join(label.split())
    if not label:
        raise DataError(f"{where}: the label is empty")
    # JSON can hold halves of surrogate pairs, UTF-8 cannot.
    return label.encode("utf-8", "replace").decode("utf-8")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    refuse_special(path)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    with file:
        # The first two bytes tell more than the name does.
        start = file.peek(2)[:2]
        if not start:
            raise DataError(f"{path}: the file is empty")
        if start == b"\x1f\x8b":
            with gzip.open(file) as unpacked:
                yield unpacked
        else:
            yield file
