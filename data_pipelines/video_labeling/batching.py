"""Labelled videos -> batches of chunks that continue those of the batch before.

Batch     ({"frames": uint8 (B, K, H, W, 3) or float16 (B, K, R, C),
            "begins": bool (B,)}, labels int32 (B, K), weights float32 (B, K))

Row b of a batch goes on where row b of the batch before stopped, unless
`begins` is true for it: so a recurrent state can be carried from batch to
batch, and gradients end where chunks do (truncated backpropagation through
time).  Weights are 1 for frames and 0 for padding, which is on the right, in
the last chunk of a video.

The order of pass e is a function of (seed, e) alone: the videos are permuted,
cut into chunks of K frames and laid end to end, and this strip is cut into B
rows of equal length.  So every pass has the same number of batches and each
chunk once; at most B - 1 videos begin anew in their middle, where a row does,
other ones in each pass; the rows beyond the end of the strip, fewer chunks
than B and one row, are empty.

With `mirror` each video of a pass of training is shown as it is or mirrored,
left to right, as a function of (seed, e) again, all its chunks alike.

With K = 0 rows are whole videos: batches of similar lengths, each padded to
one of few widths, rows that have no video empty.

Letters of shapes: N videos, B rows of a batch, K frames of a chunk, H height,
W width, R regions, C channels.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from data_pipelines.batching import bucket_widths, by_length

# Most lengths of batches of whole videos.
_WIDTHS = 8

# Stands for no video.
_NONE = -1

Batch = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]


class Labelled(Protocol):
    """A video: `(T, ...)` frames and `(T,)` labels."""

    frames: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is in the batches of one pass.

    Attributes:
        videos: `(S, B)` numbers of videos, or -1 for nothing.
        starts: `(S, B)` their frames that come first.
        widths: `(S,)` frames of the rows.
        mirrored: `(N,)` whether a video is shown mirrored; None: no video is.
    """

    videos: np.ndarray
    starts: np.ndarray
    widths: np.ndarray
    mirrored: np.ndarray | None = None

    @property
    def begins(self) -> np.ndarray:
        """`(S, B)` whether a row does not continue that of the step before."""
        same = self.videos[1:] == self.videos[:-1]
        next_ = self.starts[1:] == (self.starts + self.widths[:, None])[:-1]
        first = np.ones_like(self.videos[:1], bool)
        return np.concatenate([first, ~(same & next_)])


def steps_per_pass(lengths: np.ndarray, rows: int, chunk: int) -> int:
    """Number of batches in each pass over videos of `lengths` frames."""
    pieces = len(lengths) if chunk == 0 else int((-(-lengths // chunk)).sum())
    return -(-pieces // rows)


def plan(lengths: np.ndarray, rows: int, chunk: int, order: np.ndarray) -> Plan:
    """The batches of chunks of a pass; see the module's docstring.

    Args:
        lengths: `(N,)` frames of each video.
        rows: B.
        chunk: K, above 0.
        order: `(N,)` of the videos.
    """
    chunks = -(-lengths[order] // chunk)
    videos = np.repeat(order, chunks)
    ends = np.cumsum(chunks)
    within = np.arange(len(videos)) - np.repeat(ends - chunks, chunks)
    steps = -(-len(videos) // rows)
    empty = steps * rows - len(videos)
    videos = np.pad(videos, (0, empty), constant_values=_NONE)
    starts = np.pad(within * chunk, (0, empty))
    return Plan(
        videos.reshape(rows, steps).T,
        starts.reshape(rows, steps).T,
        np.full(steps, chunk),
    )


def whole(
    lengths: np.ndarray, batches: Sequence[np.ndarray], rows: int
) -> Plan:
    """The batches of a pass over whole videos.

    Args:
        lengths: `(N,)` frames of each video.
        batches: numbers of the videos of each.
        rows: B.
    """
    widths = bucket_widths.boundaries(lengths, _WIDTHS)
    videos = np.full((len(batches), rows), _NONE)
    for row, chosen in zip(videos, batches, strict=True):
        row[: len(chosen)] = chosen
    longest = [lengths[chosen].max() for chosen in batches]
    return Plan(
        videos,
        np.zeros_like(videos),
        widths[np.searchsorted(widths, longest)],
    )


@dataclasses.dataclass(frozen=True)
class Batches:
    """Videos of one split, and how batches are made of them.

    Attributes:
        videos: the videos, at least one.
        lengths: `(N,)` their frames.
        shape: of a frame, (H, W, 3) or (R, C).
        dtype: of a frame.
        rows: B.
        chunk: K, or 0 for whole videos.
        seed: of the order of training.
        mirror: whether training shows half of the videos mirrored; they are
            pictures then.
    """

    videos: Sequence[Labelled]
    lengths: np.ndarray
    shape: tuple[int, ...]
    dtype: str
    rows: int
    chunk: int
    seed: int
    mirror: bool = False

    @property
    def steps(self) -> int:
        """Batches in each pass."""
        return steps_per_pass(self.lengths, self.rows, self.chunk)

    def training(self, number: int) -> Plan:
        """The plan of a pass of training."""
        random = np.random.default_rng([self.seed, number])
        order = random.permutation(len(self.lengths))
        mirrored = None
        if self.mirror:
            mirrored = random.random(len(self.lengths)) < 0.5
        if self.chunk:
            made = plan(self.lengths, self.rows, self.chunk, order)
        else:
            widths = bucket_widths.boundaries(self.lengths, _WIDTHS)
            planner = by_length.ByLength(
                self.lengths, widths, self.rows, drop_remainder=False
            )
            batches = [rows for rows, _ in planner.plan(self.seed, number)]
            made = whole(self.lengths, batches, self.rows)
        return dataclasses.replace(made, mirrored=mirrored)

    def in_order(self) -> Plan:
        """The plan of a pass that is not for training."""
        order = np.arange(len(self.lengths))
        if self.chunk:
            return plan(self.lengths, self.rows, self.chunk, order)
        order = np.argsort(self.lengths, kind="stable")
        cuts = np.arange(self.rows, len(order), self.rows)
        return whole(self.lengths, np.split(order, cuts), self.rows)

    def batch(self, made: Plan, step: int) -> tuple:
        """Frames, labels and weights of a batch of a plan."""
        videos, starts = made.videos[step], made.starts[step]
        width = int(made.widths[step])
        size = (len(videos), width)
        frames = np.zeros((*size, *self.shape), self.dtype)
        labels = np.zeros(size, np.int32)
        weights = np.zeros(size, np.float32)
        for row, (number, start) in enumerate(zip(videos, starts, strict=True)):
            if number == _NONE:
                continue
            video = self.videos[number]
            found = video.labels[start : start + width]
            seen = video.frames[start : start + width]  # (K, H, W, 3)
            if made.mirrored is not None and made.mirrored[number]:
                seen = seen[:, :, ::-1]
            frames[row, : len(found)] = seen
            labels[row, : len(found)] = found
            weights[row, : len(found)] = 1.0
        return frames, labels, weights

    def of(self, made: Plan, first: int = 0) -> Iterator[Batch]:
        """Yields the batches of a plan, from one of them on."""
        begins = made.begins
        for step in range(first, len(made.widths)):
            frames, labels, weights = self.batch(made, step)
            yield {"frames": frames, "begins": begins[step]}, labels, weights


def make_dataset(
    batches: Batches, *, training: bool, start_step: int = 0
) -> tf.data.Dataset:
    """Makes the batches that the module's docstring describes.

    Args:
        batches: what of.
        training: True for an endless stream of passes; False for one pass in
            the order of the videos.
        start_step: batches of the stream to leave out, for resuming; this
            costs no more than starting at 0.  Training only.

    Returns:
        A dataset.  Each iteration of it starts anew at `start_step`.
    """
    if not len(batches.lengths):
        raise ValueError("there are no videos to make batches of")
    steps = batches.steps

    def endless() -> Iterator[Batch]:
        number, first = divmod(start_step, steps)
        while True:
            yield from batches.of(batches.training(number), first)
            number, first = number + 1, 0

    def once() -> Iterator[Batch]:
        yield from batches.of(batches.in_order())

    made: Callable = endless if training else once
    size = tf.data.INFINITE_CARDINALITY if training else steps
    dataset = tf.data.Dataset.from_generator(
        made, output_signature=signature(batches)
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
    return dataset.prefetch(tf.data.AUTOTUNE)


def signature(batches: Batches) -> tuple:
    """Shapes and types of a batch."""
    size = (batches.rows, batches.chunk or None)
    return (
        {
            "frames": tf.TensorSpec((*size, *batches.shape), batches.dtype),
            "begins": tf.TensorSpec((batches.rows,), tf.bool),
        },
        tf.TensorSpec(size, tf.int32),
        tf.TensorSpec(size, tf.float32),
    )
