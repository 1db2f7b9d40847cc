import itertools

import numpy as np
import pytest

from data_pipelines.batching.bucket_widths import boundaries


def padding(lengths, widths):
    widths = np.sort(widths)
    return int((widths[np.searchsorted(widths, lengths)] - lengths).sum())


def brute_force(lengths, count):
    """The least padding over every set of at most `count` lengths."""
    different = sorted(set(lengths.tolist()))
    longest = different.pop()
    best = None
    for size in range(min(count, len(different) + 1)):
        for chosen in itertools.combinations(different, size):
            actual = padding(lengths, np.array([*chosen, longest]))
            best = actual if best is None else min(best, actual)
    return best


@pytest.mark.parametrize("count", [1, 2, 3, 4, 20])
@pytest.mark.parametrize("seed", range(6))
def test_no_set_has_less_padding(seed, count):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 14, 40)
    actual = boundaries(lengths, count)
    assert (np.diff(actual) > 0).all()
    assert len(actual) <= count
    assert actual[-1] == lengths.max()
    assert padding(lengths, actual) == brute_force(lengths, count)


def test_enough_boundaries_leave_no_padding():
    lengths = np.array([3, 3, 9, 20])
    assert boundaries(lengths, 16).tolist() == [3, 9, 20]
    assert boundaries(lengths, 3).tolist() == [3, 9, 20]


def test_one_length():
    assert boundaries(np.full(5, 7), 4).tolist() == [7]


def test_very_many_lengths_are_rounded_first():
    lengths = np.arange(1, 5001)
    actual = boundaries(lengths, 4)
    assert actual[-1] == 5000
    # Equal parts are best here: the padding is that of four equal steps.
    best = padding(lengths, np.array([1250, 2500, 3750, 5000]))
    assert padding(lengths, actual) <= 1.01 * best


def test_count_must_be_positive():
    with pytest.raises(ValueError, match="count must be at least 1, not 0"):
        boundaries(np.array([1]), 0)
