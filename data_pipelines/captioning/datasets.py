"""Pictures and captions, ready for training: splits, tokenizer, report."""

import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from data_pipelines.captioning import batching
from data_pipelines.captioning.captions import Picture
from data_pipelines.captioning.picture_inputs import Extracted, Pixels
from data_pipelines.files.splits import SPLITS
from data_pipelines.text.token_rows import TokenRows, pad_rows
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.vision.features import Features
from data_pipelines.vision.images import BadFiles

# Batches made ahead; not AUTOTUNE, which may take hundreds, each of 10 MB.
_AHEAD = 4


@dataclasses.dataclass(frozen=True)
class Split:
    """Pictures of one split, and a pair for each caption of each.

    P pictures, N pairs; pair n belongs to picture `owners[n]`.

    Attributes:
        pictures: in the order of the files.
        references: captions of each picture; words alone in small letters, if
            that was asked for.
        facts: what is in each picture, `captioning.facts` of its captions;
            None where that is not known.
        owners: `(N,)` which picture each pair belongs to, ascending.
        side: the captions of all pairs as ids.
        seen: what a model sees of the pictures.
        batch_size: rows of a batch.
        captions_per_picture: of those that share a batch of training.
        seed: of the order of the training passes.
    """

    pictures: list[Picture]
    references: list[tuple[str, ...]]
    facts: list[frozenset[str] | None]
    owners: np.ndarray
    side: TokenRows
    seen: Pixels | Extracted
    batch_size: int
    captions_per_picture: int
    seed: int

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def pairs(self) -> int:
        """How many captions there are."""
        return len(self.owners)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each pair to predict, its end counted, `(N,)`."""
        return self.side.lengths

    @functools.cached_property
    def groups(self) -> batching.Groups:
        """Pairs by length; a row has a beginning as well."""
        if not self.pairs:
            raise ValueError("this split has no captions to make batches of")
        return batching.group(self.lengths + 1, self.batch_size)

    @functools.cached_property
    def passes(self) -> batching.Passes:
        """The batches of training."""
        if self.captions_per_picture == 1:
            return self.groups
        return batching.group_by_picture(
            self.lengths + 1,
            self.owners,
            self.captions_per_picture,
            self.batch_size,
        )

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return self.passes.steps_per_pass

    @functools.cached_property
    def tokens_per_pass(self) -> int:
        """Tokens to predict in the first training pass.

        The others have nearly as many: other pairs are left over.
        """
        plan = self.passes.plan(self.seed, 0)
        return int(sum(self.lengths[rows].sum() for _, rows in plan))

    @property
    def padding(self) -> float:
        """Share of padding among the tokens of a training pass."""
        plan = self.passes.plan(self.seed, 0)
        places = sum(width * len(rows) for width, rows in plan)
        begins = sum(len(rows) for _, rows in plan)
        return 1 - (self.tokens_per_pass + begins) / places

    @property
    def unknown_rate(self) -> float:
        """Share of unknown tokens."""
        return self.side.unknown_rate

    def dataset(
        self, training: bool = False, start_step: int = 0
    ) -> tf.data.Dataset:
        """Batches: one pass ordered by length, or the endless stream.

        Args:
            training: whether to yield training passes for ever.
            start_step: batches of the training stream to leave out.

        Returns:
            (inputs, tokens); see `data_pipelines.captioning`.
        """
        groups = self.groups
        dataset = tf.data.Dataset.from_generator(
            functools.partial(self._batches, start_step if training else None),
            output_signature=(
                self.seen.spec,
                tf.TensorSpec((None, None), tf.int32),
            ),
        )
        size = tf.data.INFINITE_CARDINALITY if training else len(groups.once())
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
        return dataset.prefetch(_AHEAD)

    def _batches(
        self, start_step: int | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches of training from a step on; None: of one pass over all."""
        if start_step is None:
            batches = iter(self.groups.once())
        else:
            batches = batching.endless(self.passes, self.seed, start_step)
        each = 1 if start_step is None else self.captions_per_picture
        batches, ahead = itertools.tee(batches)
        with contextlib.closing(self._inputs(ahead, each)) as inputs:
            for width, rows in batches:
                ids = [self.side.ids(row) for row in rows]
                yield next(inputs), pad_rows(ids, width, begin=True)

    def _inputs(
        self, batches: Iterator[batching.Batch], each: int
    ) -> Iterator[np.ndarray]:
        """What is seen of batches with `each` captions of a picture."""
        return self.seen.batches(
            [self.pictures[number].name for number in self.owners[rows[::each]]]
            for _, rows in batches
        )

    def inputs(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yields each picture once, in order; the last has fewer rows.

        Args:
            batch_size: rows of each array.

        Yields:
            uint8 `(B, H, W, 3)` or float16 `(B, R, C)`.
        """
        names = [picture.name for picture in self.pictures]
        starts = range(0, len(names), batch_size)
        return self.seen.batches(names[i : i + batch_size] for i in starts)

    def example_input(self, number: int) -> np.ndarray:
        """What is seen of one picture, without a batch axis."""
        return self.seen.one(self.pictures[number].name)


@dataclasses.dataclass(frozen=True)
class Datasets:
    """What the pipeline of captioning returns.

    Attributes:
        train: the split that the vocabulary comes from; empty if an old run
            is to be evaluated on data without it, as then valid or test may
            be.
        valid: for every choice.
        test: to be read once, at the end.
        tokenizer: of the captions.
        name: the files of the captions.
        notes: what else was found and may be of interest, in lines.
    """

    train: Split
    valid: Split
    test: Split
    tokenizer: Tokenizer
    name: str
    notes: list[str]

    @property
    def seen(self) -> Pixels | Extracted:
        """What a model sees of the pictures."""
        return self.train.seen

    @property
    def features(self) -> Features | None:
        """Of the frozen encoder, if there is one."""
        seen = self.seen
        return seen.features if isinstance(seen, Extracted) else None

    @property
    def bad(self) -> BadFiles:
        """Pictures that cannot be read; they are in no split."""
        return self.seen.bad

    @property
    def examples(self) -> dict[str, int]:
        """Split -> how many pairs it has."""
        return {name: getattr(self, name).pairs for name in SPLITS}

    @property
    def frequencies(self) -> np.ndarray:
        """How often each token has to be predicted in train, `(V,)`."""
        side = self.train.side
        found = [side.ids(row) for row in range(self.train.pairs)]
        counts = np.bincount(
            np.concatenate(found), minlength=len(self.tokenizer)
        )
        counts[Tokenizer.END] += self.train.pairs
        return counts

    @property
    def unknown_rate(self) -> dict[str, float]:
        """Split -> share of unknown tokens."""
        return {name: getattr(self, name).unknown_rate for name in SPLITS}

    def report(self) -> list[str]:
        """A few lines for the terminal."""
        lines = [self._about(name) for name in SPLITS]
        kind = self.tokenizer.kind
        lines.append(f"pieces   {len(self.tokenizer):,} ({kind})")
        if self.train.pairs:
            lines.append(self._about_batches())
        lines += self.seen.report()
        notes = list(self.notes)
        for name in SPLITS:
            side = getattr(self, name).side
            if side.cut:
                notes.append(
                    f"{name}: {side.cut:,} captions cut after {side.limit:,} "
                    "tokens"
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
            f"{split.side.tokens.lengths.mean():.1f} tokens "
            f"({split.unknown_rate:.2%} unknown)"
        )

    def _about_batches(self) -> str:
        train = self.train
        widths = {width for width, _ in train.passes.plan(train.seed, 0)}
        return (
            f"batches  {train.steps_per_pass:,} a pass of {train.passes.size} "
            f"rows, {len(widths)} different widths, {train.padding:.1%} padding"
        )
