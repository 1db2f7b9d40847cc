"""Labelled texts as arrays on disk: read and tokenized once, used many times.

A corpus holds every word of every text as a number of its own numbering, so
it depends on the files and the tokenizer only. Splits and vocabularies are
laid over it when it is used: other seeds, vocabulary sizes, lengths and
batches, or the vocabulary of an old run, need no second reading.

Folder    meta.json, words.txt, numbers.npy, and for source number i the
          ragged arrays `<i>.words` (int32) and `<i>.texts` (UTF-8) and the
          arrays `<i>.labels.npy`, `<i>.digests.npy` and `<i>.contents.npy`

Letters of shapes: N texts, W numbers of words.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipelines.files import ragged, splits
from data_pipelines.files.ahead import worked_ahead
from data_pipelines.files.errors import DataError
from data_pipelines.files.progress import progress_bar
from data_pipelines.files.ragged import ArrayWriter, RaggedArray, RaggedWriter
from data_pipelines.files.sources import Source
from data_pipelines.files.splits import SPLITS
from data_pipelines.files.tables import Row, clean_label
from data_pipelines.text.words import (
    UNKNOWN,
    Vocabulary,
    WordCounter,
    normalize,
)

# Part of the key of every corpus: raise it with any change of the folder, or
# of the way records are read.
FORMAT = 6

# A chunk ends at whichever comes first.
_CHUNK_TEXTS = 512
_CHUNK_BYTES = 2**22

# Rows whose words are counted at a time.
_COUNTED = 4096

_MOST_LABELS = 10_000

# Labels named in one line.
_MOST_SHOWN = 20


@dataclasses.dataclass(frozen=True)
class LabelledTexts:
    """Texts of one source, or of one split of it.

    Attributes:
        texts: As they stand in the file.
        words: Their words by number, in rows.
        labels: `(N,)` int32, which of the corpus's labels each has.
        digests: `(N,)` int64, equal for texts with equal words.
        contents: `(N,)` int64, equal for equal texts.
    """

    texts: ragged.Texts
    words: RaggedArray
    labels: np.ndarray
    digests: np.ndarray
    contents: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def load(cls, folder: Path, number: int) -> "LabelledTexts":
        """Map the arrays of one source."""
        return cls(
            ragged.Texts.load(folder / f"{number}.texts"),
            RaggedArray.load(folder / f"{number}.words"),
            ragged.mapped(folder / f"{number}.labels.npy"),
            ragged.mapped(folder / f"{number}.digests.npy"),
            ragged.mapped(folder / f"{number}.contents.npy"),
        )

    def chosen(self, rows: np.ndarray) -> "LabelledTexts":
        """Return some of the texts, in the order of `rows`."""
        return LabelledTexts(
            self.texts.chosen(rows),
            self.words.chosen(rows),
            self.labels[rows],
            self.digests[rows],
            self.contents[rows],
        )

    def counts(self, size: int) -> np.ndarray:
        """Return how often each of `size` words occurs, `(size,)`."""
        counts = np.zeros(size, np.int64)
        for start in range(0, len(self), _COUNTED):
            rows = range(start, min(start + _COUNTED, len(self)))
            words = np.concatenate([self.words[row] for row in rows])
            counts += np.bincount(words, minlength=size)
        return counts


@dataclasses.dataclass(frozen=True)
class Corpus:
    """What a corpus folder holds.

    Attributes:
        parts: The texts of each source.
        words: The words, without those too rare to be remembered.
        numbers: `(len(words),)` their numbers.
        size: W, of forgotten words too.
        labels: In order of appearance.
        sources: Of each source name, examples, empty, `first`, where each of
            its labels first stands, and notes on how it was read.
    """

    parts: list[LabelledTexts]
    words: list[str]
    numbers: np.ndarray
    size: int
    labels: list[str]
    sources: list[dict]

    @classmethod
    def load(cls, folder: Path) -> "Corpus":
        """Open a folder that `build` wrote."""
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        count = len(meta["sources"])
        return cls(
            [LabelledTexts.load(folder, number) for number in range(count)],
            *WordCounter.load(folder),
            **meta,
        )

    def split(
        self, sources: Sequence[Source], seed: int
    ) -> dict[str, LabelledTexts]:
        """Cut the sources into splits; those in no source are empty."""
        parts = dict.fromkeys(SPLITS, self.parts[0].chosen(np.arange(0)))
        for part, source in zip(self.parts, sources, strict=True):
            rows_of = splits.by_hash(
                part.digests, source.shares, seed, source.name, "texts"
            )
            for split, rows in rows_of.items():
                parts[split] = part.chosen(rows)
        return parts

    def counts(self, part: LabelledTexts) -> dict[str, int]:
        """Return how often each word occurs in a part."""
        counts = part.counts(self.size)[self.numbers]
        pairs = zip(self.words, counts.tolist(), strict=True)
        return {word: count for word, count in pairs if count}

    def ids(self, vocabulary: Vocabulary) -> np.ndarray:
        """Return the id of each number under a vocabulary, `(W,)` int32."""
        ids = np.full(self.size, UNKNOWN, np.int32)
        ids[self.numbers] = vocabulary.ids(self.words)
        return ids

    def class_names(self, train: LabelledTexts, source: Source) -> list[str]:
        """Return the labels of train's source, in the order of classes.

        Args:
            train: The training split.
            source: What it is cut from, if anything is.

        Raises:
            DataError: If all texts of train have one label.
        """
        about = next(a for a in self.sources if a["name"] == source.name)
        # Not of the file: a cut of very few texts can leave one class.
        classes = np.unique(train.labels)
        if len(classes) > 1:
            return _in_order(about["first"])
        label = self.labels[classes[0]]
        cut = " and ".join(split for split in source.shares if split != "train")
        if cut and len(about["first"]) > 1:
            raise DataError(
                f"{source.name}: after the cut of {cut} all texts for train "
                f"have the label {label!r}; more texts are needed"
            )
        raise DataError(
            f"{source.name}: all texts for train have the label {label!r}; "
            "expected at least two classes"
        )

    def classes(self, names: Sequence[str]) -> np.ndarray:
        """Return the class of each of the corpus's labels, int32.

        Raises:
            DataError: If a label of any source is not among the names.
        """
        index = {name: number for number, name in enumerate(names)}
        for source in self.sources:
            for label, where in source["first"].items():
                if label not in index:
                    raise DataError(
                        f"{where}: unknown label {label!r}; "
                        "the labels known from training are " + _listed(names)
                    )
        return np.array([index[label] for label in self.labels], np.int32)


def build(folder: Path, sources: Sequence[Source], kind: str = "words") -> None:
    """Read all sources, in order, into a corpus folder.

    Texts without any word are left out and counted.

    Args:
        folder: An existing empty folder.
        sources: What to read, rows with a `text` and a `label`.
        kind: What a word is, one of `words.KINDS`.
    """
    words = WordCounter()
    labels: dict[str, int] = {}
    meta = [
        _write(folder, number, source, words, labels, kind)
        for number, source in enumerate(sources)
    ]
    words.save(folder)
    written = json.dumps(
        {"size": words.size, "labels": list(labels), "sources": meta},
        ensure_ascii=False,
        indent=1,
    )
    (folder / "meta.json").write_text(written, "utf-8")


def _write(
    folder: Path,
    number: int,
    source: Source,
    counter: WordCounter,
    labels: dict[str, int],
    kind: str,
) -> dict:
    """Write the arrays of one source, and return what is known about it."""
    first: dict[str, str] = {}
    examples = empty = 0
    with ExitStack() as stack:
        texts, words, classes, digests, contents = (
            stack.enter_context(writer(folder / f"{number}.{name}", dtype))
            for writer, name, dtype in (
                (RaggedWriter, "texts", np.uint8),
                (RaggedWriter, "words", np.int32),
                (ArrayWriter, "labels.npy", np.int32),
                (ArrayWriter, "digests.npy", np.int64),
                (ArrayWriter, "contents.npy", np.int64),
            )
        )
        bar = stack.enter_context(
            progress_bar(f"reading {source.name}", "texts")
        )
        chunks = _chunks(source, labels, first)
        analyze = functools.partial(_analyze, _graph(kind))
        for (raw, chunk_labels), analysis in worked_ahead(analyze, chunks):
            different, index, lengths, chunk_digests = analysis
            # A text without words adds nothing to the index.
            counts = np.bincount(index, minlength=len(different))
            numbers = counter.add(different, counts)
            real = lengths > 0
            real_texts = [raw[row] for row in np.flatnonzero(real)]
            texts.append_texts(real_texts)
            contents.append(ragged.digests(real_texts))
            words.append(numbers[index], lengths[real])
            classes.append(chunk_labels[real])
            digests.append(chunk_digests[real])
            examples += len(raw)
            empty += int(len(raw) - real.sum())
            bar.update(len(raw))
    return {
        "name": source.name,
        "examples": examples,
        "empty": empty,
        "first": first,
        "notes": source.rows.notes(),
    }


def _chunks(
    source: Source, labels: dict[str, int], first: dict[str, str]
) -> Iterator[tuple[list[bytes], np.ndarray]]:
    """Yield texts and labels.

    The numbers of new labels are added to `labels`, which is of all sources,
    and where each label first stands in this one to `first`.
    """
    texts: list[bytes] = []
    numbers: list[int] = []
    size = 0
    for row in source.rows:
        text = row["text"].encode("utf-8")
        # A blank row is left out with the texts that have no word.
        is_blank = not text.strip() and not row["label"].strip()
        texts.append(text)
        numbers.append(0 if is_blank else _number(row, labels, first))
        size += len(text)
        if len(texts) == _CHUNK_TEXTS or size > _CHUNK_BYTES:
            yield texts, np.array(numbers, np.int32)
            texts, numbers, size = [], [], 0
    if texts:
        yield texts, np.array(numbers, np.int32)


def _number(row: Row, labels: dict[str, int], first: dict[str, str]) -> int:
    """Return the number of a row's label; see `_chunks`."""
    where = row.where
    label = clean_label(row["label"], where)
    if label not in first:
        first[label] = where
        labels.setdefault(label, len(labels))
        if len(labels) > _MOST_LABELS:
            raise DataError(
                f"{where}: more than {_MOST_LABELS:,} different labels so "
                "far; expected a few classes"
            )
    return labels[label]


@functools.cache
def _graph(kind: str) -> Callable:
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def graph(texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        spaced = normalize(texts, kind)
        tokens = tf.strings.split(spaced)
        words, index = tf.unique(tokens.flat_values)
        digests = tf.strings.to_hash_bucket_strong(
            tf.strings.regex_replace(spaced, r"\s+", ""), 2**63 - 1, [1, 2]
        )
        return words, index, tokens.row_lengths(), digests

    return graph


def _analyze(graph: Callable, chunk: tuple[list[bytes], np.ndarray]) -> tuple:
    """Return different words, index of each word, lengths and digests."""
    results = graph(tf.constant(chunk[0], tf.string))
    words, *others = (tensor.numpy() for tensor in results)
    return words.tolist(), *others


def _in_order(labels: Iterable[str]) -> list[str]:
    """Return numbers in their order, if all labels are; else sort strings."""
    try:
        numbers = {label: Decimal(label) for label in labels}
    except InvalidOperation:
        return sorted(labels)
    if not all(number.is_finite() for number in numbers.values()):
        return sorted(labels)
    return sorted(labels, key=lambda label: (numbers[label], label))


def _listed(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:_MOST_SHOWN])
    more = len(labels) - _MOST_SHOWN
    return f"{shown} and {more:,} more" if more > 0 else shown
