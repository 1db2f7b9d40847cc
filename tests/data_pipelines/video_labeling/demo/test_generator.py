import collections
import csv
import itertools
import random

import numpy as np
import pytest

from data_pipelines.video_labeling.demo import generator as demo
from data_pipelines.video_labeling.demo import sprites
from data_pipelines.vision import video

SIDE = sprites.SIDE


@pytest.fixture(scope="module")
def clips():
    return list(demo.clips())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Six clips of each split, as files."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SIZES", dict.fromkeys(demo.SIZES, 6))
        demo.write(folder)
        return folder, list(demo.clips())


def labels(clip):
    return np.concatenate(
        [
            np.full(end - start, sprites.ACTIONS.index(action))
            for start, end, action in clip.segments
        ]
    )


def test_segments(clips):
    counts = collections.Counter(clip.split for clip in clips)
    assert counts == demo.SIZES
    shares = collections.Counter()
    for clip in clips:
        assert clip.segments[0][0] == 0
        for one, other in itertools.pairwise(clip.segments):
            assert one[1] == other[0]
            assert one[2] != other[2]
        for start, end, action in clip.segments:
            assert demo.SHORTEST <= end - start < 2 * demo.LONGEST
            shares[action] += end - start
        length = clip.segments[-1][1]
        assert demo.SHORTEST_CLIP <= length <= demo.LONGEST_CLIP
    assert set(shares) == set(sprites.ACTIONS)
    assert max(shares.values()) < 2 * min(shares.values())


def test_equal_seeds_give_equal_frames(clips):
    again = next(itertools.islice(demo.clips(), 3, None))
    assert again == clips[3]
    for one, other in zip(again.frames(), clips[3].frames(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert next(demo.clips(seed=1)).segments != clips[0].segments


def test_files_as_a_user_has_them(written):
    folder, clips = written
    with (folder / "labels.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["video", "start", "end", "label", "split"]
    assert rows[1:] == [
        [clip.name, *map(str, segment), clip.split]
        for clip in clips
        for segment in clip.segments
    ]
    for clip in clips[::5]:
        path = folder / "videos" / clip.name
        assert video.probe(path).fps == demo.FPS
        actual = np.stack(list(video.frames(path, (SIDE, SIDE))))
        drawn = np.stack(list(clip.frames()))
        assert actual.shape == drawn.shape
        error = np.abs(actual.astype(float) - drawn).mean((1, 2, 3))
        assert error.max() < 6


def test_coding_depends_on_nothing_but_the_frame(tmp_path, clips):
    """A frame is the same after any others: its traces tell nothing."""
    one, other = (list(clip.frames())[:6] for clip in clips[:2])
    actual = []
    for name, frames in (("a", one), ("b", [*other[:5], one[5]])):
        video.write(tmp_path / f"{name}.mp4", frames, demo.FPS, demo.CODING)
        *_, last = video.frames(tmp_path / f"{name}.mp4", (SIDE, SIDE))
        actual.append(last)
    np.testing.assert_array_equal(*actual)


@pytest.mark.parametrize("action", sprites.ACTIONS)
def test_states_are_equally_probable_at_any_time(action):
    chance = random.Random(0)
    actual = []
    for _ in range(4000):
        *_, last = sprites.act(sprites.begin(chance), action, 7, chance)
        actual.append((last.x, last.y, last.diameter, last.dark))
    x, y, diameter, dark = np.array(actual, float).T
    span = sprites.LARGEST - sprites.SMALLEST
    for values in (x / SIDE, y / SIDE, (diameter - sprites.SMALLEST) / span):
        assert ((values >= 0) & (values < 1)).all()
        counts, _ = np.histogram(values, 8, (0, 1))
        # Five standard deviations of a binomial distribution.
        assert np.abs(counts - 500).max() < 5 * np.sqrt(4000 / 8 * 7 / 8)
    assert abs(dark.mean() - 0.5) < 5 * 0.5 / np.sqrt(4000)


def measured(pixels):
    """Of a frame as a model sees it: angles of the place, area, brightness."""
    bright = pixels.max(-1).astype(float)
    sprite = bright > 90
    turn = np.exp(2j * np.pi * np.arange(SIDE) / SIDE)
    x = np.angle((sprite.sum(0) * turn).sum())
    y = np.angle((sprite.sum(1) * turn).sum())
    return x, y, np.sqrt(sprite.sum()), np.median(bright[sprite])


def guessed(frames):
    """What is done in each frame, by its differences to those around it."""
    x, y, size, bright = np.array([measured(f) for f in frames]).T
    pixels = SIDE / (2 * np.pi)
    dx = np.diff(np.unwrap(x), prepend=x[0]) * pixels
    dy = np.diff(np.unwrap(y), prepend=y[0]) * pixels
    dsize = np.diff(size, prepend=size[0])
    blink = np.abs(np.diff(bright, prepend=bright[0])) > 40
    actual = []
    for n in range(len(frames)):
        some = slice(max(1, n - 2), n + 3)
        mx, my, ms = (np.median(d[some]) for d in (dx, dy, dsize))
        turned = min(np.ptp(dx[some]), np.ptp(dy[some]))
        if blink[some].any():
            actual.append("blinking")
        elif np.median(np.hypot(dx, dy)[some]) > 1:
            if turned > 0.8:
                actual.append("orbiting")
            elif abs(mx) > abs(my):
                actual.append("left" if mx < 0 else "right")
            else:
                actual.append("up" if my < 0 else "down")
        elif abs(ms) > 0.4:
            actual.append("growing" if ms > 0 else "shrinking")
        else:
            actual.append("still")
    return np.array([sprites.ACTIONS.index(action) for action in actual])


def test_the_frames_around_tell(written):
    folder, clips = written
    right = total = 0
    for clip in clips[::2]:
        path = folder / "videos" / clip.name
        actual = guessed(list(video.frames(path, (SIDE, SIDE))))
        right += (actual == labels(clip)).sum()
        total += len(actual)
    assert right / total > 0.8


def test_a_single_frame_does_not(clips):
    """A linear model of small pictures is not far from chance."""
    chosen = {"train": clips[:30], "test": clips[-10:]}
    parts = {}
    for split, some in chosen.items():
        frames = np.concatenate([list(c.frames())[::4] for c in some])
        small = frames.reshape(-1, 12, 4, 12, 4, 3).mean((2, 4)) / 255
        values = np.concatenate([labels(clip)[::4] for clip in some])
        small = small.reshape(len(small), -1)
        parts[split] = np.insert(small, 0, 1.0, axis=1), values
    x, y = parts["train"]
    targets = np.eye(len(sprites.ACTIONS))[y]
    weights = np.linalg.solve(x.T @ x + 5.0 * np.eye(x.shape[1]), x.T @ targets)
    x, y = parts["test"]
    assert ((x @ weights).argmax(1) == y).mean() < 0.3


def test_the_small_demo_is_a_tenth():
    splits = [clip.split for clip in demo.clips(0, demo.SMALL_SIZES)]
    for name, size in demo.SIZES.items():
        assert splits.count(name) == size // 10
