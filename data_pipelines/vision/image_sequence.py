"""Folders of pictures that are the frames of a video, in order."""

import itertools
import re
from pathlib import Path

from data_pipelines.files.names import listed, printable
from data_pipelines.vision.images import PictureError

# What a folder is taken to have if nobody says it, in frames a second.
FPS = 25.0

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")


def pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder in the order of their numbers."""
    paths = [p for p in listed(folder) if p.suffix.lower() in SUFFIXES]
    return sorted(paths, key=lambda path: (natural(path.name), path.name))


def natural(name: str) -> list:
    """Return a key that sorts names by the numbers in them."""
    parts = re.split(r"([0-9]+)", name)
    return [int(p) if i % 2 else p for i, p in enumerate(parts)]


def numbered(folder: Path) -> list[Path]:
    """Return the pictures of a folder, which must be one series.

    If the names end in numbers, all of them must, and none may be missing.

    Raises:
        PictureError: If they are no series; its name is that of the folder.
    """
    paths = pictures(folder)
    name = printable(folder)
    if not paths:
        raise PictureError(
            name, f"the folder has no pictures ({', '.join(SUFFIXES)})"
        )
    names = [printable(path.name) for path in paths]
    series = [re.fullmatch(r"(.*?)([0-9]+)", path.stem) for path in paths]
    if not any(series):
        return paths
    prefixes = [match and match[1] for match in series]
    for one, prefix in zip(names, prefixes, strict=True):
        if prefix is None or prefix != prefixes[-1]:
            raise PictureError(
                name,
                f"{one} and {names[-1]} are not of one series; expected names "
                "that differ in their last number alone",
            )
    numbers = [int(match[2]) for match in series]
    numbered_names = zip(names, numbers, strict=True)
    for (one, before), (other, number) in itertools.pairwise(numbered_names):
        if number == before:
            raise PictureError(name, f"{one} and {other} have the same number")
        if number != before + 1:
            raise PictureError(
                name,
                f"frame {before + 1} is missing: {one} is followed by {other}",
            )
    return paths
