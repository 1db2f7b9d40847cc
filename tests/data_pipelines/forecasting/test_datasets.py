"""Windows by index: which stand in which batch, and what a batch holds."""

import numpy as np
import pytest

from data_pipelines.forecasting.datasets import Windows

SERIES, FIRST, COUNTS = np.array([0, 2]), np.array([5, 7]), np.array([10, 4])


@pytest.fixture
def windows():
    return Windows(SERIES, FIRST, COUNTS, stride=2, batch_size=4)


def test_windows_are_located_by_their_number(windows):
    series, origins = windows.locate(np.arange(14))
    assert series.tolist() == [0] * 10 + [2] * 4
    assert origins.tolist() == [*range(5, 25, 2), *range(7, 15, 2)]


def test_a_pass_has_each_window_at_most_once_by_seed_and_epoch(windows):
    plan = windows.plan(3, 1)
    rows = np.concatenate([batch.rows for batch in plan])
    assert len(plan) == windows.steps_per_pass == 3
    assert len(set(rows.tolist())) == 12
    again = np.concatenate([batch.rows for batch in windows.plan(3, 1)])
    np.testing.assert_array_equal(rows, again)
    other = np.concatenate([batch.rows for batch in windows.plan(3, 2)])
    assert (rows != other).any()


def test_once_has_all_windows_in_order(windows):
    rows = np.concatenate([batch.rows for batch in windows.once()])
    np.testing.assert_array_equal(rows, np.arange(14))


def test_few_windows_are_one_batch():
    few = Windows(SERIES, FIRST, np.array([2, 1]), 1, batch_size=64)
    assert [len(batch.rows) for batch in few.plan(0, 0)] == [3]


def test_a_pass_may_be_shorter_and_an_index_of_many_costs_nothing():
    many = Windows(
        np.arange(10**6), np.zeros(10**6, int), np.full(10**6, 1000), 1, 8, 5
    )
    assert len(many) == 10**9
    plan = many.plan(0, 0)
    assert len(plan) == 5
    series, origins = many.locate(plan[0].rows)
    assert (series < 10**6).all()
    assert (origins < 1000).all()
