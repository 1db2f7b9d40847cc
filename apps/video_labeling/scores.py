"""Scores of labelled videos.

Of frames, all videos put together:

accuracy   share of frames whose most probable label is the target
macro_f1   mean over the labels of F1 = 2 P R / (P + R), each label alike
roc_auc    two labels only: the chance that a random frame of the second label
           gets a higher probability of it than a random frame of the first

Of segments, where a segment is a longest run of frames of one label. Frame
scores do not see whether an action is cut into pieces; these do (Lea et al.,
2017, "Temporal Convolutional Networks for Action Segmentation and Detection",
https://arxiv.org/abs/1611.05267, section 4.1). Both go from 0 to 100.

edit       100 (1 - d / max(m, n)), where d is the Levenshtein distance between
           the labels of the m segments predicted and of the n true ones; the
           mean over the videos
f1_10, f1_25, f1_50
           100 * 2 TP / (2 TP + FP + FN), the counts summed over the videos. A
           predicted segment is compared with the true one of its label that it
           overlaps most, by intersection over union. With at least 10, 25 or
           50 percent, and if no segment before it has taken that one, it is a
           true positive, else a false positive; true ones that none has taken
           are false negatives.

Background: labels that mean "nothing of interest" count in the scores of
frames like any other, and their segments in none of the scores of segments,
neither the predicted nor the true ones. Where there is no segment, neither
predicted nor true, the score is 100.
"""

from collections.abc import Sequence

import numpy as np

from apps.common import classification_metrics
from apps.common.cli import UserError

# What many data sets call it, whether these have it or not; other names that
# are given have to be labels.
BACKGROUND = "background"

METRICS = {
    "accuracy": "share of frames with the right label",
    "macro_f1": "mean of the labels' F1, rare labels as heavy as frequent ones",
    "edit": "0 to 100: is the order of the segments right, whatever their"
    " lengths",
    "f1_10": "F1 of segments, 0 to 100, right if they overlap by 10 percent",
    "f1_25": "the same by 25 percent",
    "f1_50": "the same by 50 percent",
    "roc_auc": "two labels: chance that a frame of the second gets a higher"
    " probability of it than one of the first; 0.5 is guessing",
}
OVERLAPS = {"f1_10": 0.10, "f1_25": 0.25, "f1_50": 0.50}


def segments(labels: Sequence[int]) -> list[tuple[int, int, int]]:
    """Cut the labels of frames `(T,)` into their longest runs.

    Returns:
        List of (start, end, label) in order; `end` is the first frame behind
        the segment.
    """
    labels = np.asarray(labels)
    if not len(labels):
        return []
    starts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist()]
    ends = [*starts[1:], len(labels)]
    return [
        (start, end, int(labels[start]))
        for start, end in zip(starts, ends, strict=True)
    ]


def edit(
    predicted: np.ndarray, target: np.ndarray, background: Sequence[int] = ()
) -> float:
    """Return the edit score of one video, 0 to 100.

    Args:
        predicted: `(T,)` integers, a label of each frame.
        target: The same, the true ones.
        background: Labels whose segments do not count.
    """
    ours, theirs = (
        [segment[2] for segment in _foreground(labels, background)]
        for labels in (predicted, target)
    )
    longest = max(len(ours), len(theirs))
    return 100.0 * (1 - distance(ours, theirs) / longest) if longest else 100.0


def distance(one: Sequence, other: Sequence) -> int:
    """Return the Levenshtein distance of two sequences."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, before + (a != b)),
            )
    return row[-1]


def overlap_counts(
    predicted: np.ndarray,
    target: np.ndarray,
    overlap: float,
    background: Sequence[int] = (),
) -> tuple[int, int, int]:
    """Return TP, FP and FN of the segments of one video.

    Args:
        predicted: `(T,)` integers, a label of each frame.
        target: The same, the true ones.
        overlap: Least intersection over union of a true positive, above 0.
        background: Labels whose segments do not count.
    """
    true = _foreground(target, background)
    taken = set()
    wrong = 0
    for segment in _foreground(predicted, background):
        overlaps = [_overlap(segment, other) for other in true]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] >= overlap and best not in taken:
            taken.add(best)
        else:
            wrong += 1
    return len(taken), wrong, len(true) - len(taken)


def f1(counts: list[tuple[int, int, int]]) -> float:
    """Return F1, 0 to 100, of the (TP, FP, FN) of any number of videos."""
    positives, wrong, missed = np.sum(counts, axis=0)
    total = 2 * positives + wrong + missed
    return float(100 * 2 * positives / total) if total else 100.0


def score(
    probabilities: list[np.ndarray],
    targets: list[np.ndarray],
    background: Sequence[int] = (),
) -> dict[str, float | None]:
    """Score videos.

    Args:
        probabilities: List of `(T, C)` arrays, one a video.
        targets: List of `(T,)` integers.
        background: Numbers of the labels whose segments do not count.

    Returns:
        Dict of `METRICS`; `roc_auc` is `None` unless there are two labels.
    """
    metrics = classification_metrics.classification(
        np.concatenate(targets), np.concatenate(probabilities)
    )
    pairs = [
        (p.argmax(axis=1), y)
        for p, y in zip(probabilities, targets, strict=True)
    ]
    metrics["edit"] = float(
        np.mean([edit(*pair, background) for pair in pairs])
    )
    for name, overlap in OVERLAPS.items():
        metrics[name] = f1(
            [overlap_counts(*pair, overlap, background) for pair in pairs]
        )
    return {name: metrics[name] for name in METRICS}


def background(names: str, labels: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of the labels in `names`, with commas between.

    Raises:
        UserError: There is no such label.
    """
    chosen = {name.strip() for name in names.split(",")} - {""}
    for name in sorted(chosen - {*labels, BACKGROUND}):
        raise UserError(
            f"--background {name}: there is no such label; the labels are"
            f" {', '.join(labels)}"
        )
    return tuple(n for n, label in enumerate(labels) if label in chosen)


def signatures(
    labels: Sequence[str], background: tuple[int, ...], width: int
) -> dict[str, str]:
    """Return what defines each score, as dict of name -> line.

    `width` is that of the baseline's median filter, in frames.
    """
    left_out = ", ".join(labels[n] for n in background) or "none"
    return {
        "accuracy": "frames of all videos together, 0 to 1",
        "edit": "segments, mean over videos, points of 100; labels left out:"
        f" {left_out}",
        "f1": "segments of all videos together, points of 100; labels left"
        f" out: {left_out}",
        "frame_only_filtered": f"median over {width} frames",
    }


def _foreground(labels, background):
    return [s for s in segments(labels) if s[2] not in background]


def _overlap(one, other):
    """Return intersection over union, 0 for other labels."""
    if one[2] != other[2]:
        return 0.0
    shared = min(one[1], other[1]) - max(one[0], other[0])
    union = one[1] - one[0] + other[1] - other[0] - shared
    return max(shared, 0) / union
