"""Scores of labelled videos: by hand, by brute force, and when empty."""

import functools
import itertools

import numpy as np
import pytest

from apps.common.cli import UserError
from apps.video_labeling import scores

# Cases that were worked out on paper.


def frames(text):
    """Labels of frames from letters: `aab` is two frames of 0, one of 1."""
    return np.array([ord(letter) - ord("a") for letter in text])


def test_segments_are_the_longest_runs():
    assert scores.segments(frames("aabccc")) == [
        (0, 2, 0),
        (2, 3, 1),
        (3, 6, 2),
    ]
    assert scores.segments(frames("b")) == [(0, 1, 1)]
    assert scores.segments([]) == []


@pytest.mark.parametrize(
    ("predicted", "right", "expected"),
    [
        ("aabb", "aabb", 100),
        ("abab", "aabb", 50),  # two of four segments are too many
        ("aaaa", "aabb", 50),  # one of two is missing
        ("bbbb", "aaaa", 0),
        ("aabbcc", "aaccbb", 100 / 3),  # two replaced, or one moved
        ("aabaa", "aaaaa", 100 / 3),  # one flicker makes two segments more
    ],
)
def test_edit_by_hand(predicted, right, expected):
    found = scores.edit(frames(predicted), frames(right))
    assert found == pytest.approx(expected)


def test_distance_is_that_of_a_textbook():
    assert scores.distance("kitten", "sitting") == 3
    assert scores.distance("", "abc") == 3
    assert scores.distance("abc", "") == 3


@pytest.mark.parametrize(
    ("predicted", "right", "overlap", "expected"),
    [
        ("aabb", "aabb", 0.5, (2, 0, 0)),
        # a: 3 of 3 or 4 frames; b: 1 of 2.
        ("aaab", "aabb", 0.5, (2, 0, 0)),
        ("aaab", "aabb", 0.6, (1, 1, 1)),
        # Exactly the threshold is enough.
        ("aaaab", "aabbb", 1 / 3, (2, 0, 0)),
        # Two pieces of one segment: the second comes too late.
        ("aabaa", "aaaaa", 0.1, (1, 2, 0)),
        # Nothing of the right label.
        ("cccc", "aabb", 0.1, (0, 1, 2)),
    ],
)
def test_overlaps_by_hand(predicted, right, overlap, expected):
    found = scores.overlap_counts(frames(predicted), frames(right), overlap)
    assert found == expected


def test_the_best_overlap_decides_even_if_it_is_taken():
    # Both predicted pieces overlap the first right segment most: one of them
    # is wrong, although the second right segment is still free.
    right = frames("aaaaaaaaaba")
    predicted = frames("aaaabaaaaaa")
    assert scores.overlap_counts(predicted, right, 0.1) == (1, 2, 2)


def test_f1_adds_up_counts_not_videos():
    # 2 TP, 1 FP, 1 FN in all: 100 * 4 / 6; the mean over the videos would be
    # (100 + 0) / 2.
    assert scores.f1([(2, 0, 0), (0, 1, 1)]) == pytest.approx(400 / 6)


# Background.


def test_background_counts_in_no_score_of_segments():
    right = frames("aabbbaa")
    predicted = frames("abbbaba")
    assert scores.edit(predicted, right) == pytest.approx(60)
    assert scores.edit(predicted, right, {0}) == pytest.approx(50)
    assert scores.overlap_counts(predicted, right, 0.5, {0}) == (1, 1, 0)


def test_background_is_given_by_name():
    labels = ["background", "run", "walk"]
    assert scores.background("background", labels) == (0,)
    assert scores.background("walk, run", labels) == (1, 2)
    assert scores.background("", labels) == ()
    # What many data sets have need not be in these.
    assert scores.background("background", labels[1:]) == ()
    with pytest.raises(UserError, match=r"no such label; .* run, walk"):
        scores.background("wakl", labels)


# Empty cases.


def test_nothing_to_find_and_nothing_found_is_right():
    nothing = frames("aaa")
    assert scores.edit(nothing, nothing, {0}) == 100
    assert scores.overlap_counts(nothing, nothing, 0.1, {0}) == (0, 0, 0)
    assert scores.f1([(0, 0, 0)]) == 100


def test_something_found_where_nothing_is():
    assert scores.edit(frames("aba"), frames("aaa"), {0}) == 0
    counts = scores.overlap_counts(frames("aba"), frames("aaa"), 0.1, {0})
    assert counts == (0, 1, 0)
    assert scores.f1([counts]) == 0


# Against independent ways of computing the same.


def brute_distance(one, other):
    """The recursive definition."""

    @functools.cache
    def distance(i, j):
        if not i or not j:
            return i + j
        return min(
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
            distance(i - 1, j - 1) + (one[i - 1] != other[j - 1]),
        )

    return distance(len(one), len(other))


def brute_counts(predicted, right, overlap, background):
    """By sets of frames."""

    def sets(labels):
        found, start = [], 0
        for label, run in itertools.groupby(labels.tolist()):
            length = len(list(run))
            if label not in background:
                found.append((label, set(range(start, start + length))))
            start += length
        return found

    free = {n: segment for n, segment in enumerate(sets(right))}
    everything = dict(free)
    right_ones = wrong = 0
    for label, here in sets(predicted):
        shares = {
            n: len(here & there) / len(here | there) * (label == other)
            for n, (other, there) in everything.items()
        }
        best = max(shares, key=shares.get, default=None)
        if best in free and shares[best] >= overlap:
            del free[best]
            right_ones += 1
        else:
            wrong += 1
    return right_ones, wrong, len(free)


@pytest.mark.parametrize("seed", range(20))
def test_against_brute_force(seed):
    random = np.random.default_rng(seed)
    labels, length = random.integers(2, 5), random.integers(1, 40)
    stay = random.random(length) < 0.7
    pair = []
    for _ in range(2):
        found = random.integers(0, labels, length)
        for t in range(1, length):
            if stay[t]:
                found[t] = found[t - 1]
        pair.append(found)
    for background in ((), (0,), (0, 1)):
        said, true = (
            [k for k, _ in itertools.groupby(x.tolist()) if k not in background]
            for x in pair
        )
        longest = max(len(said), len(true))
        expected = 100.0
        if longest:
            expected = 100 * (1 - brute_distance(said, true) / longest)
        assert scores.edit(*pair, background) == pytest.approx(expected)
        for overlap in (0.1, 0.25, 0.5, 0.9):
            assert scores.overlap_counts(
                *pair, overlap, background
            ) == brute_counts(*pair, overlap, background)


# All together.


def one_hot(labels, count):
    return np.eye(count)[labels]


def test_all_scores_of_two_videos():
    right = [frames("aabb"), frames("bbbbaa")]
    said = [frames("aabb"), frames("bbaaaa")]
    found = scores.score([one_hot(x, 2) for x in said], right)
    assert list(found) == list(scores.METRICS)
    assert found["accuracy"] == pytest.approx(8 / 10)
    # a: 4 right, 6 said, 4 true; b: 4 right, 4 said, 6 true.
    assert found["macro_f1"] == pytest.approx(8 / 10)
    assert found["edit"] == 100
    assert [found[f"f1_{k}"] for k in (10, 25, 50)] == [100, 100, 100]
    # Of 6 * 4 pairs b is above a in 4 * 4, equal in 4 * 0 + 2 * 4.
    assert found["roc_auc"] == pytest.approx((16 + 0.5 * 8) / 24)


def test_three_labels_have_no_roc_auc():
    right = [frames("abc")]
    assert scores.score([one_hot(right[0], 3)], right)["roc_auc"] is None
