"""Data of action segmentation: features that are ready, labels, lists.

Files     features/<name>.npy      float (C, T): C channels of T frames
          groundTruth/<name>.txt   a label a line, T lines
          mapping.txt              lines such as `3 take_cup`
          splits/train.split1.bundle, test.split1.bundle, perhaps valid...
                                   a `<name>.txt` a line

Of several splits the first is taken; another one goes by the path of its list
of train, `.../splits/train.split2.bundle`.  The layout is that of the code of
Farha and Gall 2019, MS-TCN.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_pipelines.files.errors import DataError
from data_pipelines.files.file_index import FileIndex
from data_pipelines.files.splits import SPLITS
from data_pipelines.files.tables import Lines
from data_pipelines.video_labeling.clips import Clip, Clips
from data_pipelines.video_labeling.frame_sources import content
from data_pipelines.vision import image_sequence
from data_pipelines.vision.feature_shards import checked
from data_pipelines.vision.images import BadFiles, printable
from data_pipelines.vision.video import Frame, VideoError

_BUNDLE = re.compile(r"(train|valid|val|dev|test)\.(.+)\.bundle")
_SPLITS = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}

# Frames that are read at a time.
_BLOCK = 1024


def is_layout(folder: Path) -> bool:
    """Whether a folder looks like one of this kind."""
    return (folder / "mapping.txt").is_file() and (
        folder / "groundTruth"
    ).is_dir()


def read(path: Path) -> Clips:
    """Reads the lists of a folder, and the labels of their videos.

    Args:
        path: the folder, or a list of train in its splits/.
    """
    folder, chosen = path, ""
    if path.suffix == ".bundle":
        folder = path.parent.parent
        match = _BUNDLE.fullmatch(path.name)
        if not path.is_file() or not match:
            raise DataError(
                f"{path}: expected a list such as train.split1.bundle"
            )
        chosen = match[2]
    mapping = folder / "mapping.txt"
    names = _names(mapping)
    lists, notes = _lists(folder, chosen)
    found: dict[str, Clip] = {}
    bad = BadFiles("videos")
    for split, bundle in lists.items():
        for number, line in enumerate(Lines(bundle), 1):
            if not line.strip():
                continue
            name, where = (
                line.strip().removesuffix(".txt"),
                f"{bundle}:{number}",
            )
            if name in found:
                raise DataError(
                    f"{where}: {printable(name)} is in {found[name].line} "
                    "already"
                )
            place = folder / "features" / f"{name}.npy"
            if not place.is_file():
                bad.add(VideoError(printable(place), "there is no such file"))
            truth = folder / "groundTruth" / f"{name}.txt"
            labels = _Lines(truth, place, names, mapping, where)
            there = place.is_file()
            found[name] = Clip(name, place, labels, split, "", where, there)
    if not found:
        raise DataError(f"{folder / 'splits'}: the lists name no videos")
    clips = list(found.values())
    return Clips(str(folder), clips, list(names), bad, notes, Ready())


def _names(path: Path) -> dict[str, int]:
    """Label -> its place, in the order of the file."""
    names: dict[str, int] = {}
    for number, line in enumerate(Lines(path), 1):
        if not line.strip():
            continue
        index, _, label = line.strip().partition(" ")
        if not index.isdigit() or not label.strip():
            raise DataError(
                f"{path}:{number}: expected a number, a space and a label"
            )
        if label.strip() in names:
            raise DataError(
                f"{path}:{number}: the label {label.strip()!r} is there twice"
            )
        names[label.strip()] = len(names)
    return names


def _lists(folder: Path, chosen: str) -> tuple[dict[str, Path], list[str]]:
    """Split -> its list, and what to tell about the others."""
    place = folder / "splits"
    every: dict[str, dict[str, Path]] = {}
    for path in sorted(place.iterdir()) if place.is_dir() else ():
        if match := _BUNDLE.fullmatch(path.name):
            lists = every.setdefault(match[2], {})
            split = _SPLITS[match[1]]
            if split in lists:
                raise DataError(
                    f"{place}: holds {lists[split].name} and {path.name}; "
                    "expected one of them"
                )
            lists[split] = path
    if not every:
        raise DataError(
            f"{place}: has no lists such as train.split1.bundle and "
            "test.split1.bundle"
        )
    name = chosen or min(every, key=lambda name: (len(name), name))
    notes = []
    if len(every) > 1:
        others = [other for other in every if other != name]
        such = place / f"train.{others[0]}.bundle"
        notes.append(
            f"{folder}: {name} of several; there are also "
            f"{', '.join(others)}, which go by --data-path {such}"
        )
    lists = every[name]
    return {split: lists[split] for split in SPLITS if split in lists}, notes


class _Lines:
    """The labels of one video, a line each; read when they are needed."""

    def __init__(
        self,
        path: Path,
        video: Path,
        names: dict[str, int],
        mapping: Path,
        listed: str,
    ) -> None:
        self.path = path
        self.video = video
        self.names = names
        self.mapping = mapping
        self.listed = listed

    def indices(self, frames: int) -> np.ndarray:
        """The label of each frame of a video of so many, `(T,)` int32."""
        if not self.path.is_file():
            raise DataError(
                f"{self.listed}: {self.path} is missing; expected a label for "
                "each frame in it"
            )
        text = "".join(Lines(self.path)).rstrip()
        found = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() not in self.names:
                raise DataError(
                    f"{self.path}:{number}: the label {line.strip()!r} is not "
                    f"in {self.mapping}"
                )
            found.append(self.names[line.strip()])
        if len(found) != frames:
            raise DataError(
                f"{self.path}: has {len(found):,} labels, and "
                f"{printable(self.video)} {frames:,} frames (the second axis "
                "of the array); expected one for each"
            )
        return np.array(found, np.int32)

    def where(self, index: int) -> str:
        """Where a label stands for the first time, `file:line`."""
        lines = list(Lines(self.path))
        label = list(self.names)[index]
        place = [line.strip() for line in lines].index(label)
        return f"{self.path}:{place + 1}"


class Ready:
    """A medium whose files hold features (C, T), which are kept as (T, 1, C).

    They have no times: their rate is taken to be `fps`, or
    `image_sequence.FPS` if that is 0.
    """

    name = "features 1"

    def content(self, path: Path, known: FileIndex) -> str:
        """A short name for what a file holds."""
        return content(path, known)

    def open(
        self, path: Path, size: tuple[int, int], fps: float, mode: str
    ) -> "_Features":
        """Features of a file; `size` and `mode` are without effect."""
        return _Features(path, fps or image_sequence.FPS)


class _Features:
    def __init__(self, path: Path, fps: float) -> None:
        self.path = path
        self.fps = fps
        self.dtype = "float16"
        self.shape: tuple[int, ...] = ()
        self.count = 0

    def _opened(self) -> np.ndarray:
        name = printable(self.path)
        try:
            found = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            why = str(error).splitlines()[0]
            raise VideoError(name, f"is no .npy file ({why})") from None
        if found.ndim != 2 or found.dtype.kind != "f" or not found.size:
            raise VideoError(
                name,
                f"is an array of {found.dtype} {found.shape}; expected floats "
                "(channels, frames)",
            )
        self.shape = (1, found.shape[0])
        return found

    def expected(self) -> int:
        """How many frames there are."""
        return self._opened().shape[1]

    def __iter__(self) -> Iterator[Frame]:
        features = self._opened()
        for start in range(0, features.shape[1], _BLOCK):
            some = np.array(features[:, start : start + _BLOCK].T, np.float32)
            some = some[:, None]  # (block, 1, C)
            numbers = range(start, start + len(some))
            names = [f"{printable(self.path)}, frame {n:,}" for n in numbers]
            half = checked(some, some, names, first=False, apart=0.0)
            for number, one in zip(numbers, half, strict=True):
                yield Frame(one, number, number / self.fps)
        self.count = features.shape[1]
