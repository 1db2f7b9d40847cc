"""Words and their numbers, kept as a plain text file.

Line number (from 0) is the id.  Id 0, `[PAD]`, fills short rows; id 1,
`[UNK]`, stands for every word that is not in the list.  The tokenizer cuts
both at their brackets, so no text can contain them.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipelines.files.atomic import replacing
from data_pipelines.files.errors import DataError

PADDING, UNKNOWN = 0, 1
SPECIALS = ("[PAD]", "[UNK]")


class Vocabulary:
    """Words in the order of their ids.

    Args:
        words: all words, starting with `[PAD]` and `[UNK]`, none twice.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(words)
        if self.words[:2] != SPECIALS:
            raise ValueError(f"the first two words must be {SPECIALS}")
        self._ids = {word: i for i, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            raise ValueError("a word stands twice in the vocabulary")

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    @classmethod
    def build(
        cls, counts: Mapping[str, int], size: int, minimum_count: int = 1
    ) -> "Vocabulary":
        """The most frequent words, ties in alphabetical order.

        Args:
            counts: how often each word occurs in the training texts.
            size: largest length of the vocabulary, the two specials included.
            minimum_count: rarer words are left out.
        """
        if size < len(SPECIALS) + 1:
            raise ValueError(f"size must be at least 3, not {size}")
        kept = [w for w, n in counts.items() if n >= max(minimum_count, 1)]
        kept.sort(key=lambda word: (-counts[word], word))
        return cls((*SPECIALS, *kept[: size - len(SPECIALS)]))

    def ids(self, words: Iterable[str]) -> np.ndarray:
        """Ids of single words, `(len(words),)` int32; 1 where unknown."""
        get = self._ids.get
        return np.fromiter((get(w, UNKNOWN) for w in words), np.int32)

    def encode(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        """Ids of tokenized texts, `(B, None)` strings to `(B, None)` int32.

        A SavedModel that calls this must own the table: assign
        `module.table = vocabulary.table` before it is saved.
        """
        return tokens.with_flat_values(self.table.lookup(tokens.flat_values))

    @functools.cached_property
    def table(self) -> tf.lookup.StaticHashTable:
        """The lookup table behind `encode`, made at its first use."""
        with tf.init_scope():
            initializer = tf.lookup.KeyValueTensorInitializer(
                tf.constant(self.words, tf.string),
                tf.range(len(self.words), dtype=tf.int32),
            )
            return tf.lookup.StaticHashTable(initializer, UNKNOWN)

    def save(self, path: str | Path) -> None:
        """Writes one word per line; a torn file is never left at `path`."""
        write_words(path, self.words)

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Reads what `save` wrote; a bad file is a `DataError`."""
        return cls(read_words(path, SPECIALS))


def write_words(path: str | Path, words: Iterable[str]) -> None:
    """Writes one word per line; a torn file is never left at `path`."""
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(word + "\n" for word in words)


def read_words(path: str | Path, specials: Sequence[str]) -> tuple[str, ...]:
    """Reads what `write_words` wrote; a bad file is a `DataError`.

    Args:
        path: the file.
        specials: what its first lines must be.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    lines = data.split(b"\n")
    if lines.pop():
        raise DataError(
            f"{path}:{len(lines) + 1}: the file is cut off here; every "
            "line must end with a line break"
        )
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        word = _word(line, f"{path}:{number}")
        if word in seen:
            raise DataError(
                f"{path}:{number}: the word {word!r} stands already on "
                f"line {seen[word]}"
            )
        seen[word] = number
    if tuple(seen)[: len(specials)] != tuple(specials):
        raise DataError(
            f"{path}:1: not a vocabulary; its first lines must be "
            f"{', '.join(specials[:-1])} and {specials[-1]}"
        )
    return tuple(seen)


def _word(line: bytes, where: str) -> str:
    try:
        word = line.decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{where}: not UTF-8") from None
    if not word or word.split() != [word]:
        raise DataError(f"{where}: expected one word without spaces")
    return word
