"""Splits of labelled videos: which frames stand in which batch, report.

Batches, as `pipeline` describes them, are strips of videos, see
`passes.Strips`. With K = 0 rows are whole videos.

With `mirror` each video of a pass of training is shown as it is or mirrored,
left to right, as a function of the seed and the pass, all its chunks alike.

Letters of shapes: N videos, T frames of one, B rows of a batch, K frames of a
chunk, H height, W width, R regions, C channels; L labels.
"""

import dataclasses
import datetime
import functools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipelines.batching import passes
from data_pipelines.batching.passes import (
    Batch,
    BatchedDatasets,
    BatchedSplit,
    Strips,
    WholeSequences,
)
from data_pipelines.files.splits import SPLITS
from data_pipelines.vision.frame_store import Stored
from data_pipelines.vision.images import BadFiles

# Labels named in one line of the report.
_MOST_NAMED = 12


@dataclasses.dataclass(frozen=True)
class Video:
    """A video and its labels.

    Attributes:
        name: As in the file of the labels.
        path: The file itself, or a folder of pictures.
        labels: `(T,)` int32, indices into the labels of the data.
        stored: Its frames or features on disk.
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
        """Yield `size` frames after another; the last ones may be fewer."""
        frames = self.frames
        for start in range(0, len(self), size):
            yield frames[start : start + size]


@dataclasses.dataclass(frozen=True)
class Split(BatchedSplit):
    """Videos of one split.

    Attributes:
        videos: In the order of the file.
        batch_size: Rows of a batch.
        chunk: Frames of a row; 0: whole videos.
        seed: Random seed of the order of training.
        mirror: Whether training shows half of the videos mirrored; they are
            pixels then.
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
    def planner(self) -> Strips | WholeSequences:
        """Which frames stand in which batch."""
        if self.chunk:
            return Strips(self.lengths, self.batch_size, self.chunk)
        return WholeSequences.of(self.lengths, self.batch_size)

    @functools.cached_property
    def _frames(self) -> list[np.ndarray]:
        return [video.frames for video in self.videos]

    @functools.cached_property
    def _labels(self) -> list[np.ndarray]:
        return [video.labels for video in self.videos]

    def spec(self, processes: int) -> tuple:
        """See `BatchedSplit`."""
        if not self.videos:
            raise ValueError("there are no videos to make batches of")
        frames = self._frames[0]
        size = (self.batch_size // processes, self.chunk or None)
        return (
            {
                "frames": tf.TensorSpec(
                    (*size, *frames.shape[1:]), frames.dtype
                ),
                "begins": tf.TensorSpec(size[:1], tf.bool),
            },
            tf.TensorSpec(size, tf.int32),
            tf.TensorSpec(size, tf.float32),
        )

    def fetch(self, batch: Batch, step: int) -> tuple:
        """See `BatchedSplit`."""
        return (
            {
                "frames": passes.take_chunks(batch, self._frames),
                "begins": passes.begins(batch),
            },
            passes.take_chunks(batch, self._labels),
            passes.step_weights(batch, self.lengths),
        )

    def fetch_training(self, batch: Batch, step: int) -> tuple:
        """See `BatchedSplit`."""
        x, labels, weights = self.fetch(batch, step)
        if not self.mirror:
            return x, labels, weights
        mirrored = self._mirrored(step // self.steps_per_pass)
        index = batch.rows[:, 0]
        rows = (index != passes.NONE) & mirrored[index]
        x["frames"][rows] = x["frames"][rows, :, :, ::-1]  # (b, K, H, W, 3)
        return x, labels, weights

    def _mirrored(self, epoch: int) -> np.ndarray:
        """Return which videos a pass shows mirrored, `(N,)`."""
        random = np.random.default_rng([self.seed, epoch])
        # What the order of the pass is drawn from.
        random.permutation(len(self))
        return random.random(len(self)) < 0.5

    def counts(self, labels: int) -> np.ndarray:
        """Return how many frames have each label, `(L,)`."""
        counts = np.zeros(labels, np.int64)
        for video in self.videos:
            counts += np.bincount(video.labels, minlength=labels)
        return counts

    def digest(self) -> str:
        """See `BatchedSplit`."""
        parts = []
        for video in self.videos:
            about = [video.name, video.stored.content, len(video)]
            parts.append(json.dumps(about).encode())
            parts.append(video.labels.astype("<i4").tobytes())
        counted = f"{len(self)} videos {self.lengths.sum()} frames"
        return passes.digest(counted, parts)


@dataclasses.dataclass(frozen=True)
class Datasets(BatchedDatasets[Split]):
    """What the pipeline returns.

    Attributes:
        labels: "background" first if it is one, the others sorted.
        bad: Videos that cannot be read.
        name: Where the labels were read.
        notes: What else may be of interest, in lines.
    """

    labels: tuple[str, ...]
    bad: BadFiles
    name: str
    notes: list[str]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame: (H, W, 3), or (R, C) if there are features."""
        parts = (getattr(self, name).videos for name in SPLITS)
        return next(v for part in parts for v in part).frames.shape[1:]

    @functools.cached_property
    def frequencies(self) -> np.ndarray:
        """Share of each label in the frames of train, `(L,)`."""
        counts = self.train.counts(len(self.labels))
        return counts / max(counts.sum(), 1)

    def report(self) -> list[str]:
        """Return a few lines for the terminal."""
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
        duration = datetime.timedelta(seconds=round(seconds))
        return (
            f"{name:8} {len(split):,} videos of {split.lengths.min():,} to "
            f"{split.lengths.max():,} frames, {frames:,} in all, "
            f"{duration} ({self._shares(split)})"
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
        train = self.train
        plan = train.planner.plan(train.seed, 0)
        positions = sum(len(rows) * width for rows, width in plan)
        share = int(train.lengths.sum()) / positions
        longest = max(width for _, width in plan)
        chunk = train.chunk or f"whole videos, up to {longest}"
        return (
            f"batches  {train.batch_size} x {chunk} frames, {len(plan):,} a "
            f"pass, {share:.1%} of their positions are frames"
        )
