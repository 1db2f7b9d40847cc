"""Splits of labelled texts: batches of ids, vocabulary, report.

Batch     (ids, labels): int32 `(B, T)` padded with 0 on the right, int32 `(B,)`

Letters of shapes: N examples, B batch, T words, W numbers of words.
"""

import dataclasses
import functools

import numpy as np
import tensorflow as tf

from data_pipelines.batching import passes
from data_pipelines.batching.passes import (
    Batch,
    BatchedDatasets,
    BatchedSplit,
    ByLength,
)
from data_pipelines.files.ragged import Texts
from data_pipelines.files.splits import SPLITS
from data_pipelines.sentiment.corpus import LabelledTexts
from data_pipelines.text.words import (
    PADDING,
    UNKNOWN,
    Vocabulary,
    crop_row,
    unknown_note,
)

# Classes named in one line of the report.
_MOST_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Split(BatchedSplit):
    """Examples of one split; nothing of the size of the texts is in memory.

    Attributes:
        part: The arrays on disk.
        labels: `(N,)` int32, index of each example's class, in the order of
            the file.
        word_ids: `(W,)` int32, the id of each number of `part.words`.
        ends: Words that are left at the beginning and at the end of a text,
            see `words.crop_lengths`.
        planner: Which examples stand in which batch.
        seed: Random seed of the order of training.
    """

    part: LabelledTexts
    labels: np.ndarray
    word_ids: np.ndarray
    ends: tuple[int, int]
    planner: ByLength
    seed: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Words of each text after cropping, `(N,)`."""
        return self.planner.lengths

    @property
    def order(self) -> np.ndarray:
        """Row numbers in the order of `dataset()`, `(N,)`."""
        return self.planner.order

    def digest(self) -> str:
        """See `BatchedSplit`."""
        parts = self.part.contents.tobytes(), self.labels.tobytes()
        return passes.digest(f"{len(self)} texts", parts)

    def spec(self, processes: int) -> tuple:
        """See `BatchedSplit`."""
        ids = tf.TensorSpec((None, None), tf.int32)
        return ids, tf.TensorSpec((None,), tf.int32)

    def fetch(self, batch: Batch, step: int) -> tuple[np.ndarray, np.ndarray]:
        """See `BatchedSplit`."""
        padded = np.full((len(batch.rows), batch.width), PADDING, np.int32)
        for line, row in zip(padded, batch.rows, strict=True):
            ids = crop_row(self.ids(row), *self.ends)
            line[: len(ids)] = ids
        return padded, self.labels[batch.rows]

    def ids(self, row: int) -> np.ndarray:
        """Return all ids of one text, not cropped."""
        return self.word_ids[self.part.words[row]]

    @property
    def texts(self) -> Texts:
        """The texts as they stand in the file, in its order."""
        return self.part.texts

    @functools.cached_property
    def unknown_rate(self) -> float:
        """Share of the words that are not in the vocabulary."""
        counts = self.part.counts(len(self.word_ids))
        unknown = self.word_ids == UNKNOWN
        # A split may be empty.
        return float(counts[unknown].sum() / max(counts.sum(), 1))


@dataclasses.dataclass(frozen=True)
class Datasets(BatchedDatasets[Split]):
    """What the pipeline of text classification returns.

    Attributes:
        vocabulary: Words and ids.
        labels: Names of the classes; numbers in their order, else sorted.
        sources: What was read, see `corpus.Corpus`.
    """

    vocabulary: Vocabulary
    labels: list[str]
    sources: list[dict]

    @functools.cached_property
    def repeated(self) -> int:
        """Number of test texts that have the very words of a training text."""
        digests = self.test.part.digests
        return int(np.isin(digests, self.train.part.digests).sum())

    def report(self) -> list[str]:
        """Return a few lines for the terminal."""
        lines = [self._about(split) for split in SPLITS]
        if len(self.train):
            lines.append(self._about_batches())
        rate, kind = self.train.unknown_rate, self.vocabulary.kind
        lines += [
            f"note     {note}"
            for note in unknown_note(rate, kind, ["characters"])
        ]
        if self.repeated:
            lines.append(f"note     {self.repeated:,} test texts are in train")
        for source in self.sources:
            if source["empty"]:
                lines.append(
                    f"note     {source['name']}: {source['empty']:,} texts "
                    "without any word left out"
                )
            lines += [f"note     {note}" for note in source["notes"]]
        return lines

    def _about_batches(self) -> str:
        planner = self.train.planner
        widths = planner.widths
        return (
            f"batches  {planner.efficiency:.1%} of the positions are words; "
            f"{len(widths)} widths, {widths[0]} to {widths[-1]}"
        )

    def _about(self, name: str) -> str:
        split = getattr(self, name)
        if not len(split):
            return f"{name:8} no texts"
        counts = np.bincount(split.labels, minlength=len(self.labels))
        return (
            f"{name:8} {len(split):,} texts "
            f"({_classes(self.labels, counts.tolist())}), "
            f"{split.unknown_rate:.1%} unknown {self.vocabulary.kind}"
        )


def _classes(labels: list[str], counts: list[int]) -> str:
    """Return how many examples there are of each class, in a few words."""
    if len(labels) <= _MOST_NAMED:
        pairs = zip(labels, counts, strict=True)
        return ", ".join(f"{label} {count:,}" for label, count in pairs)
    least, most = min(counts), max(counts)
    sizes = f"{most:,} each" if least == most else f"{least:,} to {most:,}"
    return f"{len(labels):,} classes, {sizes}"
