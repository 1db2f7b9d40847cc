"""Byte-pair encoding: learned by sentencepiece, run by it or by TensorFlow.

A word is a string with `▁` in front. It is cut into characters, and then two
neighbours are joined again and again, always the two that make the piece of
the lowest id, of equal ones the leftmost, until no two make a piece. A
sentencepiece model holds no more than that, so the list of pieces is all that
has to be saved: `processor` rebuilds the model, `Merges` does the same in a
graph that knows neither sentencepiece nor TF Text, and `Sampler` joins at
random.

Letters of shapes: W words, C characters of the longest one.
"""

import collections
import io
import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import sentencepiece
import tensorflow as tf
from sentencepiece import sentencepiece_model_pb2

from data_pipelines.text.words import lookup_table

SPACE = "▁"
PADDING, UNKNOWN, BEGIN, END = range(4)
SPECIALS = ("[PAD]", "[UNK]", "[BOS]", "[EOS]")

# Sentencepiece leaves out every line that has one of these.
_RESERVED = "\0▅"


def learn(counts: Mapping[str, int], size: int, minimum_count: int) -> tuple:
    """Learn pieces from the words of the training texts.

    Args:
        counts: How often each word, `▁` in front, occurs.
        size: Most pieces, the specials included.
        minimum_count: Rarer characters are unknown.

    Returns:
        The pieces in the order of their ids. All characters are among them,
        or the most frequent ones if there is no room; fewer than `size` if
        the words are too few for so many.
    """
    characters = collections.Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    for character in _RESERVED:
        del characters[character]
    known = most_frequent(characters, size - len(SPECIALS), minimum_count)
    drop = {ord(c): None for c in {*characters, *_RESERVED} - set(known)}
    lines = collections.Counter()
    for word, count in counts.items():
        lines[word.translate(drop).removeprefix(SPACE)] += count
    del lines[""]
    if not lines:
        return (*SPECIALS, SPACE)
    model = _train([f"{word}\t{n}" for word, n in lines.items()], size)
    pieces = sentencepiece_model_pb2.ModelProto.FromString(model).pieces
    learned = (piece.piece for piece in pieces[len(SPECIALS) :])
    return (*SPECIALS, *learned)


def most_frequent(
    counts: Mapping[str, int], size: int, minimum_count: int
) -> list[str]:
    """Return the most frequent pieces, `▁` first, ties by alphabet."""
    pieces = [p for p, count in counts.items() if count >= minimum_count]
    pieces.sort(key=lambda piece: (piece != SPACE, -counts[piece], piece))
    return pieces[:size]


def _train(lines: Iterable[str], size: int) -> bytes:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        input_format="tsv",
        model_writer=written,
        model_type="bpe",
        vocab_size=size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        max_sentence_length=2**30,
        pad_id=PADDING,
        unk_id=UNKNOWN,
        bos_id=BEGIN,
        eos_id=END,
        # Names that no text has, since what has one is not learned from.
        pad_piece="▅0",
        unk_piece="▅1",
        bos_piece="▅2",
        eos_piece="▅3",
        minloglevel=2,
    )
    return written.getvalue()


def processor(
    pieces: Sequence[str],
) -> sentencepiece.SentencePieceProcessor:
    """Return the sentencepiece model of a list of pieces.

    It reads texts in which `▁` stands for the spaces already.
    """
    model = sentencepiece_model_pb2.ModelProto()
    model.trainer_spec.model_type = model.trainer_spec.BPE
    model.trainer_spec.pad_id = PADDING
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    for rank, piece in enumerate(pieces):
        added = model.pieces.add(piece=piece, score=-float(rank))
        if rank == UNKNOWN:
            added.type = added.UNKNOWN
        elif rank < len(SPECIALS):
            added.type = added.CONTROL
    return sentencepiece.SentencePieceProcessor(
        model_proto=model.SerializeToString()
    )


def joins(pieces: Sequence[str]) -> dict[tuple[int, int], int]:
    """Return (left, right) -> the piece that two pieces make, as ids.

    Args:
        pieces: From `learn`: all characters of a piece are pieces too.
    """
    ids = {piece: i for i, piece in enumerate(pieces) if i > END}
    joined = {}
    for piece, i in ids.items():
        for cut in range(1, len(piece)):
            left, right = ids.get(piece[:cut]), ids.get(piece[cut:])
            if left and right:
                joined[left, right] = i
    return joined


class Sampler:
    """Byte-pair encoding with dropout (Provilkov et al., 2020).

    In each step every two neighbours are passed over with some probability; a
    word of which all are passed over is done.

    Sentencepiece samples, too, but seeds itself anew in every process, so that
    no run could be resumed exactly.

    Args:
        pieces: From `learn`.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        self._ids = {piece: i for i, piece in enumerate(pieces) if i > END}
        self._joins = joins(pieces)

    def encode(
        self, words: Iterable[str], chance: random.Random, dropout: float
    ) -> np.ndarray:
        """Return the ids of one text.

        Args:
            words: Its words.
            chance: Source of random numbers.
            dropout: The probability.
        """
        row: list[int] = []
        for word in words:
            ids = [self._ids.get(character, UNKNOWN) for character in word]
            self._join(ids, chance.random, dropout)
            # Neighbours that are unknown are one unknown piece.
            row += [
                i
                for i, before in zip(ids, [END, *ids], strict=False)
                if not i == before == UNKNOWN
            ]
        return np.array(row, np.int32)

    def _join(self, ids: list[int], chance: Callable, dropout: float) -> None:
        """Join neighbours until nothing is left to join."""
        make = self._joins.get
        best = END
        while best is not None:
            best, index = None, 0
            for i, pair in enumerate(itertools.pairwise(ids)):
                piece = make(pair)
                if (
                    piece is not None
                    and (best is None or piece < best)
                    # Only what is the best so far needs a random number.
                    and chance() >= dropout
                ):
                    best, index = piece, i
            if best is not None:
                ids[index : index + 2] = [best]


class Merges:
    """Byte-pair encoding in TensorFlow operations.

    Args:
        pieces: From `learn`.

    Attributes:
        tables: What a SavedModel has to track.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        self.size = len(pieces)
        characters = {
            piece: i
            for i, piece in enumerate(pieces)
            if i > END and len(piece) == 1
        }
        pairs = {
            left * self.size + right: i
            for (left, right), i in joins(pieces).items()
        }
        self._characters = lookup_table(characters or {"": UNKNOWN}, UNKNOWN)
        self._pairs = lookup_table(pairs or {-1: 0}, self.size)
        self.tables = [self._characters, self._pairs]

    def encode(self, words: tf.Tensor) -> tf.RaggedTensor:
        """Encode words, `(W,)` strings of UTF-8 to `(W, None)` int32."""
        characters = tf.strings.unicode_split(words, "UTF-8")
        ids = characters.with_flat_values(
            self._characters.lookup(characters.flat_values)
        ).to_tensor(PADDING)  # (W, C)
        # Two more columns, since the loop below needs one pair at least.
        ids = tf.pad(ids, [[0, 0], [0, 2]])
        ids, _ = tf.while_loop(
            lambda _, ranks: tf.reduce_any(ranks < self.size),
            self._join,
            [ids, self._ranks(ids)],
            shape_invariants=[tf.TensorShape([None, None])] * 2,
        )
        # Neighbours that are unknown are one unknown piece.
        unknown = tf.equal(ids, UNKNOWN)
        again = tf.pad(unknown[:, :-1], [[0, 0], [1, 0]]) & unknown
        return tf.ragged.boolean_mask(ids, tf.not_equal(ids, PADDING) & ~again)

    def _ranks(self, ids: tf.Tensor) -> tf.Tensor:
        """Return what neighbours make, `(W, C - 1)`; `size` for nothing."""
        ids = tf.cast(ids, tf.int64)
        return self._pairs.lookup(ids[:, :-1] * self.size + ids[:, 1:])

    def _join(self, ids: tf.Tensor, ranks: tf.Tensor) -> tuple:
        """Join the best two neighbours of each word that has such."""
        piece = tf.reduce_min(ranks, axis=1, keepdims=True)  # (W, 1)
        index = tf.argmin(ranks, axis=1, output_type=tf.int32)[:, None]
        position = tf.range(tf.shape(ids)[1])[None, :]  # (1, C)
        done = tf.equal(piece, self.size)
        moved = tf.pad(ids[:, 1:], [[0, 0], [0, 1]])
        joined = tf.where(tf.equal(position, index), piece, moved)
        ids = tf.where(done | (position < index), ids, joined)  # (W, C)
        return ids, self._ranks(ids)
