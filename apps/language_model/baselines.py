"""What a language model is compared with, on the same tokens."""

import itertools
from collections.abc import Iterator

import numpy as np

from apps.common.checks import DEMOS
from data_pipelines.language_model import Datasets, Split
from data_pipelines.language_model.demo import generator

from . import ngrams

BASELINES = {
    "uniform": "every token of the vocabulary alike",
    "unigram": "by how frequent a token is in train",
    "katz_3": "Katz's back-off, three tokens long",
    "kneser_ney_3": "interpolated modified Kneser-Ney, three tokens long",
    "kneser_ney_5": "the same, five tokens long",
    "kneser_ney_6": "the same, six tokens long",
    "attainable": "of the demo: what its source says of its own words",
}

# Tokens that are counted at a time, and in all: those of larger texts would
# need more memory than a machine has.
BLOCK = 1_000_000
MOST = 10 * BLOCK


def orders(kind: str) -> tuple[int, ...]:
    """Return the lengths of the n-grams of a token kind."""
    return (3, 5, 6) if kind == "characters" else (3, 5)


def count(data: Datasets, order: int) -> ngrams.Counts:
    """Return the n-grams of train of lengths up to `order`."""
    return ngrams.Counts.of(
        lambda: itertools.islice(blocks(data.train, order), MOST // BLOCK),
        order,
        len(data.tokenizer),
    )


def blocks(split: Split, order: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the tokens of a split as `ngrams.Counts.of` takes them."""
    if not split.sentences:
        stream = split.ids[0]
        for start in range(0, len(stream), BLOCK):
            before = stream[max(start - order, 0) : start]
            before = np.pad(before, (order - len(before), 0))
            own = stream[start : start + BLOCK]
            predicted = np.ones(order + len(own), bool)
            predicted[:order] = False
            # What the stream begins with is only read.
            predicted[order] = start > 0
            yield np.concatenate([before, own]), predicted
        return
    rows = max(BLOCK // (int(split.ids.lengths.mean()) + order), 1)
    for start in range(0, len(split.ids), rows):
        some = split.ids.chosen(np.arange(start, len(split.ids))[:rows])
        widths = some.lengths.astype(np.int64) + order - 1
        ends = np.cumsum(widths)
        tokens = np.zeros(order + int(ends[-1]), np.int64)
        predicted = np.zeros(len(tokens), bool)
        for row, end in enumerate(order + ends):
            length = int(some.lengths[row])
            tokens[end - length : end] = some[row]
            predicted[end - length + 1 : end] = True
        yield tokens, predicted


def log_probabilities(model: ngrams.NGrams, split: Split) -> np.ndarray:
    """Return log p of every token of a split, in their order."""
    order = len(model.counts.tables)
    return np.concatenate(
        [
            model.log_probabilities(tokens)[predicted]
            for tokens, predicted in blocks(split, order)
        ]
    )


def of_single_tokens(
    counts: ngrams.Counts, split: Split
) -> dict[str, np.ndarray]:
    """Return -log p of every token by what does not look at those before."""
    tokens = split.targets
    return {
        "uniform": np.full(len(tokens), -ngrams.uniform(counts.size)),
        "unigram": -ngrams.unigram(counts)[tokens],
    }


def losses(data: Datasets, dataset: str) -> dict[str, np.ndarray]:
    """Return -log p of every token of test by each baseline."""
    lengths = orders(data.tokenizer.kind)
    counts, test = count(data, max(lengths)), data.test
    results = of_single_tokens(counts, test)
    results["katz_3"] = -log_probabilities(ngrams.katz(counts, 3), test)
    for length in lengths:
        model = ngrams.kneser_ney(counts, length)
        results[f"kneser_ney_{length}"] = -log_probabilities(model, test)
    are_whole = data.tokenizer.kind == "words" and not test.about["unknown"]
    if dataset in DEMOS and are_whole:
        text = data.tokenizer.decode(test.targets)
        logs = generator.log_probabilities(text.splitlines(keepends=True))
        results["attainable"] = -np.array(logs)
    return results
