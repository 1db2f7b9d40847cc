"""Labelled videos before they are read: names, labels, splits.

T frames of a video.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from data_pipelines.files import splits
from data_pipelines.files.errors import DataError
from data_pipelines.video_labeling.frame_sources import Medium
from data_pipelines.vision.images import BadFiles, printable

# The label of frames that nobody has labelled.
BACKGROUND = "background"


class Labels(Protocol):
    """What is known about the labels of one video."""

    def indices(self, frames: int) -> np.ndarray:
        """The label of each frame of a video of so many, `(T,)` int32.

        Raises:
            DataError: if they are labels of more or fewer frames.
        """

    def where(self, index: int) -> str:
        """Where a label stands for the first time, `file:line`."""


@dataclasses.dataclass
class Clip:
    """A labelled video.

    Attributes:
        name: of its file, below the folder of the videos.
        path: its file.
        labels: of its frames, as indices into `Clips.names`.
        split: train, valid, test; "" until that is known.
        group: videos of one group are in one split; "" for none.
        line: `file:line` of its first label.
        there: whether there is a file.
    """

    name: str
    path: Path
    labels: Labels
    split: str
    group: str
    line: str
    there: bool = True


@dataclasses.dataclass
class Clips:
    """All labelled videos of a folder.

    Attributes:
        name: the files that say so.
        found: the videos, in the order of the files.
        names: all labels.
        bad: videos that have no file.
        notes: what else may be of interest, in lines.
        medium: how the videos are read.
    """

    name: str
    found: list[Clip]
    names: list[str]
    bad: BadFiles
    notes: list[str]
    medium: Medium

    def cut(self, seed: int, training: bool) -> None:
        """Gives every video a split: missing ones are cut from train.

        Args:
            seed: of the cut.
            training: whether there must be a train split; if not, and if
                there is none, the missing splits stay empty.
        """
        if not any(clip.split for clip in self.found):  # Nothing is said.
            for clip in self.found:
                clip.split = "train"
        self._check_groups()
        train = [clip for clip in self.found if clip.split == "train"]
        present = {clip.split for clip in self.found}
        if not train and not training:
            return
        if not train:
            raise DataError(
                f"{self.name}: no video is in train; found "
                f"{', '.join(sorted(present))}"
            )
        shares = splits.shares("train", present)
        cut = splits.by_hash(
            _digests(train), shares, seed, self.name, "videos or groups"
        )
        for split, rows in cut.items():
            for row in rows:
                train[row].split = split

    def _check_groups(self) -> None:
        first: dict[str, Clip] = {}
        for clip in self.found:
            other = first.setdefault(clip.group, clip)
            if clip.group and other.split != clip.split:
                raise DataError(
                    f"{clip.line}: the group {clip.group!r} is in "
                    f"{clip.split} here and in {other.split} in {other.line}; "
                    "all videos of a group are in one split"
                )


def _digests(clips: Sequence[Clip]) -> np.ndarray:
    # A group that is called like a video is not that video.
    keys = (
        f"group {clip.group}" if clip.group else f"video {clip.name}"
        for clip in clips
    )
    raw = (hashlib.sha256(key.encode()).digest()[:8] for key in keys)
    return np.frombuffer(b"".join(raw), np.uint64)


def choose_labels(
    names: Sequence[str], indices: Sequence[np.ndarray]
) -> tuple[str, ...]:
    """The labels that videos have, "background" first, the others sorted.

    Args:
        names: what the indices stand for.
        indices: `(T,)` of each video.
    """
    seen = np.unique(np.concatenate([np.unique(one) for one in indices]))
    found = sorted(names[index] for index in seen)
    return tuple(sorted(found, key=lambda label: label != BACKGROUND))


def translated(
    clip: Clip, indices: np.ndarray, names: Sequence[str], labels: Sequence[str]
) -> np.ndarray:
    """Indices into `names` as indices into `labels`, `(T,)` int32.

    Raises:
        DataError: if a label is not among `labels`.
    """
    known = {label: index for index, label in enumerate(labels)}
    table = np.array([known.get(name, -1) for name in names], np.int32)
    found = table[indices]
    if (found < 0).any():
        index = int(indices[found.argmin()])
        expected = ", ".join(printable(label) for label in labels[:10])
        more = ", ..." if len(labels) > 10 else ""
        raise DataError(
            f"{clip.labels.where(index)}: {names[index]!r} in {clip.split} is "
            f"no label of train; those are {expected}{more}"
        )
    return found
