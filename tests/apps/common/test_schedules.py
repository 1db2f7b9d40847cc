"""The learning rate over a training."""

import numpy as np
import pytest

from apps.common import schedules


def test_warm_up_is_linear_and_the_decay_a_cosine():
    schedule = schedules.warmup_cosine(2.0, 100, warmup=20, floor=0.1)
    for step in range(21):
        assert float(schedule(step)) == pytest.approx(2.0 * step / 20)
    for step in range(20, 101, 7):
        share = (1 + np.cos(np.pi * (step - 20) / 80)) / 2
        expected = 2.0 * (0.1 + 0.9 * share)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-5)
    assert float(schedule(100)) == pytest.approx(0.2)


def test_the_shortest_training_has_a_schedule():
    assert float(schedules.warmup_cosine(1.0, 1, 0, 0.05)(0)) == 1
