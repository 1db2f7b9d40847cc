"""Labelled videos, ready for training: splits, labels, report.

N videos, T frames of one, C labels; H height, W width, R regions.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipelines.files.splits import SPLITS
from data_pipelines.video_labeling import batching
from data_pipelines.video_labeling.frame_store import Stored
from data_pipelines.vision.images import BadFiles

# Labels named in one line of the report.
_MOST_NAMED = 12


@dataclasses.dataclass(frozen=True)
class Video:
    """A video and its labels.

    Attributes:
        name: as in the file of the labels.
        path: the file itself, or a folder of pictures.
        labels: `(T,)` int32, indices into the labels of the data.
        stored: its frames or features on disk.
    """

    name: str
    path: Path
    labels: np.ndarray
    stored: Stored

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def fps(self) -> float:
        """Frames a second, on average."""
        return self.stored.fps

    @property
    def frames(self) -> np.ndarray:
        """uint8 `(T, H, W, 3)` or float16 `(T, R, C)`, mapped from disk."""
        return self.stored.values

    @property
    def times(self) -> np.ndarray:
        """Seconds from the first frame of the video, `(T,)` float64."""
        return self.stored.times

    def chunks(self, size: int) -> Iterator[np.ndarray]:
        """Yields `size` frames after another; the last ones may be fewer."""
        frames = self.frames
        for start in range(0, len(self), size):
            yield frames[start : start + size]


@dataclasses.dataclass(frozen=True)
class Split:
    """Videos of one split.

    Attributes:
        videos: in the order of the file.
        batch_size: rows of a batch.
        chunk: frames of a row; 0: whole videos.
        seed: of the order of the training passes.
        mirror: whether these show half of the videos mirrored.
    """

    videos: list[Video]
    batch_size: int
    chunk: int
    seed: int
    mirror: bool = False

    def __len__(self) -> int:
        return len(self.videos)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Frames of each video, `(N,)`."""
        return np.array([len(video) for video in self.videos], np.int64)

    @functools.cached_property
    def batches(self) -> batching.Batches:
        """How batches are made; there must be a video."""
        stored = self.videos[0].stored
        return batching.Batches(
            self.videos,
            self.lengths,
            stored.shape[1:],
            stored.dtype,
            self.batch_size,
            self.chunk,
            self.seed,
            self.mirror,
        )

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return batching.steps_per_pass(
            self.lengths, self.batch_size, self.chunk
        )

    def dataset(
        self, training: bool = False, start_step: int = 0
    ) -> tf.data.Dataset:
        """Batches: one pass in order, or the endless training stream.

        Args:
            training: whether to make the stream.
            start_step: batches of the stream to leave out.
        """
        return batching.make_dataset(
            self.batches, training=training, start_step=start_step
        )

    def counts(self, labels: int) -> np.ndarray:
        """How many frames have each label, `(C,)`."""
        counts = np.zeros(labels, np.int64)
        for video in self.videos:
            counts += np.bincount(video.labels, minlength=labels)
        return counts

    def digest(self, name: str) -> str:
        """How much there is, and a digest of what training depends on.

        These are names, contents and labels of the videos, in their order.

        Args:
            name: of the split, for the line.
        """
        found = hashlib.sha256()
        for video in self.videos:
            # A video is stored under a digest of its content.
            about = [video.name, video.stored.folder.name, len(video)]
            found.update(json.dumps(about).encode())
            found.update(video.labels.astype("<i4").tobytes())
        return (
            f"{name} {len(self)} videos {self.lengths.sum()} frames sha256 "
            f"{found.hexdigest()}"
        )


@dataclasses.dataclass(frozen=True)
class Datasets:
    """What the pipeline returns.

    Attributes:
        train: the split that the labels come from; empty if an old run is to
            be evaluated on data without it, as then valid or test may be.
        valid: for every choice.
        test: to be read once, at the end.
        labels: "background" first if it is there, the others sorted.
        bad: videos that cannot be read.
        name: where the labels were read.
        notes: what else was found and may be of interest, in lines.
    """

    train: Split
    valid: Split
    test: Split
    labels: tuple[str, ...]
    bad: BadFiles
    name: str
    notes: list[str]

    @property
    def examples(self) -> dict[str, int]:
        """Split -> how many videos it has."""
        return {name: len(getattr(self, name)) for name in SPLITS}

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame: (H, W, 3), or (R, C) if there are features."""
        parts = (getattr(self, name).videos for name in SPLITS)
        return next(v for part in parts for v in part).stored.shape[1:]

    @functools.cached_property
    def frequencies(self) -> np.ndarray:
        """Share of each label in the frames of train, `(C,)`."""
        counts = self.train.counts(len(self.labels))
        return counts / max(counts.sum(), 1)

    @property
    def digest(self) -> list[str]:
        """What training depends on, a line a split, to see if it changes."""
        return [getattr(self, name).digest(name) for name in SPLITS]

    def report(self) -> list[str]:
        """A few lines for the terminal."""
        lines = [f"labels   {self.name}"]
        lines += [self._about(split) for split in SPLITS]
        if len(self.train):
            lines.append(self._about_batches())
        if self.bad:
            total = sum(self.examples.values()) + len(self.bad)
            lines.append(f"note     {self.bad.report(total)}")
        return lines + [f"note     {note}" for note in self.notes]

    def _about(self, name: str) -> str:
        split = getattr(self, name)
        if not len(split):
            return f"{name:8} no videos"
        frames = int(split.lengths.sum())
        seconds = sum(len(video) / video.fps for video in split.videos)
        return (
            f"{name:8} {len(split):,} videos of {split.lengths.min():,} to "
            f"{split.lengths.max():,} frames, {frames:,} in all, "
            f"{_time(seconds)} ({self._shares(split)})"
        )

    def _shares(self, split: Split) -> str:
        counts = split.counts(len(self.labels))
        shares = counts / counts.sum()
        if len(self.labels) <= _MOST_NAMED:
            pairs = zip(self.labels, shares, strict=True)
            return ", ".join(f"{label} {share:.1%}" for label, share in pairs)
        return (
            f"{(counts > 0).sum():,} of {len(self.labels):,} labels, "
            f"{shares.max():.1%} {self.labels[shares.argmax()]}"
        )

    def _about_batches(self) -> str:
        batches = self.train.batches
        made = batches.training(0)
        frames = int(batches.lengths.sum())
        share = frames / int(made.widths.sum() * batches.rows)
        rows = batches.chunk or "whole videos, up to " + str(made.widths.max())
        return (
            f"batches  {batches.rows} x {rows} frames, {batches.steps:,} a "
            f"pass, {share:.1%} of their positions are frames"
        )


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
