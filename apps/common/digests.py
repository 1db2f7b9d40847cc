"""Digests of the files of a run that belong together, in its `digests.json`.

A configuration, a vocabulary, labels and weights are of use only together. Each
file is written through `replacing`, which records its digest, and `check`
refuses a file that the run did not write.

A folder without `digests.json`, of an earlier run, say, is not checked.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apps.common.cli import UserError
from data_pipelines.files import atomic, checksums

NAME = "digests.json"


def begin(folder: Path) -> None:
    """Record the files of a new run folder, and all that come later."""
    names = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    recorded = {name: [_digest(folder / name)] for name in names}
    checksums.write_json(folder / NAME, recorded)


@contextlib.contextmanager
def replacing(path: str | Path, suffix: str = "") -> Iterator[Path]:
    """Do what `atomic.replacing` does, and record the digest.

    A kill leaves the old file or the new one, and a record that has both.
    """
    path = Path(path)
    parents = (p for p in path.parents[:2] if (p / NAME).exists())
    folder = next(parents, None)
    if folder is None:
        with atomic.replacing(path, suffix) as temporary:
            yield temporary
        return
    name = str(path.relative_to(folder))
    with atomic.replacing(path, suffix) as temporary:
        yield temporary
        recorded, new = _read(folder), _digest(temporary)
        both = {new: None, **dict.fromkeys(recorded.get(name, ()))}
        checksums.write_json(folder / NAME, recorded | {name: list(both)})
    checksums.write_json(folder / NAME, recorded | {name: [new]})


def check(folder: Path, *patterns: str) -> None:
    """Refuse a folder with files that are not as the run wrote them.

    Args:
        folder: The run folder.
        patterns: Which files are checked, such as "*.txt".

    Raises:
        UserError: One of them is missing or other.
    """
    recorded = _read(folder)
    for name in recorded:
        path = folder / name
        if not any(Path(name).match(pattern) for pattern in patterns):
            continue
        # Perhaps a training has replaced it just now.
        if not _same(path, recorded[name]) and not _same(
            path, _read(folder).get(name, ())
        ):
            what = "not what the run wrote" if path.is_file() else "missing"
            raise UserError(
                f"{path} is {what}; restore it, or train again under another"
                f" --name (if it is meant to be so, delete {folder / NAME})"
            )


def _same(path: Path, digests: list[str]) -> bool:
    return path.is_file() and _digest(path) in digests


def _read(folder: Path) -> dict[str, list[str]]:
    if not (folder / NAME).exists():
        return {}
    try:
        return checksums.read_json(folder / NAME)
    except checksums.DamageError as error:
        raise UserError(
            f"{error}; if the other files are meant to be so, delete it"
        ) from None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people, and its digest, see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")
