"""The n-gram ratios against their formula, text by text."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from apps.sentiment import ratios


class Texts:
    """Some batches of texts with their labels."""

    def __init__(self, classes, seed=0):
        random = np.random.default_rng(seed)
        self.rows = [
            random.integers(1, 6, random.integers(1, 8)).tolist()
            for _ in range(90)
        ]
        self.labels = random.integers(0, classes, 90).tolist()

    def dataset(self):
        for start in range(0, 90, 20):
            rows = self.rows[start : start + 20]
            width = max(map(len, rows)) + 1
            padded = [row + [0] * (width - len(row)) for row in rows]
            labels = np.array(self.labels[start : start + 20])
            yield tf.constant(padded, tf.int32), labels


def ratio_by_definition(texts, classes, gram, label, without=None):
    """The formula of the docstring, n-grams as tuples, text by text."""
    inside = outside = size = total = 0
    for row, other in zip(texts.rows, texts.labels, strict=True):
        if sum(row) % ratios.FOLDS == without:
            continue
        padded = row + [0] * len(gram)
        grams = {tuple(padded[i : i + len(gram)]) for i in range(len(row))}
        total += 1
        size += other == label
        inside += gram in grams and other == label
        outside += gram in grams and other != label
    share = size / total
    smoothed = (inside + 2 * share) / (outside + 2 * (1 - share))
    return np.log(smoothed) - np.log(share / (1 - share))


def by_model(table, tokens):
    """The ratios of all texts, as the classifier looks them up."""
    inputs = keras.Input((None,), dtype="int32")
    return keras.Model(inputs, table.lookup(inputs))(tokens).numpy()


@pytest.mark.parametrize("classes", [2, 3])
def test_ratios_are_those_of_the_formula(classes):
    texts = Texts(classes)
    # Places enough that no two of these n-grams share one.
    table = ratios.Ratios(texts, classes, 2, buckets=2**16)
    columns = [1] if classes == 2 else range(classes)
    assert table.width == 2 * len(columns)
    for tokens, labels in texts.dataset():
        stream = tf.data.Dataset.from_tensors((tokens, labels))
        (((_, held_out), _),) = table.for_training(stream)
        whole = by_model(table, tokens)
        for row, text in enumerate(tokens.numpy()):
            own = sum(text) % ratios.FOLDS
            padded = [*text.tolist(), 0]
            for place in np.flatnonzero(text):
                grams = [tuple(padded[place : place + n]) for n in (1, 2)]
                for ours, without in [(whole, None), (held_out, own)]:
                    expected = [
                        ratio_by_definition(texts, classes, g, c, without)
                        for g in grams
                        for c in columns
                    ]
                    np.testing.assert_allclose(
                        ours[row, place], expected, atol=1e-5
                    )
        break


def test_a_text_is_not_told_its_own_label():
    """A word that stands in one text only says nothing to that text."""
    texts = Texts(2)
    texts.rows[0] = [77, 78]
    table = ratios.Ratios(texts, 2, 1)
    batch = next(texts.dataset())
    stream = tf.data.Dataset.from_tensors(batch)
    (((_, held_out), _),) = table.for_training(stream)
    whole = by_model(table, batch[0])
    np.testing.assert_allclose(held_out[0, :2], 0, atol=1e-6)
    assert np.all(np.abs(whole[0, :2]) > 0.5)


def test_an_unseen_ngram_has_no_ratio_however_rare_a_class():
    texts = Texts(2)
    texts.labels = [1] * 5 + [0] * 85
    table = ratios.Ratios(texts, 2, 1)
    whole = by_model(table, tf.constant([[99]]))
    np.testing.assert_allclose(whole, 0, atol=1e-6)


def test_a_table_is_small_where_n_grams_are_few():
    # Five words, at the end without another: 30 pairs at most.
    table = ratios.Ratios(Texts(2), 2, 2)
    assert 8 * 25 <= table.buckets <= 16 * 30
    assert ratios.Ratios(Texts(2), 2, 2, buckets=32).buckets == 32
