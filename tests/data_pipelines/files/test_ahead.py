"""Work ahead keeps its order, and its errors."""

import itertools
import threading

import pytest

from data_pipelines.files.ahead import worked_ahead


def test_results_come_in_order_and_not_far_ahead():
    started = []
    threads = threading.active_count()

    def work(item):
        started.append(item)
        return item * item

    results = worked_ahead(work, itertools.count())
    assert list(itertools.islice(results, 50)) == [
        (n, n * n) for n in range(50)
    ]
    assert max(started) < 60
    assert threading.active_count() - threads < 20


def test_errors_of_items_and_of_work_are_raised_as_they_are():
    def items():
        yield 1
        raise KeyError("item")

    with pytest.raises(KeyError, match="item"):
        list(worked_ahead(str, items()))
    with pytest.raises(ZeroDivisionError):
        list(worked_ahead(lambda item: 1 / item, [1, 0, 2]))
