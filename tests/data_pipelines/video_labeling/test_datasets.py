import dataclasses
from pathlib import Path

import numpy as np
import pytest

from data_pipelines.video_labeling.datasets import Split, Video


@dataclasses.dataclass
class Stored:
    """Frames `(T, 1, 2, 3)`: left the number of the video, right the frame."""

    number: int
    size: int

    @property
    def values(self):
        frames = np.zeros((self.size, 1, 2, 3), np.uint8)
        frames[:, 0, 0] = self.number
        frames[:, 0, 1] = np.arange(self.size)[:, None]
        return frames


# Frames and numbers of videos, which begin with 100, are never equal.
LENGTHS = [9, 3, 4, 12, 5, 7] * 4


def split(chunk=4, mirror=False, seed=0, lengths=LENGTHS, rows=3):
    videos = [
        Video(
            str(n),
            Path(str(n)),
            np.full(length, 100 + n, np.int32),
            Stored(100 + n, length),
        )
        for n, length in enumerate(lengths)
    ]
    return Split(videos, rows, chunk, seed, mirror)


def passes(part, count):
    """Batches of so many passes of training."""
    steps = part.steps_per_pass
    stream = part.dataset(training=True).as_numpy_iterator()
    return [[next(stream) for _ in range(steps)] for _ in range(count)]


def same(one, other):
    for (x1, y1, w1), (x2, y2, w2) in zip(one, other, strict=True):
        for name in x1:
            np.testing.assert_array_equal(x1[name], x2[name])
        np.testing.assert_array_equal(y1, y2)
        np.testing.assert_array_equal(w1, w2)


@pytest.mark.parametrize("chunk", [4, 0])
def test_frames_stand_beside_their_labels(chunk):
    part = split(chunk)
    dataset = part.dataset()
    assert dataset.cardinality() == part.steps_per_pass
    positions = []
    for x, labels, weights in dataset.as_numpy_iterator():
        assert x["frames"].dtype == np.uint8
        assert (labels.dtype, weights.dtype) == (np.int32, np.float32)
        assert not x["frames"][weights == 0].any()
        assert not labels[weights == 0].any()
        frames = x["frames"][weights == 1]
        assert (frames[:, 0, 0, 0] == labels[weights == 1]).all()
        positions += frames[:, 0, :, 0].tolist()
    assert sorted(positions) == [
        [100 + n, k] for n, length in enumerate(LENGTHS) for k in range(length)
    ]


@pytest.mark.parametrize("chunk", [4, 0])
@pytest.mark.parametrize("mirror", [True, False])
def test_processes_share_each_batch(chunk, mirror):
    part = split(chunk, mirror, rows=4)
    whole = list(part.dataset(True, 3).take(9).as_numpy_iterator())
    halves = [
        part.dataset(True, 3, (process, 2)).take(9).as_numpy_iterator()
        for process in range(2)
    ]
    joined = [
        (
            {n: np.concatenate([x1[n], x2[n]]) for n in x1},
            np.concatenate([y1, y2]),
            np.concatenate([w1, w2]),
        )
        for (x1, y1, w1), (x2, y2, w2) in zip(*halves, strict=True)
    ]
    same(joined, whole)


def test_no_videos():
    with pytest.raises(ValueError, match="there are no videos"):
        split(lengths=[]).dataset()


def mirrored(batches):
    """Numbers of videos -> whether they are seen mirrored, and as they are."""
    ways = {}
    for x, y, w in batches:
        for frames, label, real in zip(x["frames"], y, w > 0, strict=True):
            for (left, right), number in zip(
                frames[real, 0, :, 0].tolist(),
                label[real].tolist(),
                strict=True,
            ):
                assert number in (left, right)
                ways.setdefault(number, set()).add(right == number)
    return ways


@pytest.mark.parametrize("chunk", [4, 0])
def test_half_of_the_videos_are_mirrored_whole(chunk):
    part = split(chunk, mirror=True)
    each = [mirrored(batches) for batches in passes(part, 4)]
    for ways in each:
        assert len(ways) == len(LENGTHS)
        # All chunks of a video alike, or its motion would change in between.
        assert all(len(way) == 1 for way in ways.values())
    shares = [np.mean([min(way) for way in ways.values()]) for ways in each]
    assert min(shares) > 0
    assert max(shares) < 1
    assert 0.3 < np.mean(shares) < 0.7
    assert each[0] != each[1]
    # A stream that is entered in its second pass shows that pass.
    start = part.steps_per_pass
    later = part.dataset(True, start).take(start).as_numpy_iterator()
    assert mirrored(later) == each[1]
    assert each[0] != mirrored(passes(split(chunk, True, seed=1), 1)[0])
    # What is validated and tested is seen as it is.
    for batches in (
        part.dataset().as_numpy_iterator(),
        passes(split(chunk), 1)[0],
    ):
        assert set.union(*mirrored(batches).values()) == {False}


@pytest.mark.parametrize("chunk", [4, 0])
def test_mirroring_changes_nothing_in_the_order(chunk):
    (one,), (other,) = (
        passes(split(chunk, mirror), 1) for mirror in (False, True)
    )
    for (x1, y1, w1), (x2, y2, w2) in zip(one, other, strict=True):
        np.testing.assert_array_equal(x1["begins"], x2["begins"])
        np.testing.assert_array_equal(y1, y2)
        np.testing.assert_array_equal(w1, w2)
