"""Cache folders: complete or absent, and checked for damage.

Sizes and checksums of the files of a folder are in its `.checksums.json`; a
file that is not what was built is an error that names it.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from data_pipelines.files import checksums
from data_pipelines.files.atomic import build_folder, replacing

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
    """Return what changes when a file changes: its path, size and time."""
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


def folder(path: Path, build: Callable[[Path], None]) -> Path:
    """Return a folder of a cache, built first if it does not exist.

    Args:
        path: The folder.
        build: See `atomic.build_folder`. Every process builds the same
            content.

    Raises:
        DamageError: If a file in it is not what was built.
    """

    def build_with_checksums(workplace: Path) -> None:
        build(workplace)
        files = (file for file in workplace.rglob("*") if file.is_file())
        names = sorted(str(file.relative_to(workplace)) for file in files)
        recorded = checksums.record(workplace, names)
        (workplace / _CHECKSUMS).write_text(json.dumps(recorded), "utf-8")

    if path.exists():
        _verify(path)
    build_folder(path, build_with_checksums)
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
