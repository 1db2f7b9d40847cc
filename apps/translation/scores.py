"""Scores of translations, and the trivial baselines beside them.

bleu         sacreBLEU's corpus BLEU, 0 to 100, cased, on detokenized text
chrf         sacreBLEU's chrF2, 0 to 100: F-score of character n-grams
exact_match  share of outputs that are a reference, white space aside
edit_rate    jiwer's word error rate: words inserted, deleted and substituted
             for each word of the references; words are what blanks separate,
             so of phonemes it is the phoneme error rate

An output may have several references. BLEU and chrF take them as sacreBLEU
does; edits are counted from the nearest one, which needs the fewest.
"""

import collections
import itertools
import re
from collections.abc import Iterable, Sequence

import jiwer
from sacrebleu.metrics import BLEU, CHRF

METRICS = {
    "bleu": "BLEU of beam search, 0 to 100: words and phrases in common with"
    " the references",
    "chrf": "chrF2 of beam search, 0 to 100: the same by characters",
    "bleu_greedy": "BLEU of greedy decoding",
    "perplexity": "of the references, lower is better: as many equally likely"
    " tokens there are to choose from",
    "exact_match": "share of translations that are a reference, word for word",
    "edit_rate": "words inserted, deleted and substituted for each word of the"
    " nearest reference, lower is better",
}

LOWER = ("perplexity", "edit_rate")  # are better

BASELINES = {
    "copy_source": "the source itself",
    "most_frequent": "always the most frequent sentence of train",
}

# Tokenizers of sacreBLEU for languages that put no spaces between words.
TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char", "th": "char"}


def scores(
    outputs: Sequence[str], references: Sequence[Sequence[str]], language: str
) -> dict[str, float]:
    """Score outputs in a language, say "de", against the references of each.

    Returns:
        Dict of `bleu`, `chrf`, `exact_match` and `edit_rate`.
    """
    same = [
        output.split() in map(str.split, own)
        for output, own in zip(outputs, references, strict=True)
    ]
    _, aligned = zip(*map(_nearest, outputs, references), strict=True)
    words = sum(a.hits + a.substitutions + a.deletions for a in aligned)
    return {
        "bleu": bleu(outputs, references, language),
        "chrf": CHRF().corpus_score(outputs, _streams(references)).score,
        "exact_match": sum(same) / len(same),
        "edit_rate": sum(map(_edits, aligned)) / words,
    }


def bleu(
    outputs: Sequence[str], references: Sequence[Sequence[str]], language: str
) -> float:
    """Return BLEU alone."""
    return _bleu(language).corpus_score(outputs, _streams(references)).score


def nearest(output: str, references: Sequence[str]) -> str:
    """Return the reference that the fewest edits make of an output."""
    return _nearest(output, references)[0]


def _nearest(output, references):
    """Return a reference and the words of both, one beside the other."""
    pairs = ((own, jiwer.process_words(own, output)) for own in references)
    return min(pairs, key=lambda pair: _edits(pair[1]))


def _edits(aligned):
    return aligned.insertions + aligned.deletions + aligned.substitutions


def errors(
    outputs: Sequence[str], references: Sequence[Sequence[str]]
) -> list[float]:
    """Return how wrong each output is: 1 - chrF of 1, 0 if it is exact."""
    chrf = CHRF()
    return [
        0.0
        if output.split() in map(str.split, own)
        else 1 - chrf.sentence_score(output, own).score / 100
        for output, own in zip(outputs, references, strict=True)
    ]


def signatures(
    references: Sequence[Sequence[str]], language: str
) -> dict[str, str]:
    """Return sacreBLEU's signatures of both scores."""
    # They say how many references there are, not which.
    counts = [["a"] * count for count in {len(own) for own in references}]
    signatures = {}
    for name, metric in (("bleu", _bleu(language)), ("chrf", CHRF())):
        metric.corpus_score(["a"] * len(counts), _streams(counts))
        signatures[name] = str(metric.get_signature())
    return signatures


def baselines(
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
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


def _streams(references):
    """Return references as sacreBLEU takes them: the first of all, and so on.

    `None` stands where an output has fewer.
    """
    return list(itertools.zip_longest(*references))


def _bleu(language):
    base = re.split("[-_]", language.lower())[0]  # of zh-CN
    return BLEU(tokenize=TOKENIZERS.get(base, "13a"))
