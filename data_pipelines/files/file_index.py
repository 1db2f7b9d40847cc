"""What was found out about files, for as long as they stay the same."""

import contextlib
import json
import os
from pathlib import Path

Stamp = tuple[str, int, int]


def stamp(path: str | Path) -> Stamp | None:
    """Place, size and time of a file; None if there is none."""
    # As cache.stamp, without its resolving of links, which takes ten times
    # as long.
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return os.path.abspath(path), status.st_size, status.st_mtime_ns


class KnownFiles:
    """A few words about each of many files, kept in a file of lines.

    Attributes:
        path: where they are kept.
        found: `stamp` of a file -> what is known about it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[Stamp, str] = {}
        self._new: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            for line in path.read_bytes().splitlines():
                # A kill can leave a part of a line.
                with contextlib.suppress(ValueError, TypeError):
                    *where, known = json.loads(line)
                    self.found[tuple(where)] = known

    def add(self, where: Stamp, known: str) -> None:
        """Remembers something; `save` writes it."""
        if self.found.get(where) != known:
            self.found[where] = known
            self._new.append(json.dumps([*where, known]) + "\n")

    def save(self) -> None:
        """Appends what is new, in one piece that others do not break up."""
        if self._new:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                # Perhaps the last line there has no end.
                file.write(("\n" + "".join(self._new)).encode())
            self._new = []
