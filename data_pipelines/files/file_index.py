"""Facts about files, cached by path, size and time of change."""

import contextlib
import json
import os
from pathlib import Path

FileIdentity = tuple[str, int, int]


def file_identity(path: str | Path) -> FileIdentity | None:
    """Return path, size and time of a file; None if there is none."""
    # As cache.file_fingerprint, without its resolving of links, which takes
    # ten times as long.
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return os.path.abspath(path), status.st_size, status.st_mtime_ns


class FileIndex:
    """A string about each of many files, in a file of lines.

    Attributes:
        path: The file of lines.
        entries: `file_identity` of a file -> its string.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: dict[FileIdentity, str] = {}
        self._new: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            for line in path.read_bytes().splitlines():
                # A kill can leave a part of a line.
                with contextlib.suppress(ValueError, TypeError):
                    *key, entry = json.loads(line)
                    self.entries[tuple(key)] = entry

    def add(self, key: FileIdentity, entry: str) -> None:
        """Remember a string; `save` writes it."""
        if self.entries.get(key) != entry:
            self.entries[key] = entry
            self._new.append(json.dumps([*key, entry]) + "\n")

    def save(self) -> None:
        """Append what is new, in one piece that others do not break up."""
        if self._new:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                # Perhaps the last line there has no end.
                file.write(("\n" + "".join(self._new)).encode())
            self._new = []
