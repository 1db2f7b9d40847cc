"""Scores of captions, and the trivial baselines beside them.

bleu_1 to bleu_4  corpus BLEU in points of 100: the geometric mean of the
                  clipped precisions of n-grams up to that length, times the
                  brevity penalty, the reference of closest length counting
                  (Papineni et al. 2002); not smoothed
rouge_l           0 to 1: F-score of the longest common subsequence, recall
                  weighted by beta 1.2, the best precision and the best recall
                  among the references, mean over pictures (Lin 2004)
cider             0 to 10: CIDEr-D (Vedantam et al. 2015), cosine similarity of
                  n-grams weighted by how few pictures' references have them,
                  counts clipped, times a Gaussian of the difference in length
                  (sigma 6), mean over references and pictures; usual captions
                  have 0.4 to 1.2
meteor            0 to 1, if asked for and where Java is (Denkowski 2014)

All are computed by pycocoevalcap, the reference scorer of COCO, from the words
of `tokens.tokenized`. CIDEr-D weighs n-grams by the references that
it is given, so it compares captions of the same pictures only, and is zero for
a single picture.
"""

import collections
import importlib.metadata
import shutil
from collections.abc import Iterable, Sequence

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from sklearn.metrics import pairwise_distances_argmin

from .tokens import tokenized

METRICS = {
    "bleu_1": "share of words that people's captions have, too, 0 to 100",
    "bleu_2": "the same of one and two words in a row",
    "bleu_3": "the same of one to three",
    "bleu_4": "the same of one to four words in a row",
    "rouge_l": "longest common subsequence with people's captions, 0 to 1",
    "cider": "words in common with them, rare ones heavier, 0 to 10",
    "bleu_4_greedy": "bleu_4 of greedy decoding",
    "cider_greedy": "cider of greedy decoding",
    "perplexity": "of people's captions, lower is better: as many equally"
    " likely words there are to choose from",
    "right": "share of captions with every fact of the picture and no other",
}

LOWER = ("perplexity",)  # is better

BASELINES = {
    "most_frequent": "always the most frequent caption of train",
    "nearest_picture": "a caption of the most similar picture of train",
    "human": "each caption of people against the others of its picture",
}


def scores(
    outputs: list[str],
    references: list[Sequence[str]],
    meteor: bool = False,
) -> dict[str, float]:
    """Score captions against those of people.

    Args:
        outputs: List of strings, a caption of each picture; may be empty.
        references: List of as many sequences of strings, one or more each.
        meteor: Whether to add `meteor`, which takes a process of Java; left
            out where there is no Java.

    Returns:
        Dict of `bleu_1` to `bleu_4`, `rouge_l`, `cider`, perhaps `meteor`.

    Raises:
        ValueError: There is no picture, a picture has no reference, or the
            numbers differ.
    """
    if not outputs:
        raise ValueError("no captions to score")
    predicted, expected = {}, {}
    for key, (output, several) in enumerate(
        zip(outputs, references, strict=True)
    ):
        if not several:
            raise ValueError(f"picture {key} has no reference")
        predicted[key] = [tokenized(output)]
        expected[key] = [tokenized(reference) for reference in several]
    bleu, _ = Bleu(4).compute_score(expected, predicted, verbose=0)
    metrics = {f"bleu_{n}": 100 * value for n, value in enumerate(bleu, 1)}
    metrics["rouge_l"] = float(Rouge().compute_score(expected, predicted)[0])
    metrics["cider"] = _cider(expected, predicted)
    if meteor and shutil.which("java"):
        metrics["meteor"] = _meteor(expected, predicted)
    return metrics


def agreement(output: str, references: Sequence[str]) -> float:
    """Return the ROUGE-L of one caption."""
    texts = [tokenized(reference) for reference in references]
    return float(Rouge().calc_score([tokenized(output)], texts))


def _cider(references, outputs):
    """Return CIDEr-D; zero if no reference has a word, not an error."""
    if not any(map(any, references.values())):
        return 0.0
    return float(Cider().compute_score(references, outputs)[0])


def _meteor(references, outputs):
    """Return METEOR 1.5; its process has ended when this does."""
    scorer = Meteor()
    try:
        return float(scorer.compute_score(references, outputs)[0])
    finally:
        scorer.meteor_p.kill()
        scorer.meteor_p.communicate()


def signatures(meteor: bool = False) -> dict[str, str]:
    """Return what defines each score, as dict of name -> line."""
    by = "pycocoevalcap " + importlib.metadata.version("pycocoevalcap")
    words = "lower-case PTB words without punctuation"
    lines = {
        "bleu": f"{by}, corpus, closest reference length, no smoothing,"
        f" points of 100, {words}",
        "rouge_l": f"{by}, beta 1.2, mean over pictures, {words}",
        "cider": f"{by}, CIDEr-D, n 1 to 4, sigma 6, document frequencies of"
        f" the references scored against, 0 to 10, {words}",
    }
    if meteor and shutil.which("java"):
        lines["meteor"] = f"{by}, METEOR 1.5, 0 to 1, {words}"
    return lines


def most_frequent(captions: Iterable[str]) -> str:
    """Return the most frequent string; of several, the first by alphabet."""
    counts = collections.Counter(captions)
    return min(counts, key=lambda text: (-counts[text], text))


def human(references: list[Sequence[str]]) -> dict[str, float]:
    """Score people against each other.

    Each reference of a picture is in turn the output, against the others of
    its picture. So it has one reference fewer than a model's captions have,
    and all scores rise with the number of references: this is a lower bound
    of what people would reach.

    Args:
        references: List of sequences of strings. Pictures with one reference
            are left out.

    Returns:
        Dict as of `scores`: the mean over the turns, each weighted by its
        number of pictures. Empty if no picture has two references.
    """
    several = [texts for texts in references if len(texts) > 1]
    totals, weights = collections.Counter(), 0
    for turn in range(max(map(len, several), default=0)):
        now = [texts for texts in several if len(texts) > turn]
        outputs = [texts[turn] for texts in now]
        others = [[*texts[:turn], *texts[turn + 1 :]] for texts in now]
        for name, value in scores(outputs, others).items():
            totals[name] += value * len(now)
        weights += len(now)
    return {name: total / weights for name, total in totals.items()}


def nearest_captions(
    train_vectors: np.ndarray,
    train_captions: list[Sequence[str]],
    test_vectors: np.ndarray,
) -> list[str]:
    """Return for each test picture a caption of the most similar one.

    N pictures of train, M of test, D features.

    Args:
        train_vectors: `(N, D)`, the mean of a picture's regions, say.
        train_captions: List of N sequences of strings.
        test_vectors: `(M, D)`.

    Returns:
        List of M strings: of the training picture with the largest cosine
        similarity, the caption that agrees best with its others (their
        consensus), which is the one of the highest ROUGE-L.
    """
    rows = pairwise_distances_argmin(
        np.asarray(test_vectors, "float32"),
        np.asarray(train_vectors, "float32"),
        metric="cosine",
    ).tolist()
    captions = {row: consensus(train_captions[row]) for row in set(rows)}
    return [captions[row] for row in rows]


def consensus(captions: Sequence[str]) -> str:
    """Return the caption with the highest ROUGE-L against the others."""
    if len(captions) == 1:
        return captions[0]
    texts = [tokenized(caption) for caption in captions]
    agreement = [
        Rouge().calc_score([text], texts[:i] + texts[i + 1 :])
        for i, text in enumerate(texts)
    ]
    return captions[int(np.argmax(agreement))]
