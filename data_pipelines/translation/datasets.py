"""Pairs of sentences, ready for training: splits, tokenizers, report."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.batching import bucket_widths
from data_pipelines.files.splits import SPLITS
from data_pipelines.text.token_rows import Side, Texts, padded
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.translation import batching

SPEC = (
    tf.TensorSpec((None, None), tf.int32),
    tf.TensorSpec((None, None), tf.int32),
)

# Files of each side of the pairs.

# How many widths `Split.sources` has.
_WIDTHS = 8

# On so many sentences it is measured how much longer dropout makes them.
_MEASURED = 2_000

# On so many batches it is measured how much of them is padding.
_MEASURED_BATCHES = 20


@dataclasses.dataclass(frozen=True)
class Dropout:
    """How sentences are cut anew in each pass of training.

    A sentence that becomes too long for its batch stays as it ever is.

    Attributes:
        tokenizers: of source and target.
        alpha: see `Tokenizer.sample`.
    """

    tokenizers: tuple[Tokenizer, Tokenizer]
    alpha: float

    def planned(self, side: int, part: Side) -> np.ndarray:
        """Lengths to expect of the sentences of a side, `(N,)`."""
        texts = part.texts[:_MEASURED]
        rows = self.tokenizers[side].sample(texts, 0, self.alpha)
        factor = sum(map(len, rows)) / part.sizes[: len(rows)].sum()
        longer = np.ceil(part.sizes * factor).astype(np.int64)
        return np.minimum(longer, part.limit) + 1

    def rows(
        self, side: int, part: Side, rows: np.ndarray, seed: list, most: int
    ) -> list[np.ndarray]:
        """Ids of some sentences, none longer than `most`."""
        number = int(np.random.SeedSequence([*seed, side]).generate_state(1)[0])
        texts = [part.texts[row] for row in rows]
        found = self.tokenizers[side].sample(texts, number, self.alpha)
        return [
            new if len(new) <= most else part.ids(row)
            for new, row in zip(found, rows, strict=True)
        ]


@dataclasses.dataclass(frozen=True)
class Split:
    """Pairs of one split; nothing of the size of the texts is in memory.

    Attributes:
        sides: source and target.
        digests: `(N,)`, equal for equal source sentences.
        batch_tokens: see `token_batching.group`.
        seed: of the order of the training passes.
        dropout: how training sentences are cut anew; None: as they are.
    """

    sides: tuple[Side, Side]
    digests: np.ndarray
    batch_tokens: int
    seed: int
    dropout: Dropout | None = None

    def __len__(self) -> int:
        return len(self.sides[0].sizes)

    @property
    def source_texts(self) -> Texts:
        """The source sentences, in the order of the file."""
        return self.sides[0].texts

    @property
    def target_texts(self) -> Texts:
        """The target sentences, in the order of the file."""
        return self.sides[1].texts

    def source(self, row: int) -> str:
        """One source sentence, single spaces between its words."""
        return self.source_texts[row]

    def target(self, row: int) -> str:
        """One target sentence, single spaces between its words."""
        return self.target_texts[row]

    @property
    def lengths(self) -> np.ndarray:
        """Target tokens of each pair, the end counted, `(N,)`."""
        return self.sides[1].lengths

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return batching.steps_per_pass(self.planned)

    @functools.cached_property
    def tokens_per_pass(self) -> int:
        """Target tokens to predict in the first training pass.

        The others have nearly as many: other rows are left over.
        """
        plan = batching.plan(self.planned, self.seed, 0)
        return int(sum(self.lengths[rows].sum() for _, rows in plan))

    @functools.cached_property
    def grouped(self) -> list[batching.Bucket]:
        """The buckets of the evaluation pass."""
        return self._group([side.lengths for side in self.sides])

    @functools.cached_property
    def planned(self) -> list[batching.Bucket]:
        """The buckets of training; with dropout for longer sentences."""
        if self.dropout is None:
            return self.grouped
        return self._group(
            [self.dropout.planned(*side) for side in enumerate(self.sides)]
        )

    def _group(self, lengths: Sequence) -> list[batching.Bucket]:
        # The target has a beginning as well.
        widths = np.stack([lengths[0], lengths[1] + 1])  # (2, N)
        return batching.group(widths, self.batch_tokens)

    @property
    def padding(self) -> float:
        """Share of padding in training, by its first batches."""
        plan = batching.plan(self.planned, self.seed, 0)[:_MEASURED_BATCHES]
        sides = [
            side
            for step, (bucket, rows) in enumerate(plan)
            for side in self._batch(bucket.widths, rows, step)
        ]
        real = sum(map(np.count_nonzero, sides))
        return 1 - float(real / sum(side.size for side in sides))

    def dataset(
        self, training: bool = False, start_step: int = 0
    ) -> tf.data.Dataset:
        """Batches: one pass ordered by length, or the endless stream.

        Args:
            training: whether to make the stream.
            start_step: batches of the stream to leave out, for resuming; this
                costs no more than starting at 0.
        """
        if not len(self):
            raise ValueError("there are no pairs to make batches of")
        if training:
            size = tf.data.INFINITE_CARDINALITY
        else:
            size = len(batching.once(self.grouped))
        dataset = tf.data.Dataset.from_generator(
            functools.partial(self._endless, start_step)
            if training
            else self._once,
            output_signature=SPEC,
        )
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
        return dataset.prefetch(tf.data.AUTOTUNE)

    def _endless(self, step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while True:
            epoch, first = divmod(step, self.steps_per_pass)
            plan = batching.plan(self.planned, self.seed, epoch)
            for bucket, rows in plan[first:]:
                yield self._batch(bucket.widths, rows, step)
                step += 1

    def _once(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for bucket, rows in batching.once(self.grouped):
            yield self._batch(bucket.widths, rows, None)

    def _batch(
        self, widths: tuple[int, int], rows: np.ndarray, step: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """A batch; one of training, which has a step, with dropout."""
        batch = []
        for side, part in enumerate(self.sides):
            if self.dropout is None or step is None:
                found = [part.ids(row) for row in rows]
            else:
                most = widths[side] - 1 - side
                found = self.dropout.rows(
                    side, part, rows, [self.seed, step], most
                )
            batch.append(padded(found, widths[side], begin=side == 1))
        return tuple(batch)

    @property
    def order(self) -> np.ndarray:
        """Row numbers in the order of `sources`, `(N,)`."""
        return np.argsort(self.sides[0].lengths, kind="stable")

    def sources(self, batch_size: int) -> Iterator[np.ndarray]:
        """Sources `(B, S)` of all rows by length; the last has fewer rows."""
        part = self.sides[0]
        if not len(self):
            return
        widths = bucket_widths.boundaries(part.lengths, _WIDTHS)
        order = self.order
        for start in range(0, len(order), batch_size):
            rows = [part.ids(row) for row in order[start : start + batch_size]]
            place = np.searchsorted(widths, len(rows[-1]) + 1)
            yield padded(rows, int(widths[place]), begin=False)

    def in_order(self, rows):
        """Puts what was made from `sources` into the order of the file.

        Args:
            rows: a list or an array, one item for each row.
        """
        places = np.argsort(self.order)
        if isinstance(rows, np.ndarray):
            return rows[places]
        return [rows[place] for place in places]

    @property
    def unknown_rate(self) -> dict[str, float]:
        """Share of unknown tokens on either side."""
        return {
            name: float(side.unknown.sum() / max(side.sizes.sum(), 1))
            for name, side in zip(("source", "target"), self.sides, strict=True)
        }


@dataclasses.dataclass(frozen=True)
class Datasets:
    """What the pipeline of translation returns.

    Attributes:
        train: the split that the vocabularies come from; empty if an old run
            is to be evaluated on data without it, as then valid or test may
            be.
        valid: for every choice.
        test: to be read once, at the end.
        tokenizers: of the source language and of the target language.
        languages: names of source and target.
        sources: what was read, see `pairs.Store.about`.
    """

    train: Split
    valid: Split
    test: Split
    tokenizers: tuple[Tokenizer, Tokenizer]
    languages: tuple[str, str]
    sources: list[dict]

    @property
    def source_tokenizer(self) -> Tokenizer:
        """Of the source language."""
        return self.tokenizers[0]

    @property
    def target_tokenizer(self) -> Tokenizer:
        """Of the target language."""
        return self.tokenizers[1]

    @property
    def examples(self) -> dict[str, int]:
        """Split -> how many pairs it has."""
        return {name: len(getattr(self, name)) for name in SPLITS}

    @property
    def unknown_rate(self) -> dict[str, dict[str, float]]:
        """Split -> share of unknown tokens of `source` and of `target`."""
        return {name: getattr(self, name).unknown_rate for name in SPLITS}

    @functools.cached_property
    def repeated(self) -> int:
        """How many test sentences are source sentences of train as well."""
        return int(np.isin(self.test.digests, self.train.digests).sum())

    def report(self) -> list[str]:
        """A few lines for the terminal."""
        lines = [self._about(name) for name in SPLITS]
        lines.append(
            f"pieces   {len(self.source_tokenizer):,} {self.languages[0]}, "
            f"{len(self.target_tokenizer):,} {self.languages[1]} "
            f"({self.source_tokenizer.kind})"
        )
        if len(self.train):
            lines.append(self._about_batches())
        if self.repeated:
            lines.append(
                f"note     {self.repeated:,} source sentences of test are in "
                "train"
            )
        for name in SPLITS:
            lines += self._about_cuts(name)
        for source in self.sources:
            lines += _about_source(source)
        return lines

    def _about(self, name: str) -> str:
        split = getattr(self, name)
        if not len(split):
            return f"{name:8} no pairs"
        sides = zip(
            self.languages,
            split.sides,
            split.unknown_rate.values(),
            strict=True,
        )
        return (
            f"{name:8} {len(split):,} pairs; tokens a sentence: "
            + ", ".join(
                f"{side.sizes.mean():.1f} {language} ({unknown:.2%} unknown)"
                for language, side, unknown in sides
            )
        )

    def _about_batches(self) -> str:
        train = self.train
        shapes = {bucket.shape for bucket in train.planned}
        return (
            f"batches  {train.steps_per_pass:,} a pass, "
            f"{len(shapes)} different shapes, {train.padding:.1%} padding"
        )

    def _about_cuts(self, name: str) -> list[str]:
        sides = getattr(self, name).sides
        return [
            f"note     {name}: {side.cut:,} {language} sentences cut after "
            f"{side.limit:,} tokens"
            for language, side in zip(self.languages, sides, strict=True)
            if side.cut
        ]


def _about_source(source: dict) -> list[str]:
    lines = []
    if source["skipped"]:
        lines.append(
            f"note     {source['name']}: {source['skipped']:,} pairs with an "
            f"empty side left out, the first on line {source['first_skipped']}"
        )
    if source["repaired"]:
        lines.append(
            f"note     {source['name']}: {source['repaired']:,} bytes that "
            "are not UTF-8 replaced"
        )
    return lines
