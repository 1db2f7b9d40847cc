"""Splits of pairs of sentences: batches of ids, tokenizers, report.

Batch     (source, target): int32 `(B, S)` and `(B, T)`

Letters of shapes: N pairs, B batch, S source, T target.
"""

import dataclasses
import functools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.batching import bucket_widths, passes
from data_pipelines.batching.passes import Batch, BatchedDatasets, BatchedSplit
from data_pipelines.files.ragged import Texts
from data_pipelines.files.splits import SPLITS
from data_pipelines.text.token_rows import TokenRows, pad_rows
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.translation.batching import BUCKETS, Buckets

# How many widths `Split.sources` has.
_WIDTHS = 8

# Sentences sampled to estimate how dropout lengthens them.
_SAMPLED = 2_000

# Batches sampled to estimate their share of padding.
_SAMPLED_BATCHES = 20


@dataclasses.dataclass(frozen=True)
class Dropout:
    """BPE-dropout: sentences are segmented anew in each pass of training.

    A sentence that becomes too long for its batch keeps its undropped
    segmentation.

    Attributes:
        tokenizers: Of source and target.
        rate: See `Tokenizer.sample`.
    """

    tokenizers: tuple[Tokenizer, Tokenizer]
    rate: float

    def expected_lengths(self, side: int, rows: TokenRows) -> np.ndarray:
        """Return the lengths to expect of the sentences of a side, `(N,)`."""
        texts = rows.texts[:_SAMPLED]
        sampled = self.tokenizers[side].sample(
            texts, range(len(texts)), self.rate
        )
        lengths = rows.tokens.lengths
        factor = sum(map(len, sampled)) / lengths[: len(texts)].sum()
        longer = np.ceil(lengths * factor).astype(np.int64)
        return np.minimum(longer, rows.limit) + 1

    def ids(
        self, side: int, rows: TokenRows, batch: Batch, seed: list[int]
    ) -> list[np.ndarray]:
        """Return the ids of a batch's sentences, none longer than it holds."""
        # The target has a beginning and an end, the source an end.
        most = batch.width[side] - 1 - side
        # Each sentence has a seed of its own: those who share a batch draw
        # what one alone would.
        base = np.random.SeedSequence([*seed, side]).generate_state(1)[0]
        seeds = [int(base) + int(row) for row in batch.rows]
        texts = [rows.texts[row] for row in batch.rows]
        sampled = self.tokenizers[side].sample(texts, seeds, self.rate)
        return [
            ids if len(ids) <= most else rows.ids(row)
            for ids, row in zip(sampled, batch.rows, strict=True)
        ]


@dataclasses.dataclass(frozen=True)
class Split(BatchedSplit):
    """Pairs of one split; nothing of the size of the texts is in memory.

    Attributes:
        sides: Source and target.
        digests: `(2, N)`, of the sentences of both sides.
        alternatives: Further targets that are right, tabs between.
        batch_tokens: See `batching.Buckets.of`.
        seed: Random seed of the order of training.
        dropout: How training sentences are segmented anew; None: they are
            not.
        buckets: Different shapes of batches at most.
        multiple: Of which the rows of a training batch are one, if they can be.
    """

    sides: tuple[TokenRows, TokenRows]
    digests: np.ndarray
    alternatives: Texts
    batch_tokens: int
    seed: int
    dropout: Dropout | None = None
    buckets: int = BUCKETS
    multiple: int = 1

    def __len__(self) -> int:
        return len(self.sides[0])

    @property
    def source_texts(self) -> Texts:
        """The source sentences, in the order of the file."""
        return self.sides[0].texts

    @property
    def target_texts(self) -> Texts:
        """The target sentences, in the order of the file."""
        return self.sides[1].texts

    @property
    def references(self) -> list[list[str]]:
        """All right targets of each row, that of its own file first."""
        return [
            list(dict.fromkeys([target, *filter(None, others.split("\t"))]))
            for target, others in zip(
                self.target_texts, self.alternatives, strict=True
            )
        ]

    @property
    def lengths(self) -> np.ndarray:
        """Target tokens of each pair, the end counted, `(N,)`."""
        return self.sides[1].lengths

    @functools.cached_property
    def planner(self) -> Buckets:
        """The batches of the evaluation pass."""
        return self._buckets([side.lengths for side in self.sides])

    @functools.cached_property
    def training_planner(self) -> Buckets:
        """The batches of training; with dropout for longer sentences."""
        if self.dropout is None:
            return self.planner
        return self._buckets(
            [
                self.dropout.expected_lengths(side, rows)
                for side, rows in enumerate(self.sides)
            ]
        )

    def _buckets(self, lengths: Sequence[np.ndarray]) -> Buckets:
        # The target has a beginning as well.
        widths = np.stack([lengths[0], lengths[1] + 1])  # (2, N)
        return Buckets.of(
            widths, self.batch_tokens, self.buckets, self.multiple
        )

    @property
    def padding(self) -> float:
        """Share of padding in training, by its first batches."""
        plan = self.training_planner.plan(self.seed, 0)[:_SAMPLED_BATCHES]
        arrays = [
            array
            for step, batch in enumerate(plan)
            for array in self.fetch_training(batch, step)
        ]
        real = sum(map(np.count_nonzero, arrays))
        return 1 - float(real / sum(array.size for array in arrays))

    def digest(self) -> str:
        """See `BatchedSplit`."""
        return passes.digest(f"{len(self)} pairs", [self.digests.tobytes()])

    def spec(self, processes: int) -> tuple:
        """See `BatchedSplit`."""
        ids = tf.TensorSpec((None, None), tf.int32)
        return ids, ids

    def fetch(self, batch: Batch, step: int) -> tuple[np.ndarray, np.ndarray]:
        """See `BatchedSplit`."""
        source, target = (
            [rows.ids(row) for row in batch.rows] for rows in self.sides
        )
        return _padded(source, target, batch)

    def fetch_training(
        self, batch: Batch, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `BatchedSplit`."""
        if self.dropout is None:
            return self.fetch(batch, step)
        source, target = (
            self.dropout.ids(side, rows, batch, [self.seed, step])
            for side, rows in enumerate(self.sides)
        )
        return _padded(source, target, batch)

    @property
    def order(self) -> np.ndarray:
        """Row numbers in the order of `sources`, `(N,)`."""
        return np.argsort(self.sides[0].lengths, kind="stable")

    def sources(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield sources `(B, S)` of all rows by length; the last has fewer."""
        part = self.sides[0]
        if not len(self):
            return
        widths = bucket_widths.boundaries(part.lengths, _WIDTHS)
        order = self.order
        for start in range(0, len(order), batch_size):
            rows = [part.ids(row) for row in order[start : start + batch_size]]
            index = np.searchsorted(widths, len(rows[-1]) + 1)
            yield pad_rows(rows, int(widths[index]), begin=False)


def _padded(
    source: list[np.ndarray], target: list[np.ndarray], batch: Batch
) -> tuple[np.ndarray, np.ndarray]:
    source_width, target_width = batch.width
    return (
        pad_rows(source, source_width, begin=False),
        pad_rows(target, target_width, begin=True),
    )


@dataclasses.dataclass(frozen=True)
class Datasets(BatchedDatasets[Split]):
    """What the pipeline of translation returns.

    Attributes:
        tokenizers: Of the source language and of the target language.
        languages: Names of source and target.
        sources: What was read, see `pair_store.Pairs.about`.
    """

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

    @functools.cached_property
    def repeated(self) -> int:
        """How many test sentences are source sentences of train as well."""
        own, known = self.test.digests[0], self.train.digests[0]
        return int(np.isin(own, known).sum())

    def report(self) -> list[str]:
        """Return a few lines for the terminal."""
        lines = [self._about(name) for name in SPLITS]
        pieces = ", ".join(
            f"{len(tokenizer):,} {language} ({tokenizer.kind})"
            for tokenizer, language in zip(
                self.tokenizers, self.languages, strict=True
            )
        )
        lines.append(f"pieces   {pieces}")
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
        sides = ", ".join(
            f"{side.tokens.lengths.mean():.1f} {language} "
            f"({side.unknown_rate:.2%} unknown)"
            for language, side in zip(self.languages, split.sides, strict=True)
        )
        return f"{name:8} {len(split):,} pairs; tokens a sentence: {sides}"

    def _about_batches(self) -> str:
        train = self.train
        shapes = {
            (bucket.size, bucket.widths)
            for bucket in train.training_planner.buckets
        }
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
            f"empty side left out, the first: {source['first_skipped']}"
        )
    return lines + [f"note     {note}" for note in source["notes"]]
