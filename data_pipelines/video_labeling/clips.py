"""Labelled videos before they are read: names, labels, splits.

Letters of shapes: T frames of a video.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from data_pipelines.files import splits
from data_pipelines.files.errors import EXHAUSTED, DataError
from data_pipelines.files.file_index import FileIndex, file_identity
from data_pipelines.files.names import printable, special
from data_pipelines.vision.frame_store import FrameSource, Stored
from data_pipelines.vision.video import VideoError

# The label of frames that nobody has labelled.
BACKGROUND = "background"


class Annotation(Protocol):
    """What is known about the labels of one video."""

    def label_indices(self, stored: Stored) -> np.ndarray:
        """Return the label of each frame of a video as it was read, `(T,)`.

        Raises:
            DataError: If they are labels of more or fewer frames.
        """

    def first_line(self, index: int) -> str:
        """Return where a label stands for the first time, `file:line`."""


class Medium(NamedTuple):
    """How videos of one kind are read.

    Attributes:
        name: Changes when the same video would give other frames.
        holds_features: Whether frames are features already, and no pixels.
        content: Returns a short name for what the video at a path holds,
            remembered in a `FileIndex`; raises a `VideoError` if it cannot
            be read.
        source: Returns the frames of a video by its path, their size, rate
            and mode; see `video.Reader`.
    """

    name: str
    holds_features: bool
    content: Callable[[Path, FileIndex], str]
    source: Callable[[Path, tuple[int, int], float, str], FrameSource]


def file_content(path: Path, known: FileIndex) -> str:
    """Return a short name for what a file holds, remembered in `known`."""
    fingerprint = file_identity(path)
    if fingerprint is None:
        raise VideoError(printable(path), "there is no such file")
    if wrong := special(path):
        raise VideoError(printable(path), wrong)
    if fingerprint not in known.entries:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            if error.errno in EXHAUSTED:
                raise
            raise VideoError(
                printable(path), f"cannot be read: {error.strerror}"
            ) from None
        known.add(fingerprint, digest[:32])
    return known.entries[fingerprint]


@dataclasses.dataclass
class Clip:
    """A labelled video.

    Attributes:
        name: Of its file, below the folder of the videos.
        path: Its file.
        annotation: Labels of its frames, as indices into `Clips.label_names`.
        split: train, valid, test; "" until that is known.
        group: Videos of one group are in one split; "" for none.
        line: `file:line` of its first label.
        is_cut: Whether the split is one that train was cut into.
    """

    name: str
    path: Path
    annotation: Annotation
    split: str
    group: str
    line: str
    is_cut: bool = False


@dataclasses.dataclass
class Clips:
    """All labelled videos of a folder.

    Attributes:
        name: The files of the labels.
        clips: The videos, in the order of the files.
        label_names: All labels.
        notes: What else may be of interest, in lines.
        medium: How the videos are read.
    """

    name: str
    clips: list[Clip]
    label_names: list[str]
    notes: list[str]
    medium: Medium

    def cut(self, seed: int, training: bool) -> None:
        """Give every video a split: missing ones are cut from train.

        Args:
            seed: Random seed of the cut.
            training: Whether there must be a train split; if not, and if
                there is none, the missing splits stay empty.
        """
        if not any(clip.split for clip in self.clips):  # No file says it.
            for clip in self.clips:
                clip.split = "train"
        self._check_groups()
        train = [clip for clip in self.clips if clip.split == "train"]
        present = {clip.split for clip in self.clips}
        if not train and not training:
            return
        if not train:
            raise DataError(
                f"{self.name}: no video is in train; found "
                f"{', '.join(sorted(present))}"
            )
        shares = splits.shares("train", present)
        # A group that is called like a video is not that video.
        digests = splits.name_digests(
            f"group {clip.group}" if clip.group else f"video {clip.name}"
            for clip in train
        )
        cut = splits.by_hash(
            digests, shares, seed, self.name, "videos or groups"
        )
        for split, rows in cut.items():
            for row in rows:
                train[row].split = split
                train[row].is_cut = len(cut) > 1

    def join_copies(self, contents: Sequence[tuple[Clip, str]]) -> None:
        """Put copies of a video into one split, see `splits.join_copies`.

        Args:
            contents: Videos and the contents of their files.
        """
        joined, notes = splits.join_copies(
            [
                splits.Example(
                    printable(clip.name),
                    clip.split,
                    content,
                    clip.is_cut,
                    bool(clip.group),
                )
                for clip, content in contents
            ],
            "videos",
        )
        for (clip, _), split in zip(contents, joined, strict=True):
            clip.split = split
        self.notes += notes

    def _check_groups(self) -> None:
        first: dict[str, Clip] = {}
        for clip in self.clips:
            other = first.setdefault(clip.group, clip)
            if clip.group and other.split != clip.split:
                raise DataError(
                    f"{clip.line}: the group {clip.group!r} is in "
                    f"{clip.split} here and in {other.split} in {other.line}; "
                    "all videos of a group are in one split"
                )


def choose_labels(
    names: Sequence[str], indices: Sequence[np.ndarray]
) -> tuple[str, ...]:
    """Return the labels that videos have: "background" first, others sorted.

    Args:
        names: What the indices stand for.
        indices: `(T,)` of each video.
    """
    used = np.unique(np.concatenate([np.unique(row) for row in indices]))
    labels = (names[index] for index in used)
    return tuple(sorted(labels, key=lambda name: (name != BACKGROUND, name)))


def relabel(
    clip: Clip, indices: np.ndarray, names: Sequence[str], labels: Sequence[str]
) -> np.ndarray:
    """Return indices into `names` as indices into `labels`, `(T,)` int32.

    Raises:
        DataError: If a label is not among `labels`.
    """
    known = {label: index for index, label in enumerate(labels)}
    table = np.array([known.get(name, -1) for name in names], np.int32)
    translated = table[indices]
    if (translated < 0).any():
        index = int(indices[translated.argmin()])
        expected = ", ".join(printable(label) for label in labels[:10])
        more = ", ..." if len(labels) > 10 else ""
        raise DataError(
            f"{clip.annotation.first_line(index)}: {names[index]!r} in "
            f"{clip.split} is no label of train; those are {expected}{more}"
        )
    return translated
