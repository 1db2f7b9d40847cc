"""Folders that are either whole or not there.

A folder is built under a temporary name, `.tmp-...`, and renamed when it is
complete.  Its builder holds a lock on it, which the system drops when the
process ends in whatever way, so the next builder can tell what a killed one
left behind from what a living one is still writing.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

_TEMPORARY = ".tmp-"

# Files that are flushed at a time; one by one, thousands take 20 times as long.
_FLUSHED = 16


def key(*parts: Any) -> str:
    """A short name for what a cache was made from."""
    written = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def digest(array: np.ndarray) -> str:
    """A short name for what an array holds."""
    raw = np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(raw).hexdigest()[:16]


def stamp(path: Path) -> list:
    """What changes when a file changes: its place, size and time."""
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def folder(path: Path, build: Callable[[Path], None]) -> Path:
    """Returns `path`, built first if it is not there.

    Args:
        path: the folder.
        build: writes everything into the folder it is given, in folders of
            its own if it likes.  When it fails
            nothing stays behind.  Two processes may build the same folder at
            once; the first one to finish wins, both get the same content.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _workplace(path) as workplace:
        build(workplace)
        with ThreadPoolExecutor(_FLUSHED) as pool:
            every = (workplace, *workplace.rglob("*"))
            # Through a list, so that an error is raised here.
            list(pool.map(_flush, every))
        try:
            workplace.rename(path)
        except OSError:
            if not path.exists():
                raise
    return path


def _flush(path: Path) -> None:
    """Waits until a file, or the list of names in a folder, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    # One lock over sweeping and creating: a new folder that is not locked
    # yet must not look like an abandoned one.
    with (path.parent / ".lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        _sweep(path.parent)
        prefix = f"{_TEMPORARY}{path.name}-"
        workplace = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
        workplace.chmod(0o755)
        handle = os.open(workplace, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield workplace
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
        os.close(handle)


def _sweep(parent: Path) -> None:
    for abandoned in parent.glob(f"{_TEMPORARY}*"):
        if not abandoned.is_dir():
            continue
        try:
            handle = os.open(abandoned, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(abandoned, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(handle)
