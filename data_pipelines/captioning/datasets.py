"""Splits of pictures and captions: which stand in which batch, report.

Batch     (inputs, tokens): pixels or features of pictures, int32 `(B, T)`

Captions are put into groups by their lengths, and the groups in a line, the
one of the longest captions first. In each pass the rows of each group are
permuted, the whole line is cut into batches, and the batches are shuffled. A
batch is as wide as its first row needs, so at the end of a group it is filled
up with rows of the next one, and no caption is left out because its group is
small. What is left over at the end of the line, less than a batch of the
shortest captions, sits this pass out, other ones each time. So there are no
more shapes than groups.

Letters of shapes: N captions, P pictures of a batch, K captions of each, B
rows of a batch, T tokens.
"""

import dataclasses
import functools
import json
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from data_pipelines.batching import bucket_widths, passes
from data_pipelines.batching.passes import (
    Batch,
    BatchedDatasets,
    BatchedSplit,
    Planner,
)
from data_pipelines.captioning.captions import Picture
from data_pipelines.files.splits import SPLITS
from data_pipelines.text.token_rows import TokenRows, pad_rows
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.text.words import unknown_note
from data_pipelines.vision.images import BadFiles
from data_pipelines.vision.picture_inputs import FeatureInputs, PixelInputs

# Groups of lengths at most.
_GROUPS = 5


@dataclasses.dataclass(frozen=True)
class LengthGroups:
    """Batches of captions, in a few fixed shapes.

    Attributes:
        rows: Which captions each group has, the longest ones first.
        widths: How wide the batches of each are.
        size: How many rows a batch has.
    """

    rows: list[np.ndarray]
    widths: np.ndarray
    size: int

    @classmethod
    def of(cls, lengths: np.ndarray, batch_size: int) -> "LengthGroups":
        """Put captions into groups.

        Args:
            lengths: `(N,)` how wide a batch with each must be, N at least 1.
            batch_size: Rows of a batch, if there are so many.
        """
        # With fewer than two full batches in a group nothing is shuffled.
        count = min(max(len(lengths) // (2 * batch_size), 1), _GROUPS)
        widths = bucket_widths.boundaries(lengths, count)
        groups = np.searchsorted(widths, lengths)
        rows = [np.flatnonzero(groups == group) for group in range(len(widths))]
        return cls(rows[::-1], widths[::-1], min(batch_size, len(lengths)))

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return sum(map(len, self.rows)) // self.size

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """Return the batches of one training pass."""
        random = np.random.default_rng([seed, epoch])
        permuted = [random.permutation(rows) for rows in self.rows]
        batches = self._cut(permuted)[: self.steps_per_pass]
        return [batches[i] for i in random.permutation(len(batches))]

    def once(self) -> list[Batch]:
        """Return the batches of a pass, the longest captions first."""
        return self._cut(self.rows)

    def _cut(self, rows: list[np.ndarray]) -> list[Batch]:
        line = np.concatenate(rows)
        starts = np.arange(0, len(line), self.size)
        ends = np.cumsum(list(map(len, rows)))
        groups = np.searchsorted(ends, starts, side="right")
        return [
            Batch(line[start : start + self.size], int(self.widths[group]))
            for group, start in zip(groups, starts, strict=True)
        ]


@dataclasses.dataclass(frozen=True)
class GroupedByPicture:
    """Batches of P pictures with K captions of each.

    So a network that looks at pictures has to look only once at each. Pictures
    are put into groups by their longest captions. In each pass K captions of
    each are drawn: others each time where there are more, all of them where
    there are K, and some twice where there are fewer. The rows of batches are
    `(P, K)`.

    Attributes:
        pictures: Batches of pictures.
        starts: The first caption of each picture.
        counts: How many captions each picture has.
        captions: K.
    """

    pictures: LengthGroups
    starts: np.ndarray
    counts: np.ndarray
    captions: int

    @classmethod
    def of(
        cls,
        lengths: np.ndarray,
        owners: np.ndarray,
        captions: int,
        batch_size: int,
    ) -> "GroupedByPicture":
        """Put the captions of each picture together.

        Args:
            lengths: `(N,)` how wide a batch with each must be, N at least 1.
            owners: `(N,)` which picture each belongs to, ascending, none left
                out.
            captions: K.
            batch_size: Captions of a batch, about.
        """
        counts = np.bincount(owners)
        starts = np.cumsum(counts) - counts
        longest = np.maximum.reduceat(lengths, starts)
        pictures = LengthGroups.of(longest, max(batch_size // captions, 1))
        return cls(pictures, starts, counts, captions)

    @property
    def size(self) -> int:
        """How many captions a batch has."""
        return self.pictures.size * self.captions

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return self.pictures.steps_per_pass

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """Return the batches of one training pass."""
        random = np.random.default_rng([seed, epoch, self.captions])
        return [
            Batch(np.stack([self._draw(p, random) for p in pictures]), width)
            for pictures, width in self.pictures.plan(seed, epoch)
        ]

    def _draw(self, picture: int, random: np.random.Generator) -> np.ndarray:
        """Return K captions of one picture."""
        own = self.starts[picture] + random.permutation(self.counts[picture])
        return np.resize(own, self.captions)


@dataclasses.dataclass(frozen=True)
class Split(BatchedSplit):
    """Pictures of one split, and a pair for each caption of each.

    Pair n belongs to picture `owners[n]`.

    Attributes:
        pictures: In the order of the files.
        references: Captions of each picture, normalized if that was asked for.
        facts: What is in each picture, `captioning.facts` of its captions;
            None where that is not known.
        owners: `(N,)` which picture each pair belongs to, ascending.
        tokens: The captions of all pairs as ids.
        inputs: What a model sees of the pictures.
        batch_size: Rows of a batch.
        captions_per_picture: How many captions of a picture share a batch of
            training.
        seed: Random seed of the order of training.
    """

    pictures: list[Picture]
    references: list[tuple[str, ...]]
    facts: list[frozenset[str] | None]
    owners: np.ndarray
    tokens: TokenRows
    inputs: PixelInputs | FeatureInputs
    batch_size: int
    captions_per_picture: int
    seed: int
    # Not AUTOTUNE, which may take hundreds, each of 10 MB.
    prefetch = 4

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def pairs(self) -> int:
        """Number of captions."""
        return len(self.owners)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each pair to predict, its end counted, `(N,)`."""
        return self.tokens.lengths

    @functools.cached_property
    def planner(self) -> LengthGroups:
        """The batches of the evaluation pass."""
        if not self.pairs:
            raise ValueError("this split has no captions to make batches of")
        # A row has a beginning as well.
        return LengthGroups.of(self.lengths + 1, self.batch_size)

    @functools.cached_property
    def training_planner(self) -> Planner:
        """The batches of training."""
        if self.captions_per_picture == 1:
            return self.planner
        return GroupedByPicture.of(
            self.lengths + 1,
            self.owners,
            self.captions_per_picture,
            self.batch_size,
        )

    @property
    def padding(self) -> float:
        """Share of padding among the tokens of a training pass."""
        plan = self.training_planner.plan(self.seed, 0)
        positions = sum(width * rows.size for rows, width in plan)
        # A row has a beginning as well.
        tokens = sum((self.lengths[rows] + 1).sum() for rows, _ in plan)
        return 1 - tokens / positions

    def digest(self) -> str:
        """See `BatchedSplit`."""
        pairs = zip(self.pictures, self.references, strict=True)
        parts = [[self.inputs.contents[p.name], texts] for p, texts in pairs]
        counted = f"{len(self)} pictures {self.pairs} captions"
        return passes.digest(counted, [json.dumps(parts).encode()])

    def spec(self, processes: int) -> tuple:
        """See `BatchedSplit`."""
        return self.inputs.spec, tf.TensorSpec((None, None), tf.int32)

    def fetch(self, batch: Batch, step: int) -> tuple[np.ndarray, np.ndarray]:
        """See `BatchedSplit`."""
        rows = batch.rows.reshape(len(batch.rows), -1)  # (P, K)
        names = [self.pictures[n].name for n in self.owners[rows[:, 0]]]
        ids = [self.tokens.ids(row) for row in rows.flat]
        return self.inputs.batch(names), pad_rows(ids, batch.width, begin=True)

    def each_input(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield each picture once, in order; the last batch has fewer.

        Args:
            batch_size: Rows of each array.

        Yields:
            uint8 `(B, H, W, 3)` or float16 `(B, R, C)`.
        """
        names = [picture.name for picture in self.pictures]
        for start in range(0, len(names), batch_size):
            yield self.inputs.batch(names[start : start + batch_size])

    def example_input(self, number: int) -> np.ndarray:
        """Return what a model sees of one picture, without a batch axis."""
        return self.inputs.get(self.pictures[number].name)


@dataclasses.dataclass(frozen=True)
class Datasets(BatchedDatasets[Split]):
    """What the pipeline of captioning returns.

    Attributes:
        tokenizer: Of the captions.
        name: The files of the captions.
        notes: What else may be of interest, in lines.
    """

    tokenizer: Tokenizer
    name: str
    notes: list[str]

    @property
    def inputs(self) -> PixelInputs | FeatureInputs:
        """What a model sees of the pictures."""
        return self.train.inputs

    @property
    def bad(self) -> BadFiles:
        """Pictures that cannot be read; they are in no split."""
        return self.inputs.bad

    @property
    def examples(self) -> dict[str, int]:
        """Split -> how many pairs it has."""
        return {name: getattr(self, name).pairs for name in SPLITS}

    @property
    def frequencies(self) -> np.ndarray:
        """How often each token has to be predicted in train, `(V,)`."""
        rows = [self.train.tokens.ids(row) for row in range(self.train.pairs)]
        counts = np.bincount(
            np.concatenate(rows), minlength=len(self.tokenizer)
        )
        counts[Tokenizer.END] += self.train.pairs
        return counts

    def report(self) -> list[str]:
        """Return a few lines for the terminal."""
        lines = [self._about(name) for name in SPLITS]
        kind = self.tokenizer.kind
        lines.append(f"pieces   {len(self.tokenizer):,} ({kind})")
        if self.train.pairs:
            lines.append(self._about_batches())
        lines += self.inputs.report()
        notes = list(self.notes)
        notes += unknown_note(self.train.tokens.unknown_rate, kind)
        for name in SPLITS:
            tokens = getattr(self, name).tokens
            if tokens.cut:
                notes.append(
                    f"{name}: {tokens.cut:,} captions cut after "
                    f"{tokens.limit:,} tokens"
                )
        if self.bad:
            total = sum(len(getattr(self, name)) for name in SPLITS)
            notes.append(self.bad.report(total + len(self.bad)))
        return lines + [f"note     {note}" for note in notes]

    def _about(self, name: str) -> str:
        split = getattr(self, name)
        if not split.pairs:
            return f"{name:8} no pictures"
        return (
            f"{name:8} {len(split):,} pictures, {split.pairs:,} captions of "
            f"{split.tokens.tokens.lengths.mean():.1f} tokens "
            f"({split.tokens.unknown_rate:.2%} unknown)"
        )

    def _about_batches(self) -> str:
        train = self.train
        planner = train.training_planner
        widths = {width for _, width in planner.plan(train.seed, 0)}
        return (
            f"batches  {planner.steps_per_pass:,} a pass of {planner.size} "
            f"rows, {len(widths)} different widths, {train.padding:.1%} padding"
        )
