"""Sizes and checksums of files, so that damage is named and not computed on."""

import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data_pipelines.files.errors import DataError

_BLOCK = 2**20
_THREADS = 16

# Name of a file -> bytes, time of change in nanoseconds, CRC-32.
Record = dict[str, list[int]]


class DamageError(DataError):
    """A file that is not what was written."""


def record(folder: Path, names: Iterable[str]) -> Record:
    """Return what `verify` compares files of a folder with."""
    names = list(names)

    def one(name: str) -> list[int]:
        status = (folder / name).stat()
        checksum = _checksum(folder / name)
        return [status.st_size, status.st_mtime_ns, checksum]

    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


def verify(folder: Path, recorded: Record) -> Record:
    """Refuse files that are not what they were when they were recorded.

    A file is read only if its time has changed, as in a copy.

    Args:
        folder: The folder of the files.
        recorded: From `record`.

    Returns:
        `recorded` with the times of today.

    Raises:
        DamageError: If a file is missing, or has other content.
    """
    times = {}
    for name, (size, time, checksum) in recorded.items():
        path = folder / name
        try:
            status = path.stat()
        except OSError:
            raise damage(folder, name, "is missing") from None
        if status.st_size != size:
            what = f"has {status.st_size:,} bytes, expected {size:,}"
            raise damage(folder, name, what)
        changed = status.st_mtime_ns != time
        if changed and _checksum(path) != checksum:
            raise damage(folder, name, "has a wrong checksum")
        times[name] = [size, status.st_mtime_ns, checksum]
    return times


def damage(folder: Path, name: str, what: str) -> DamageError:
    """Return the error that names a damaged file of a folder."""
    return DamageError(
        f"{folder / name}: damaged: it {what}; delete the folder {folder}, it "
        "is built again"
    )


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum
