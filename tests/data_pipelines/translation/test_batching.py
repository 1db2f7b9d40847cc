import numpy as np
import pytest

from data_pipelines.translation.batching import Bucket, Buckets
from tests.data_pipelines.translation.tools import (
    batches,
    make,
    sentences,
    write,
)


def test_groups_have_little_padding_in_few_shapes():
    """Under a third of what batches of any lengths have."""
    chance = np.random.default_rng(0)
    source = np.clip(chance.lognormal(2.6, 0.35, 20_000), 4, 60).astype(int)
    target = np.clip(source * chance.normal(1.05, 0.2, 20_000), 4, 70)
    lengths = np.stack([source, target.astype(int)])
    planner = Buckets.of(lengths, 3000)
    assert len(planner.buckets) == 15
    plan = planner.plan(0, 0)
    size = sum(len(rows) * sum(widths) for rows, widths in plan)
    real = sum(lengths[:, rows].sum() for rows, _ in plan)
    apart = chance.permutation(20_000).reshape(200, 100)
    usual = sum(100 * lengths[:, rows].max(axis=1).sum() for rows in apart)
    assert 1 - real / size < 0.3 * (1 - lengths.sum() / usual)
    used = sum(len(rows) for rows, _ in plan)
    assert used > 0.985 * 20_000


@pytest.mark.parametrize(
    ("rows", "most"),
    [(1, 1), (1, 9), (7, 1), (9, 9), (21, 2), (39, 33), (6245, 133)],
)
def test_the_size_of_a_batch(rows, most):
    size = Bucket(np.arange(rows), (9, 9), most).size
    assert 1 <= size <= min(rows, most)
    assert rows % size <= rows / 10
    assert size >= min(rows, most) / 2


def test_rows_are_a_multiple_that_several_processes_can_share():
    lengths = np.random.default_rng(0).integers(3, 40, (2, 5000))
    planner = Buckets.of(lengths, 900, most=4, multiple=8)
    assert 2 <= len(planner.buckets) <= 4
    sizes = {len(rows) for rows, _ in planner.plan(0, 0)}
    assert sizes
    assert not [size for size in sizes if size % 8]
    used = sum(len(rows) for rows, _ in planner.plan(0, 0))
    assert used > 0.95 * 5000
    # A bucket of fewer rows has the batches it would have.
    assert Bucket(np.arange(5), (9, 9), 9, 8).size == 5


def test_a_sentence_longer_than_the_budget_is_a_batch(folder):
    write(folder, "train", [*sentences(30), ("the " * 90, "das " * 100)])
    data = make(folder, tokens="words", max_length=200, batch_tokens=50)
    buckets = data.train.training_planner.buckets
    assert (1, (91, 102)) in {(b.size, b.widths) for b in buckets}
    actual = batches(
        data.train.dataset(training=True), data.train.steps_per_pass
    )
    assert sum(len(source) for source, _ in actual) >= 29
