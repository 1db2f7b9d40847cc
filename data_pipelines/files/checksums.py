"""Sizes and checksums of files, so that damage is named and not computed on.

A file is read as a whole to verify it, whatever its time of change says: a bit
that flips on a disk leaves that as it was.
"""

import errno
import json
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from data_pipelines.files.atomic import replacing
from data_pipelines.files.errors import DataError
from data_pipelines.files.progress import progress_bar

_BLOCK = 2**20
_THREADS = 16

# What a disk says of a file that is no longer what it was.
_GONE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EIO)

Result = TypeVar("Result")


class DamageError(DataError):
    """A file that is not what was written."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: damaged: it {what}")


def in_threads(
    function: Callable[[Path], Result], paths: Iterable[Path]
) -> list[Result]:
    """Return `function` of each path, for functions that read files."""
    paths = list(paths)
    with ThreadPoolExecutor(_THREADS) as pool:
        results = pool.map(function, paths)
        bar = progress_bar("verifying", "files", results, len(paths))
        return list(bar)


def measure(path: Path) -> list[int]:
    """Return size and CRC-32 of a file."""
    size = checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            size += len(block)
            checksum = zlib.crc32(block, checksum)
    return [size, checksum]


def verify(path: Path, measured: list[int]) -> None:
    """Compare a file with what `measure` returned when it was written.

    Raises:
        DamageError: If it is missing, or has other content.
    """
    size, checksum = measured
    try:
        if (now := path.stat().st_size) != size:
            raise DamageError(path, f"has {now:,} bytes, expected {size:,}")
        if measure(path)[1] != checksum:
            raise DamageError(path, "has a wrong checksum")
    except OSError as error:
        if error.errno not in _GONE:
            raise
        raise DamageError(path, f"cannot be read ({error.strerror})") from None


def write_json(path: Path, content: Any) -> None:
    """Write JSON with its own checksum."""
    sealed = {"checksum": _of_json(content), "content": content}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(sealed), "utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote.

    Raises:
        DamageError: If it is something else, or missing.
    """
    try:
        sealed = json.loads(path.read_bytes())
        if sealed["checksum"] == _of_json(sealed["content"]):
            return sealed["content"]
    except FileNotFoundError:
        raise DamageError(path, "is missing") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise DamageError(path, "has a wrong checksum")


def _of_json(content: Any) -> int:
    return zlib.crc32(json.dumps(content).encode())
