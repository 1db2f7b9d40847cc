"""Captions -> batches of equally many rows, in a few fixed shapes.

Captions are put into groups by their lengths, and the groups in a line, the
one of the longest captions first.  In each pass the rows of each group are
permuted, the whole line is cut into batches, and the batches are shuffled.  A
batch is as wide as its first row needs, so at the end of a group it is filled
up with rows of the next one, and no caption is left out because its group is
small.  What is left over at the end of the line, less than a batch of the
shortest captions, sits this pass out, other ones each time.

So there are no more shapes than groups, every pass has the same number of
batches, the order of pass e is a function of (seed, e) alone, and batch k can
be made without making the ones before it.

`GroupedByPicture` puts several captions of a picture side by side instead, so
that a network that looks at pictures has to look only once at each.

Letters of shapes: N captions, P pictures of a batch, K captions of each.
"""

import dataclasses
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from data_pipelines.batching import bucket_widths

# As many groups as these at most.
_GROUPS = 5

Batch = tuple[int, np.ndarray]


class Passes(Protocol):
    """Batches of training, pass by pass.

    Attributes:
        size: how many rows a batch has.
        steps_per_pass: number of batches in each pass.
    """

    size: int
    steps_per_pass: int

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """(width, rows) of each batch of one training pass."""


def endless(passes: Passes, seed: int, step: int) -> Iterator[Batch]:
    """Yields the batches of training from any step on."""
    while True:
        epoch, first = divmod(step, passes.steps_per_pass)
        for batch in passes.plan(seed, epoch)[first:]:
            yield batch
            step += 1


@dataclasses.dataclass(frozen=True)
class Groups:
    """Captions by length.

    Attributes:
        rows: which captions each group has, the longest ones first.
        widths: how wide the batches of each are.
        size: how many rows a batch has.
    """

    rows: list[np.ndarray]
    widths: np.ndarray
    size: int

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return sum(map(len, self.rows)) // self.size

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """(width, rows) of each batch of one training pass."""
        random = np.random.default_rng([seed, epoch])
        permuted = [random.permutation(rows) for rows in self.rows]
        batches = self._cut(permuted)[: self.steps_per_pass]
        return [batches[i] for i in random.permutation(len(batches))]

    def once(self) -> list[Batch]:
        """(width, rows) of each batch of a pass over all captions.

        The longest come first; the last batch may have fewer rows.
        """
        return self._cut(self.rows)

    def _cut(self, rows: list[np.ndarray]) -> list[Batch]:
        line = np.concatenate(rows)
        starts = np.arange(0, len(line), self.size)
        ends = np.cumsum([len(found) for found in rows])
        groups = np.searchsorted(ends, starts, side="right")
        return [
            (int(self.widths[group]), line[start : start + self.size])
            for group, start in zip(groups, starts, strict=True)
        ]


@dataclasses.dataclass(frozen=True)
class GroupedByPicture:
    """K captions of each picture side by side.

    Pictures are put into groups by their longest captions.  In each pass K
    captions of each are drawn: others each time where there are more, all of
    them where there are K, and some twice where there are fewer.

    Attributes:
        groups: of pictures.
        starts: the first caption of each picture.
        counts: how many captions each picture has.
        captions: K.
    """

    groups: Groups
    starts: np.ndarray
    counts: np.ndarray
    captions: int

    @property
    def size(self) -> int:
        """How many rows a batch has."""
        return self.groups.size * self.captions

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return self.groups.steps_per_pass

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """(width, rows) of each batch; rows of a picture stand together."""
        random = np.random.default_rng([seed, epoch, self.captions])
        return [
            (width, np.concatenate([self._drawn(p, random) for p in pictures]))
            for width, pictures in self.groups.plan(seed, epoch)
        ]

    def _drawn(self, picture: int, random: np.random.Generator) -> np.ndarray:
        """K captions of one picture."""
        own = self.starts[picture] + random.permutation(self.counts[picture])
        return np.resize(own, self.captions)


def group_by_picture(
    lengths: np.ndarray, owners: np.ndarray, captions: int, batch_size: int
) -> GroupedByPicture:
    """Puts captions of a picture together.

    Args:
        lengths: `(N,)` how wide a batch with each must be, N at least 1.
        owners: `(N,)` which picture each belongs to, ascending, none left out.
        captions: K, how many of each picture.
        batch_size: rows of a batch, about.
    """
    counts = np.bincount(owners)
    starts = np.cumsum(counts) - counts
    longest = np.maximum.reduceat(lengths, starts)
    groups = group(longest, max(batch_size // captions, 1))
    return GroupedByPicture(groups, starts, counts, captions)


def group(lengths: np.ndarray, batch_size: int) -> Groups:
    """Puts captions into groups.

    Args:
        lengths: `(N,)` how wide a batch with each must be, N at least 1.
        batch_size: rows of a batch, if there are so many.
    """
    # With fewer than two full batches in a group nothing would be shuffled.
    count = min(max(len(lengths) // (2 * batch_size), 1), _GROUPS)
    widths = bucket_widths.boundaries(lengths, count)
    places = np.searchsorted(widths, lengths)
    rows = [np.flatnonzero(places == place) for place in range(len(widths))]
    return Groups(rows[::-1], widths[::-1], min(batch_size, len(lengths)))
