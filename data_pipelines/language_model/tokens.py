r"""Lines to ids and back, for language models.

A text is a stream of lines, and the end of a line is a token, `END`. What
stands in a line is cut into

    words       what stands between white space, as it is
    characters  every character, white space as `▁`
    subwords    byte-pair encoding, as in `text.tokenizers`

Unlike the tokens of `text.tokenizers`, characters leave nothing of a text out
and add nothing to it, and words are those that a corpus has been cut into
already: `can n't`. What is not in the vocabulary is `UNKNOWN`, and so are the
words `<unk>`, which corpora have in place of rare ones, and the names of the
special tokens.

Letters of shapes: B texts, T tokens.
"""

import collections
import re
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.files.lines import encodable
from data_pipelines.text import bpe
from data_pipelines.text.bpe import SPACE, SPECIALS
from data_pipelines.text.tokenizers import WHITE, Tokenizer

# Part of the key of every cache: raise it with any change of the rules.
VERSION = 1

_WHITE = re.compile(r"\s")


class StreamTokenizer(Tokenizer):
    """Cut lines into pieces and number them; see the module's docstring.

    Args:
        pieces: All pieces in the order of their ids, `SPECIALS` first.
        kind: One of `tokenizers.KINDS`.
    """

    def __init__(self, pieces: Iterable[str], kind: str) -> None:
        super().__init__(pieces, kind)
        if kind == "words":
            self._shown[len(SPECIALS) :] = [
                SPACE + piece for piece in self.pieces[len(SPECIALS) :]
            ]
        self._shown[self.END] = "\n"
        self._ids = {
            piece: number
            for number, piece in enumerate(self.pieces)
            if number >= len(SPECIALS)
        }

    @classmethod
    def learn(
        cls,
        texts: Iterable[str],
        kind: str,
        size: int,
        minimum_count: int = 1,
    ) -> "StreamTokenizer":
        """Learn a vocabulary.

        Args:
            texts: Lines of training only.
            kind: One of `tokenizers.KINDS`.
            size: Most pieces, the specials not counted.
            minimum_count: Rarer words, or characters, are unknown.
        """
        if kind == "subwords":
            size += len(SPECIALS)
            return super().learn(texts, kind, size, minimum_count)
        counts = collections.Counter()
        for text in texts:
            counts.update(_cut(text, kind))
        for name in (*SPECIALS, "<unk>"):
            del counts[name]
        known = bpe.most_frequent(counts, size, minimum_count)
        return cls((*SPECIALS, *known), kind)

    def encode_batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the ids of each line, int32, without its end."""
        if self.kind == "subwords":
            return super().encode_batch(texts)
        return [
            np.array(
                [self._ids.get(p, self.UNKNOWN) for p in _cut(text, self.kind)],
                np.int32,
            )
            for text in texts
        ]

    def encode_tensor(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Encode in TensorFlow operations; see `Tokenizer`."""
        if self.kind == "subwords":
            return super().encode_tensor(texts)
        texts = tf.strings.unicode_transcode(
            texts, "UTF-8", "UTF-8", errors="replace"
        )
        if self.kind == "words":
            texts = tf.strings.regex_replace(texts, f"{WHITE}+", " ")
            pieces = tf.strings.split(texts)
        else:
            texts = tf.strings.regex_replace(texts, WHITE, SPACE)
            pieces = tf.strings.unicode_split(texts, "UTF-8")
        return pieces.with_flat_values(self._table.lookup(pieces.flat_values))

    def decode(self, ids: Iterable[int], begin: bool = True) -> str:
        """Return the text of ids, a line break for each `END`.

        Args:
            ids: The ids.
            begin: Whether they begin a line, which no space begins.
        """
        text = "".join(self._shown[i] for i in ids).replace(SPACE, " ")
        if self.kind == "characters":
            return text
        text = text.replace("\n ", "\n")
        return text.removeprefix(" ") if begin else text

    def decode_tensor(self, ids: tf.Tensor, begin: bool = True) -> tf.Tensor:
        """Decode in TensorFlow operations, `(..., T)` to `(...)` strings."""
        shown = tf.gather(tf.constant(self._shown, tf.string), ids)
        text = tf.strings.reduce_join(shown, axis=-1)
        text = tf.strings.regex_replace(text, SPACE, " ")
        if self.kind == "characters":
            return text
        text = tf.strings.regex_replace(text, "\n ", "\n")
        return tf.strings.regex_replace(text, "^ ", "") if begin else text


def _cut(line: str, kind: str) -> Sequence[str]:
    """Return the words or the characters of a line."""
    line = encodable(line)
    if kind == "words":
        return line.replace(SPACE, " ").split()
    return _WHITE.sub(SPACE, line)
