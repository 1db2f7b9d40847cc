"""Facts about files, cached by path, size and time of change."""

import contextlib
import json
import os
import zlib
from pathlib import Path

from data_pipelines.files.names import status_of

FileIdentity = tuple[str, int, int]


def file_identity(path: str | Path) -> FileIdentity | None:
    """Return path, size and time of a file; None if there is none."""
    # As cache.file_fingerprint, without its resolving of links, which takes
    # ten times as long.
    status = status_of(path)
    if status is None:
        return None
    return os.path.abspath(path), status.st_size, status.st_mtime_ns


class FileIndex:
    """A string about each of many files, in a file of lines.

    A line has its own checksum; one that is damaged is passed over.

    Attributes:
        path: The file of lines.
        entries: `file_identity` of a file -> its string.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[FileIdentity, str] = {}
        self._new: list[bytes] = []
        with contextlib.suppress(FileNotFoundError):
            for line in path.read_bytes().splitlines():
                # A kill can leave a part of a line.
                raw, _, checksum = line.rpartition(b"\t")
                if checksum == _checksum(raw):
                    *key, entry = json.loads(raw)
                    self.entries[tuple(key)] = entry

    def add(self, key: FileIdentity, entry: str) -> None:
        """Remember a string; `save` writes it."""
        if self.entries.get(key) != entry:
            self.entries[key] = entry
            raw = json.dumps([*key, entry]).encode()
            self._new.append(raw + b"\t" + _checksum(raw) + b"\n")

    def save(self) -> None:
        """Append what is new, in one piece that others do not break up."""
        if self._new:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                # Perhaps the last line there has no end.
                file.write(b"\n" + b"".join(self._new))
            self._new = []


def _checksum(raw: bytes) -> bytes:
    return f"{zlib.crc32(raw):08x}".encode()
