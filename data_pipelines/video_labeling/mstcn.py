"""Data of action segmentation: precomputed features, labels, lists.

Files     features/<name>.npy      float (C, T): C channels of T frames; (T, C)
                                   with `frames_first`
          groundTruth/<name>.txt   a label a line, T lines
          mapping.txt              lines such as `3 take_cup`
          splits/train.split1.bundle, test.split1.bundle, perhaps valid...
                                   a `<name>.txt` a line

Of several splits the first is taken; another one goes by the path of its list
of train, `.../splits/train.split2.bundle`. The layout is that of the code of
Farha and Gall 2019, MS-TCN.
"""

import dataclasses
import re
from collections.abc import Hashable, Iterator
from pathlib import Path

import numpy as np

from data_pipelines.files import splits
from data_pipelines.files.errors import EXHAUSTED, DataError
from data_pipelines.files.lines import Lines
from data_pipelines.files.names import (
    NamedFiles,
    file_id,
    listed,
    printable,
    special,
)
from data_pipelines.video_labeling.clips import (
    Clip,
    Clips,
    Medium,
    file_content,
)
from data_pipelines.vision import image_sequence
from data_pipelines.vision.feature_checks import to_float16
from data_pipelines.vision.frame_store import Stored
from data_pipelines.vision.video import Frame, VideoError

_BUNDLE = re.compile(r"(train|valid|val|dev|test)\.(.+)\.bundle")

# Frames that are read at a time.
_BLOCK = 1024


def is_layout(folder: Path) -> bool:
    """Return whether a folder looks like one of this kind."""
    return (folder / "mapping.txt").is_file() and (
        folder / "groundTruth"
    ).is_dir()


def read(
    path: Path,
    allow_outside: bool = False,
    frames_first: bool = False,
    encoding: str = "",
) -> Clips:
    """Read the lists of a folder, and the labels of their videos.

    Args:
        path: The folder, or a list of train in its splits/.
        allow_outside: Whether names of videos may leave the folder.
        frames_first: Whether arrays are (T, C).
        encoding: Of the lists and labels, see `Lines`.
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
    names = _names(mapping, encoding)
    lists, notes = _lists(folder, chosen)
    features, truths = (
        NamedFiles(folder, [folder / part], allow_outside)
        for part in ("features", "groundTruth")
    )
    clips: dict[Hashable, Clip] = {}
    for split, bundle in lists.items():
        for number, line in enumerate(Lines(bundle, encoding), 1):
            name = line.strip().removesuffix(".txt")
            where = f"{bundle}:{number}"
            if not name:
                continue
            file = features.find(f"{name}.npy", where)
            if other := clips.get(file_id(file)):
                also = "" if other.name == name else f", as {other.name}"
                raise DataError(
                    f"{where}: {printable(name)} is in {other.line} already"
                    f"{printable(also)}"
                )
            truth = truths.find(f"{name}.txt", where)
            annotation = TextAnnotation(
                truth, file, names, mapping, where, frames_first, encoding
            )
            clip = Clip(name, file, annotation, split, "", where)
            clips[file_id(file)] = clip
    if not clips:
        raise DataError(f"{folder / 'splits'}: the lists name no videos")
    # Features neither have a size nor are cut to any.
    medium = Medium(
        "features 1" + " (T, C)" * frames_first,
        True,
        file_content,
        lambda path, size, fps, mode: FeatureSource(
            path, fps, frames_first=frames_first
        ),
    )
    return Clips(str(folder), list(clips.values()), list(names), notes, medium)


def _names(path: Path, encoding: str) -> dict[str, int]:
    """Return label -> its index, in the order of the file."""
    names: dict[str, int] = {}
    for number, line in enumerate(Lines(path, encoding), 1):
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
    """Return split -> its list, and what to tell about the others."""
    parent = folder / "splits"
    every: dict[str, dict[str, Path]] = {}
    for path in listed(parent) if parent.is_dir() else ():
        if match := _BUNDLE.fullmatch(path.name):
            lists = every.setdefault(match[2], {})
            split = splits.check(match[1], str(path))
            if split in lists:
                raise DataError(
                    f"{parent}: holds {lists[split].name} and {path.name}; "
                    "expected one of them"
                )
            lists[split] = path
    if not every:
        raise DataError(
            f"{parent}: has no lists such as train.split1.bundle and "
            "test.split1.bundle"
        )
    name = chosen or min(every, key=lambda name: (len(name), name))
    notes = []
    if len(every) > 1:
        others = [other for other in every if other != name]
        such = parent / f"train.{others[0]}.bundle"
        notes.append(
            f"{folder}: {name} of several; there are also "
            f"{', '.join(others)}, which go by --data-path {such}"
        )
    lists = every[name]
    return {
        split: lists[split] for split in splits.SPLITS if split in lists
    }, notes


@dataclasses.dataclass(frozen=True)
class TextAnnotation:
    """The labels of one video, a line each; read when they are needed.

    Attributes:
        path: The file of labels.
        features: The features of the video.
        names: Label -> its index.
        mapping: The file that says so.
        listed: `file:line` of the list that names the video.
        frames_first: Whether the features are (T, C).
        encoding: Of the labels.
    """

    path: Path
    features: Path
    names: dict[str, int]
    mapping: Path
    listed: str
    frames_first: bool = False
    encoding: str = ""

    def label_indices(self, stored: Stored) -> np.ndarray:
        """Return the label of each frame of a video that was read, `(T,)`."""
        if not self.path.is_file():
            raise DataError(
                f"{self.listed}: {self.path} is missing; expected a label for "
                "each frame in it"
            )
        text = "".join(Lines(self.path, self.encoding)).rstrip()
        indices = []
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() not in self.names:
                raise DataError(
                    f"{self.path}:{number}: the label {line.strip()!r} is not "
                    f"in {self.mapping}"
                )
            indices.append(self.names[line.strip()])
        if len(indices) != stored.frames:
            raise DataError(
                f"{self.path}: has {len(indices):,} labels, and "
                f"{printable(self.features)} {stored.frames:,} frames (the "
                f"{self._axis(len(indices))}); expected one for each"
            )
        return np.array(indices, np.int32)[stored.numbers]

    def _axis(self, labels: int) -> str:
        """Return which axis was taken for time, and if it is the other."""
        axes = ["second", "first"]
        shape = np.load(self.features, mmap_mode="r").shape
        taken = f"{axes[self.frames_first]} axis of the array"
        if shape[not self.frames_first] != labels and labels in shape:
            how = ["with", "without"][self.frames_first]
            taken += (
                f"; the {axes[not self.frames_first]} one has as many as "
                f"there are labels, and is read {how} --frames-first"
            )
        return taken

    def first_line(self, index: int) -> str:
        """Return where a label stands for the first time, `file:line`."""
        labels = [line.strip() for line in Lines(self.path, self.encoding)]
        return f"{self.path}:{labels.index(list(self.names)[index]) + 1}"


class FeatureSource:
    """The features (C, T) of one file as frames, float16 `(1, C)` each.

    They have no times: their rate is taken to be `fps`.

    Args:
        path: The .npy file.
        fps: Their rate; 0: `image_sequence.FPS`.
        channels: C, if it has to be a certain number.
        frames_first: Whether they are (T, C) in the file.
    """

    def __init__(
        self,
        path: Path,
        fps: float,
        channels: int | None = None,
        frames_first: bool = False,
    ) -> None:
        self.path = path
        self.channels = channels
        self.frames_first = frames_first
        self.fps = fps or image_sequence.FPS
        self.count = 0

    def _load(self) -> np.ndarray:
        name = printable(self.path)
        if wrong := special(self.path):
            raise VideoError(name, wrong)
        try:
            features = np.lib.format.open_memmap(self.path, mode="r")
        except (OSError, ValueError, EOFError, OverflowError) as error:
            if getattr(error, "errno", None) in EXHAUSTED:
                raise
            why = str(error).splitlines()[0]
            raise VideoError(
                name, f"is no .npy file of features ({why})"
            ) from None
        if (
            features.ndim != 2
            or features.dtype.kind != "f"
            or not features.size
        ):
            raise VideoError(
                name,
                f"is an array of {features.dtype} {features.shape}; expected "
                f"floats {self._shape('channels')}",
            )
        if self.frames_first:
            features = features.T
        if self.channels not in (None, features.shape[0]):
            raise VideoError(
                name,
                f"has {features.shape[0]:,} features a frame; expected an "
                f"array of {self._shape(f'{self.channels:,}')}, as in training",
            )
        return features

    def _shape(self, channels: str) -> str:
        if self.frames_first:
            return f"(frames, {channels})"
        return f"({channels}, frames)"

    def expected(self) -> int:
        """Return how many frames there are."""
        return self._load().shape[1]

    def __iter__(self) -> Iterator[Frame]:
        features = self._load()
        for start in range(0, features.shape[1], _BLOCK):
            block = np.array(features[:, start : start + _BLOCK].T, np.float32)
            block = block[:, None]  # (block, 1, C)
            numbers = range(start, start + len(block))
            names = [f"{printable(self.path)}, frame {n:,}" for n in numbers]
            half = to_float16(block, block, names, first=False, apart=0.0)
            for number, frame in zip(numbers, half, strict=True):
                yield Frame(frame, number, number / self.fps)
        self.count = features.shape[1]
