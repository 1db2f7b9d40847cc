import numpy as np
import pytest

from data_pipelines.batching import strips
from data_pipelines.batching.passes import Batch
from data_pipelines.batching.strips import NONE, Strips, WholeSequences

LENGTHS = [
    [5, 4, 9, 1, 17, 8, 3],
    [1],
    [100],
    [4, 4, 4, 4],
    [3, 50, 2, 2, 31, 7, 7, 1, 1, 12],
]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("rows", [1, 2, 3, 8])
@pytest.mark.parametrize("training", [True, False])
def test_every_step_once_in_order(lengths, rows, training):
    strips = Strips(np.array(lengths), rows, 4)
    batches = strips.plan(0, 0) if training else strips.once()
    chunks = sum(-(-length // 4) for length in lengths)
    assert len(batches) == strips.steps_per_pass == -(-chunks // rows)
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


@pytest.mark.parametrize("lengths", LENGTHS)
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
        strips.take(batch, sequences), [[12, 13, 14], [0, 0, 0], [1, 2, 0]]
    )
    wide = [np.stack([row, -row], -1) for row in sequences]
    assert strips.take(batch, wide).shape == (3, 3, 2)
    assert strips.begins(batch).tolist() == [False, True, True]
    np.testing.assert_array_equal(
        strips.weights(batch, lengths), [[1, 1, 1], [0, 0, 0], [1, 1, 0]]
    )
