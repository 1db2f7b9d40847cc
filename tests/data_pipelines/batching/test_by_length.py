import numpy as np
import pytest

from data_pipelines.batching.bucket_widths import boundaries
from data_pipelines.batching.by_length import ByLength


def make(lengths, batch_size, drop_remainder=True, count=16):
    lengths = np.asarray(lengths)
    widths = boundaries(lengths, count)
    return ByLength(lengths, widths, batch_size, drop_remainder)


def imdb_like(count, seed=0):
    """Log-normal lengths with the median and spread of film reviews."""
    random = np.random.default_rng(seed)
    return np.clip(random.lognormal(5.35, 0.6, count), 10, 2500).astype(int)


def test_a_pass_holds_every_example_once():
    planner = make(imdb_like(1003), 8, drop_remainder=False)
    rows = [batch.rows for batch in planner.plan(3, 5)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(1003))
    assert sorted(map(len, rows)) == [3] + [8] * 125
    assert len(rows) == planner.steps_per_pass == 126


def test_dropped_examples_differ_from_pass_to_pass():
    planner = make(imdb_like(103), 10)
    passes = []
    for epoch in range(20):
        rows = [batch.rows for batch in planner.plan(0, epoch)]
        assert [len(row) for row in rows] == [10] * 10
        passes.append(set(np.concatenate(rows).tolist()))
    assert planner.steps_per_pass == 10
    assert len(set.union(*passes)) == 103
    assert len(set.intersection(*passes)) < 100


def test_a_split_smaller_than_a_batch_is_one_batch():
    planner = make(np.ones(3, int), 10)
    assert planner.steps_per_pass == 1
    assert [len(batch.rows) for batch in planner.plan(0, 0)] == [3]
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        make(np.ones(3, int), 0)


def test_batches_are_not_in_order_of_length():
    lengths = imdb_like(4000)
    plan = make(lengths, 16).plan(0, 0)
    longest = [lengths[batch.rows].max() for batch in plan]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.2


def test_long_examples_stand_in_small_batches_of_evaluation():
    lengths = np.array([10] * 8 + [1000, 30, 30])
    planner = ByLength(lengths, np.unique(lengths), 8, positions=80)
    batches = planner.once()
    assert [len(batch.rows) for batch in batches] == [8, 1, 1, 1]
    assert [batch.width for batch in batches] == [10, 30, 30, 1000]
    rows = np.concatenate([batch.rows for batch in batches])
    assert sorted(rows.tolist()) == list(range(11))


def test_evaluation_is_by_length():
    planner = make(imdb_like(50), 8)
    batches = planner.once()
    assert [len(batch.rows) for batch in batches] == [8] * 6 + [2]
    rows = np.concatenate([batch.rows for batch in batches])
    assert (np.diff(planner.lengths[rows]) >= 0).all()
    np.testing.assert_array_equal(rows, planner.order)


def test_widths_are_few_and_hold_the_longest_row():
    planner = make(imdb_like(3000), 16, count=8)
    batches = [b for epoch in range(2) for b in planner.plan(0, epoch)]
    assert {batch.width for batch in batches} <= set(planner.widths.tolist())
    for batch in batches:
        longest = planner.lengths[batch.rows].max()
        assert batch.width == min(w for w in planner.widths if w >= longest)
        assert batch.width == planner.width(batch.rows)


@pytest.mark.parametrize(
    ("max_length", "at_least"), [(400, 0.95), (1000, 0.90)]
)
def test_nine_of_ten_positions_are_words(max_length, at_least):
    planner = make(np.minimum(imdb_like(20_000), max_length), 64)
    assert len(planner.widths) <= 16
    assert planner.efficiency >= at_least


def test_efficiency_is_what_batches_hold():
    planner = make(np.minimum(imdb_like(200), 300), 16, count=3)
    real = computed = 0
    for rows, width in planner.plan(0, 0):
        real += planner.lengths[rows].sum()
        computed += len(rows) * width
    assert planner.efficiency == pytest.approx(real / computed)
