"""Why a text has its label: three views of its words.

attention  the weight of a word in the attention pooling
change     how much higher the probability of a class is than without the word
ratios     log-count ratios of n-grams, as the model was given them: `ratios.py`

Attention says where the model looked and not what it made of it; the change
does, of one word at a time.

Letters of shapes: T words, C classes, K columns of ratios.
"""

import typing
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from data_pipelines.files.lines import encodable
from data_pipelines.text.words import (
    UNKNOWN,
    crop_lengths,
    crop_row,
    places,
    tokenize,
)

from .predict import Prediction, Predictor
from .ratios import hashed

# Of a long text so many words are left out, one at a time: those that the model
# looked at most. And so many texts are read at a time.
MOST_WORDS = 64
BATCH = 256

MOST_NGRAMS = 5


class Word(typing.NamedTuple):
    """A word of a text.

    Attributes:
        before: What stands before it, behind the last word.
        text: As it was written.
        attention: Its weight.
        change: Of the probability of the label; 0 if it was not left out.
        changes: Of the probabilities of all classes, by their names; empty if
            it was not left out.
    """

    before: str
    text: str
    attention: float
    change: float
    changes: dict[str, float]

    @property
    def size(self) -> float:
        """Of the largest change."""
        return max(map(abs, self.changes.values()), default=0.0)


class Explanation(typing.NamedTuple):
    """A text with its prediction.

    Attributes:
        prediction: The `Prediction`.
        probabilities: Its probabilities by the names of the classes.
        words: Its words.
        rest: What stands behind the last one.
        ngrams: N-grams as they were written, with their ratios by class.
    """

    prediction: Prediction
    probabilities: dict[str, float]
    words: list[Word]
    rest: str
    ngrams: list[tuple[str, dict[str, float]]]


def explain(
    predictor: Predictor, texts: Sequence[str], predictions: list[Prediction]
) -> list[Explanation]:
    """Return the explanation of each prediction that has words."""
    some = [
        pair for pair in zip(texts, predictions, strict=True) if pair[1].words
    ]
    rows = [predictor.vocabulary.ids(p.words) for _, p in some]
    changes = _changes(predictor, rows, [p for _, p in some])
    return [
        _explanation(predictor, text, prediction, ids, change)
        for (text, prediction), ids, change in zip(
            some, rows, changes, strict=True
        )
    ]


def _changes(predictor, rows, predictions):
    """Return for each text a dictionary of place -> label -> change."""
    tried = [
        (number, place)
        for number, prediction in enumerate(predictions)
        for place in np.argsort(prediction.weights)[::-1][:MOST_WORDS].tolist()
    ]
    tried.sort(key=lambda pair: len(rows[pair[0]]))
    changes = [{} for _ in rows]
    for start in range(0, len(tried), BATCH):
        batch = tried[start : start + BATCH]
        without = [np.delete(rows[number], place) for number, place in batch]
        # A text without words is one unknown word, as in training.
        without = [row if len(row) else [UNKNOWN] for row in without]
        ids = tf.ragged.constant(without, dtype=tf.int32).to_tensor()
        probabilities, _ = map(np.asarray, predictor.explain(ids))
        for (number, place), p in zip(batch, probabilities, strict=True):
            change = np.array(predictions[number].probabilities) - p
            changes[number][place] = dict(
                zip(predictor.labels, change.tolist(), strict=True)
            )
    return changes


def _explanation(predictor, text, prediction, ids, changes):
    text = encodable(text)
    kind, words = predictor.vocabulary.kind, prediction.words
    tokens = tokenize(tf.constant([text]), kind)[0].numpy()
    pairs = places(text, [token.decode() for token in tokens], kind)
    if pairs:
        ends = crop_lengths(predictor.max_length, "ends")
        pairs = crop_row(np.array(pairs), *ends).tolist()
    else:  # as the model reads it
        text = " ".join(words)
        ends = np.cumsum([len(word) + 1 for word in words])
        pairs = [
            (end - len(w) - 1, end - 1)
            for end, w in zip(ends, words, strict=True)
        ]
    shown, last = [], 0
    for place, (start, end) in enumerate(pairs):
        shown.append(
            Word(
                text[last:start],
                text[start:end],
                prediction.weights[place],
                changes.get(place, {}).get(prediction.label, 0.0),
                changes.get(place, {}),
            )
        )
        last = end
    ngrams = sorted(
        _ngrams(predictor, text, pairs, ids),
        key=lambda pair: -max(map(abs, pair[1].values())),
    )
    shares = zip(predictor.labels, prediction.probabilities, strict=True)
    return Explanation(
        *(prediction, dict(shares), shown, text[last:], ngrams[:MOST_NGRAMS])
    )


def _ngrams(predictor, text, pairs, ids) -> Iterator[tuple[str, dict]]:
    """Yield the n-grams of a text with the ratios that the model was given."""
    ratios = ratios_at(predictor, ids)  # T N C
    for n in range(ratios.shape[1]):
        for place in range(len(ids) - n):
            if ratios[place, n].any():
                written = text[pairs[place][0] : pairs[place + n][1]]
                numbers = ratios[place, n].tolist()
                yield written, dict(zip(predictor.labels, numbers, strict=True))


def ratios_at(predictor: Predictor, ids: np.ndarray) -> np.ndarray:
    """Return what the model is given at words `(T,)`: ratios `(T, N, C)`.

    Without ratios N is 0.
    """
    classifier, labels = predictor.classifier, predictor.labels
    if not any(layer.name == "ratios" for layer in classifier.layers):
        return np.zeros((len(ids), 0, len(labels)))
    (table,) = classifier.get_layer("ratios").get_weights()  # N*H K
    order = classifier.get_layer("ratios").output.shape[2]
    buckets = len(table) // order
    rows = np.asarray(hashed(ids[None], order, buckets))[0]  # T N
    ratios = table[rows + np.arange(order) * buckets]  # T N K
    if ratios.shape[-1] == 1:  # of two classes the second says it all
        ratios = np.concatenate([-ratios, ratios], axis=-1)
    return ratios
