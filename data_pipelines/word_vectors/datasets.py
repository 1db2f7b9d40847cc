"""A text in tiles: words, how far the window of each reaches, and negatives.

A tile is 32 words that follow each other, with as many more on either side as
a window has, and the negatives that these words share. So all pairs of a tile
come from one product of matrices, and each vector is read and changed once.
The tiles of a block are read at the same values of the vectors; they come from
places all over the batch.

Batch     {"tokens", "left", "right", "blocks"}: int32 `(S, B, C + K)`, the
          words of a tile, C, and its negatives, K; int8 `(S, B, T)`, how many
          words before and behind each one are in its window; int32, how many
          of the S blocks are in use

Letters of shapes: S blocks, B tiles of a block, T words of a tile, C words with
those on either side, K negatives of a tile, V vocabulary, W numbers of words, N
words of a part of the text.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.batching import passes
from data_pipelines.batching.passes import Batch, BatchedDatasets, BatchedSplit
from data_pipelines.files.ragged import RaggedArray
from data_pipelines.text.words import SPECIALS, Vocabulary, unknown_note
from data_pipelines.word_vectors.test_sets import Pair, Question

# Words of a tile.
TILE = 32

# Words that stay together in the order of a pass, and how many such segments
# are in a batch.
SEGMENT, SEGMENTS = 4096, 16

# What changes a vector is added up over a block. With more occurrences of one
# word than this, training can diverge.
_OCCURRENCES = 8
_MOST_TILES = 64

# Entries of the table that negatives are drawn from.
_TABLE = 2**22


@dataclasses.dataclass(frozen=True)
class Segments:
    """Parts of a text in an order that is another one in each pass.

    Attributes:
        count: How many there are.
    """

    count: int

    @property
    def steps_per_pass(self) -> int:
        """Number of batches in each pass."""
        return -(-self.count // SEGMENTS)

    def plan(self, seed: int, epoch: int) -> list[Batch]:
        """Return the batches of one training pass."""
        random = np.random.default_rng([seed, epoch])
        return self._cut(random.permutation(self.count))

    def once(self) -> list[Batch]:
        """Return the batches of a pass in the order of the text."""
        return self._cut(np.arange(self.count))

    def _cut(self, order: np.ndarray) -> list[Batch]:
        starts = range(0, self.count, SEGMENTS)
        return [Batch(order[i : i + SEGMENTS], SEGMENT) for i in starts]


@dataclasses.dataclass(frozen=True)
class Split(BatchedSplit):
    """A text, mapped from disk.

    Attributes:
        texts: Numbers of the words of each text, as they were counted.
        word_ids: `(W,)` int32, the id of each number.
        counts: `(V,)` how often each id occurs; zero for special ones.
        window: Words on either side that a window has at most.
        negatives: K.
        subsample: Share of the text from which on a word is left out now and
            then; 0: none is.
        seed: Random seed of the order, and of what is drawn.
    """

    texts: RaggedArray
    word_ids: np.ndarray
    counts: np.ndarray
    window: int
    negatives: int
    subsample: float
    seed: int

    def __len__(self) -> int:
        """Return the number of words, unknown ones among them."""
        return len(self.texts.values)

    @property
    def lengths(self) -> np.ndarray:
        """Words of each text."""
        return self.texts.lengths

    @functools.cached_property
    def ends(self) -> np.ndarray:
        """Where each text ends among the words of all."""
        return self.texts.starts + self.texts.lengths

    @functools.cached_property
    def planner(self) -> Segments:
        """Which segments stand in which batch."""
        return Segments(-(-len(self) // SEGMENT))

    @functools.cached_property
    def keep(self) -> np.ndarray:
        """How probable it is that an occurrence stays, `(V,)` float32.

        Mikolov et al. 2013, https://arxiv.org/abs/1310.4546, as their program
        has it: sqrt(t / f) + t / f of a word with the share f of the text.
        """
        share = self.counts / max(self.counts.sum(), 1)
        keep = np.ones(len(share), np.float32)
        if self.subsample:
            ratio = self.subsample / np.maximum(share, 1e-30)
            keep = np.minimum(np.sqrt(ratio) + ratio, 1).astype(np.float32)
        keep[self.counts == 0] = 0
        return keep

    @functools.cached_property
    def tiles(self) -> int:
        """B: so many that no word is expected too often in a block."""
        stay = self.counts * self.keep
        most = _OCCURRENCES * stay.sum() / (TILE * max(stay.max(), 1e-9))
        return 2 ** int(np.log2(np.clip(most, 1, _MOST_TILES)))

    @functools.cached_property
    def table(self) -> np.ndarray:
        """Ids, each as often as its count to the power of 0.75."""
        bounds = np.cumsum(self.counts**0.75)
        places = (np.arange(_TABLE) + 0.5) / _TABLE * bounds[-1]
        return np.searchsorted(bounds, places, "right").astype(np.int32)

    def spec(self, processes: int) -> dict[str, tf.TensorSpec]:
        """See `BatchedSplit`."""
        blocks = -(-SEGMENT * SEGMENTS // (self.tiles * TILE))
        wide = TILE + 2 * self.window + self.negatives
        reach = tf.TensorSpec((blocks, self.tiles, TILE), tf.int8)
        return {
            "tokens": tf.TensorSpec((blocks, self.tiles, wide), tf.int32),
            "left": reach,
            "right": reach,
            "blocks": tf.TensorSpec((), tf.int32),
        }

    def fetch(self, batch: Batch, step: int) -> dict[str, np.ndarray]:
        """See `BatchedSplit`."""
        random = np.random.default_rng([self.seed, step, 1])
        ids, text = self.read(batch.rows)
        stay = random.random(len(ids), np.float32) < self.keep[ids]
        ids, text = ids[stay], text[stay]
        reach = random.integers(1, self.window + 1, len(ids), np.int8)
        # A batch has one block at least, perhaps without a word.
        blocks = max(-(-len(ids) // (self.tiles * TILE)), 1)
        count = blocks * self.tiles * TILE
        row = np.zeros(count + 2 * self.window, np.int32)
        row[self.window : self.window + len(ids)] = ids
        wide = TILE + 2 * self.window
        tiles = np.lib.stride_tricks.sliding_window_view(row, wide)[::TILE]
        drawn = random.integers(
            0, _TABLE, (len(tiles), self.negatives), np.int32
        )
        tokens = np.concatenate([tiles, self.table[drawn]], axis=1)
        left, right = (
            np.pad(side, (0, count - len(ids))).reshape(-1, TILE)
            for side in _reach(text, reach)
        )
        arrays = {"tokens": tokens, "left": left, "right": right}
        spec = self.spec(1)
        return {
            "blocks": np.int32(blocks),
            **{
                name: self._in_blocks(array, spec[name])
                for name, array in arrays.items()
            },
        }

    def read(self, segments: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the ids of segments, and the number of the text of each.

        A text that goes on in another segment has another number there.
        """
        parts, begins = [], []
        for segment in segments:
            start = int(segment) * SEGMENT
            part = self.texts.values[start : start + SEGMENT]
            first, last = np.searchsorted(self.ends, [start, start + len(part)])
            begin = np.zeros(len(part), np.int32)
            within = self.ends[first:last] - start
            begin[within[within < len(part)]] = 1
            begin[0] = 1
            parts.append(self.word_ids[part])
            begins.append(begin)
        return np.concatenate(parts), np.cumsum(np.concatenate(begins))

    def _in_blocks(self, tiles: np.ndarray, spec: tf.TensorSpec) -> np.ndarray:
        """Return tiles in blocks, those of a block far from each other."""
        whole = np.zeros(spec.shape, spec.dtype.as_numpy_dtype)
        blocks = len(tiles) // self.tiles
        ordered = tiles.reshape(self.tiles, blocks, -1).swapaxes(0, 1)
        whole[:blocks] = ordered
        return whole

    def digest(self) -> str:
        """See `BatchedSplit`."""
        values = self.texts.values
        starts = range(0, len(values), SEGMENT)
        ids = (self.word_ids[values[i : i + SEGMENT]] for i in starts)
        parts = itertools.chain(ids, [np.asarray(self.lengths)])
        return passes.digest(f"{len(self)} words", parts)


def _reach(text: np.ndarray, most: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return how many words of the same text are before and behind each.

    Args:
        text: `(N,)` the number of its text, of each word.
        most: `(N,)` int8, how many are counted at most.

    Returns:
        Two arrays `(N,)` int8.
    """
    begins = np.flatnonzero(np.diff(text, prepend=-1))
    lengths = np.diff(begins, append=len(text))
    before = np.arange(len(text)) - np.repeat(begins, lengths)
    behind = np.repeat(lengths, lengths) - 1 - before
    return tuple(np.minimum(most, n).astype(np.int8) for n in (before, behind))


@dataclasses.dataclass(frozen=True)
class Datasets(BatchedDatasets[Split]):
    """What the pipeline of word vectors returns; valid and test are empty.

    Attributes:
        vocabulary: Words and ids.
        pairs: What similarities are tested on; may be empty.
        questions: What analogies are tested on; may be empty.
        notes: Remarks on how the files were read.
    """

    vocabulary: Vocabulary
    pairs: Sequence[Pair]
    questions: Sequence[Question]
    notes: Sequence[str]

    @property
    def examples(self) -> dict[str, int]:
        """What there is to learn from, and to test on."""
        return {
            "train": len(self.train),
            "pairs": len(self.pairs),
            "questions": len(self.questions),
        }

    @property
    def digest(self) -> list[str]:
        """The digest of train in a line, to notice that data change."""
        return [f"train {self.train.digest()}"]

    def report(self) -> list[str]:
        """Return a few lines for the terminal."""
        train = self.train
        known = int(train.counts.sum())
        stay = float((train.counts * train.keep).sum())
        unknown = 1 - known / len(train)
        lines = [
            f"{'train':8} {len(train):,} words in {len(train.lengths):,} texts;"
            f" {unknown:.2%} unknown; {stay / known:.0%} of the others stay in"
            " a pass",
            f"{'words':8} {len(self.vocabulary) - len(SPECIALS):,}",
            f"{'batches':8} {train.steps_per_pass:,} a pass; vectors change"
            f" after {train.tiles * TILE:,} words",
            f"{'tests':8} {len(self.pairs):,} pairs,"
            f" {len(self.questions):,} questions",
        ]
        if not (self.pairs or self.questions):
            lines[-1] = f"{'tests':8} none; --pairs and --questions name files"
        notes = [*self.notes, *unknown_note(unknown, "words", ())]
        return lines + [f"{'note':8} {note}" for note in notes]


def blocks_of(split: Split, segments: int) -> Iterator[tuple]:
    """Yield ids and texts of a split in order, so many segments at a time."""
    count = split.planner.count
    for start in range(0, count, segments):
        yield split.read(range(start, min(start + segments, count)))
