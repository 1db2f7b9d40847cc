"""Log-count ratios: how strongly a word and its neighbours speak for a class.

Each n-gram g of the training texts (one to three words) gets for class c

    r_c(g) = log (n_c + s_c) / (n_r + s_r) - log s_c / s_r

where n_c and n_r are the numbers of texts that contain g, in class c and in the
rest, and s_c, s_r are 2 times the shares of c and of the rest in all texts. An
n-gram that never occurs has 0. Wang and Manning, 2012, "Baselines and bigrams:
simple, good sentiment and topic classification", ACL, section 2, who weigh a
bag of n-grams by it; here it is an input of the recurrent network, beside the
word vector, at the position of the n-gram's first word.

A training text must not learn its own label: its ratios come from counts that
leave out the fold, a tenth of the texts, which it belongs to.

N-grams share a table by hashing. Letters of shapes: B batch, T words, N words
of the longest n-gram, C classes, K columns (one for two classes, else C),
H buckets of a table, F folds.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import layers, ops

from apps.common.terminal import echo

FOLDS = 10
BUCKETS = 2**20
SPARE = 8  # buckets for each n-gram, so that few share one
MOST_CLASSES = 20
MULTIPLIER = 2039  # prime, and BUCKETS * MULTIPLIER is less than 2**31


class Ratios:
    """Ratios of all n-grams of a split.

    Args:
        split: The training split: `dataset()` gives its batches.
        classes: C.
        order: N; with 0 there are no ratios, and nothing is added; nor with
            more classes than a table has room for.
        buckets: Most H; with more classes there are fewer, and never more than
            `SPARE` for each n-gram.
        table: `(N * H, K)`, ratios of a run that has not seen the split: they
            are taken as they are, and nothing is counted.
    """

    def __init__(
        self,
        split,
        classes: int,
        order: int,
        buckets: int = BUCKETS,
        table: np.ndarray | None = None,
    ):
        self.folds = FOLDS
        self.order = order if classes <= MOST_CLASSES else 0
        if order != self.order:
            echo(f"ratios   none: more than {MOST_CLASSES} classes")
        if not self.order:
            return
        self.columns = len(columns(range(classes)))
        if table is not None:
            self.whole = table.reshape(order, -1, self.columns)
            self.buckets, self.folds = self.whole.shape[1], 1
            self.held_out = tf.convert_to_tensor(table)
            return
        halvings = max(classes - 2, 0).bit_length()
        self.buckets = max(buckets // 2**halvings, 16)
        counts, texts = _count(split, classes, order, self.buckets)
        different = (counts.sum(axis=(0, 2)) > 0).sum(axis=-1).max()
        enough = 2 ** int(SPARE * different).bit_length()
        if enough < self.buckets:  # a small table for small data
            self.buckets = enough
            counts, texts = _count(split, classes, order, enough)
        total, total_texts = counts.sum(0), texts.sum(0)
        self.whole = self._ratios(total, total_texts)  # N H K
        held_out = np.empty((FOLDS, *self.whole.shape), "float32")
        for fold in range(FOLDS):
            held_out[fold] = self._ratios(
                total - counts[fold], total_texts - texts[fold]
            )
        self.held_out = tf.reshape(held_out, (-1, self.columns))  # F*N*H K

    @property
    def width(self) -> int:
        """Numbers for each word: N * K."""
        return self.order * self.columns if self.order else 0

    def _ratios(self, counts, texts):
        """Turn counts `(N, C, H)` and texts `(C,)` into ratios `(N, H, K)`."""
        total = counts.sum(axis=1, keepdims=True)
        share = texts / max(texts.sum(), 1)
        ratios = []
        for label in range(len(texts)):
            one, rest = np.clip([share[label], 1 - share[label]], 1e-6, 1)
            inside = counts[:, label] + 2 * one  # N H
            outside = total[:, 0] - counts[:, label] + 2 * rest
            ratios.append(np.log(inside / outside) - np.log(one / rest))
        # Of two classes the second says it all.
        ratios = ratios[1:] if len(ratios) == 2 else ratios
        return np.stack(ratios, axis=-1).astype("float32")

    def for_training(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        """Add to batches the ratios that leave out the text's own fold."""

        def add(tokens, labels):
            fold = fold_of(tokens)[:, None, None] % self.folds
            fold = fold * self.order  # B 1 1
            bucket = hashed(tokens, self.order, self.buckets, tf)  # B T N
            rows = (fold + np.arange(self.order)) * self.buckets + bucket
            shape = tf.concat([tf.shape(tokens), [self.width]], 0)
            ratios = tf.reshape(tf.gather(self.held_out, rows), shape)
            return (tokens, ratios), labels  # B T, B T N*K

        return dataset.map(add) if self.order else dataset

    def lookup(self, tokens):
        """Return the ratios `(B, T, N * K)` by layers of the model itself."""
        bucket = hashed(tokens, self.order, self.buckets)  # B T N
        rows = bucket + np.arange(self.order, dtype="int32") * self.buckets
        table = layers.Embedding(
            self.order * self.buckets,
            self.columns,
            trainable=False,
            name="ratios",
        )
        ratios = table(rows)  # B T N K
        table.set_weights([self.whole.reshape(-1, self.columns)])
        return layers.Reshape((-1, self.width))(ratios)


def columns(labels: Sequence) -> Sequence:
    """Return the labels that have a column; of two the second says it all."""
    if len(labels) > MOST_CLASSES:
        return ()
    return labels[1:] if len(labels) == 2 else labels


def hashed(tokens, order: int, buckets: int, xp=ops):
    """Return the bucket of the n-grams that begin at each word.

    Args:
        tokens: `(B, T)` int32, 0 is padding.
        order: N.
        buckets: H.
        xp: `keras.ops` inside of a model, `tensorflow` in a pipeline.

    Returns:
        `(B, T, N)` int32 from 0 to H - 1; column n - 1 is for n words.
    """
    ahead = xp.pad(tokens, [[0, 0], [0, order - 1]])
    bucket = xp.zeros_like(tokens)
    columns = []
    for n in range(order):
        word = ahead[:, n : n - order + 1 or None]  # n words further on
        bucket = (bucket * MULTIPLIER + word) % buckets
        columns.append(bucket)
    return xp.stack(columns, axis=-1)


def fold_of(tokens):
    """Return the fold `(B,)` that a text belongs to, by its words alone."""
    return tf.reduce_sum(tokens, axis=1) % FOLDS


def _count(split, classes, order, buckets):
    """Count the texts with each n-gram `(F, N, C, H)`, and all `(F, C)`."""
    counts = np.zeros((FOLDS, order, classes, buckets), "int32")
    texts = np.zeros((FOLDS, classes), "int64")
    for tokens, labels in split.dataset():
        folds, labels = fold_of(tokens).numpy(), np.asarray(labels)
        bucket = hashed(tokens, order, buckets, tf).numpy()
        np.add.at(texts, (folds, labels), 1)
        row, position = np.nonzero(np.asarray(tokens))
        for n in range(order):
            # Each n-gram counts once a text.
            pairs = np.unique(
                row * np.int64(buckets) + bucket[row, position, n]
            )
            row_of, h = pairs // buckets, pairs % buckets
            np.add.at(counts, (folds[row_of], n, labels[row_of], h), 1)
    return counts, texts
