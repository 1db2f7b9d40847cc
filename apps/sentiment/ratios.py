"""What a word and its neighbours say about the class, counted beforehand.

Each n-gram g of the training texts (one to three words) gets for class c

    r_c(g) = log (n_c + s_c) / (n_r + s_r) - log s_c / s_r

where n_c and n_r are the numbers of texts that hold g, in class c and in the
rest, and s_c, s_r are 2 times the shares of c and of the rest in all texts.
An n-gram never seen has 0.  Wang and Manning, 2012, "Baselines and bigrams:
simple, good sentiment and topic classification", ACL, section 2, who weigh a
bag of n-grams by it; here it is an input of the recurrent network, beside the
word vector, at the place of the n-gram's first word.

A training text must not be told its own label: its ratios come from counts
that leave out the tenth of the texts which it belongs to.

N-grams share a table by hashing.  Letters of shapes: B batch, T words, N words
of the longest n-gram, C classes, K columns (one for two classes, else C),
H places of a table.
"""

import numpy as np
import tensorflow as tf
from keras import layers, ops

FOLDS = 10
PLACES = 2**20
MOST_CLASSES = 20
MULTIPLIER = 2039  # prime, and PLACES * MULTIPLIER is less than 2**31


class Ratios:
    """Ratios of all n-grams of a split.

    Args:
        split: The training split: `dataset()` gives its batches.
        classes: C.
        order: N; with 0 there are no ratios, and nothing is added; nor with
            more classes than a table has room for.
        places: H; more classes share fewer.
    """

    def __init__(self, split, classes, order, places=PLACES):
        self.order = order if classes <= MOST_CLASSES else 0
        if order != self.order:
            print(f"ratios   none: more than {MOST_CLASSES} classes")
        if not self.order:
            return
        self.columns = 1 if classes == 2 else classes
        self.places = max(places // 2 ** max(classes - 2, 0).bit_length(), 16)
        counts, texts = _count(split, classes, order, self.places)
        total, total_texts = counts.sum(0), texts.sum(0)
        whole = self._ratios(total, total_texts)  # N H K
        self.whole = tf.constant(whole)
        held_out = np.empty((FOLDS, *whole.shape), "float32")
        for fold in range(FOLDS):
            held_out[fold] = self._ratios(
                total - counts[fold], total_texts - texts[fold]
            )
        self.held_out = tf.constant(held_out)  # folds N H K

    @property
    def width(self):
        """Numbers that each word gets: N * K."""
        return self.order * self.columns if self.order else 0

    def _ratios(self, counts, texts):
        """Turns counts `(N, C, H)` and texts `(C,)` into ratios `(N, H, K)`."""
        total = counts.sum(axis=1, keepdims=True)
        share = texts / max(texts.sum(), 1)
        found = []
        for label in range(len(texts)):
            one, rest = np.clip([share[label], 1 - share[label]], 1e-6, 1)
            inside = counts[:, label] + 2 * one  # N H
            outside = total[:, 0] - counts[:, label] + 2 * rest
            found.append(np.log(inside / outside) - np.log(one / rest))
        chosen = found[1:] if len(found) == 2 else found
        return np.stack(chosen, axis=-1).astype("float32")

    def for_training(self, dataset):
        """Adds the ratios that leave out the text's own tenth to batches."""

        def add(tokens, labels):
            fold = fold_of(tokens)[:, None, None] * self.order  # B 1 1
            return (tokens, self._find(self.held_out, tokens, fold)), labels

        return dataset.map(add) if self.order else dataset

    def for_validation(self, dataset):
        """Adds the ratios of all training texts to batches."""

        def add(tokens, labels):
            return (tokens, self._find(self.whole, tokens, 0)), labels

        return dataset.map(add) if self.order else dataset

    def _find(self, tables, tokens, first):
        """Returns `(B, T, N * K)` from tables that begin at number `first`."""
        places = hashed(tokens, self.order, self.places, tf)  # B T N
        rows = (first + np.arange(self.order)) * self.places + places
        found = tf.gather(tf.reshape(tables, (-1, self.columns)), rows)
        shape = tf.concat([tf.shape(tokens), [self.width]], 0)
        return tf.reshape(found, shape)  # B T N*K

    def lookup(self, tokens):
        """Returns the ratios `(B, T, N * K)` by layers of the model itself."""
        places = hashed(tokens, self.order, self.places)  # B T N
        rows = places + np.arange(self.order, dtype="int32") * self.places
        table = layers.Embedding(
            self.order * self.places,
            self.columns,
            trainable=False,
            name="ratios",
        )
        found = table(rows)  # B T N K
        table.set_weights([self.whole.numpy().reshape(-1, self.columns)])
        return layers.Reshape((-1, self.width))(found)


def hashed(tokens, order, places, xp=ops):
    """Returns the place of the n-grams that begin at each word.

    Args:
        tokens: `(B, T)` int32, 0 is padding.
        order: N.
        places: H.
        xp: `keras.ops` inside of a model, `tensorflow` in a pipeline.

    Returns:
        `(B, T, N)` int32 from 0 to H - 1; column n - 1 is for n words.
    """
    ahead = xp.pad(tokens, [[0, 0], [0, order - 1]])
    place = xp.zeros_like(tokens)
    found = []
    for n in range(order):
        word = ahead[:, n : n - order + 1 or None]  # the word n places on
        place = (place * MULTIPLIER + word) % places
        found.append(place)
    return xp.stack(found, axis=-1)


def fold_of(tokens):
    """Returns the tenth `(B,)` that a text belongs to, by its words alone."""
    return tf.reduce_sum(tokens, axis=1) % FOLDS


def _count(split, classes, order, places):
    """Counts in how many texts each n-gram stands.

    Returns:
        `(folds, N, C, H)` int32 and the number of texts `(folds, C)`.
    """
    counts = np.zeros((FOLDS, order, classes, places), "int32")
    texts = np.zeros((FOLDS, classes), "int64")
    for tokens, labels in split.dataset():
        folds, labels = fold_of(tokens).numpy(), np.asarray(labels)
        found = hashed(tokens, order, places, tf).numpy()
        np.add.at(texts, (folds, labels), 1)
        row, place = np.nonzero(np.asarray(tokens))
        for n in range(order):
            # Each n-gram counts once a text.
            pairs = np.unique(row * np.int64(places) + found[row, place, n])
            row_of, h = pairs // places, pairs % places
            np.add.at(counts, (folds[row_of], n, labels[row_of], h), 1)
    return counts, texts
