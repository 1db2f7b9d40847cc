"""Labelled texts as arrays on disk: read and tokenized once, used many times.

A corpus holds every word of every text as a number of its own numbering, so
it depends on the files and the tokenizer only.  A vocabulary is laid over it
when it is used, which costs nothing; other vocabulary sizes, lengths and
batches, or the vocabulary of an old run, need no second reading.

Folder    meta.json, words.txt, numbers.npy, counts.npy, and per split one
          flat array in each of the files `<split>.<field>`, see `FIELDS`

Letters: N examples of a split, L numbers of words.
"""

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np

from data_pipelines.files.ragged import mapped
from data_pipelines.text import word_tokenizer

# Part of the key of every corpus: raise it with any change of the folder, or
# of the way records are read.
FORMAT = 2

FIELDS = {
    "tokens": np.int32,  # numbers of words, one text after another
    "sizes": np.int32,  # (N,) words of each text
    "labels": np.int32,  # (N,) labels by order of appearance
    "digests": np.int64,  # (N,) equal for texts with equal words
    "texts": np.uint8,  # the texts as they came, UTF-8
    "text_sizes": np.int32,  # (N,) bytes of each text
}


@dataclasses.dataclass(frozen=True)
class Part:
    """One split of a corpus; the arrays are `FIELDS`, mapped from disk."""

    tokens: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray
    digests: np.ndarray
    texts: np.ndarray
    text_sizes: np.ndarray
    counts: np.ndarray  # (L,) occurrences of each number in this split

    def __len__(self) -> int:
        return len(self.sizes)

    @functools.cached_property
    def starts(self) -> np.ndarray:
        """Where the words of each text start in `tokens`, `(N,)`."""
        return np.cumsum(self.sizes, dtype=np.int64) - self.sizes

    @functools.cached_property
    def text_starts(self) -> np.ndarray:
        """Where each text starts in `texts`, `(N,)`."""
        return np.cumsum(self.text_sizes, dtype=np.int64) - self.text_sizes

    def text(self, row: int) -> str:
        """One text, as it stands in the file."""
        start = self.text_starts[row]
        found = self.texts[start : start + self.text_sizes[row]]
        return found.tobytes().decode("utf-8")


@dataclasses.dataclass(frozen=True)
class Corpus:
    """What a corpus folder holds.

    Attributes:
        parts: split name -> its arrays.
        words: the words, without those too rare to be remembered.
        numbers: `(len(words),)` their numbers.
        labels: in order of appearance.
        sources: per source: name, splits, examples, empty, repaired, and
            `first`, the line on which each of its labels first stands.
    """

    parts: dict[str, Part]
    words: list[str]
    numbers: np.ndarray
    labels: list[str]
    sources: list[dict]

    @classmethod
    def load(cls, folder: Path) -> "Corpus":
        """Opens a folder that `build` wrote."""
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        counts = np.load(folder / "counts.npy", mmap_mode="r")
        parts = {
            split: Part(
                **{
                    f: mapped(folder / f"{split}.{f}", FIELDS[f])
                    for f in FIELDS
                },
                counts=counts[i],
            )
            for i, split in enumerate(meta["splits"])
        }
        words = (folder / "words.txt").read_text("utf-8").split("\n")[:-1]
        numbers = np.load(folder / "numbers.npy")
        return cls(parts, words, numbers, meta["labels"], meta["sources"])

    def counts(self, split: str) -> dict[str, int]:
        """How often each word occurs in a split."""
        found = np.asarray(self.parts[split].counts)[self.numbers]
        pairs = zip(self.words, found.tolist(), strict=True)
        return {word: count for word, count in pairs if count}

    def mapping(self, vocabulary: word_tokenizer.Vocabulary) -> np.ndarray:
        """Ids under a vocabulary, `(L,)` int32; 1 for what it has not."""
        size = max(len(part.counts) for part in self.parts.values())
        ids = np.full(size, word_tokenizer.UNKNOWN, np.int32)
        ids[self.numbers] = vocabulary.ids(self.words)
        return ids
