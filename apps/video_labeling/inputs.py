"""The inputs of a finished run: videos, folders of them, or features.

A folder with videos in it is a folder of videos; one with nothing but pictures
is a video of its own. Content decides what is a video, as in training, not the
name; a GIF is one if it moves, and a picture if not. A run that was trained on
precomputed features reads `.npy` files of such.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from apps.common import checks
from apps.common.cli import UserError
from apps.common.terminal import echo
from data_pipelines.files.names import listed as visible
from data_pipelines.files.names import printable
from data_pipelines.vision import image_sequence, video


def listed(paths: Iterable[str], features: bool = False) -> Iterator[Path]:
    """Yield the videos, or the files of features, among files and folders.

    Raises:
        UserError: There is nothing of that name, no video in it, or nothing.
    """
    for path in checks.inputs(paths, "video"):
        if not path.is_dir():
            yield path
        elif features:
            yield from _features(path)
        else:
            yield from _videos(path)


def _features(folder):
    inside = [path for path in visible(folder) if path.suffix == ".npy"]
    if not inside:
        raise UserError(
            f"{printable(folder)}: has no .npy files; the run was trained on"
            " features of frames, and can label nothing else"
        )
    return inside


def _videos(folder):
    pictures = image_sequence.pictures(folder)
    moving = {path for path in pictures if _moves(path)}
    still = [path for path in pictures if path not in moving]
    others = sorted(set(visible(folder)) - set(pictures))
    videos = [*moving, *(path for path in others if _is_video(path))]
    folders = [p for p in others if p.is_dir() and image_sequence.pictures(p)]
    if still and not videos:
        if folders:
            _note_ignored(folder, "one video", folders, "folders of pictures")
        return [folder]
    if not videos and not folders:
        raise UserError(
            f"{printable(folder)}: has no videos, and no folders of pictures"
        )
    if still:
        _note_ignored(folder, "a folder of videos", still, "pictures")
    return sorted(videos + folders)


def _note_ignored(folder, kind, paths, what):
    echo(
        f"note: {printable(folder)}: is read as {kind}; its {what}"
        f" ({len(paths):,}, such as {printable(paths[0].name)}) are not read",
        file=sys.stderr,
    )


def _moves(path):
    """Return whether a picture is a GIF of more than one frame."""
    if path.suffix.lower() != ".gif" or not path.is_file():
        return False
    try:
        with Image.open(path) as picture:
            return getattr(picture, "n_frames", 1) > 1
    except Exception:  # of many kinds; reading it will raise a better one
        return False


def _is_video(path):
    if not path.is_file():
        return False
    try:
        video.probe(path)
    except video.VideoError:
        # With such a name it is a broken video, which reading it will name;
        # other files need not be videos.
        return path.suffix.lower() in {*video.SUFFIXES} - {".gif"}
    return True


def name(path: str | Path) -> str:
    """Return the name of a file or folder, as it can be printed.

    Also of `.`; bytes that are no UTF-8 are spelled out.
    """
    path = Path(path)
    return printable(path.name if path.name.strip(".") else path.resolve().name)


def stem(path: str | Path) -> str:
    """Return the same without the suffix of a file."""
    return name(path) if Path(path).is_dir() else Path(name(path)).stem
