"""Splits of a text: strips of ids, tokenizer, report.

Batch     ({"tokens", "begins"}, targets): int32 `(B, K)`, bool `(B,)`, int32
          `(B, K)`

Letters of shapes: N sequences, B rows of a batch, K tokens of a chunk.
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
    Strips,
    WholeSequences,
)
from data_pipelines.files.ragged import RaggedArray
from data_pipelines.files.splits import SPLITS
from data_pipelines.language_model.tokens import StreamTokenizer
from data_pipelines.text.bpe import SPECIALS
from data_pipelines.text.words import unknown_note


@dataclasses.dataclass(frozen=True)
class Split(BatchedSplit):
    """The tokens of one split, mapped from disk.

    Attributes:
        ids: Of a stream one sequence, which begins with `END`, the end of the
            line before; of sentences each, which begins with `BEGIN`. That
            first token is read and never predicted.
        about: Counts: `lines`, `characters`, the ends of lines among them, and
            `unknown` tokens.
        sentences: Whether a sequence is a sentence, and not the whole stream.
        batch_size: B.
        chunk: K, of a stream.
        seed: Random seed of the order of training.
    """

    ids: RaggedArray
    about: dict
    sentences: bool
    batch_size: int
    chunk: int
    seed: int

    def __len__(self) -> int:
        """Return the number of tokens to predict."""
        return int(self.lengths.sum(dtype=np.int64))

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Tokens to predict of each sequence, `(N,)`."""
        return self.ids.lengths - 1

    @property
    def targets(self) -> np.ndarray:
        """The tokens to predict, in their order: a copy, `(len(self),)`."""
        return np.delete(self.ids.values, self.ids.starts)

    @functools.cached_property
    def planner(self) -> Strips | WholeSequences:
        """The batches of training."""
        return self.planned(self.batch_size, self.chunk)

    def planned(self, rows: int, chunk: int) -> Strips | WholeSequences:
        """Return batches of B rows, of a stream in chunks of K tokens."""
        if self.sentences:
            return WholeSequences.of(self.lengths, rows)
        return Strips(self.lengths, rows, chunk)

    def spec(self, processes: int) -> tuple:
        """See `BatchedSplit`."""
        rows = self.batch_size // processes
        width = None if self.sentences else self.chunk
        ids = tf.TensorSpec((rows, width), tf.int32)
        return {"tokens": ids, "begins": tf.TensorSpec((rows,), tf.bool)}, ids

    def fetch(self, batch: Batch, step: int) -> tuple[dict, np.ndarray]:
        """See `BatchedSplit`; padding is 0."""
        ids, lengths = self.ids, self.lengths
        read = RaggedArray(ids.values, ids.starts, lengths)
        targets = RaggedArray(ids.values, ids.starts + 1, lengths)
        return {
            "tokens": passes.take_chunks(batch, read),
            "begins": passes.begins(batch),
        }, passes.take_chunks(batch, targets)

    def digest(self) -> str:
        """See `BatchedSplit`."""
        return passes.digest(f"{len(self)} tokens", [self.ids.values])

    @property
    def unknown_share(self) -> float:
        """Share of unknown tokens."""
        return self.about["unknown"] / max(len(self), 1)


@dataclasses.dataclass(frozen=True)
class Datasets(BatchedDatasets[Split]):
    """What the pipeline of language models returns.

    Attributes:
        tokenizer: Its vocabulary is that of train.
        notes: Remarks on how the files were read.
    """

    tokenizer: StreamTokenizer
    notes: list[str]

    def report(self) -> list[str]:
        """Return a few lines for the terminal."""
        lines = [self._about(name) for name in SPLITS]
        kind = self.tokenizer.kind
        words = len(self.tokenizer) - len(SPECIALS)
        lines.append(f"{'pieces':8} {words:,} {kind}")
        if len(self.train):
            train = self.train
            width = "a sentence" if train.sentences else f"{train.chunk} tokens"
            lines.append(
                f"{'batches':8} {train.steps_per_pass:,} a pass, of "
                f"{train.batch_size} rows of {width}"
            )
        notes = [*self.notes, *unknown_note(self.train.unknown_share, kind)]
        return lines + [f"{'note':8} {note}" for note in notes]

    def _about(self, name: str) -> str:
        split = getattr(self, name)
        if not len(split):
            return f"{name:8} no tokens"
        return (
            f"{name:8} {len(split):,} tokens, ends of lines among them "
            f"({split.about['lines']:,} lines, "
            f"{split.about['characters']:,} characters; "
            f"{split.unknown_share:.2%} unknown)"
        )
