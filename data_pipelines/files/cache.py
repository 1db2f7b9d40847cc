"""Cache folders: complete or absent, and checked for damage.

Sizes and checksums of the files of a folder are in its `.checksums.json`. All
files are verified when a folder is opened; one that is not what was built is
named, and the folder built again.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.files import atomic, checksums, tables
from data_pipelines.files.checksums import DamageError

_CHECKSUMS = ".checksums.json"


def key(*parts: Any) -> str:
    """Return a short name for what a cache is built from."""
    written = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def digest(array: np.ndarray) -> str:
    """Return a short name for what an array holds."""
    raw = np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(raw).hexdigest()[:16]


def file_fingerprint(path: Path) -> list:
    """Return what changes when a file changes: its path, size and time.

    Of a path that stands for several files, that of each.
    """
    files = tables.parts(path)
    if files != [path]:
        return list(map(file_fingerprint, files))
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def folder(path: Path, build: Callable[[Path], None]) -> Path:
    """Return a folder of a cache, built first if it is missing or damaged.

    Args:
        path: The folder.
        build: See `atomic.build_folder`. Every process builds the same
            content.
    """

    def build_with_checksums(workplace: Path) -> None:
        build(workplace)
        files = sorted(f for f in workplace.rglob("*") if f.is_file())
        names = [str(file.relative_to(workplace)) for file in files]
        measured = checksums.in_threads(checksums.measure, files)
        recorded = dict(zip(names, measured, strict=True))
        checksums.write_json(workplace / _CHECKSUMS, recorded)

    if path.exists():
        try:
            _verify(path)
        except DamageError as error:
            print(f"{error}; it is built again", file=sys.stderr)
            _discard(path)
    atomic.build_folder(path, build_with_checksums)
    return path


def _verify(path: Path) -> None:
    """Compare the files of a folder with their checksums."""
    recorded = checksums.read_json(path / _CHECKSUMS)

    def verify(name: str) -> None:
        checksums.verify(path / name, recorded[name])

    checksums.in_threads(verify, recorded)


def _discard(path: Path) -> None:
    """Remove a damaged folder, unless another process has built a new one."""
    with atomic.lock(path.parent):
        try:
            _verify(path)
        except DamageError:
            damaged = atomic.temporary_folder(path)
            path.rename(damaged / path.name)
            shutil.rmtree(damaged)
