"""Streaming readers of labelled texts: .csv, .tsv, .jsonl, gzipped or not.

Record    (text, label, line): two strings and the line the record starts on
.csv      a header line; quoted fields may hold commas, quotes, line breaks
.tsv      a header line; one record per line, tabs between, no quoting
.jsonl    one JSON object per line

One record is in memory at a time.  Bytes that are not UTF-8 become U+FFFD and
are counted; runs of white space in a label become one space, so that a label
is a line.  Everything else that is wrong is a `DataError` with its line.
"""

import contextlib
import csv
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from data_pipelines.files.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl")

# No text is this long; an open quotation mark or a binary file is.
LONGEST = 2**24

Record = tuple[str, str, int]


class Records:
    """The records of one file, read anew by every iteration.

    Args:
        path: the file; its name ends in .csv, .tsv or .jsonl, or one of these
            followed by .gz.
        text: name of the column, or key, that holds the text.
        label: name of the column, or key, that holds the label.

    Attributes:
        repaired: how many bytes or broken sequences the last iteration
            replaced because they are not UTF-8.
    """

    def __init__(
        self, path: str | Path, text: str = "text", label: str = "label"
    ) -> None:
        self.path = Path(path)
        self.text = text
        self.label = label
        self.repaired = 0

    def __iter__(self) -> Iterator[Record]:
        self.repaired = 0
        readers = {".csv": _csv, ".tsv": _tsv, ".jsonl": _jsonl}
        suffix = suffix_of(self.path)
        if suffix not in readers:
            raise DataError(
                f"{self.path}: unknown kind of file; expected "
                f"{', '.join(SUFFIXES)}, or one of these with .gz"
            )
        number = 0
        for number, record in enumerate(readers[suffix](self), 1):  # noqa: B007
            yield record
        if not number:
            raise DataError(f"{self.path}: has no records")

    def lines(self) -> Iterator[str]:
        """Decoded lines with their line ends, the byte order mark removed."""
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

    def rows(self) -> Iterator[tuple[list[str], int]]:
        """The rows of a .csv that are not blank, and the line of each."""
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        with contextlib.closing(self.lines()) as lines:
            rows = csv.reader(lines, strict=True)
            first = 1
            while True:
                try:
                    row = next(rows, None)
                except csv.Error as error:
                    raise DataError(
                        f"{self.path}:{first}: the record that starts here is "
                        f"not CSV: {error}; expected quotation marks inside a "
                        "quoted text to be doubled, and the last one closed"
                    ) from None
                if row is None:
                    return
                if row:
                    yield row, first
                first = rows.line_num + 1

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
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            line = raw.decode("utf-8", "replace")
            already = raw.count(b"\xef\xbf\xbd")
            self.repaired += line.count("\ufffd") - already
            return line


def suffix_of(path: Path) -> str:
    """`.csv` for `train.csv` and for `train.csv.gz`, in lower case."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


def tidy(label: str, where: str) -> str:
    """A label as one line of UTF-8, single spaces between its words.

    Args:
        label: as it stands in the data.
        where: file and line, for the message if the label is empty.
    """
    label = " ".join(label.split())
    if not label:
        raise DataError(f"{where}: the label is empty")
    # JSON can hold halves of surrogate pairs, UTF-8 cannot.
    return label.encode("utf-8", "replace").decode("utf-8")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
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


def _csv(records: Records) -> Iterator[Record]:
    columns = None
    for row, line in records.rows():
        if columns is None:
            columns = _Columns(records, row)
        else:
            yield columns.record(row, line)


def _tsv(records: Records) -> Iterator[Record]:
    columns = None
    with contextlib.closing(records.lines()) as lines:
        for number, line in enumerate(lines, 1):
            line = line.rstrip("\r\n")
            if not line:
                continue
            if columns is None:
                columns = _Columns(records, line.split("\t"))
            else:
                yield columns.record(line.split("\t"), number)


class _Columns:
    """Where text and label stand in a row, by the header."""

    def __init__(self, records: Records, header: list[str]) -> None:
        self.path = records.path
        self.size = len(header)
        names = [name.strip() for name in header]
        for name in (records.text, records.label):
            if name not in names:
                found = ", ".join(repr(known) for known in names)
                raise DataError(
                    f"{self.path}:1: no column {name!r} in the header; the "
                    f"columns are {found}"
                )
            if names.count(name) > 1:
                raise DataError(
                    f"{self.path}:1: column {name!r} is there "
                    f"{names.count(name)} times; expected it once"
                )
        self.text = names.index(records.text)
        self.label = names.index(records.label)

    def record(self, row: list[str], line: int) -> Record:
        if len(row) != self.size:
            raise DataError(
                f"{self.path}:{line}: expected {self.size} fields as in the "
                f"header, found {len(row)}"
            )
        label = tidy(row[self.label], f"{self.path}:{line}")
        return row[self.text], label, line


def _jsonl(records: Records) -> Iterator[Record]:
    with contextlib.closing(records.lines()) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield (*_values(records, line, number), number)


def _values(records: Records, line: str, number: int) -> tuple[str, str]:
    where = f"{records.path}:{number}"
    try:
        item = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not a line of JSON: {error}") from None
    if not isinstance(item, dict):
        raise DataError(f"{where}: expected a JSON object")
    for key in (records.text, records.label):
        if key not in item:
            found = ", ".join(repr(known) for known in item)
            raise DataError(f"{where}: no key {key!r}; the keys are {found}")
    text, label = item[records.text], item[records.label]
    if not isinstance(text, str):
        raise DataError(f"{where}: {records.text!r} is not a string")
    if not isinstance(label, str | int | float):
        raise DataError(f"{where}: {records.label!r} is no word or number")
    return text, tidy(str(label), where)
