"""Train, valid and test: which files they are, and what is cut from what."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from data_pipelines.errors import DataError

SPLITS = ("train", "valid", "test")

# What is cut from train for each split that is missing.
_SHARE = 0.1


def find(
    data_path: str | Path | None, suffixes: Sequence[str], training: bool = True
) -> dict:
    """Finds the files of the splits in a user's folder.

    Args:
        data_path: the folder.
        suffixes: the kinds of file; each may be followed by .gz.
        training: whether train must be there; else any one will do.

    Returns:
        Split -> path, for the splits that are there.
    """
    if data_path is None:
        raise DataError("--data-path FOLDER is needed to read files")
    folder = Path(data_path)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    found = {}
    for path in sorted(folder.iterdir()):
        split, _, rest = path.name.partition(".")
        if (
            split not in SPLITS
            or f".{rest.removesuffix('.gz')}" not in suffixes
        ):
            continue
        if split in found:
            raise DataError(
                f"{folder}: holds {found[split].name} and {path.name}; "
                f"expected one {split} file"
            )
        found[split] = path
    needed = ("train",) if training else SPLITS
    if not any(split in found for split in needed):
        names = [f"{needed[-1]}{suffix}" for suffix in suffixes]
        raise DataError(
            f"{folder}: has no {' or '.join(needed)} file; expected "
            f"{', '.join(names[:-1])} or {names[-1]}, or one of these with .gz"
        )
    return {split: found[split] for split in SPLITS if split in found}


def shares(split: str, present: Iterable[str]) -> dict[str, float]:
    """To which splits the records of a file go, and how many of them.

    Args:
        split: what the file is.
        present: the splits that have files; the others are cut from train.
    """
    if split != "train":
        return {split: 1.0}
    cut = dict.fromkeys((s for s in SPLITS if s not in present), _SHARE)
    return {"train": 1.0 - sum(cut.values()), **cut}
