"""Where the videos of a table are, and which ones the table leaves out."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from data_pipelines.vision import image_sequence, video


def find(folder: Path, name: str) -> tuple[Path, bool]:
    """Where a video is, in `videos/` or the folder itself, and if it is."""
    places = [folder / "videos" / name, folder / name]
    # Not `Path.exists`, which raises an error if a name is too long.
    there = next((place for place in places if os.path.exists(place)), None)
    return there or places[0], there is not None


def real(path: Path) -> str:
    """The one name of a file that has several, `./a.mp4` and `b/../a.mp4`.

    A link is a file of its own; whether there is one or not, it has a name.
    """
    if not os.path.exists(path):
        return os.path.abspath(path)
    return os.path.join(os.path.realpath(path.parent), path.name)


def unlabelled(folder: Path, labelled: Iterable[Path]) -> list[str]:
    """Videos of a folder that are none of those with labels, by their names.

    Only places are looked through where videos may be or are: the folder, its
    `videos/`, and what is below it and holds one with labels.
    """
    paths = list(labelled)
    known = {real(path) for path in paths}
    places = {folder, folder / "videos"}
    places |= {path.parent for path in paths if _below(path, folder)}
    # A folder of pictures is no video where videos are files.
    folders = any(os.path.isdir(path) for path in paths)
    holders = {real(place) for place in places}
    found = {}
    for place in sorted(places):
        # What may not be listed can still hold videos that may be read.
        with contextlib.suppress(OSError, ValueError):
            for path in place.iterdir():
                is_video = (
                    path.suffix.lower() in video.SUFFIXES and path.is_file()
                )
                if folders and path.is_dir() and real(path) not in holders:
                    is_video = bool(image_sequence.pictures(path))
                if is_video and not path.name.startswith("."):
                    found.setdefault(real(path), str(path.relative_to(folder)))
    names = [name for place, name in found.items() if place not in known]
    return sorted(names, key=image_sequence.natural)


def _below(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) and ".." not in path.parts
