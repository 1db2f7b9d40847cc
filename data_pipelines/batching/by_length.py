"""Encoded texts -> batches of similar length, in an order one can jump into.

Batch     (ids, labels): int32 `(B, T)` padded with 0 on the right, int32 `(B,)`

The order of pass e is a function of (seed, e) alone:

1.  all examples are permuted; those that do not fill a batch, the last ones
    of the permutation, form a smaller batch of their own or sit this pass out;
2.  the rest is cut into pools of 100 batches; each pool is sorted by length
    and cut into batches, so that texts of one batch are about equally long;
3.  the batches are shuffled.

So every pass has the same number of batches, and batch k of a training run
can be made without making the ones before it: a resumed run sees bit for bit
the batches that an uninterrupted one would have seen.

Letters of shapes: N examples, B batch, T words.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from data_pipelines.text import word_tokenizer

POOL = 100

SPEC = (
    tf.TensorSpec((None, None), tf.int32),
    tf.TensorSpec((None,), tf.int32),
)


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Examples of one split as arrays, most of them mapped from a file.

    Attributes:
        tokens: `(all words,)` numbers of words, one text after another.
        starts: `(N,)` where each text starts in `tokens`.
        sizes: `(N,)` how many words each text has, at least 1.
        labels: `(N,)` int32.
        mapping: `(numbers,)` int32, from numbers of words to ids.
        max_length: longer texts are cropped, as by `text.crop`.
        keep: see `text.crop`.
        widths: ascending; a batch is padded up to the first one that holds
            it, or up to `max_length` if none does.
    """

    tokens: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray
    mapping: np.ndarray
    max_length: int
    keep: str
    widths: np.ndarray

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def lengths(self) -> np.ndarray:
        """Words of each text after cropping, `(N,)`."""
        return np.minimum(self.sizes, self.max_length)

    @property
    def order(self) -> np.ndarray:
        """Row numbers in the order of the evaluation pass, `(N,)`.

        `in_order = np.empty_like(p); in_order[encoded.order] = p` puts
        predictions `p` back into the order of the file.
        """
        return np.argsort(self.lengths, kind="stable")

    def ids(self, row: int) -> np.ndarray:
        """All ids of one text, not cropped."""
        start = self.starts[row]
        return self.mapping[self.tokens[start : start + self.sizes[row]]]

    def width(self, longest: int) -> int:
        """The width of a batch whose longest row has `longest` words."""
        place = np.searchsorted(self.widths, longest)
        if place == len(self.widths):
            return self.max_length
        return int(self.widths[place])

    def batch(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids `(B, T)` and labels `(B,)` of the given rows."""
        sizes = self.sizes[rows]
        lengths = np.minimum(sizes, self.max_length)
        head, _ = word_tokenizer.halves(self.max_length, self.keep)
        position = np.arange(self.width(lengths.max()))[None, :]  # (1, T)
        real = position < lengths[:, None]  # (B, T)
        # Cropped rows jump over their middle; with "head" over nothing.
        skip = (sizes - lengths)[:, None] * (position >= head)
        places = (self.starts[rows][:, None] + position + skip)[real]
        ids = np.full(real.shape, word_tokenizer.PADDING, np.int32)
        ids[real] = self.mapping[self.tokens[places]]
        return ids, self.labels[rows]


def steps_per_pass(examples: int, batch_size: int, drop_remainder: bool) -> int:
    """Number of batches in each pass.

    With `drop_remainder` only full batches count; a split smaller than one
    batch is one smaller batch all the same.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    if drop_remainder and examples >= batch_size:
        return examples // batch_size
    return -(-examples // batch_size)


def plan(
    lengths: np.ndarray,
    batch_size: int,
    seed: int,
    epoch: int,
    drop_remainder: bool,
) -> list[np.ndarray]:
    """Rows of each batch of one training pass; see the module's docstring."""
    random = np.random.default_rng([seed, epoch])
    rows = random.permutation(len(lengths))
    full = len(rows) - len(rows) % batch_size
    batches = []
    for start in range(0, full, POOL * batch_size):
        pool = rows[start : min(start + POOL * batch_size, full)]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches.extend(pool.reshape(-1, batch_size))
    if full < len(rows) and not (drop_remainder and full):
        batches.append(rows[full:])
    return [batches[i] for i in random.permutation(len(batches))]


def make_dataset(
    encoded: Encoded,
    *,
    batch_size: int,
    seed: int,
    training: bool,
    start_step: int = 0,
    drop_remainder: bool = True,
) -> tf.data.Dataset:
    """Makes batches of ids and labels, `SPEC`.

    Args:
        encoded: the examples, at least one.
        batch_size: examples in a batch.
        seed: of the order; without effect on the evaluation pass.
        training: True for an endless stream of passes; False for one pass
            sorted by length (`encoded.order`), its last batch smaller.
        start_step: batches of the stream to leave out, for resuming; this
            costs no more than starting at 0.  Training only.
        drop_remainder: whether the examples of a training pass that do not
            fill a batch sit it out.

    Returns:
        A dataset.  Each iteration of it starts anew at `start_step`, so pass
        `steps_per_epoch` to `fit`, which then goes on through one iteration.
    """
    if not len(encoded):
        raise ValueError("there are no examples to make batches of")
    if training:
        steps = steps_per_pass(len(encoded), batch_size, drop_remainder)
        size = tf.data.INFINITE_CARDINALITY
    else:
        steps = steps_per_pass(len(encoded), batch_size, False)
        size = steps

    def endless() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        lengths = encoded.lengths
        epoch, first = divmod(start_step, steps)
        while True:
            rows = plan(lengths, batch_size, seed, epoch, drop_remainder)
            yield from map(encoded.batch, rows[first:])
            epoch, first = epoch + 1, 0

    def once() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rows = encoded.order
        for start in range(0, len(rows), batch_size):
            yield encoded.batch(rows[start : start + batch_size])

    dataset = tf.data.Dataset.from_generator(
        endless if training else once, output_signature=SPEC
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(size))
    return dataset.prefetch(tf.data.AUTOTUNE)


def efficiency(encoded: Encoded, batch_size: int, seed: int) -> float:
    """Share of real tokens among the positions of the first training pass."""
    lengths = encoded.lengths
    real = computed = 0
    for rows in plan(lengths, batch_size, seed, 0, True):
        real += int(lengths[rows].sum())
        computed += len(rows) * encoded.width(lengths[rows].max())
    return real / max(computed, 1)
