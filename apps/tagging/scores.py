"""Scores of labels, of spans as conlleval counts them, and of heads.

A predicted span is right if there is one with the same first word, the same
last word and the same type; precision, recall and F1 are over all spans.
Accuracy is over words, sentence accuracy over whole sentences. Heads and
relations are scored as in the CoNLL 2018 shared task, relations without what
stands behind their colon (`nmod:poss`), but over words that are no punctuation:
those whose relation is not `punct`.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from data_pipelines.tagging.schemes import spans

SPAN_METRICS = {
    "f1": "harmonic mean of precision and recall",
    "precision": "of the predicted spans, the share that is right: first word,"
    " last word and type",
    "recall": "of the spans that there are, the share that is predicted right",
}
TAG_METRICS = {
    "accuracy": "share of words with the right label",
    "sentence_accuracy": "share of sentences with all words right",
}
INTENT_METRICS = {"intent_accuracy": "share of sentences with the right intent"}
METRICS = {**SPAN_METRICS, **TAG_METRICS, **INTENT_METRICS}
# Of a table by types or labels; the last is how many test has.
COLUMNS = ("precision", "recall", "f1", "test")
PARSE_METRICS = {
    "uas": "share of words with the right head, punctuation left out",
    "las": "share with the right head and relation",
}
POS_METRICS = {"pos_accuracy": "share of words with the right part of speech"}
PUNCTUATION = "punct"


def of_spans(
    targets: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]
) -> dict[str, dict]:
    """Return precision, recall, F1 and number of targets of each type.

    The type "" is that of all spans together.
    """
    right, wanted, guessed = Counter(), Counter(), Counter()
    for target, guess in zip(targets, predicted, strict=True):
        target, guess = set(spans(target)), set(spans(guess))
        for counts, some in (
            (right, target & guess),
            (wanted, target),
            (guessed, guess),
        ):
            for span in some:
                counts.update((span.type, ""))
    return _table(right, wanted, guessed, [""])


def of_labels(
    targets: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]
) -> dict[str, dict]:
    """Return the same of the labels of words, each by itself."""
    right, wanted, guessed = Counter(), Counter(), Counter()
    for target, guess in zip(targets, predicted, strict=True):
        wanted.update(target)
        guessed.update(guess)
        right.update(a for a, b in zip(target, guess, strict=True) if a == b)
    return _table(right, wanted, guessed)


def _table(right, wanted, guessed, more=()):
    return {
        kind: {
            "precision": _share(right[kind], guessed[kind]),
            "recall": _share(right[kind], wanted[kind]),
            "f1": _share(2 * right[kind], wanted[kind] + guessed[kind]),
            "test": wanted[kind],
        }
        for kind in sorted({*wanted, *guessed, *more})
    }


def of_tags(
    targets: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    are_spans: bool,
) -> dict[str, float]:
    """Return the scores of labels.

    Args:
        targets: A list of labels for each sentence.
        predicted: Likewise.
        are_spans: Whether the labels are those of spans.
    """
    pairs = [
        [a == b for a, b in zip(target, guess, strict=True)]
        for target, guess in zip(targets, predicted, strict=True)
    ]
    scores = {
        "accuracy": _share(sum(map(sum, pairs)), sum(map(len, pairs))),
        "sentence_accuracy": _share(sum(map(all, pairs)), len(pairs)),
    }
    if are_spans:
        every = of_spans(targets, predicted)[""]
        every.pop("test")
        scores |= every
    return scores


def of_heads(
    targets: Iterable[tuple[Sequence[int], Sequence[str]]],
    predicted: Iterable[tuple[Sequence[int], Sequence[str]]],
) -> dict[str, float]:
    """Return the scores of heads and relations, a pair for each sentence."""
    words = heads = both = 0
    for (heads_of, relations), guesses in zip(targets, predicted, strict=True):
        rows = zip(heads_of, relations, *guesses, strict=True)
        for head, relation, guess, guessed in rows:
            if relation == PUNCTUATION:
                continue
            words += 1
            heads += head == guess
            same = relation.split(":")[0] == guessed.split(":")[0]
            both += head == guess and same
    return {"uas": _share(heads, words), "las": _share(both, words)}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
