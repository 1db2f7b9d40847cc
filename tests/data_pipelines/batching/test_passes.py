"""What every planner has to keep: resuming, sharding, one pass in order."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.batching import passes
from data_pipelines.batching.bucket_widths import boundaries
from data_pipelines.batching.by_length import ByLength
from data_pipelines.batching.passes import Batch
from data_pipelines.batching.strips import Strips, WholeSequences
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
