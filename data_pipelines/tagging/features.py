r"""Words as a model reads them: their ids, their case, their characters.

Training, prediction and the exported model run this very code, in TensorFlow
string operations only.

A raw text is cut at its spaces. What stands between them is one word if the
training data have it as one (`st.`, `don't`); else each run of letters, marks
and digits, with apostrophes, periods, commas or hyphens only inside numbers, is
a word, and so is each other sign.

Letters of shapes: B texts, T words, N words in a row, C characters of a word.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from data_pipelines.text.words import PADDING, UNKNOWN, Vocabulary, crop

# Behind each piece while texts are cut; it is a space before.
_CUT = "\x1f"
_SPACE = (
    r"[\s\x00-\x1F\x7F-\x{A0}\x{1680}\x{2000}-\x{200B}\x{2028}\x{2029}\x{202F}"
    r"\x{205F}\x{3000}\x{FEFF}]"
)
_NOT_SPACE = "[^" + _SPACE[1:]
_IDEOGRAPH = r"[\p{Han}\p{Hiragana}\p{Katakana}]\p{M}*"
_NUMBER = r"\p{N}+(?:[.,:/-]\p{N}+)*"
_LETTERS = r"[\p{L}\p{M}\p{N}]+(?:['\x{2019}][\p{L}\p{M}\p{N}]+)*"
_TOKEN = f"{_IDEOGRAPH}|{_NUMBER}|{_LETTERS}|\\S"

# What a word looks like: the first pattern that fits it, counted from 1.
_SHAPES = (
    r"[^\p{L}\p{N}]+",  # no letter, no digit
    r"[^\p{L}]+",  # a number
    r".*\p{N}.*",  # letters and digits
    r"[^\p{Lu}\p{Lt}]+",  # small, or of a script without case
    r"[\p{Lu}\p{Lt}][^\p{Lu}\p{Lt}]*",  # Capitalized
    r"[^\p{Ll}]+",  # CAPITALS
    r"(?s).*",  # miXed
)
SHAPES = len(_SHAPES) + 1  # with that of padding

# Characters of a batch, at least: as many as a convolution sees.
_NARROWEST = 3
_MOST_CHARACTERS = 10_000


class Tokens(NamedTuple):
    """Words of texts, and where they stand.

    Attributes:
        words: `(B, None)` strings.
        starts: `(B, None)` int32, first character of each.
        ends: `(B, None)` int32, the one behind its last.
    """

    words: tf.RaggedTensor
    starts: tf.RaggedTensor
    ends: tf.RaggedTensor


def tokenize(texts: tf.Tensor, known: Vocabulary | None = None) -> Tokens:
    """Cut texts into words, `(B,)` strings, any bytes.

    Places are counted in characters, of the text with its broken bytes
    replaced.

    Args:
        texts: The texts.
        known: The words of the training data.
    """
    texts = tf.strings.unicode_transcode(
        texts, "UTF-8", "UTF-8", errors="replace"
    )
    texts = tf.strings.regex_replace(texts, _CUT, " ")
    pieces = _split(_marked(texts, f"{_SPACE}+|{_NOT_SPACE}+"))  # (B, None)
    starts = _starts(pieces)
    is_word = tf.strings.regex_full_match(pieces.flat_values, f"{_NOT_SPACE}+")
    is_word = pieces.with_flat_values(is_word)
    pieces = tf.ragged.boolean_mask(pieces, is_word)
    starts = tf.ragged.boolean_mask(starts, is_word)
    marked = _marked(pieces.flat_values, _TOKEN)  # (N,)
    if known is not None:
        is_known = known.table.lookup(keys(pieces.flat_values)) > UNKNOWN
        marked = tf.where(is_known, pieces.flat_values + _CUT, marked)
    words = _split(marked)  # (N, None)
    starts = tf.repeat(starts.flat_values, words.row_lengths())
    starts = starts + _starts(words).flat_values
    counts = pieces.with_flat_values(words.row_lengths())
    lengths = tf.reduce_sum(counts, axis=1)  # (B,)
    return Tokens(
        *(
            tf.RaggedTensor.from_row_lengths(values, lengths)
            for values in (
                words.flat_values,
                starts,
                starts + _letters(words.flat_values),
            )
        )
    )


def _marked(texts: tf.Tensor, pattern: str) -> tf.Tensor:
    return tf.strings.regex_replace(texts, f"({pattern})", rf"\1{_CUT}")


def _split(marked: tf.Tensor) -> tf.RaggedTensor:
    pieces = tf.strings.split(marked, _CUT)
    return tf.ragged.boolean_mask(pieces, tf.not_equal(pieces, ""))


def _letters(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.length(texts, unit="UTF8_CHAR")


def _starts(pieces: tf.RaggedTensor) -> tf.RaggedTensor:
    """Return where each piece begins in the text that it is a part of."""
    lengths = _letters(pieces.flat_values)
    starts = tf.cumsum(lengths, exclusive=True)
    # A row without pieces begins behind the last one.
    first = tf.gather(tf.concat([starts, [0]], 0), pieces.row_starts())
    return pieces.with_flat_values(
        starts - tf.repeat(first, pieces.row_lengths())
    )


def keys(words: tf.Tensor) -> tf.Tensor:
    """Return words as a vocabulary has them: small, each digit 0."""
    words = tf.strings.lower(_without_spaces(words), encoding="utf-8")
    return tf.strings.regex_replace(words, r"\p{Nd}", "0")


def _without_spaces(words: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_replace(words, _SPACE, "▁")


def shapes(words: tf.Tensor) -> tf.Tensor:
    """Return which of the shapes each word has, int32, from 1 on."""
    shapes = tf.fill(tf.shape(words), SHAPES - 1)
    for number in range(len(_SHAPES) - 1, 0, -1):
        fits = tf.strings.regex_full_match(words, _SHAPES[number - 1])
        shapes = tf.where(fits, number, shapes)
    return shapes


@dataclasses.dataclass(frozen=True)
class Features:
    """What a model knows of words.

    Attributes:
        words: Their vocabulary, of `keys`.
        characters: Vocabulary of their characters.
        max_characters: Longer words are read at both ends.
        columns: Name of a further column -> vocabulary of its values.
    """

    words: Vocabulary
    characters: Vocabulary
    max_characters: int
    columns: Mapping[str, Vocabulary] = dataclasses.field(default_factory=dict)

    @property
    def tables(self) -> list:
        """Lookup tables that a SavedModel has to own."""
        vocabularies = (self.words, self.characters, *self.columns.values())
        return [vocabulary.table for vocabulary in vocabularies]

    def adapted(self, adapt: Callable[..., tuple]) -> "Features":
        """Return what `adapt` makes of the vocabularies, in their order."""
        words, characters, *columns = adapt(
            self.words, self.characters, *self.columns.values()
        )
        return dataclasses.replace(
            self,
            words=words,
            characters=characters,
            columns=dict(zip(self.columns, columns, strict=True)),
        )

    def of_words(self, words: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Return ids `(N,)`, shapes `(N,)` and characters `(N, C)` of words.

        C is that of the longest, and three at least.
        """
        letters = tf.strings.unicode_split(_without_spaces(words), "UTF-8")
        letters = self.characters.encode(letters)
        letters = crop(letters, self.max_characters).to_tensor(PADDING)
        missing = tf.maximum(_NARROWEST - tf.shape(letters)[1], 0)
        letters = tf.pad(letters, [[0, 0], [0, missing]])
        return self.words.table.lookup(keys(words)), shapes(words), letters

    def of_texts(
        self, words: tf.RaggedTensor, *columns: tf.RaggedTensor
    ) -> tuple[tf.Tensor, ...]:
        """Return what a model reads: `(B, T)`, `(B, T)` and `(B, T, C)`.

        Behind them stands `(B, T)` for each further column. A text without any
        word is one unknown word, so no row is all padding.

        Args:
            words: `(B, None)` strings.
            *columns: Values of each word in each of the `columns`.
        """
        wordless = tf.cast(words.row_lengths() == 0, tf.int64)  # (B,)
        filler = tf.RaggedTensor.from_row_lengths(
            tf.fill([tf.reduce_sum(wordless)], ""), wordless
        )
        words, *columns = (
            tf.concat([part, filler], axis=1) for part in (words, *columns)
        )
        values = [
            *self.of_words(words.flat_values),
            *(
                vocabulary.table.lookup(column.flat_values)
                for vocabulary, column in zip(
                    self.columns.values(), columns, strict=True
                )
            ),
        ]
        return tuple(
            tf.RaggedTensor.from_row_lengths(
                part, words.row_lengths()
            ).to_tensor(PADDING)
            for part in values
        )


def build(
    counts: Mapping[str, int],
    vocabulary_size: int,
    max_characters: int,
    columns: Mapping[str, Mapping[str, int]] | None = None,
) -> Features:
    """Return the features of training words.

    Args:
        counts: How often each word occurs, as it stands in the data.
        vocabulary_size: Most words, the two specials included.
        max_characters: See `Features`.
        columns: Of each further column how often it has which value.
    """
    forms = tf.constant(list(counts), tf.string)
    of_keys: Counter = Counter()
    of_letters: Counter = Counter()
    plain = _without_spaces(forms).numpy()
    for key, form, count in zip(
        keys(forms).numpy(), plain, counts.values(), strict=True
    ):
        of_keys[key.decode()] += count
        of_letters.update(dict.fromkeys(form.decode(), count))
    return Features(
        Vocabulary.build(of_keys, vocabulary_size),
        Vocabulary.build(of_letters, _MOST_CHARACTERS),
        max_characters,
        {
            name: Vocabulary.build(own, vocabulary_size)
            for name, own in (columns or {}).items()
        },
    )
