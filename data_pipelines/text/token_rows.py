"""Texts and their token ids, mapped from disk and addressed by row.

Letters of shapes: N texts, B batch, T tokens.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from data_pipelines.files import cache
from data_pipelines.files.ragged import (
    ArrayWriter,
    RaggedArray,
    RaggedWriter,
    mapped,
)
from data_pipelines.text.tokenizers import Tokenizer

# Part of the key of every cache of token rows.
FORMAT = 2

# Texts that are encoded at a time.
_CHUNK = 20_000


@dataclasses.dataclass(frozen=True)
class TokenRows:
    """Texts as ids.

    Attributes:
        texts: The texts.
        tokens: Ids of each text, none cut.
        unknown: `(N,)` how many of them are unknown.
        limit: Most ids of a text; longer ones are cut.
    """

    texts: Sequence[str]
    tokens: RaggedArray
    unknown: np.ndarray
    limit: int

    def chosen(self, rows: np.ndarray) -> "TokenRows":
        """Return some of the texts, in the order of `rows`."""
        return TokenRows(
            self.texts.chosen(rows),
            self.tokens.chosen(rows),
            self.unknown[rows],
            self.limit,
        )

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> np.ndarray:
        """Ids of each text after the cut, and its end, `(N,)`."""
        return np.minimum(self.tokens.lengths, self.limit) + 1

    @property
    def cut(self) -> int:
        """Number of texts that are cut."""
        return int((self.tokens.lengths > self.limit).sum())

    @property
    def unknown_rate(self) -> float:
        """Share of unknown tokens."""
        return float(self.unknown.sum() / max(self.tokens.lengths.sum(), 1))

    def ids(self, row: int) -> np.ndarray:
        """Return the ids of one text after the cut, without its end."""
        return self.tokens[row][: self.limit]


def learn(
    path: Path,
    texts: Mapping[str, Iterable[str]],
    kind: str,
    size: int,
    minimum_count: int,
) -> list[Tokenizer]:
    """Return tokenizers from a cache; see `Tokenizer.learn`.

    Args:
        path: Folder of the cache.
        texts: Name of the file of each -> the texts it is learned from.
        kind: How texts are cut.
        size: Most pieces of each.
        minimum_count: Rarer words, or characters, are unknown.
    """

    def build(folder: Path) -> None:
        for name, own in texts.items():
            Tokenizer.learn(own, kind, size, minimum_count).save(folder / name)

    folder = cache.folder(path, build)
    return [Tokenizer.load(folder / name, kind) for name in texts]


def encode(
    path: Path,
    texts: Mapping[str, tuple[Sequence[str], Tokenizer]],
    limit: int,
) -> dict[str, TokenRows]:
    """Return texts as ids from a cache.

    Args:
        path: Folder of the cache.
        texts: Name -> texts, and the tokenizer that encodes them.
        limit: Most ids of a text; longer ones are cut.
    """

    def build(folder: Path) -> None:
        for name, (own, tokenizer) in texts.items():
            with (
                RaggedWriter(folder / name, np.int32) as tokens,
                ArrayWriter(folder / f"{name}.unknown.npy", np.int32) as counts,
            ):
                for start in range(0, len(own), _CHUNK):
                    rows = tokenizer.encode_batch(own[start : start + _CHUNK])
                    tokens.append(np.concatenate(rows), list(map(len, rows)))
                    counts.append(
                        [(row == tokenizer.UNKNOWN).sum() for row in rows]
                    )

    folder = cache.folder(path, build)
    return {
        name: TokenRows(
            own,
            RaggedArray.load(folder / name),
            mapped(folder / f"{name}.unknown.npy"),
            limit,
        )
        for name, (own, _) in texts.items()
    }


def pad_rows(rows: Sequence, width: int, begin: bool) -> np.ndarray:
    """Return rows of ids as an array `(B, width)`, each with its end.

    Args:
        rows: Ids of each row.
        width: How wide the array is.
        begin: Whether each row gets a beginning, too.
    """
    batch = np.full((len(rows), width), Tokenizer.PADDING, np.int32)
    if begin:
        batch[:, 0] = Tokenizer.BEGIN
    for line, ids in zip(batch[:, int(begin) :], rows, strict=True):
        line[: len(ids)] = ids
        line[len(ids)] = Tokenizer.END
    return batch
