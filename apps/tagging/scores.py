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

METRICS = (
    *("f1", "precision", "recall", "accuracy", "sentence_accuracy"),
    "intent_accuracy",
)
PARSE_METRICS = ("uas", "las", "pos_accuracy")
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
    return {
        kind: {
            "precision": _share(right[kind], guessed[kind]),
            "recall": _share(right[kind], wanted[kind]),
            "f1": _share(2 * right[kind], wanted[kind] + guessed[kind]),
            "spans": wanted[kind],
        }
        for kind in sorted({*wanted, *guessed, ""})
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
        every.pop("spans")
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
