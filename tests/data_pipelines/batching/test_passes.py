"""What every planner has to keep: resuming, sharding, one pass in order.

Then batches of similar lengths, and strips.
"""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.batching import passes
from data_pipelines.batching.bucket_widths import boundaries
from data_pipelines.batching.passes import (
    NONE,
    Batch,
    ByLength,
    Strips,
    WholeSequences,
)
from data_pipelines.captioning.datasets import GroupedByPicture, LengthGroups
from data_pipelines.files.errors import DataError
from data_pipelines.translation.batching import Buckets

LENGTHS = np.random.default_rng(0).integers(1, 30, 43)
PAIRS = np.random.default_rng(1).integers(2, 20, (2, 120))


def by_length(drop_remainder):
    return ByLength(LENGTHS, boundaries(LENGTHS, 4), 8, drop_remainder)


PLANNERS = {
    "by_length": by_length(True),
    "by_length_all": by_length(False),
    "strips": Strips(LENGTHS, 6, 4),
    "whole_sequences": WholeSequences.of(LENGTHS, 6),
    "buckets_of_pairs": Buckets.of(PAIRS, 64),
    "captions": LengthGroups.of(LENGTHS, 8),
    "captions_by_picture": GroupedByPicture.of(
        LENGTHS, np.sort(np.arange(43) % 14), 2, 8
    ),
}
SPEC = (
    tf.TensorSpec(None, tf.int64),
    tf.TensorSpec(None, tf.int64),
    tf.TensorSpec((), tf.int64),
)


@pytest.fixture(params=PLANNERS)
def planner(request):
    return PLANNERS[request.param]


def arrays(batch, step):
    return batch.rows, np.array(batch.width), step


class Split(passes.BatchedSplit):
    def __init__(self, planner, seed):
        self.planner, self.seed = planner, seed

    def spec(self, processes):
        return SPEC

    def fetch(self, batch, step):
        return arrays(batch, step)


def make(planner, seed=0, **options):
    return Split(planner, seed).dataset(**options)


def take(dataset, count=-1):
    return [
        tuple(array.numpy() for array in arrays)
        for arrays in dataset.take(count)
    ]


def same(first, second):
    assert len(first) == len(second)
    for batch, other in zip(first, second, strict=True):
        for array, expected in zip(batch, other, strict=True):
            np.testing.assert_array_equal(array, expected)


def test_training_enters_at_any_step(planner):
    steps = planner.steps_per_pass
    whole = take(make(planner, training=True, seed=7), 3 * steps + 2)
    assert [int(step) for *_, step in whole] == list(range(3 * steps + 2))
    for start in range(3 * steps):
        late = itertools.islice(passes.stream(planner, 7, start), 2)
        expected = whole[start : start + 2]
        same([arrays(batch, step) for step, batch in late], expected)
    for start in (1, steps - 1, steps, 2 * steps + 1):
        late = make(planner, training=True, seed=7, start_step=start)
        same(take(late, 2), whole[start : start + 2])


def test_the_stream_is_the_plans_one_after_another(planner):
    steps = planner.steps_per_pass
    plans = [batch for epoch in range(3) for batch in planner.plan(5, epoch)]
    assert len(plans) == 3 * steps
    stream = take(make(planner, training=True, seed=5), 3 * steps)
    expected = [arrays(batch, step) for step, batch in enumerate(plans)]
    same(stream, expected)


def test_plans_are_functions_of_seed_and_epoch(planner):
    plans = {
        (seed, epoch): planner.plan(seed, epoch)
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    for (seed, epoch), plan in plans.items():
        same(planner.plan(seed, epoch), plan)
    for first, second in itertools.combinations(plans.values(), 2):
        assert any(
            not np.array_equal(one.rows, other.rows)
            for one, other in zip(first, second, strict=True)
        )


def test_starting_late_makes_no_earlier_batches(planner):
    late = make(planner, training=True, start_step=10**12)
    (batch,) = take(late, 1)
    assert batch[-1] == 10**12


@pytest.mark.parametrize("name", sorted({*PLANNERS} - {"captions_by_picture"}))
def test_the_stream_is_endless_and_evaluation_is_one_pass(name):
    planner = PLANNERS[name]
    stream = make(planner, training=True)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    once = make(planner, training=False)
    batches = take(once)
    assert once.cardinality() == len(batches) == len(planner.once())
    same(batches, [arrays(b, step) for step, b in enumerate(planner.once())])
    assert stream.element_spec == once.element_spec == SPEC
    # Each iteration is the same one again.
    same(take(once), batches)


@pytest.mark.parametrize(
    "name", sorted({*PLANNERS} - {"by_length_all", "buckets_of_pairs"})
)
@pytest.mark.parametrize("processes", [1, 2])
def test_the_shards_of_a_batch_are_the_batch(name, processes):
    planner = PLANNERS[name]
    options = dict(training=True, seed=3, start_step=2)
    whole = take(make(planner, **options), 12)
    shards = [
        take(make(planner, shard=(process, processes), **options), 12)
        for process in range(processes)
    ]
    for batch, *parts in zip(whole, *shards, strict=True):
        rows = [part[0] for part in parts]
        assert len({len(part) for part in rows}) == 1
        np.testing.assert_array_equal(np.concatenate(rows), batch[0])
        for _, width, step in parts:
            np.testing.assert_array_equal(width, batch[1])
            assert step == batch[2]


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_that_cannot_be_shared_is_refused_at_once(training):
    with pytest.raises(DataError) as caught:
        make(by_length(False), training=training, shard=(0, 2))
    assert str(caught.value) == (
        "a batch of 3 rows cannot be shared by 2 processes; expected a batch "
        "size that divides by 2, and full batches"
    )
    with pytest.raises(DataError, match="a batch of 8 rows cannot be shared"):
        make(by_length(True), training=True, shard=(1, 3))
    with pytest.raises(ValueError, match="there is no process 2 of 2"):
        make(by_length(True), training=True, shard=(2, 2))


def test_part():
    batch = Batch(np.arange(12).reshape(6, 2), (3, 4))
    parts = [passes.part(batch, (process, 3)) for process in range(3)]
    assert [part.rows[:, 0].tolist() for part in parts] == [
        [0, 2],
        [4, 6],
        [8, 10],
    ]
    assert {part.width for part in parts} == {(3, 4)}
    assert passes.part(batch, (0, 1)).rows is not None


@pytest.mark.parametrize(
    "planner",
    [
        ByLength(LENGTHS[:0], np.zeros(0, int), 8),
        Strips(LENGTHS[:0], 2, 4),
        Buckets.of(PAIRS[:, :0], 64),
    ],
)
def test_no_examples(planner):
    with pytest.raises(ValueError, match="there are no examples"):
        make(planner, training=True)


# Batches of similar lengths.


def similar(lengths, batch_size, drop_remainder=True, count=16):
    lengths = np.asarray(lengths)
    widths = boundaries(lengths, count)
    return ByLength(lengths, widths, batch_size, drop_remainder)


def imdb_like(count, seed=0):
    """Log-normal lengths with the median and spread of film reviews."""
    random = np.random.default_rng(seed)
    return np.clip(random.lognormal(5.35, 0.6, count), 10, 2500).astype(int)


def test_a_pass_holds_every_example_once():
    planner = similar(imdb_like(1003), 8, drop_remainder=False)
    rows = [batch.rows for batch in planner.plan(3, 5)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(1003))
    assert sorted(map(len, rows)) == [3] + [8] * 125
    assert len(rows) == planner.steps_per_pass == 126


def test_dropped_examples_differ_from_pass_to_pass():
    planner = similar(imdb_like(103), 10)
    once = []
    for epoch in range(20):
        rows = [batch.rows for batch in planner.plan(0, epoch)]
        assert [len(row) for row in rows] == [10] * 10
        once.append(set(np.concatenate(rows).tolist()))
    assert planner.steps_per_pass == 10
    assert len(set.union(*once)) == 103
    assert len(set.intersection(*once)) < 100


def test_a_split_smaller_than_a_batch_is_one_batch():
    planner = similar(np.ones(3, int), 10)
    assert planner.steps_per_pass == 1
    assert [len(batch.rows) for batch in planner.plan(0, 0)] == [3]
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        similar(np.ones(3, int), 0)


def test_batches_are_not_in_order_of_length():
    lengths = imdb_like(4000)
    plan = similar(lengths, 16).plan(0, 0)
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
    planner = similar(imdb_like(50), 8)
    batches = planner.once()
    assert [len(batch.rows) for batch in batches] == [8] * 6 + [2]
    rows = np.concatenate([batch.rows for batch in batches])
    assert (np.diff(planner.lengths[rows]) >= 0).all()
    np.testing.assert_array_equal(rows, planner.order)


def test_widths_are_few_and_hold_the_longest_row():
    planner = similar(imdb_like(3000), 16, count=8)
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
    planner = similar(np.minimum(imdb_like(20_000), max_length), 64)
    assert len(planner.widths) <= 16
    assert planner.efficiency >= at_least


def test_efficiency_is_what_batches_hold():
    planner = similar(np.minimum(imdb_like(200), 300), 16, count=3)
    real = computed = 0
    for rows, width in planner.plan(0, 0):
        real += planner.lengths[rows].sum()
        computed += len(rows) * width
    assert planner.efficiency == pytest.approx(real / computed)


# Strips.


SEQUENCES = [
    [5, 4, 9, 1, 17, 8, 3],
    [1],
    [100],
    [4, 4, 4, 4],
    [3, 50, 2, 2, 31, 7, 7, 1, 1, 12],
]


@pytest.mark.parametrize("lengths", SEQUENCES)
@pytest.mark.parametrize("rows", [1, 2, 3, 8])
@pytest.mark.parametrize("training", [True, False])
def test_every_step_once_in_order(lengths, rows, training):
    planner = Strips(np.array(lengths), rows, 4)
    batches = planner.plan(0, 0) if training else planner.once()
    chunks = sum(-(-length // 4) for length in lengths)
    assert len(batches) == planner.steps_per_pass == -(-chunks // rows)
    positions, cut = [], 0
    before = [(NONE, 0)] * rows  # where each row would go on
    for batch in batches:
        assert batch.width == 4
        assert batch.rows.shape == (rows, 3)
        for row, (sequence, start, begins) in enumerate(batch.rows.tolist()):
            if sequence == NONE:
                assert begins
                continue
            assert begins == (before[row] != (sequence, start))
            cut += bool(begins and start)
            end = min(start + 4, lengths[sequence])
            positions += [(sequence, step) for step in range(start, end)]
            before[row] = (sequence, start + 4)
    assert sorted(positions) == [
        (sequence, step)
        for sequence, length in enumerate(lengths)
        for step in range(length)
    ]
    # Only where a row begins does a sequence begin in its middle.
    assert cut <= rows - 1
    assert batches[0].rows[:, 2].all()


def test_evaluation_is_in_the_order_of_the_sequences():
    batches = Strips(np.array([5, 2]), 1, 4).once()
    rows = np.concatenate([batch.rows for batch in batches])
    assert rows.tolist() == [[0, 0, 1], [0, 4, 0], [1, 0, 1]]


@pytest.mark.parametrize("lengths", SEQUENCES)
@pytest.mark.parametrize("rows", [1, 2, 8])
@pytest.mark.parametrize("training", [True, False])
def test_whole_sequences(lengths, rows, training):
    planner = WholeSequences.of(np.array(lengths), rows)
    batches = planner.plan(0, 0) if training else planner.once()
    assert len(batches) == planner.steps_per_pass == -(-len(lengths) // rows)
    sequences = []
    for batch in batches:
        assert batch.rows.shape == (rows, 3)
        assert (batch.rows[:, 1:] == [0, 1]).all()
        shown = [n for n in batch.rows[:, 0].tolist() if n != NONE]
        assert batch.width >= max(lengths[n] for n in shown)
        sequences += shown
    assert sorted(sequences) == list(range(len(lengths)))
    assert len({batch.width for batch in batches}) <= 8


def test_what_a_batch_holds():
    batch = Batch(np.array([[1, 2, 0], [NONE, 0, 1], [0, 0, 1]]), 3)
    lengths = np.array([2, 7])
    sequences = [np.arange(1, 3.0), np.arange(10, 17.0)]
    np.testing.assert_array_equal(
        passes.take_chunks(batch, sequences),
        [[12, 13, 14], [0, 0, 0], [1, 2, 0]],
    )
    wide = [np.stack([row, -row], -1) for row in sequences]
    assert passes.take_chunks(batch, wide).shape == (3, 3, 2)
    assert passes.begins(batch).tolist() == [False, True, True]
    np.testing.assert_array_equal(
        passes.step_weights(batch, lengths), [[1, 1, 1], [0, 0, 0], [1, 1, 0]]
    )
