"""Texts and their token ids, mapped from disk and addressed by row."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_pipelines.files.ragged import mapped
from data_pipelines.text.tokenizers import Tokenizer

_FIELDS = ("tokens", "sizes", "unknown")
_AT_ONCE = 20_000


class Texts(Sequence):
    """Strings in a file, one by one in memory.

    Args:
        data: `(bytes,)` uint8, one text after another.
        starts: `(N,)` where each begins.
        sizes: `(N,)` bytes of each.
    """

    def __init__(
        self, data: np.ndarray, starts: np.ndarray, sizes: np.ndarray
    ) -> None:
        self.data = data
        self.starts = starts
        self.sizes = sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, row):
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        start = int(self.starts[row])
        found = self.data[start : start + int(self.sizes[row])]
        return found.tobytes().decode("utf-8")

    def chosen(self, rows: np.ndarray) -> "Texts":
        """Some of the texts, in the order of `rows`."""
        return Texts(self.data, self.starts[rows], self.sizes[rows])


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of the pairs of a split, mapped from disk.

    Attributes:
        texts: the sentences.
        tokens: ids of all sentences, one after another.
        starts: `(N,)` where each begins.
        sizes: `(N,)` how many ids each has.
        unknown: `(N,)` how many of them are unknown.
        limit: most ids of a sentence; longer ones are cut.
    """

    texts: Texts
    tokens: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    unknown: np.ndarray
    limit: int

    @staticmethod
    def write(place: Path, texts: Texts, tokenizer: Tokenizer) -> None:
        """Encodes texts into files whose names begin with `place`."""
        with contextlib.ExitStack() as stack:
            files = {
                field: stack.enter_context(open(f"{place}.{field}", "wb"))
                for field in _FIELDS
            }
            for start in range(0, len(texts), _AT_ONCE):
                rows = tokenizer.encode_batch(texts[start : start + _AT_ONCE])
                unknown = [(row == tokenizer.UNKNOWN).sum() for row in rows]
                np.concatenate(rows, dtype=np.int32).tofile(files["tokens"])
                for field, values in (
                    ("sizes", list(map(len, rows))),
                    ("unknown", unknown),
                ):
                    np.array(values, np.int32).tofile(files[field])

    @classmethod
    def load(cls, place: Path, texts: Texts, limit: int) -> "Side":
        """Opens what `write` wrote."""
        tokens, sizes, unknown = (
            mapped(Path(f"{place}.{field}"), np.int32) for field in _FIELDS
        )
        starts = np.cumsum(sizes, dtype=np.int64) - sizes
        return cls(texts, tokens, starts, sizes, unknown, limit)

    def chosen(self, rows: np.ndarray) -> "Side":
        """Some of the sentences, in the order of `rows`."""
        return dataclasses.replace(
            self,
            texts=self.texts.chosen(rows),
            starts=self.starts[rows],
            sizes=self.sizes[rows],
            unknown=self.unknown[rows],
        )

    @property
    def lengths(self) -> np.ndarray:
        """Ids of each sentence after the cut, and its end, `(N,)`."""
        return np.minimum(self.sizes, self.limit) + 1

    @property
    def cut(self) -> int:
        """How many sentences are cut."""
        return int((self.sizes > self.limit).sum())

    def ids(self, row: int) -> np.ndarray:
        """Ids of one sentence after the cut, without its end."""
        start = int(self.starts[row])
        return self.tokens[start : start + min(self.sizes[row], self.limit)]


def padded(rows: Sequence, width: int, begin: bool) -> np.ndarray:
    """Rows of ids as an array `(B, width)`, each with its end.

    Args:
        rows: ids of each row.
        width: how wide the array is.
        begin: whether each row gets a beginning, too.
    """
    batch = np.full((len(rows), width), Tokenizer.PADDING, np.int32)
    if begin:
        batch[:, 0] = Tokenizer.BEGIN
    for line, ids in zip(batch[:, int(begin) :], rows, strict=True):
        line[: len(ids)] = ids
        line[len(ids)] = Tokenizer.END
    return batch
