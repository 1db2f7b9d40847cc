r"""Texts to ids and back without loss, in Python or in a graph.

A text is what `normalize` makes of it: words with single spaces between.
Each word gets a `▁` (U+2581) in front, as in `▁The ▁cat.`, and is cut into
pieces, so that to join the pieces and to write a space for each `▁` gives the
text again. There are three ways to cut, `KINDS`:

    subwords    byte-pair encoding: `▁The`, `▁c`, `at`, `.`
    words       runs of letters, marks and digits, each with the `▁` in front
                of it if it has one, and single other characters, likewise:
                `▁The`, `▁cat`, `.`
    characters  `▁`, `T`, `h`, `e`, `▁`, `c`, `a`, `t`, `.`

A word of more than 100 characters is cut every 100 characters first, and
joined again by `decode` like everything else. `▁` itself, if a text has it,
is read as a space. What is not in the vocabulary is one unknown piece: a
word, a character, or for subwords the unknown characters in a row; `decode`
shows it as ⁇, and for words with a space in front.

The vocabulary is a text file, one piece a line; the line, counted from 0, is
the id. The first four are `SPECIALS`.

Letters of shapes: B texts, T tokens.
"""

import collections
import functools
import itertools
import random
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import encodable
from data_pipelines.text import bpe
from data_pipelines.text.bpe import SPACE, SPECIALS
from data_pipelines.text.words import lookup_table, read_words, write_words

KINDS = ("subwords", "words", "characters")

# Part of the key of every cache: raise it with any change of the rules.
VERSION = 1

# The smallest vocabulary: the specials, the space and one more.
SMALLEST = len(SPECIALS) + 2

_LONGEST = 100
_CHUNK = re.compile(f"{SPACE}?[^{SPACE}]{{1,{_LONGEST}}}")
_TOO_LONG = re.compile(f"[^{SPACE}]{{{_LONGEST + 1}}}")
# What Python's str.split() takes for a space, and the sign for one.
WHITE = (
    r"[\t-\r\x1c-\x20\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}"
    r"\x{202F}\x{205F}\x{3000}\x{2581}]"
)
_WORD = rf"{SPACE}?(?:[\p{{L}}\p{{M}}\p{{N}}]+|[^{SPACE}])"
_UNKNOWN = "⁇"
_BATCH = 4096


def normalize(text: str) -> str:
    """Return the text that `decode` can restore: single spaces, no `▁`."""
    return " ".join(encodable(text).replace(SPACE, " ").split())


class Tokenizer:
    """Cut texts into pieces and number them; see the module's docstring.

    Args:
        pieces: All pieces in the order of their ids, `SPECIALS` first.
        kind: One of `KINDS`.

    Attributes:
        pieces: The pieces.
        kind: How a text is cut.
    """

    PADDING, UNKNOWN, BEGIN, END = range(4)

    def __init__(self, pieces: Iterable[str], kind: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}, not {kind!r}")
        self.pieces = tuple(pieces)
        self.kind = kind
        if self.pieces[: len(SPECIALS)] != SPECIALS:
            raise ValueError(f"the first pieces must be {SPECIALS}")
        self._shown = list(self.pieces)
        unknown = SPACE + _UNKNOWN if kind == "words" else _UNKNOWN
        self._shown[self.UNKNOWN] = unknown
        self._shown[self.PADDING] = self._shown[self.BEGIN] = ""

    def __len__(self) -> int:
        return len(self.pieces)

    @classmethod
    def learn(
        cls,
        texts: Iterable[str],
        kind: str,
        size: int,
        minimum_count: int = 1,
    ) -> "Tokenizer":
        """Learn a vocabulary.

        Args:
            texts: Of training only.
            kind: One of `KINDS`.
            size: Most pieces, the specials included.
            minimum_count: Rarer words, or characters, are unknown.
        """
        if size < SMALLEST:
            raise ValueError(f"size must be at least {SMALLEST}, not {size}")
        counts = collections.Counter()
        for text in texts:
            counts.update(_CHUNK.findall(_mark(text)))
        if kind == "subwords":
            return cls(bpe.learn(counts, size, minimum_count), kind)
        blank = cls(SPECIALS, kind)
        pieces_counts = collections.Counter()
        for words in _batches(counts):
            rows = blank._cut(tf.constant(words, tf.string))
            pieces = rows.flat_values.numpy().tolist()
            for word, piece in zip(
                rows.value_rowids().numpy().tolist(), pieces, strict=True
            ):
                pieces_counts[piece.decode("utf-8")] += counts[words[word]]
        room = size - len(SPECIALS)
        known = bpe.most_frequent(pieces_counts, room, minimum_count)
        return cls((*SPECIALS, *known), kind)

    @classmethod
    def load(cls, path: str | Path, kind: str) -> "Tokenizer":
        """Read what `save` wrote; a bad file is a `DataError`."""
        pieces = read_words(path, SPECIALS)
        known = set(pieces)
        for number, piece in enumerate(pieces, 1):
            if number <= len(SPECIALS) or kind != "subwords":
                continue
            for character in piece:
                if character not in known:
                    raise DataError(
                        f"{path}:{number}: the piece {piece!r} has the "
                        f"character {character!r}, which is no piece itself; "
                        "every character needs a line of its own"
                    )
        return cls(pieces, kind)

    def save(self, path: str | Path) -> None:
        """Write one piece per line; a torn file is never left at `path`."""
        write_words(path, self.pieces)

    def encode(self, text: str) -> list[int]:
        """Return the ids of one text, without `BEGIN` and `END`."""
        return self.encode_batch([text])[0].tolist()

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the ids of each text, int32."""
        if self.kind == "subwords":
            return self._encode_whole(texts)
        rows = []
        for batch in _batches(texts):
            # Not all strings of Python are UTF-8.
            raw = [text.encode("utf-8", "replace") for text in batch]
            rows += _rows(self.encode_tensor(tf.constant(raw, tf.string)))
        return rows

    def sample(
        self, texts: Sequence[str], seeds: Iterable[int], dropout: float = 0.1
    ) -> list[np.ndarray]:
        """Return the ids of each text; subwords are cut at random.

        Args:
            texts: What to cut.
            seeds: Random seed of each text.
            dropout: How often two pieces are not joined (BPE-dropout). Words
                and characters are cut as without it.
        """
        if self.kind != "subwords":
            return self.encode_batch(texts)
        return [
            self._sampler.encode(
                _CHUNK.findall(_mark(text)), random.Random(seed), dropout
            )
            for text, seed in zip(texts, seeds, strict=True)
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, up to the first `END`."""
        shown = itertools.takewhile(lambda i: i != self.END, ids)
        text = "".join(self._shown[i] for i in shown)
        return " ".join(text.replace(SPACE, " ").split())

    def encode_tensor(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Encode in TensorFlow operations.

        Args:
            texts: `(B,)` strings, any bytes.

        Returns:
            `(B, None)` int32. A SavedModel that calls this has to track
            `tables`.
        """
        words = tf.strings.split(_mark_tensor(texts))  # (B, None)
        different, index = tf.unique(words.flat_values)
        if self.kind == "subwords":
            ids = self._merges.encode(different)
        else:
            pieces = self._cut(different)
            ids = pieces.with_flat_values(
                self._table.lookup(pieces.flat_values)
            )
        rows = words.with_flat_values(tf.gather(ids, index))
        return rows.merge_dims(1, 2)  # (B, None)

    def decode_tensor(self, ids: tf.Tensor) -> tf.Tensor:
        """Decode in TensorFlow operations, `(..., T)` to `(...)` strings."""
        ended = tf.cumsum(tf.cast(tf.equal(ids, self.END), tf.int32), axis=-1)
        shown = tf.gather(tf.constant(self._shown, tf.string), ids)
        shown = tf.where(ended > 0, "", shown)
        text = tf.strings.reduce_join(shown, axis=-1)
        text = tf.strings.regex_replace(text, f"{SPACE}+", " ")
        return tf.strings.strip(text)

    @property
    def tables(self) -> list[tf.lookup.StaticHashTable]:
        """The tables behind `encode_tensor`, built at their first use."""
        if self.kind == "subwords":
            return self._merges.tables
        return [self._table]

    def _cut(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Cut words into pieces, `(W,)` to `(W, None)`; not for subwords."""
        if self.kind == "characters":
            return tf.strings.unicode_split(words, "UTF-8")
        spaced = tf.strings.regex_replace(words, _WORD, r"\0 ")
        return tf.strings.split(spaced)

    def _encode_whole(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Encode texts whole, those with too long words in chunks."""
        parts = []
        sizes = []
        for text in map(_mark, texts):
            chunks = _CHUNK.findall(text) if _TOO_LONG.search(text) else [text]
            parts += chunks
            sizes.append(len(chunks))
        rows = self._processor.encode(parts, out_type="numpy", num_threads=-1)
        if len(parts) == len(sizes):
            return rows
        ends = np.cumsum(sizes)
        return [
            np.concatenate(rows[end - size : end])
            for size, end in zip(sizes, ends, strict=True)
        ]

    @functools.cached_property
    def _processor(self):
        return bpe.processor(self.pieces)

    @functools.cached_property
    def _sampler(self) -> bpe.Sampler:
        return bpe.Sampler(self.pieces)

    @functools.cached_property
    def _merges(self) -> bpe.Merges:
        return bpe.Merges(self.pieces)

    @functools.cached_property
    def _table(self) -> tf.lookup.StaticHashTable:
        ids = {piece: i for i, piece in enumerate(self.pieces) if i > self.END}
        return lookup_table(ids or {"": self.UNKNOWN}, self.UNKNOWN)


def _mark(text: str) -> str:
    """Return the words of a text with `▁` in front and nothing between."""
    words = normalize(text).replace(" ", SPACE)
    return SPACE + words if words else words


def _mark_tensor(texts: tf.Tensor) -> tf.Tensor:
    """Return chunks of texts with `▁` in front and spaces between."""
    replace = tf.strings.regex_replace
    texts = tf.strings.unicode_transcode(
        texts, "UTF-8", "UTF-8", errors="replace"
    )
    texts = tf.strings.strip(replace(texts, f"{WHITE}+", " "))
    texts = replace(replace(texts, "^(.)", r" \1"), " ", f" {SPACE}")
    return replace(texts, f"[^ {SPACE}]{{{_LONGEST}}}", r"\0 ")


def _rows(ids: tf.RaggedTensor) -> list[np.ndarray]:
    ends = ids.row_splits.numpy()
    return np.split(ids.flat_values.numpy(), ends[1:-1])[: len(ends) - 1]


def _batches(items: Iterable) -> Iterable[list]:
    items = iter(items)
    while batch := list(itertools.islice(items, _BATCH)):
        yield batch
