"""Train, valid and test: which files they are, and what is cut from what.

A split that has no file is cut from train: by a hash of each text, so that
equal ones stay on one side; by a hash of each group, so that a group stays on
one side; or, where time orders the data, by time.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipelines.files.errors import DataError
from data_pipelines.files.names import listed
from data_pipelines.files.tables import kind

SPLITS = ("train", "valid", "test")

# What else a split is called, after the name of a treebank of Universal
# Dependencies, and the parts of a set from a hub.
_NAME = re.compile(
    "(?:[a-z_0-9]+-ud-)?"
    "(train|valid|validation|val|dev|test)"
    r"(?:-([0-9]{1,6})-of-([0-9]{1,6})(-[0-9a-f]+)?)?"
)
_ALSO = dict.fromkeys(("validation", "val", "dev"), "valid")

# What is cut from train for each split that is missing.
_SHARE = 0.1


def data_folder(data_path: str | Path | None) -> Path:
    """Return the folder of the user's data, or refuse what is none."""
    if data_path is None:
        raise DataError("--data-path FOLDER is needed to read files")
    folder = Path(data_path)
    if not folder.is_dir():
        kind = (
            "is a file; expected a" if folder.exists() else "there is no such"
        )
        raise DataError(f"{folder}: {kind} folder")
    return folder


def find(
    data_path: str | Path | None,
    suffixes: Sequence[str],
    training: bool = True,
    whole: bool = False,
) -> dict[str, Path]:
    """Find the files of the splits in a user's folder.

    Args:
        data_path: The folder, or the one file.
        suffixes: The kinds of file; each may be followed by .gz.
        training: Whether train is needed; else any one will do.
        whole: Whether one file is test; else it is train.

    Returns:
        Split -> path, for the splits that have a file.
    """
    if data_path is not None and Path(data_path).is_file():
        return {"test" if whole else "train": Path(data_path)}
    folder = data_folder(data_path)
    paths: dict[str, Path] = {}
    for split, endings in scan(folder).items():
        own = [
            path
            for ending, path in endings.items()
            if f".{ending}".lower() in suffixes
            or ("." not in ending and kind(path) in suffixes)
        ]
        if len(own) > 1:
            raise DataError(
                f"{folder}: holds {own[0].name} and {own[1].name}; expected "
                f"one {split} file"
            )
        if own:
            paths[split] = own[0]
    needed = ("train",) if training else SPLITS
    if not any(split in paths for split in needed):
        names = [f"{needed[-1]}{suffix}" for suffix in suffixes]
        others = [
            path.name
            for split, endings in scan(folder).items()
            for path in endings.values()
            if split in needed
        ]
        hint = f"; {others[0]} has to be exported as such" if others else ""
        expected = f"{names[-1]} or {names[-1]}.gz"
        if names[:-1]:
            expected = (
                f"{', '.join(names[:-1])} or {names[-1]}, or one of these"
                " with .gz"
            )
        raise DataError(
            f"{folder}: has no {' or '.join(needed)} file; expected "
            f"{expected}{hint}"
        )
    return paths


def scan(folder: Path) -> dict[str, dict[str, Path]]:
    """Return split -> ending -> path of every file named like a split.

    Of a split in several files, as hubs have it, the path stands for all; see
    `tables.parts`. They may be in a folder of the split's name, too.
    """
    files: dict[str, dict[str, Path]] = {}
    numbers: dict[Path, list[int]] = {}
    for path in listed(folder):
        name, _, ending = path.name.removesuffix(".gz").partition(".")
        match = _NAME.fullmatch(name.lower())
        if match and not ending and path.is_dir():
            ending = _ending(path)
        if not match or not ending:
            continue
        split = _ALSO.get(match[1], match[1])
        endings = files.setdefault(split, {})
        if match[3] and int(match[3]) > 1:
            ends = path.name[match.end(3) :]
            if match[4]:  # of each file its own
                ends = "-*" + ends.removeprefix(match[4])
            start = path.name[: match.end(1)]
            path = folder / f"{start}-*-of-{match[3]}{ends}"
            numbers.setdefault(path, []).append(int(match[2]))
        if endings.get(ending, path) != path:
            raise DataError(
                f"{folder}: holds {endings[ending].name} and {path.name}; "
                f"expected one {split}.{ending}"
            )
        endings[ending] = path
    for path, present in numbers.items():
        _check_parts(path, sorted(present))
    return {split: files[split] for split in SPLITS if split in files}


def _ending(folder: Path) -> str:
    """Return the ending of the tables in a folder; "" if it has none."""
    kinds = {kind(path): path for path in listed(folder) if kind(path)}
    if len(kinds) > 1:
        names = " and ".join(path.name for path in kinds.values())
        raise DataError(f"{folder}: holds {names}; expected tables of one kind")
    return "".join(kinds)[1:]


def _check_parts(path: Path, present: list[int]) -> None:
    """Refuse a table of which a part is missing, or twice there."""
    total = path.name.partition("-of-")[2]
    count = int(re.match("[0-9]+", total)[0])
    first = min(present[0], 1)  # hubs begin with 0, others with 1
    if present == list(range(first, first + count)):
        return
    missing = sorted({*range(first, first + count)} - {*present})
    what = "one of them twice"
    if missing:
        what = f"missing is number {missing[0]}"
    raise DataError(
        f"{path}: holds {len(present):,} of {count:,} parts, {what}; expected "
        "all of them"
    )


def check(split: str, where: str) -> str:
    """Return the name of a split, or refuse what is none.

    Args:
        split: The name.
        where: File and line, for the message.
    """
    usual = _ALSO.get(split.lower(), split.lower())
    if usual not in SPLITS:
        raise DataError(
            f"{where}: unknown split {split!r}; expected "
            f"{', '.join(SPLITS[:-1])} or {SPLITS[-1]}"
        )
    return usual


def shares(split: str, present: Iterable[str]) -> dict[str, float]:
    """Return to which splits the records of a file go, and how many of them.

    Args:
        split: What the file is.
        present: The splits that have files; the others are cut from train.
    """
    if split != "train":
        return {split: 1.0}
    cut = dict.fromkeys((s for s in SPLITS if s not in present), _SHARE)
    return {"train": 1.0 - sum(cut.values()), **cut}


def name_digests(names: Iterable[str]) -> np.ndarray:
    """Return a number for each name, `(N,)` uint64, for `by_hash`."""
    raw = (hashlib.sha256(name.encode()).digest()[:8] for name in names)
    return np.frombuffer(b"".join(raw), np.uint64)


def by_hash(
    digests: np.ndarray,
    shares: dict[str, float],
    seed: int,
    name: str,
    what: str,
) -> dict[str, np.ndarray]:
    """Cut by hashes: equal ones go to the same split, and no split is empty.

    Args:
        digests: `(N,)` of the examples, or of the groups they belong to.
        shares: Split -> its share; the shares add up to 1.
        seed: Random seed of the cut.
        name: Where the examples come from, for messages.
        what: What they are, for messages: "texts".

    Returns:
        Split -> its rows, ascending.

    Raises:
        DataError: If there are fewer different digests than splits.
    """
    bounds = np.cumsum(list(shares.values()))[:-1]
    positions = _positions(digests, seed)
    sides = np.searchsorted(bounds, positions, side="right")
    if len(np.unique(sides)) < len(shares):
        # Some split is empty: the splits share the ranks of the positions.
        different = np.unique(positions)
        sizes = _sizes(len(different), shares, name, what)
        bounds = different[np.cumsum(sizes)[:-1]]
        sides = np.searchsorted(bounds, positions, side="right")
    return {
        split: np.flatnonzero(sides == side)
        for side, split in enumerate(shares)
    }


def by_time(
    count: int, shares: dict[str, float], name: str, what: str
) -> dict[str, np.ndarray]:
    """Cut what is in the order of time: train comes first, test last.

    Args:
        count: How many examples, or time steps, there are.
        shares: Split -> its share, in the order of time.
        name: Where the examples come from, for messages.
        what: What they are, for messages: "texts".

    Returns:
        Split -> its rows, which follow those of the split before.

    Raises:
        DataError: If there are fewer examples than splits.
    """
    sizes = _sizes(count, shares, name, what)
    rows = np.split(np.arange(count), np.cumsum(sizes)[:-1])
    return dict(zip(shares, rows, strict=True))


class Example(NamedTuple):
    """An example that may be a copy of another one.

    Attributes:
        name: What messages call it.
        split: The one it is in.
        content: The same for copies.
        is_cut: Whether its split is one that train was cut into.
        is_grouped: Whether it has to stay with others.
    """

    name: str
    split: str
    content: str
    is_cut: bool
    is_grouped: bool = False


def join_copies(
    examples: Sequence[Example], what: str
) -> tuple[list[str], list[str]]:
    """Return the split of each example, and notes: copies go into one split.

    It is that of the first of them. What the files say stays, and is noted, and
    no split becomes empty.

    Args:
        examples: All that can be read.
        what: What they are, for the note: "videos".
    """
    sizes = Counter(example.split for example in examples)
    joined: list[str] = []
    first: dict[str, Example] = {}
    leaks = []
    for example in examples:
        one = first.setdefault(example.content, example)
        split = example.split
        if split != one.split:
            is_free = example.is_cut and one.is_cut and not example.is_grouped
            if is_free and sizes[split] > 1:
                sizes[split] -= 1
                split = one.split
            else:
                leaks.append((example, one))
        joined.append(split)
    if not leaks:
        return joined, []
    copy, one = (f"{e.name} in {e.split}" for e in leaks[0])
    note = (
        f"{len(leaks):,} {what} are copies, byte for byte, of one in another "
        f"split, such as {copy} of {one}"
    )
    return joined, [note]


def _sizes(
    count: int, shares: dict[str, float], name: str, what: str
) -> list[int]:
    """Return how many examples each split gets, at least one."""
    first, *cut = shares
    sizes = [max(1, round(shares[split] * count)) for split in cut]
    rest = count - sum(sizes)
    if rest >= 1:
        return [rest, *sizes]
    if not cut:
        raise DataError(f"{name}: has no {what} for {first}")
    raise DataError(
        f"{name}: too few different {what} to cut {' and '.join(cut)} from; "
        f"expected at least {len(shares)}, or your own {' and '.join(cut)}"
    )


def _positions(digests: np.ndarray, seed: int) -> np.ndarray:
    """Return where each example falls between 0 and 1, by its hash alone."""
    # The finalizer of splitmix64 over the digest and the seed.
    mixed = digests.astype(np.uint64)
    mixed = mixed ^ np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed / 2.0**64
