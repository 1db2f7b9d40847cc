"""Scores of translations, and the trivial baselines beside them.

bleu         sacreBLEU's corpus BLEU, 0 to 100, cased, on detokenized text
chrf         sacreBLEU's chrF2, 0 to 100: F-score of character n-grams
exact_match  share of outputs that are the reference, white space aside
"""

import collections

from sacrebleu.metrics import BLEU, CHRF

# Tokenizers of sacreBLEU for languages that put no spaces between words.
TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char", "th": "char"}


def scores(outputs, references, language):
    """Scores a list of outputs against as many references.

    Args:
        outputs: List of strings.
        references: List of strings.
        language: Two letters, the language of both.

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


def bleu(outputs, references, language):
    """Returns BLEU alone."""
    return _bleu(language).corpus_score(outputs, [references]).score


def sentence_bleu(output, reference, language):
    """Returns the smoothed BLEU of one sentence, to sort sentences by."""
    metric = _bleu(language, effective_order=True)
    return metric.sentence_score(output, [reference]).score


def signatures(language):
    """Returns what sacreBLEU calls the signatures of both scores."""
    found = {}
    for name, metric in (("bleu", _bleu(language)), ("chrf", CHRF())):
        metric.corpus_score(["a"], [["a"]])
        found[name] = str(metric.get_signature())
    return found


def baselines(sources, references, train_targets, language):
    """Scores what knows nothing of translation.

    Args:
        sources: List of strings of the test split.
        references: List of strings, their translations.
        train_targets: Strings of the training split.
        language: Two letters, of the references.

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


def _bleu(language, effective_order=False):
    return BLEU(
        tokenize=TOKENIZERS.get(language, "13a"),
        effective_order=effective_order,
    )
