"""What is read of a run, and computed of several machines."""

import re

import pytest
import tensorflow as tf

from benchmarks import distributed


def test_speeds_are_those_of_the_event_files(tmp_path):
    with tf.summary.create_file_writer(str(tmp_path / "train")).as_default():
        for step, speed in enumerate((3.0, 7.5)):
            tf.summary.scalar("examples_per_second", speed, step)
    assert distributed.speeds(tmp_path) == [3.0, 7.5]


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
