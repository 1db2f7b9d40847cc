"""Train, valid and test: which files they are, and what is cut from what."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from data_pipelines.files.errors import DataError

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


def places(digests: np.ndarray, seed: int) -> np.ndarray:
    """Where each example falls between 0 and 1, `(N,)`, by its hash alone."""
    # The finalizer of splitmix64 over the digest and the seed.
    mixed = digests.astype(np.uint64)
    mixed = mixed ^ np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed / 2.0**64


def ranked(
    digests: np.ndarray, shares: dict[str, float], seed: int
) -> np.ndarray | None:
    """Where the sides begin if they share the ranks of the places.

    Args:
        digests: `(N,)`, equal for what must stay on one side.
        shares: split -> its share; the shares add up to 1.
        seed: of the cut.

    Returns:
        A place for each side but the first, so that none is empty; None if
        there are fewer different digests than sides.
    """
    different = np.unique(places(digests, seed))
    wanted = [share * len(different) for share in list(shares.values())[1:]]
    sizes = [max(1, round(number)) for number in wanted]
    first = len(different) - sum(sizes)
    if first < 1 or not sizes:
        return None
    return different[first + np.cumsum([0, *sizes[:-1]])]


def sides(
    digests: np.ndarray, shares: dict[str, float], seed: int
) -> np.ndarray | None:
    """Which split each example goes to, `(N,)` indices into `shares`.

    Equal digests go to the same one, and none stays empty; None if there are
    too few different ones for that.
    """
    cuts = np.cumsum(list(shares.values()))[:-1]
    found = places(digests, seed)
    chosen = np.searchsorted(cuts, found, side="right")
    if len(np.unique(chosen)) == len(shares):
        return chosen
    cuts = ranked(digests, shares, seed)
    if cuts is None:
        return None
    return np.searchsorted(cuts, found, side="right")
