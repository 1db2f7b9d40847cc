"""Classified texts, ready for training: splits, vocabulary, report."""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from data_pipelines.batching import by_length
from data_pipelines.files.splits import SPLITS
from data_pipelines.sentiment import corpus
from data_pipelines.text.word_tokenizer import UNKNOWN, Vocabulary

# Classes named in one line of the report.
_MOST_NAMED = 10


@dataclasses.dataclass(frozen=True)
class Split:
    """Examples of one split; nothing of the size of the texts is in memory.

    Attributes:
        encoded: words as ids; `make_dataset` of `batching` takes it.
        part: the arrays on disk.
        batch_size: examples in a batch.
        seed: of the order of the training passes.
        drop_remainder: see `batching.make_dataset`.
    """

    encoded: by_length.Encoded
    part: corpus.Part
    batch_size: int
    seed: int
    drop_remainder: bool

    def __len__(self) -> int:
        return len(self.encoded)

    @property
    def labels(self) -> np.ndarray:
        """Index of each example's label, `(N,)` int32, order of the file."""
        return self.encoded.labels

    @property
    def order(self) -> np.ndarray:
        """Row numbers in the order of `dataset()`, `(N,)`."""
        return self.encoded.order

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each training pass."""
        return by_length.steps_per_pass(
            len(self), self.batch_size, self.drop_remainder
        )

    def dataset(
        self, training: bool = False, start_step: int = 0
    ) -> tf.data.Dataset:
        """Batches: one pass sorted by length, or the endless training stream.

        Args:
            training: whether to make the stream.
            start_step: batches of the stream to leave out.
        """
        return by_length.make_dataset(
            self.encoded,
            batch_size=self.batch_size,
            seed=self.seed,
            training=training,
            start_step=start_step,
            drop_remainder=self.drop_remainder,
        )

    def in_order(self, predictions: np.ndarray) -> np.ndarray:
        """Puts rows made from `dataset()` back into the order of the file."""
        sorted_back = np.empty_like(predictions)
        sorted_back[self.order] = predictions
        return sorted_back

    def text(self, row: int) -> str:
        """The text of one example, as it stands in the file."""
        return self.part.text(row)

    def texts(self) -> Iterator[str]:
        """All texts, one after another, in the order of the file."""
        return map(self.text, range(len(self)))

    @functools.cached_property
    def unknown_rate(self) -> float:
        """Share of the words that are not in the vocabulary."""
        counts = np.asarray(self.part.counts)
        unknown = self.encoded.mapping == UNKNOWN
        # A split may be empty.
        return float(counts[unknown].sum() / max(counts.sum(), 1))


@dataclasses.dataclass(frozen=True)
class Datasets:
    """What the pipeline of a task of classification returns.

    Attributes:
        train: the split that vocabulary, widths and labels come from; empty
            if an old run is to be evaluated on data without it, as then
            valid or test may be.
        valid: for every choice.
        test: to be read once, at the end.
        vocabulary: words and ids.
        labels: names of the classes; numbers in their order, else sorted.
        sources: what was read, see `corpus.Corpus`.
    """

    train: Split
    valid: Split
    test: Split
    vocabulary: Vocabulary
    labels: list[str]
    sources: list[dict]

    @property
    def examples(self) -> dict[str, int]:
        """Split -> how many examples it has."""
        return {name: len(getattr(self, name)) for name in SPLITS}

    @property
    def unknown_rate(self) -> dict[str, float]:
        """Split -> share of its words that are not in the vocabulary."""
        return {name: getattr(self, name).unknown_rate for name in SPLITS}

    @functools.cached_property
    def repeated(self) -> int:
        """How many test texts have the very words of a training text."""
        digests = self.test.part.digests
        return int(np.isin(digests, self.train.part.digests).sum())

    def report(self) -> list[str]:
        """A few lines for the terminal."""
        lines = [self._about(split) for split in SPLITS]
        if len(self.train):
            lines.append(self._about_batches())
        if self.repeated:
            lines.append(f"note     {self.repeated:,} test texts are in train")
        for source in self.sources:
            for key, what in (
                ("empty", "texts without any word left out"),
                ("repaired", "bytes that are not UTF-8 replaced"),
            ):
                if source[key]:
                    lines.append(
                        f"note     {source['name']}: {source[key]:,} {what}"
                    )
        return lines

    def _about_batches(self) -> str:
        encoded = self.train.encoded
        share = by_length.efficiency(encoded, self.train.batch_size, 0)
        return (
            f"batches  {share:.1%} of the positions are words; "
            f"{len(encoded.widths)} widths, {encoded.widths[0]} to "
            f"{encoded.widths[-1]}"
        )

    def _about(self, name: str) -> str:
        split = getattr(self, name)
        if not len(split):
            return f"{name:8} no texts"
        counts = np.bincount(split.labels, minlength=len(self.labels))
        return (
            f"{name:8} {len(split):,} texts "
            f"({_classes(self.labels, counts.tolist())}), "
            f"{split.unknown_rate:.1%} unknown words"
        )


def _classes(labels: list[str], counts: list[int]) -> str:
    """How many examples there are of each class, in a few words."""
    if len(labels) <= _MOST_NAMED:
        pairs = zip(labels, counts, strict=True)
        return ", ".join(f"{label} {count:,}" for label, count in pairs)
    least, most = min(counts), max(counts)
    sizes = f"{most:,} each" if least == most else f"{least:,} to {most:,}"
    return f"{len(labels):,} classes, {sizes}"
