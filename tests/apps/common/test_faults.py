"""A part of the training data is its first batches, again and again."""

import pytest
import tensorflow as tf

from apps.common import faults


class Split:
    steps_per_pass = 1000

    def dataset(self, training, start_step, shard):
        return tf.data.Dataset.range(start_step, 10**9)


def first(share, start_step, count=5):
    batches = faults.dataset(share, Split(), start_step)
    return [int(batch) for batch in batches.take(count)]


@pytest.mark.parametrize(
    ("share", "start", "expected"),
    [
        (1.0, 7, [7, 8, 9, 10, 11]),
        (0.0, 0, [0, 0, 0, 0, 0]),
        (0.0, 40, [0, 0, 0, 0, 0]),
        (0.003, 0, [0, 1, 2, 0, 1]),
        # A resumed run goes on where it was.
        (0.003, 40, [1, 2, 0, 1, 2]),
    ],
)
def test_the_first_batches_repeat(share, start, expected):
    assert first(share, start) == expected


@pytest.mark.parametrize(
    ("share", "flag", "steps"),
    [(1.0, 0, 1000), (1.0, 7, 7), (0.5, 0, 500), (0.0, 0, 20), (0.01, 5, 5)],
)
def test_steps_of_an_epoch(share, flag, steps):
    assert faults.steps(share, Split(), flag) == steps


def test_a_loss_on_one_batch_says_whether_there_is_a_fault():
    assert "as it should be" in faults.remark(0.05)
    assert "look for a fault" in faults.remark(0.5)
