"""What is said of the times measured, and computed of several machines."""

import re

import pytest

from benchmarks import distributed


def test_a_row_is_of_medians():
    seconds = {
        "one": [0.050, 0.040, 0.900],
        "two": [0.020, 0.025, 0.030],
        "half": [0.020, 0.001, 0.030],
    }
    assert distributed.row("sentiment", 64, seconds) == (
        "| sentiment, 64 | 50 ms | 25 ms | 2.00 x | 20 ms | 20% |"
    )


def test_all_reduce_times_are_those_of_a_ring():
    """A ring of 2 moves the bytes once each way, one of many twice."""
    rows = distributed.expected(125_000_000, 1.0)  # a gigabit
    cells = [re.findall(r"([\d.]+) ms, ([\d.]+) x", row) for row in rows]
    for machines, row in zip(distributed.MACHINES, cells, strict=True):
        for gigabits, (reduce, speedup) in zip(
            distributed.GIGABITS, row, strict=True
        ):
            seconds = 2 * (machines - 1) / machines / gigabits
            assert float(reduce) == pytest.approx(1e3 * seconds, abs=0.0501)
            expected = machines / (1 + seconds)
            assert float(speedup) == pytest.approx(expected, abs=0.0501)
