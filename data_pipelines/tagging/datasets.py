"""Splits of labelled sentences: batches of features and labels, report.

Batch     ((words, shapes, characters), tags): int32 `(B, T)`, `(B, T)`,
          `(B, T, C)` and `(B, T)`; with intents the targets are (tags,
          intents), the latter `(B,)`; in a parse the heads `(B, T)` are a
          fourth input, and the targets (heads, relations). Inputs are padded
          with 0 on the right, targets with -1, as is a label not in train.

Letters of shapes: N sentences, B batch, T words, C characters, F forms.
"""

import dataclasses
import functools
from collections import Counter
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.batching import passes
from data_pipelines.batching.by_length import ByLength
from data_pipelines.batching.passes import Batch, BatchedDatasets, BatchedSplit
from data_pipelines.files.ragged import RaggedArray
from data_pipelines.files.splits import SPLITS
from data_pipelines.tagging.features import Features
from data_pipelines.tagging.reading import Sentence
from data_pipelines.text.words import PADDING, UNKNOWN, unknown_note

# Target of what does not count.
NONE = -1

# Labels named in one line of the report.
_MOST_NAMED = 8


@dataclasses.dataclass(frozen=True)
class Forms:
    """The different words of the data, with their features.

    Attributes:
        numbers: Word -> its number.
        ids: `(F,)` int32, in the vocabulary.
        shapes: `(F,)` int32.
        characters: `(F, C)` int32.
        widths: `(F,)`, characters of each.
        hidden: `(F,)`, in what share of batches it is unknown in training: of a
            word that train has c times 1 / (1 + c).
    """

    numbers: dict[str, int]
    ids: np.ndarray
    shapes: np.ndarray
    characters: np.ndarray
    widths: np.ndarray
    hidden: np.ndarray

    @classmethod
    def of(
        cls, words: Sequence[str], features: Features, counts: Counter
    ) -> "Forms":
        """Return the features of words, and of how often train has them."""
        forms = list(dict.fromkeys(words))
        arrays = features.of_words(tf.constant(forms, tf.string))
        ids, shapes, characters = (array.numpy() for array in arrays)
        return cls(
            {form: number for number, form in enumerate(forms)},
            ids.astype(np.int32),
            shapes.astype(np.int32),
            characters.astype(np.int32),
            (characters != PADDING).sum(axis=1),
            np.array([1 / (1 + counts[form]) for form in forms]),
        )


@dataclasses.dataclass(frozen=True)
class Split(BatchedSplit):
    """Sentences of one split, all of them in memory.

    Attributes:
        sentences: In the order of the file; their tags are as the model has
            them, see `schemes.convert`.
        labels: Label -> its index.
        intent_labels: Intent -> its index; empty: there are none.
        forms: Features of the words.
        planner: Which sentences stand in which batch.
        seed: Random seed of training.
    """

    sentences: list[Sentence]
    labels: dict[str, int]
    intent_labels: dict[str, int]
    forms: Forms
    planner: ByLength
    seed: int

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def lengths(self) -> np.ndarray:
        """Words of each sentence, `(N,)`."""
        return self.planner.lengths

    @property
    def order(self) -> np.ndarray:
        """Row numbers in the order of `dataset()`, `(N,)`."""
        return self.planner.order

    @property
    def is_parse(self) -> bool:
        """Whether words have heads."""
        return bool(self.sentences and self.sentences[0].heads)

    @functools.cached_property
    def words(self) -> RaggedArray:
        """Numbers of the words of each sentence."""
        get = self.forms.numbers.__getitem__
        return self._ragged(lambda s: map(get, s.words))

    @functools.cached_property
    def tags(self) -> RaggedArray:
        """Index of each tag, or relation; -1 where train does not have it."""
        return self._ragged(
            lambda s: (self.labels.get(t, NONE) for t in s.tags)
        )

    @functools.cached_property
    def heads(self) -> RaggedArray:
        """Head of each word, 0 for the root."""
        return self._ragged(lambda s: s.heads)

    @functools.cached_property
    def intents(self) -> np.ndarray:
        """Index of each intent, `(N,)` int32; -1 as for tags."""
        indices = (
            self.intent_labels.get(s.intent, NONE) for s in self.sentences
        )
        return np.fromiter(indices, np.int32, len(self))

    def _ragged(self, of_sentence) -> RaggedArray:
        values = [v for s in self.sentences for v in of_sentence(s)]
        return RaggedArray.of(np.array(values, np.int32), self.lengths)

    def digest(self) -> str:
        """See `BatchedSplit`."""
        parts = (
            "\n".join([*s.words, "", *s.tags, *map(str, s.heads), s.intent])
            for s in self.sentences
        )
        parts = (f"{part}\0".encode("utf-8", "replace") for part in parts)
        return passes.digest(f"{len(self)} sentences", *parts)

    def spec(self, processes: int) -> tuple:
        """See `BatchedSplit`."""
        row, rows, deep = (
            tf.TensorSpec((None,) * rank, tf.int32) for rank in (1, 2, 3)
        )
        if self.is_parse:
            return (rows, rows, deep, rows), (rows, rows)
        targets = (rows, row) if self.intent_labels else rows
        return (rows, rows, deep), targets

    def fetch(self, batch: Batch, step: int) -> tuple:
        """See `BatchedSplit`."""
        return self._batch(batch, self.forms.ids)

    def fetch_training(self, batch: Batch, step: int) -> tuple:
        """Return a batch in which some words are unknown, rare ones more often.

        So the model learns what it does with unknown ones.
        """
        random = np.random.default_rng([self.seed, step])
        chance = random.random(len(self.forms.ids))
        hidden = chance < self.forms.hidden
        return self._batch(batch, np.where(hidden, UNKNOWN, self.forms.ids))

    def _batch(self, batch: Batch, ids: np.ndarray) -> tuple:
        shape = len(batch.rows), batch.width
        words, shapes = np.zeros((2, *shape), np.int32)
        tags, heads = np.full((2, *shape), NONE, np.int32)
        numbers = [self.words[row] for row in batch.rows]
        width = max(self.forms.widths[row].max() for row in numbers)
        width = min(max(width, 3), self.forms.characters.shape[1])
        characters = np.zeros((*shape, width), np.int32)
        for line, (row, own) in enumerate(
            zip(batch.rows, numbers, strict=True)
        ):
            place = line, slice(len(own))
            words[place] = ids[own]
            shapes[place] = self.forms.shapes[own]
            characters[place] = self.forms.characters[own, :width]
            tags[place] = self.tags[row]
            if self.is_parse:
                heads[place] = self.heads[row]
        inputs = words, shapes, characters
        if self.is_parse:
            return (*inputs, np.maximum(heads, 0)), (heads, tags)
        if self.intent_labels:
            return inputs, (tags, self.intents[batch.rows])
        return inputs, tags

    def unseen(self) -> Counter:
        """Return labels and intents that train has not: label -> count."""
        tags = Counter(t for s in self.sentences for t in s.tags)
        counts = {t: n for t, n in tags.items() if t not in self.labels}
        if self.intent_labels:
            intents = Counter(s.intent for s in self.sentences if s.intent)
            counts |= {
                i: n for i, n in intents.items() if i not in self.intent_labels
            }
        return Counter(counts)


@dataclasses.dataclass(frozen=True)
class Datasets(BatchedDatasets[Split]):
    """What the pipeline of tagging returns.

    Attributes:
        features: Vocabularies of words and characters.
        labels: Tags, in the scheme of the model, or relations.
        intents: Intents; empty if there are none.
        scheme: Of the files.
        notes: On how they were read.
    """

    features: Features
    labels: list[str]
    intents: list[str]
    scheme: str
    notes: list[str]

    def report(self) -> list[str]:
        """Return a few lines for the terminal."""
        what = "relations" if self.train.is_parse else "tags"
        lines = [self._about(split) for split in SPLITS]
        lines.append(
            f"labels   {len(self.labels):,} {what}, of {self.scheme} labels"
            + (f"; {len(self.intents):,} intents" if self.intents else "")
        )
        if len(self.train):
            planner = self.train.planner
            lines.append(
                f"batches  {planner.efficiency:.1%} of the positions are "
                f"words; {len(planner.widths)} widths, {planner.widths[0]} to "
                f"{planner.widths[-1]}"
            )
        notes = [
            *self.notes,
            *unknown_note(self._unknown("train"), "words", ()),
        ]
        known = {tuple(s.words) for s in self.train.sentences}
        repeated = sum(tuple(s.words) in known for s in self.test.sentences)
        if repeated:
            notes.append(f"{repeated:,} test sentences are in train")
        for name in ("valid", "test"):
            if unseen := getattr(self, name).unseen():
                named = ", ".join(list(unseen)[:_MOST_NAMED])
                more = " ..." if len(unseen) > _MOST_NAMED else ""
                notes.append(
                    f"{name}: {sum(unseen.values()):,} labels are not in "
                    f"train, and count as wrong: {named}{more}"
                )
        return lines + [f"note     {note}" for note in notes]

    def _unknown(self, name: str) -> float:
        """Return the share of words that are not in the vocabulary."""
        split = getattr(self, name)
        ids = split.forms.ids[split.words.values]
        return float(np.mean(ids == UNKNOWN)) if len(ids) else 0.0

    def _about(self, name: str) -> str:
        split = getattr(self, name)
        if not len(split):
            return f"{name:8} no sentences"
        return (
            f"{name:8} {len(split):,} sentences, "
            f"{int(split.lengths.sum()):,} words, "
            f"{self._unknown(name):.1%} unknown"
        )
