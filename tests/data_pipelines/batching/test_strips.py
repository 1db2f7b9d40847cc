import numpy as np
import pytest

from data_pipelines.batching.strips import NONE, Strips

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
