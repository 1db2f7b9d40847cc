r"""Text to words to ids, in TensorFlow string operations only.

Training, prediction and the exported model run this very code, eagerly or in
a graph, so a text means the same ids everywhere.

A token is one of
    a run of letters, marks and digits, with apostrophes inside: don't
    one Han, Hiragana or Katakana character
    one punctuation mark, sign or emoji
Not done, because TensorFlow cannot: composing decomposed accents. `e` with a
combining acute stays one word, but another word than the one with `é`.

That is a text in words. In characters, for scripts without spaces, each letter,
mark and sign is a token, and `▁` stands for the spaces between.

A vocabulary is a plain text file, one word a line; the line number (from 0)
is the id. Id 0, `[PAD]`, fills short rows; id 1, `[UNK]`, stands for every
word that is not in the list. The tokenizer cuts both at their brackets, so no
text can contain them.

Letters of shapes: B texts, T words, W numbers of words.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipelines.files.atomic import replacing
from data_pipelines.files.errors import DataError

# Part of the key of every cache: raise it with any change of the rules.
VERSION = 1

PADDING, UNKNOWN = 0, 1
SPECIALS = ("[PAD]", "[UNK]")

# Words whose numbers a `WordCounter` holds, about half a gigabyte of them, and
# the files that it writes.
_LIMIT = 4_000_000
_WORDS, _NUMBERS = "words.txt", "numbers.npy"

KEEP = ("ends", "head")
KINDS = ("words", "characters")

# Tags, the spaces of Unicode, and control characters other than \t\n\f\r.
_BLANK = (
    r"</?[a-zA-Z][^<>]*>|<!--[^<>]*-->"
    r"|[\x00-\x08\x0B\x0E-\x1F\x7F-\x{A0}\x{1680}\x{2000}-\x{200A}]"
    r"|[\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
)
_APOSTROPHE = r"[\x{2018}\x{2019}\x{201B}\x{02BC}\x{FF07}\x60\x{B4}]"
# Joiners, soft hyphens, direction marks, variation selectors.
_INVISIBLE = r"[\p{Cf}\x{FE00}-\x{FE0F}]"
_IDEOGRAPH = r"[\p{Han}\p{Hiragana}\p{Katakana}]\p{M}*"
_TOKEN = r"[\p{L}\p{M}\p{N}]+(?:'[\p{L}\p{M}\p{N}]+)*|\S"


def normalize(texts: tf.Tensor, kind: str = "words") -> tf.Tensor:
    """Repair and lower-case texts, and put a space after each token.

    Args:
        texts: `(B,)` strings, any bytes.
        kind: What a token is, one of `KINDS`.

    Returns:
        `(B,)` strings; the tokens are what stands between the spaces.
    """
    replace = tf.strings.regex_replace
    texts = tf.strings.unicode_transcode(
        texts, "UTF-8", "UTF-8", errors="replace"
    )
    texts = replace(texts, _BLANK, " ")
    texts = tf.strings.lower(texts, encoding="utf-8")
    texts = replace(texts, _APOSTROPHE, "'")
    texts = replace(texts, _INVISIBLE, "")
    if kind == "characters":
        texts = tf.strings.strip(texts)
        return replace(replace(texts, r"\s+", "▁"), ".", r"\0 ")
    texts = replace(texts, _IDEOGRAPH, r" \0 ")
    return replace(texts, _TOKEN, r"\0 ")


def tokenize(texts: tf.Tensor, kind: str = "words") -> tf.RaggedTensor:
    """Cut texts into tokens, `(B,)` strings to `(B, None)` strings."""
    return tf.strings.split(normalize(texts, kind))


def places(
    text: str, tokens: Sequence[str], kind: str = "words"
) -> list[tuple[int, int]]:
    """Return where each token of a text begins and ends in it.

    Args:
        text: As it was written.
        tokens: All of it, as `tokenize` cuts it.
        kind: What a token is.

    Returns:
        A pair for each token; none if Python and TensorFlow do not agree on the
        text, as on signs that are younger than one of them.
    """
    blank = re.sub(r"\\x\{(\w+)\}", lambda m: rf"\u{m[1]:0>4}", _BLANK)
    text = re.sub(blank, lambda match: " " * len(match[0]), text)
    first = len(text)
    if kind == "characters":  # a token for spaces in a row, but at the ends
        between = text.strip()
        first = text.find(between)
        between = re.sub(r"(?<=\s)\s", "\u200b", between)
        text = " " * first + between
    visible = [
        place
        for place, sign in enumerate(text)
        for _ in sign.lower()
        if not (sign.isspace() and place < first)
        and unicodedata.category(sign) != "Cf"
        and not "\ufe00" <= sign <= "\ufe0f"
    ]
    if len(visible) != sum(map(len, tokens)):
        return []
    starts = np.cumsum([0, *map(len, tokens)]).tolist()
    return [
        (visible[start], visible[end - 1] + 1)
        for start, end in itertools.pairwise(starts)
    ]


def crop(
    ids: tf.RaggedTensor, max_length: int, keep: str = "ends"
) -> tf.RaggedTensor:
    """Shorten rows of more than `max_length` ids.

    Args:
        ids: `(B, None)`.
        max_length: The length of what is left.
        keep: `"ends"`, the first and the last half, since a review often
            says at its end what it thinks; or `"head"`, the beginning.

    Returns:
        `(B, None)`, no row longer than `max_length`.
    """
    head, tail = crop_lengths(max_length, keep)
    if not tail:
        return ids[:, :head]
    return tf.concat([ids[:, :head], ids[:, head:][:, -tail:]], axis=1)


def crop_row(ids: np.ndarray, head: int, tail: int) -> np.ndarray:
    """Shorten one row as `crop` does, without TensorFlow: 60 times faster.

    Args:
        ids: `(T,)`.
        head: Ids that are left at the beginning, from `crop_lengths`.
        tail: Ids that are left at the end.
    """
    if len(ids) <= head + tail:
        return ids
    return np.concatenate([ids[:head], ids[len(ids) - tail :]])


def crop_lengths(max_length: int, keep: str) -> tuple[int, int]:
    """Return how many ids `crop` leaves at the beginning and at the end."""
    if keep not in KEEP:
        raise ValueError(f"keep must be one of {KEEP}, not {keep!r}")
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, not {max_length}")
    tail = max_length // 2 if keep == "ends" else 0
    return max_length - tail, tail


class WordCounter:
    """Give each new word the next number, and count all words.

    When more than `limit` words are held, the rarest are forgotten, as in
    word2vec's own counting; if they come back they are new words with new
    numbers. A number is not used again, since the texts written so far hold
    it, and its count stays. So the strings in memory are bounded, and what
    grows with each new word is 8 bytes.

    Args:
        limit: How many words are held at most.

    Attributes:
        numbers: Word -> its number, for the words that are held.
        size: How many numbers there are, of forgotten words too.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self.numbers: dict[bytes, int] = {}
        self.size = 0
        self.limit = limit
        self._counts = np.zeros(1024, np.int64)

    @property
    def counts(self) -> np.ndarray:
        """Occurrences of each number, `(size,)`."""
        return self._counts[: self.size]

    def add(self, words: Sequence[bytes], counts: np.ndarray) -> np.ndarray:
        """Return the numbers of different words, and add their occurrences."""
        numbers = np.empty(len(words), np.int32)
        for i, word in enumerate(words):
            number = self.numbers.get(word)
            if number is None:
                number = self.numbers[word] = self.size
                self.size += 1
            numbers[i] = number
        while self.size > len(self._counts):
            self._counts = np.pad(self._counts, (0, len(self._counts)))
        self._counts[numbers] += counts
        self._forget()
        return numbers

    def save(self, folder: Path) -> None:
        """Write the words that are held, and their numbers, for `load`."""
        with (folder / _WORDS).open("wb") as file:
            file.writelines(word + b"\n" for word in self.numbers)
        np.save(folder / _NUMBERS, np.array([*self.numbers.values()], np.int32))

    @staticmethod
    def load(folder: Path) -> tuple[list[str], np.ndarray]:
        """Return the words of a `WordCounter`, and their numbers `(W,)`."""
        words = (folder / _WORDS).read_text("utf-8").split("\n")[:-1]
        return words, np.load(folder / _NUMBERS)

    def _forget(self) -> None:
        """Forget the rarest words while there are too many."""
        threshold = 0
        while len(self.numbers) > self.limit:
            threshold += 1
            self.numbers = {
                word: number
                for word, number in self.numbers.items()
                if self._counts[number] > threshold
            }


class Vocabulary:
    """Words in the order of their ids.

    Args:
        words: All words, starting with `[PAD]` and `[UNK]`, none twice.
        kind: What a word is here, one of `KINDS`.
    """

    def __init__(self, words: Iterable[str], kind: str = "words") -> None:
        self.words = tuple(words)
        self.kind = kind
        if self.words[:2] != SPECIALS:
            raise ValueError(f"the first two words must be {SPECIALS}")
        self._ids = {word: i for i, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            raise ValueError("a word stands twice in the vocabulary")

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def build(
        cls,
        counts: Mapping[str, int],
        size: int,
        minimum_count: int = 1,
        kind: str = "words",
    ) -> "Vocabulary":
        """Return the most frequent words, ties in alphabetical order.

        Args:
            counts: How often each word occurs in the training texts.
            size: Most words, the two specials included.
            minimum_count: Rarer words are left out.
            kind: What a word is here, one of `KINDS`.
        """
        if size < len(SPECIALS) + 1:
            raise ValueError(f"size must be at least 3, not {size}")
        words = [w for w, n in counts.items() if n >= max(minimum_count, 1)]
        words.sort(key=lambda word: (-counts[word], word))
        return cls((*SPECIALS, *words[: size - len(SPECIALS)]), kind)

    def ids(self, words: Iterable[str]) -> np.ndarray:
        """Look up single words, `(len(words),)` int32; 1 where unknown."""
        get = self._ids.get
        return np.fromiter((get(w, UNKNOWN) for w in words), np.int32)

    def encode(self, tokens: tf.RaggedTensor) -> tf.RaggedTensor:
        """Look up tokenized texts, `(B, None)` strings to `(B, None)` int32.

        A SavedModel that calls this must own the table: assign
        `module.table = vocabulary.table` before it is saved.
        """
        return tokens.with_flat_values(self.table.lookup(tokens.flat_values))

    @functools.cached_property
    def table(self) -> tf.lookup.StaticHashTable:
        """The lookup table behind `encode`, built at its first use."""
        return lookup_table(self._ids, UNKNOWN)

    def save(self, path: str | Path) -> None:
        """Write one word per line; a torn file is never left at `path`."""
        write_words(path, self.words)

    @classmethod
    def load(cls, path: str | Path, kind: str = "words") -> "Vocabulary":
        """Read what `save` wrote; a bad file is a `DataError`."""
        return cls(read_words(path, SPECIALS), kind)


def unknown_note(
    rate: float, kind: str, others: Sequence[str] = ("characters", "subwords")
) -> Iterator[str]:
    """Yield a warning if most tokens of the training texts are unknown.

    Args:
        rate: Share of unknown tokens.
        kind: What a token is.
        others: Kinds for scripts without spaces that --tokens may name.
    """
    if rate > 0.5:
        way = "".join(
            f" a script without spaces needs --tokens {other},"
            for other in [other for other in others if other != kind][:1]
        )
        yield (
            f"{rate:.0%} of the {kind} of train are unknown:{way} few texts"
            " need more of them"
        )


def lookup_table(values: Mapping, default: int) -> tf.lookup.StaticHashTable:
    """Return a lookup table of int32, built outside of any graph."""
    with tf.init_scope():
        keys = list(values)
        dtype = tf.string if isinstance(keys[0], str) else tf.int64
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(keys, dtype),
            tf.constant(list(values.values()), tf.int32),
        )
        return tf.lookup.StaticHashTable(initializer, default)


def encode_texts(
    texts: tf.Tensor,
    vocabulary: Vocabulary,
    max_length: int,
    keep: str = "ends",
) -> tf.Tensor:
    """Turn raw texts into the ids a model reads.

    Args:
        texts: `(B,)` strings.
        vocabulary: Its `table` must be owned by a SavedModel that calls this.
        max_length: Longer texts are cropped.
        keep: See `crop`.

    Returns:
        `(B, T)` int32, padded with 0 on the right, T the longest row. A text
        without any word becomes one unknown word, so no row is all padding.
    """
    ids = vocabulary.encode(tokenize(texts, vocabulary.kind))
    ids = crop(ids, max_length, keep)  # (B, T)
    wordless = tf.cast(tf.equal(ids.row_lengths(), 0), tf.int64)  # (B,)
    filler = tf.RaggedTensor.from_row_lengths(
        tf.fill([tf.reduce_sum(wordless)], UNKNOWN), wordless
    )
    return tf.concat([ids, filler], axis=1).to_tensor(PADDING)  # (B, T)


def write_words(path: str | Path, words: Iterable[str]) -> None:
    """Write one word per line; a torn file is never left at `path`."""
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="\n") as file,
    ):
        file.writelines(word + "\n" for word in words)


def read_words(path: str | Path, specials: Sequence[str]) -> tuple[str, ...]:
    """Read what `write_words` wrote; a bad file is a `DataError`.

    Args:
        path: The file.
        specials: What its first lines must be.
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
    line_of: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        word = _word(line, f"{path}:{number}")
        if word in line_of:
            raise DataError(
                f"{path}:{number}: the word {word!r} is already on line "
                f"{line_of[word]}"
            )
        line_of[word] = number
    if tuple(line_of)[: len(specials)] != tuple(specials):
        raise DataError(
            f"{path}:1: not a vocabulary; its first lines must be "
            f"{', '.join(specials[:-1])} and {specials[-1]}"
        )
    return tuple(line_of)


def _word(line: bytes, where: str) -> str:
    try:
        word = line.decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{where}: not UTF-8") from None
    if not word or word.split() != [word]:
        raise DataError(f"{where}: expected one word without spaces")
    return word
