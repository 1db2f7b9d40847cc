"""Splits of labelled sentences: batches of features and labels, report.

Batch     ((words, shapes, characters), tags): int32 `(B, T)`, `(B, T)`,
          `(B, T, C)` and `(B, T)`; behind the inputs stands `(B, T)` for
          each further column. With intents the targets are (tags, intents),
          the latter `(B,)`; in a parse the heads `(B, T)` are the last input,
          and the targets (heads, relations), or (heads, relations, parts of
          speech). Inputs are padded with 0 on the right, targets with -1, as is
          a label not in train.

Letters of shapes: N sentences, B batch, T words, C characters, F forms.
"""

import dataclasses
import functools
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.batching import passes
from data_pipelines.batching.passes import (
    Batch,
    BatchedDatasets,
    BatchedSplit,
    ByLength,
)
from data_pipelines.files.ragged import RaggedArray
from data_pipelines.files.splits import SPLITS
from data_pipelines.tagging.features import Features
from data_pipelines.tagging.reading import NO_TAG, Sentence
from data_pipelines.text.words import (
    PADDING,
    UNKNOWN,
    Vocabulary,
    unknown_note,
)

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
        widths: `(F,)`, characters that a batch with it must have room for.
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
        cls,
        words: Sequence[str],
        features: Features,
        counts: Counter,
        equal_widths: bool = False,
    ) -> "Forms":
        """Return the features of words, and of how often train has them.

        Args:
            words: The words, each once or more often.
            features: How they are encoded.
            counts: How often train has each word.
            equal_widths: Whether all take as much room as the longest.
        """
        forms = list(dict.fromkeys(words))
        arrays = features.of_words(tf.constant(forms, tf.string))
        ids, shapes, characters = (array.numpy() for array in arrays)
        widths = (characters != PADDING).sum(axis=1)
        if equal_widths:
            widths[:] = characters.shape[1]
        return cls(
            {form: number for number, form in enumerate(forms)},
            ids.astype(np.int32),
            shapes.astype(np.int32),
            characters.astype(np.int32),
            widths,
            np.array([1 / (1 + counts[form]) for form in forms]),
        )


@dataclasses.dataclass(frozen=True)
class Column:
    """A further column that the model reads.

    Attributes:
        name: Its name.
        vocabulary: Of its values.
        hidden: In what share of batches each is unknown in training, as those
            of `Forms`.
    """

    name: str
    vocabulary: Vocabulary
    hidden: np.ndarray

    @classmethod
    def of(cls, name: str, vocabulary: Vocabulary, counts: Counter) -> "Column":
        """Return a column of whose values train has so many."""
        shares = [1 / (1 + counts[value]) for value in vocabulary.words]
        shares[PADDING] = 0
        return cls(name, vocabulary, np.array(shares))


@dataclasses.dataclass(frozen=True)
class Split(BatchedSplit):
    """Sentences of one split, all of them in memory.

    Attributes:
        sentences: In the order of the file; their tags are as the model has
            them, see `schemes.convert`.
        labels: Label -> its index.
        intent_labels: Intent -> its index; empty: there are none.
        pos_labels: Part of speech -> its index; empty: a parse learns none.
        columns: Further ones that the model reads.
        forms: Features of the words.
        planner: Which sentences stand in which batch.
        seed: Random seed of training.
    """

    sentences: list[Sentence]
    labels: dict[str, int]
    intent_labels: dict[str, int]
    pos_labels: dict[str, int]
    columns: list[Column]
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
    def pos(self) -> RaggedArray:
        """Index of the part of speech of each word; -1 as for tags."""
        get = self.pos_labels.get
        return self._ragged(
            lambda s: (
                get(tag, NONE)
                for tag in s.columns.get("tag", [NO_TAG] * len(s.words))
            )
        )

    @functools.cached_property
    def values(self) -> list[RaggedArray]:
        """Index of the value of each word, for each further column."""
        return [
            self._ragged(lambda s, c=c: c.vocabulary.ids(s.columns[c.name]))
            for c in self.columns
        ]

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
            "\n".join(
                [
                    *(*s.words, "", *s.tags, *map(str, s.heads)),
                    *(s.intents or (s.intent,)),
                    *(v for values in s.columns.values() for v in values),
                ]
            )
            for s in self.sentences
        )
        parts = (f"{part}\0".encode("utf-8", "replace") for part in parts)
        return passes.digest(f"{len(self)} sentences", parts)

    def spec(self, processes: int) -> tuple:
        """See `BatchedSplit`."""
        row, rows, deep = (
            tf.TensorSpec((None,) * rank, tf.int32) for rank in (1, 2, 3)
        )
        inputs = rows, rows, deep, *[rows] * len(self.columns)
        if self.is_parse:
            return (*inputs, rows), (rows,) * (2 + bool(self.pos_labels))
        return inputs, (rows, row) if self.intent_labels else rows

    def fetch(self, batch: Batch, step: int) -> tuple:
        """See `BatchedSplit`."""
        known = [np.arange(len(c.vocabulary)) for c in self.columns]
        return self._batch(batch, self.forms.ids, known)

    def fetch_training(self, batch: Batch, step: int) -> tuple:
        """Return a batch in which some words are unknown, rare ones more often.

        So the model learns what it does with unknown ones; with values of
        further columns likewise.
        """
        random = np.random.default_rng([self.seed, step])

        def some(ids, shares):
            hidden = random.random(len(ids)) < shares
            return np.where(hidden, UNKNOWN, ids)

        return self._batch(
            batch,
            some(self.forms.ids, self.forms.hidden),
            [some(np.arange(len(c.hidden)), c.hidden) for c in self.columns],
        )

    def _batch(
        self, batch: Batch, ids: np.ndarray, of_columns: list[np.ndarray]
    ) -> tuple:
        shape = len(batch.rows), batch.width
        words, shapes = np.zeros((2, *shape), np.int32)
        tags, heads, pos = np.full((3, *shape), NONE, np.int32)
        columns = np.zeros((len(self.columns), *shape), np.int32)
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
            for column, values, known in zip(
                columns, self.values, of_columns, strict=True
            ):
                column[place] = known[values[row]]
            if self.is_parse:
                heads[place] = self.heads[row]
            if self.pos_labels:
                pos[place] = self.pos[row]
        inputs = words, shapes, characters, *columns
        if self.is_parse:
            targets = (heads, tags, *[pos] * bool(self.pos_labels))
            return (*inputs, np.maximum(heads, 0)), targets
        if self.intent_labels:
            return inputs, (tags, self.intents[batch.rows])
        return inputs, tags

    def unseen(self) -> dict[str, list[str]]:
        """Return labels and intents that train has not, and where they are."""
        places = defaultdict(list)
        for sentence in self.sentences:
            for place, tag in enumerate(sentence.tags):
                if tag not in self.labels:
                    places[tag].append(sentence.where(place))
            intent = sentence.intent
            if (
                self.intent_labels
                and intent
                and intent not in self.intent_labels
            ):
                places[intent].append(sentence.where())
        return dict(places)


@dataclasses.dataclass(frozen=True)
class Datasets(BatchedDatasets[Split]):
    """What the pipeline of tagging returns.

    Attributes:
        features: Vocabularies of words and characters.
        labels: Tags, in the scheme of the model, or relations.
        intents: Intents; empty if there are none.
        pos: Parts of speech that a parse learns too; empty if there are none.
        scheme: Of the files.
        notes: On how they were read.
    """

    features: Features
    labels: list[str]
    intents: list[str]
    pos: list[str]
    scheme: str
    notes: list[str]

    def report(self) -> list[str]:
        """Return a few lines for the terminal."""
        what = "relations" if self.train.is_parse else "tags"
        lines = [self._about(split) for split in SPLITS]
        lines.append(
            f"labels   {len(self.labels):,} {what}, of {self.scheme} labels"
            + (f"; {len(self.intents):,} intents" if self.intents else "")
            + (f"; {len(self.pos):,} parts of speech" if self.pos else "")
        )
        for name, vocabulary in self.features.columns.items():
            lines.append(f"feature  {name}: {len(vocabulary):,} values")
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
                first = next(iter(unseen.values()))[0]
                notes.append(
                    f"{name}: {sum(map(len, unseen.values())):,} labels are "
                    f"not in train, and count as wrong: {named}{more}; the "
                    f"first: {first}"
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
