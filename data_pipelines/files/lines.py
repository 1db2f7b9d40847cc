"""Lines of text, read alike for training and for prediction.

Text is UTF-8, or what a byte order mark or its zero bytes say (UTF-16), or
what the user names; gzipped or not. A line ends with a line feed; in a file
without any, as old Macs wrote it, with a carriage return. A handful of broken
bytes become U+FFFD and are counted; more are another encoding, which is an
error that guesses it.
"""

import codecs
import contextlib
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import AnyStr, BinaryIO, TextIO

import charset_normalizer

from data_pipelines.files.errors import DataError
from data_pipelines.files.names import refuse_special

# No text is this long; an open quotation mark or a binary file is.
LONGEST = 2**24

# gzip makes a thousandth of one letter again and again, and of the most even
# tables a hundredth.
MOST_PACKED = 500

# Bytes whose beginning tells the kind of a file.
_LOOKED_AT = 2**16

_MARK = "\ufeff"
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # begins as UTF-16's mark does
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

_PACKED = "file; unpack it, or pack it by gzip"
_ARRAYS = "file; save it as CSV in UTF-8, or as Parquet"
_NO_TEXT = {
    b"PK\x03\x04": "a zip file or an Excel workbook; save it as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save it as CSV in UTF-8",
    b"PAR1": "a Parquet file; let its name end in .parquet",
    b"BZh": f"a bzip2 {_PACKED}",
    b"\xfd7zXZ\0": f"an xz {_PACKED}",
    b"\x28\xb5\x2f\xfd": f"a Zstandard {_PACKED}",
    b"7z\xbc\xaf\x27\x1c": f"a 7-Zip {_PACKED}",
    b"Rar!\x1a": f"a RAR {_PACKED}",
    **{b"\x80%c" % version: f"a pickle {_ARRAYS}" for version in range(2, 6)},
    b"ARROW1": f"an Arrow or Feather {_ARRAYS}",
    b"\xff\xff\xff\xff": f"an Arrow stream or another {_ARRAYS}",
    b"\x89HDF\r\n": f"an HDF5 {_ARRAYS}",
    b"\x93NUMPY": f"a NumPy {_ARRAYS}",
    b"SQLite format 3\0": f"an SQLite {_ARRAYS}",
    b"Obj\x01": f"an Avro {_ARRAYS}",
    b"%PDF-": f"a PDF {_ARRAYS}",
    b"version https://git-lfs": "a pointer of Git LFS; run git lfs pull",
}

# Broken sequences are replaced up to these; in a long file, one in a thousand
# lines; in a short one, as long as a quarter of its lines is not broken.
_HANDFUL = 10
_FEW = 3


class Lines:
    """The lines of one file with their line ends, read anew every time.

    Byte order marks are removed.

    Args:
        path: The file, gzipped or not.
        encoding: Its encoding if it has no mark; empty: UTF-8, or UTF-16 if
            its zero bytes say so. With "utf-8" any number of broken bytes is
            replaced.
        stream: What to read instead; `path` is what messages call it.
        parts: Whether a line longer than `LONGEST` comes in parts, which end
            behind a space if they can, and is not refused.

    Attributes:
        repaired: How many bytes or broken sequences the last iteration
            replaced because they are not in the encoding.

    Raises:
        DataError: There is no such encoding.
    """

    def __init__(
        self,
        path: str | Path,
        encoding: str = "",
        stream: BinaryIO | None = None,
        parts: bool = False,
    ) -> None:
        self.path = Path(path)
        self.encoding = encoding and checked(encoding)
        self._stream = stream
        self._in_parts = parts
        self._reset()

    def _reset(self) -> None:
        self.repaired = self._first = self._broken = self._number = 0
        self._sample = b""
        self._used = self.encoding or "utf-8"

    def __iter__(self) -> Iterator[str]:
        self._reset()
        try:
            with _open(self.path, self._stream) as file:
                start = file.peek(_LOOKED_AT)
                self._used = self._encoding(start)
                with contextlib.closing(self._decoded(file, start)) as lines:
                    for line in lines:
                        yield line.lstrip(_MARK)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{self.path}:{self._number + 1}: the gzip file is damaged or "
                f"cut off here; compress or copy it again ({error})"
            ) from None
        except UnicodeError as error:  # no mark where the codec needs one
            where = f"{self.path}:{self._number + 1}"
            raise DataError(f"{where}: {error}") from None
        if self.repaired > _FEW and self._broken * 4 > self._number:
            self._refuse()

    def _encoding(self, start: bytes) -> str:
        """Return the encoding of a file by how it starts, or refuse it."""
        for beginning, what in _NO_TEXT.items():
            if start.startswith(beginning):
                raise DataError(f"{self.path}: is {what}")
        for mark, encoding in _MARKS.items():
            if start.startswith(mark):
                return encoding
        if self.encoding:
            return self.encoding
        even, odd = start[::2].count(0), start[1::2].count(0)
        most, least = max(even, odd), min(even, odd)
        if most * 4 > len(start) and least * 9 < most:
            return "utf-16-le" if odd > even else "utf-16-be"
        return "utf-8"

    def _decoded(self, file: BinaryIO, start: bytes) -> Iterator[str]:
        """Yield lines, repaired where they are broken."""
        first = start.decode(self._used, "replace")
        old_mac = "\r" in first[:-1] and "\n" not in first
        if self._used == "utf-8" and not old_mac:
            for raw in self._counted(file, b""):
                line, repaired = decode(raw)
                if repaired:
                    self._count(repaired, raw)
                yield line
            return
        end = "\r" if old_mac else "\n"
        text = io.TextIOWrapper(file, self._used, "replace", newline=end)
        try:
            for line in self._counted(text, ""):
                if repaired := line.count("\ufffd"):
                    self._count(repaired)
                yield line.replace("\r", "\n") if old_mac else line
        finally:
            text.detach()

    def _counted(
        self, file: BinaryIO | TextIO, rest: AnyStr
    ) -> Iterator[AnyStr]:
        """Yield lines, or parts of them, and count them.

        Args:
            file: What to read.
            rest: What has been read of the first line, of the file's type.
        """
        begins = True
        while line := rest + file.readline(LONGEST - len(rest)):
            self._number += begins
            rest = line[:0]
            if self._in_parts and len(line) == LONGEST:
                line, rest = _divided(line)
            self._check(len(line))
            yield line
            begins = line[-1:] in ("\n", "\r", b"\n")

    def _check(self, length: int) -> None:
        if length >= LONGEST and not self._in_parts:
            raise DataError(
                f"{self.path}:{self._number}: the line is longer than "
                f"{LONGEST:,} bytes; expected one record per line of text"
            )

    def _count(self, repaired: int, raw: bytes = b"") -> None:
        """Count what a line had repaired; refuse what is more than a few."""
        self._first = self._first or self._number
        self._broken += 1
        self.repaired += repaired
        if len(self._sample) < _LOOKED_AT:
            self._sample += raw[:_LOOKED_AT]
        if self.repaired > max(_HANDFUL, self._number // 1000):
            self._refuse()

    def _refuse(self) -> None:
        if self.encoding == "utf-8":
            return
        raise DataError(
            f"{self.path}:{self._first}: is not {self._used.upper()}, "
            f"{self.repaired} broken bytes begin here; {self._advice()}, save "
            "it as UTF-8, or have them replaced by --encoding utf-8"
        )

    def _advice(self) -> str:
        if likely := guess(self._sample):
            return f"if it is {likely}, add --encoding {likely}"
        return "add --encoding with its encoding"

    def notes(self) -> list[str]:
        """Return a line about what the last iteration replaced, if it did."""
        if not self.repaired:
            return []
        return [
            f"{self.path}: {self.repaired:,} broken bytes, which are not "
            f"{self._used.upper()}, replaced, the first on line "
            f"{self._first:,}; {self._advice()}"
        ]


def in_chunks(
    texts: Iterable[str], count: int, letters: int
) -> Iterator[list[str]]:
    """Yield texts in lists that end at so many texts or letters."""
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text)
        if len(chunk) == count or size >= letters:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _divided(line: AnyStr) -> tuple[AnyStr, AnyStr]:
    """Return a line up to its last space, if it has one, and the rest.

    No character of UTF-8 is divided.
    """
    if isinstance(line, str):
        end = line.rfind(" ") + 1 or len(line)
    else:
        whole = codecs.utf_8_decode(line, "replace", False)[1]
        end = line.rfind(b" ") + 1 or whole
    return line[:end], line[end:]


def decode(raw: bytes, encoding: str = "utf-8") -> tuple[str, int]:
    """Return bytes as text, and how many broken sequences were replaced."""
    try:
        return raw.decode(encoding), 0
    except UnicodeDecodeError:
        text = raw.decode(encoding, "replace")
        return text, text.count("\ufffd") - raw.count(b"\xef\xbf\xbd")


def encodable(text: str) -> str:
    """Return a text without halves of surrogate pairs.

    JSON can hold them, UTF-8 cannot; each becomes a question mark.
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def guess(raw: bytes) -> str:
    """Return which encoding text that is not UTF-8 may have; "": no idea."""
    # The library takes Western text for Eastern European.
    if sum(byte > 127 for byte in raw) * 2 < len(raw):
        with contextlib.suppress(UnicodeDecodeError):
            raw.decode("cp1252")
            return "cp1252"
    best = charset_normalizer.from_bytes(raw).best() if raw else None
    return best.encoding if best else ""


def checked(encoding: str) -> str:
    """Return the name of an encoding of text, or refuse what is none."""
    try:
        "".encode(encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise DataError(
            f"--encoding {encoding!r}: there is no such encoding; expected one "
            "such as utf-8, utf-16, cp1252 or gb18030"
        ) from None


class _Unpacked(io.RawIOBase):
    """What a gzip file holds, refused if hardly any of it is data."""

    def __init__(self, path: Path, packed: BinaryIO) -> None:
        self._path = path
        self._packed = packed if packed.seekable() else None
        self._file = gzip.GzipFile(fileobj=packed)
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        # Not readinto, which loses what stands before damage.
        data = self._file.read1(len(buffer))
        buffer[: len(data)] = data
        self._size += len(data)
        if (
            self._packed
            and self._size > LONGEST
            and (self._size > MOST_PACKED * self._packed.tell())
        ):
            raise DataError(
                f"{self._path}: unpacks to more than {MOST_PACKED} times its "
                "size, which no text does"
            )
        return len(data)


@contextlib.contextmanager
def _open(path: Path, stream: BinaryIO | None) -> Iterator[BinaryIO]:
    if not stream:
        refuse_special(path)
    try:
        file = stream or path.open("rb", _LOOKED_AT)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    with contextlib.ExitStack() as stack:
        if not stream:
            stack.enter_context(file)
        # The first two bytes tell more than the name does.
        if file.peek(2)[:2] == b"\x1f\x8b":
            unpacked = stack.enter_context(_Unpacked(path, file))
            file = io.BufferedReader(unpacked, _LOOKED_AT)
        if not file.peek(1):
            raise DataError(f"{path}: the file is empty")
        yield file
