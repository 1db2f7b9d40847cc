"""Cache folders: complete or absent, and checked for damage.

A folder is built under a temporary name, `.tmp-...`, and renamed when it is
complete. Its builder holds a lock beside it, which the system drops when the
process ends in whatever way, so the next builder can tell what a killed one
left behind from what a living one is still writing.

Sizes and checksums of its files are in `.checksums.json`; a file that is not
what was built is an error that names it.
"""

import contextlib
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
from filelock import FileLock, Timeout

from data_pipelines.files import checksums
from data_pipelines.files.atomic import replacing

_TEMPORARY = ".tmp-"
_CHECKSUMS = ".checksums.json"

# Files that are flushed at a time; one by one, thousands take 20 times as long.
_FLUSHED = 16


def key(*parts: Any) -> str:
    """Return a short name for what a cache is built from."""
    written = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def digest(array: np.ndarray) -> str:
    """Return a short name for what an array holds."""
    raw = np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(raw).hexdigest()[:16]


def file_fingerprint(path: Path) -> list:
    """Return what changes when a file changes: its path, size and time."""
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def folder(path: Path, build: Callable[[Path], None]) -> Path:
    """Return `path`, built first if it does not exist.

    Args:
        path: The folder.
        build: Writes everything into the folder it is called with, in folders
            of its own if it likes. When it fails nothing stays behind. Two
            processes may build the same folder at once; the first one to
            finish wins, both get the same content.

    Raises:
        DamageError: If a file in it is not what was built.
    """
    if path.exists():
        _verify(path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with _workplace(path) as workplace:
        build(workplace)
        files = (file for file in workplace.rglob("*") if file.is_file())
        names = sorted(str(file.relative_to(workplace)) for file in files)
        recorded = checksums.record(workplace, names)
        (workplace / _CHECKSUMS).write_text(json.dumps(recorded), "utf-8")
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


def _verify(path: Path) -> None:
    """Compare the files of a folder with their checksums, if it has any."""
    written = path / _CHECKSUMS
    try:
        recorded = json.loads(written.read_text("utf-8"))
    except FileNotFoundError:
        return  # Built before there were checksums.
    except ValueError:
        raise checksums.damage(path, _CHECKSUMS, "is not JSON") from None
    now = checksums.verify(path, recorded)
    if now != recorded:
        # A good copy need not be read again the next time.
        with contextlib.suppress(OSError), replacing(written) as temporary:
            temporary.write_text(json.dumps(now), "utf-8")


def _flush(path: Path) -> None:
    """Wait until a file, or the list of names in a folder, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    # One lock over sweeping and creating: a new folder that is not locked
    # yet must not look like an abandoned one.
    with FileLock(path.parent / ".lock"):
        _sweep(path.parent)
        prefix = f"{_TEMPORARY}{path.name}-"
        workplace = Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
        workplace.chmod(0o755)
        lock = _lock(workplace)
        lock.acquire()
    try:
        yield workplace
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)


def _lock(workplace: Path) -> FileLock:
    return FileLock(f"{workplace}.lock")


def _sweep(parent: Path) -> None:
    """Remove what builders that were killed left behind."""
    for abandoned in parent.glob(f"{_TEMPORARY}*"):
        if not abandoned.is_dir():
            continue
        lock = _lock(abandoned)
        with contextlib.suppress(Timeout), lock.acquire(blocking=False):
            shutil.rmtree(abandoned, ignore_errors=True)
            Path(lock.lock_file).unlink(missing_ok=True)
