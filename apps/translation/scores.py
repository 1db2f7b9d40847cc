"""Scores of translations, and the trivial baselines beside them.

bleu         sacreBLEU's corpus BLEU, 0 to 100, cased, on detokenized text
chrf         sacreBLEU's chrF2, 0 to 100: F-score of character n-grams
exact_match  share of outputs that are the reference, white space aside
"""

import collections
import re
from collections.abc import Iterable, Sequence

from sacrebleu.metrics import BLEU, CHRF

METRICS = {
    "bleu": "BLEU of beam search, 0 to 100: words and phrases in common with"
    " the references",
    "chrf": "chrF2 of beam search, 0 to 100: the same by characters",
    "bleu_greedy": "BLEU of greedy decoding",
    "perplexity": "of the references, lower is better: as many equally likely"
    " tokens there are to choose from",
    "exact_match": "share of translations that are the reference, word for"
    " word",
}

BASELINES = {
    "copy_source": "the source itself",
    "most_frequent": "always the most frequent sentence of train",
}

# Tokenizers of sacreBLEU for languages that put no spaces between words.
TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char", "th": "char"}


def scores(
    outputs: Sequence[str], references: Sequence[str], language: str
) -> dict[str, float]:
    """Score outputs against as many references in a language, say "de".

    Returns:
        Dict of `bleu`, `chrf` and `exact_match`.
    """
    same = [
        output.split() == reference.split()
        for output, reference in zip(outputs, references, strict=True)
    ]
    return {
        "bleu": bleu(outputs, references, language),
        "chrf": CHRF().corpus_score(outputs, [references]).score,
        "exact_match": sum(same) / len(same),
    }


def bleu(
    outputs: Sequence[str], references: Sequence[str], language: str
) -> float:
    """Return BLEU alone."""
    return _bleu(language).corpus_score(outputs, [references]).score


def errors(outputs: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return how wrong each output is: 1 - chrF of 1, 0 if it is exact."""
    chrf = CHRF()
    return [
        0.0
        if output.split() == reference.split()
        else 1 - chrf.sentence_score(output, [reference]).score / 100
        for output, reference in zip(outputs, references, strict=True)
    ]


def signatures(language: str) -> dict[str, str]:
    """Return sacreBLEU's signatures of both scores."""
    signatures = {}
    for name, metric in (("bleu", _bleu(language)), ("chrf", CHRF())):
        metric.corpus_score(["a"], [["a"]])
        signatures[name] = str(metric.get_signature())
    return signatures


def baselines(
    sources: Sequence[str],
    references: Sequence[str],
    train_targets: Iterable[str],
    language: str,
) -> dict[str, dict]:
    """Score what knows nothing of translation, on sentences of test.

    Returns:
        Dict of `copy_source`, which gives back the source, and
        `most_frequent`, the most frequent sentence of training, each a dict of
        scores.
    """
    counts = collections.Counter(train_targets)
    frequent = min(counts, key=lambda text: (-counts[text], text))
    return {
        "copy_source": scores(sources, references, language),
        "most_frequent": scores(
            [frequent] * len(references), references, language
        ),
    }


def _bleu(language):
    base = re.split("[-_]", language.lower())[0]  # of zh-CN
    return BLEU(tokenize=TOKENIZERS.get(base, "13a"))
