import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.video_labeling import batching
from data_pipelines.video_labeling.batching import Batches


@dataclasses.dataclass
class Video:
    """Frames that say which they are: (number of the video, frame)."""

    number: int
    length: int

    @property
    def frames(self):
        place = np.arange(self.length)
        return np.stack([np.full(self.length, self.number), place], -1).astype(
            np.uint8
        )

    @property
    def labels(self):
        return (np.arange(self.length, dtype=np.int32) + self.number) % 7


def make(lengths, rows=3, chunk=4, seed=0):
    videos = [Video(1 + n, length) for n, length in enumerate(lengths)]
    lengths = np.array(lengths)
    return Batches(videos, lengths, (2,), "uint8", rows, chunk, seed)


def stream(batches, start=0):
    """What `make_dataset` makes an endless data set of."""
    number, first = divmod(start, batches.steps)
    while True:
        yield from batches.of(batches.training(number), first)
        number, first = number + 1, 0


def one_pass(batches, training=True):
    made = batches.training(0) if training else batches.in_order()
    return list(batches.of(made))


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
def test_every_frame_once_in_order(lengths, rows, training):
    batches = make(lengths, rows)
    chunks = sum(-(-length // 4) for length in lengths)
    assert batches.steps == -(-chunks // rows)
    found = one_pass(batches, training=training)
    assert len(found) == batches.steps
    seen = []
    state = [None] * rows  # the last frame of each row
    cut = 0
    for x, y, w in found:
        assert x["frames"].shape == (rows, 4, 2)
        assert x["frames"].dtype == np.uint8
        assert x["begins"].dtype == bool
        assert (y.dtype, w.dtype) == (np.int32, np.float32)
        for row in range(rows):
            real = int(w[row].sum())
            # Padding is on the right, and all of it is 0.
            assert w[row].tolist() == [1.0] * real + [0.0] * (4 - real)
            assert not x["frames"][row, real:].any()
            assert not y[row, real:].any()
            for number, frame in x["frames"][row, :real]:
                assert y[row, frame % 4] == (frame + number - 1 + 1) % 7
            places = [tuple(map(int, f)) for f in x["frames"][row, :real]]
            if not places:
                assert x["begins"][row]
                continue
            number, first = places[0]
            continued = state[row] == (number, first - 1)
            assert x["begins"][row] == (not continued)
            cut += bool(x["begins"][row] and first)
            assert places == [(number, first + k) for k in range(real)]
            # Only the last chunk of a video is shorter.
            assert real == 4 or first + real == lengths[number - 1]
            seen += places
            state[row] = places[-1]
    every = [
        (1 + n, k) for n, length in enumerate(lengths) for k in range(length)
    ]
    assert sorted(seen) == every
    assert cut <= rows - 1
    assert found[0][0]["begins"].all()


def same(one, other):
    for (x1, y1, w1), (x2, y2, w2) in zip(one, other, strict=True):
        for name in x1:
            np.testing.assert_array_equal(x1[name], x2[name])
        np.testing.assert_array_equal(y1, y2)
        np.testing.assert_array_equal(w1, w2)


@pytest.mark.parametrize("chunk", [4, 0])
def test_any_step_can_be_entered(chunk):
    batches = make(LENGTHS[0], chunk=chunk)
    steps = batches.steps
    whole = list(itertools.islice(stream(batches), 3 * steps))
    for start in range(2 * steps):
        found = itertools.islice(stream(batches, start), 3)
        same(list(found), whole[start : start + 3])
    # A pass begins all rows anew, and has another order than the first.
    assert whole[steps][0]["begins"].all()
    firsts = [whole[number * steps][0]["frames"] for number in range(3)]
    assert any(
        one.shape != other.shape or (one != other).any()
        for one, other in itertools.combinations(firsts, 2)
    )


@pytest.mark.parametrize("chunk", [4, 0])
def test_data_sets(chunk):
    batches = make(LENGTHS[0], chunk=chunk)
    steps = batches.steps
    dataset = batching.make_dataset(batches, training=True, start_step=3)
    width = chunk or None
    x, y, w = dataset.element_spec
    assert x["frames"].shape.as_list() == [3, width, 2]
    assert x["begins"].shape.as_list() == [3]
    assert y.shape.as_list() == w.shape.as_list() == [3, width]
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    found = list(dataset.take(steps).as_numpy_iterator())
    same(found, list(itertools.islice(stream(batches, 3), steps)))
    dataset = batching.make_dataset(batches, training=False)
    assert dataset.cardinality() == steps
    same(list(dataset.as_numpy_iterator()), one_pass(batches, False))


def test_the_seed_decides():
    one, other = (one_pass(make(LENGTHS[4], seed=s)) for s in (0, 1))
    same(one, one_pass(make(LENGTHS[4], seed=0)))
    assert any(
        (a[0]["frames"] != b[0]["frames"]).any()
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("rows", [1, 2, 8])
@pytest.mark.parametrize("training", [True, False])
def test_whole_videos(lengths, rows, training):
    batches = make(lengths, rows, chunk=0)
    found = one_pass(batches, training=training)
    assert len(found) == batches.steps == -(-len(lengths) // rows)
    seen, widths = [], set()
    for x, _, w in found:
        assert x["begins"].all()
        assert len(w) == rows
        widths.add(w.shape[1])
        for row in range(rows):
            real = int(w[row].sum())
            if real:
                number = int(x["frames"][row, 0, 0])
                assert real == lengths[number - 1]
                seen.append(number)
    assert sorted(seen) == list(range(1, 1 + len(lengths)))
    assert len(widths) <= 8


def test_no_videos():
    batches = make([])
    with pytest.raises(ValueError, match="there are no videos"):
        batching.make_dataset(batches, training=True)


class Pictures:
    """Frames `(T, 1, 2, 3)`: left the number of the video, right that of it."""

    def __init__(self, number, length):
        self.labels = np.full(length, number, np.int32)
        self.frames = np.zeros((length, 1, 2, 3), np.uint8)
        self.frames[:, 0, 0] = number
        self.frames[:, 0, 1] = np.arange(length)[:, None]


def mirrored(batches, made):
    """Numbers of videos -> whether they were seen mirrored, and as they are."""
    seen = {}
    for x, y, w in batches.of(made):
        for frames, label, real in zip(x["frames"], y, w > 0, strict=True):
            for (left, right), number in zip(
                frames[real, 0, :, 0].tolist(),
                label[real].tolist(),
                strict=True,
            ):
                assert number in (left, right)
                seen.setdefault(number, set()).add(right == number)
    return seen


@pytest.mark.parametrize("chunk", [4, 0])
def test_half_of_the_videos_are_mirrored_whole(chunk):
    # Frames and numbers of videos are never equal.
    lengths = np.array([9, 3, 4, 12, 5, 7] * 4)
    videos = [Pictures(100 + n, length) for n, length in enumerate(lengths)]

    def make(mirror, seed=0):
        shape = (1, 2, 3)
        return Batches(videos, lengths, shape, "uint8", 3, chunk, seed, mirror)

    passes = [mirrored(make(True), make(True).training(n)) for n in range(4)]
    for seen in passes:
        assert len(seen) == len(videos)
        # All chunks of a video alike, or its motion would change in between.
        assert all(len(ways) == 1 for ways in seen.values())
    shares = [np.mean([min(ways) for ways in seen.values()]) for seen in passes]
    assert min(shares) > 0
    assert max(shares) < 1
    assert 0.3 < np.mean(shares) < 0.7
    assert passes[0] != passes[1]
    assert passes[0] == mirrored(make(True), make(True).training(0))
    assert passes[0] != mirrored(make(True, 1), make(True, 1).training(0))
    # What is validated and tested is seen as it is.
    for batches, made in (
        (make(True), make(True).in_order()),
        (make(False), make(False).training(0)),
    ):
        assert set.union(*mirrored(batches, made).values()) == {False}


def test_mirroring_changes_nothing_in_the_order():
    lengths = np.array([9, 3, 4, 12])
    videos = [Pictures(100 + n, length) for n, length in enumerate(lengths)]
    one, other = (
        Batches(videos, lengths, (1, 2, 3), "uint8", 2, 4, 0, mirror)
        for mirror in (False, True)
    )
    for (x1, y1, w1), (x2, y2, w2) in zip(
        one.of(one.training(0)), other.of(other.training(0)), strict=True
    ):
        np.testing.assert_array_equal(x1["begins"], x2["begins"])
        np.testing.assert_array_equal(y1, y2)
        np.testing.assert_array_equal(w1, w2)
