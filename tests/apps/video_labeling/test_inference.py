"""A whole video in chunks is one long run."""

import errno
import os
import tempfile

import keras
import numpy as np
import pytest

from apps.video_labeling import model
from apps.video_labeling.inference import VideoInference
from apps.video_labeling.motion import Motion
from tests.apps.video_labeling.tiny import (
    FEATURES,
    PICTURE,
    SMALL,
    built,
    chunks,
    frames,
)

# The first two show all that a chunk carries on; the others take long.
LONG_RUNS = [
    (PICTURE, dict(mode="live", motion="pixels")),
    (FEATURES, dict(mode="offline", depth=2, regions="max", refine=2)),
    (PICTURE, dict(mode="live")),
    (PICTURE, dict(mode="offline", motion="pixels", regions="max")),
    (FEATURES, dict(mode="live", cell="peephole_lstm", depth=2)),
    (FEATURES, dict(mode="offline", cell="lstm", motion="none")),
    (FEATURES, dict(mode="live", regions="mean", motion="none")),
]


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        LONG_RUNS[0],
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in LONG_RUNS[1:]
        ),
    ],
    ids=str,
)
def test_chunks_are_one_long_run(shape, more):
    _, labeler = built(shape, **more)
    video = frames(shape, 21)
    expected = labeler.predict(video[None], verbose=0)[0]
    for size in (8, 50):
        found = VideoInference(labeler, size)(chunks(video, size))
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="Linux has it")
def test_a_full_disk_is_an_error_before_it_is_mapped(monkeypatch):
    """To write to what is mapped would kill the process."""
    _, labeler = built(FEATURES, mode="offline")
    sizes = []

    def refuse(file, start, size):
        sizes.append(size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space left") as caught:
        VideoInference(labeler, 8)(chunks(frames(FEATURES, 21), 8))
    assert caught.value.filename == tempfile.gettempdir()
    assert sizes == [21 * 2 * SMALL.units * 4]


@pytest.mark.parametrize(
    ("mode", "way"),
    [
        ("live", "pixels"),
        pytest.param("offline", "regions", marks=pytest.mark.slow),
        pytest.param("live", "regions", marks=pytest.mark.slow),
        pytest.param("offline", "pixels", marks=pytest.mark.slow),
    ],
)
def test_a_black_frame_is_a_frame(way, mode):
    _, labeler = built(PICTURE, mode=mode, motion=way)
    video = frames(PICTURE, 14)
    video[:4] = 0
    video[7:9] = 0
    expected = labeler.predict(video[None], verbose=0)[0]
    for size in (1, 4, 8):
        found = VideoInference(labeler, size)(chunks(video, size))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def old_motion(way, shape, contrast=4.0):
    """The model of changes as runs of before had it: zeros stand for none."""
    ops = keras.ops
    x = keras.Input((None, *shape), name="now")
    before = keras.Input(shape, name="before")
    earlier = ops.concatenate([before[:, None], x[:, :-1]], axis=1)
    axes = tuple(range(1, len(shape) + 1))
    there = ops.any(ops.not_equal(before, 0), axis=axes, keepdims=True)
    changed = x - earlier
    first = ops.where(there, changed[:, 0], 0)
    changed = ops.concatenate([first[:, None], changed[:, 1:]], axis=1)
    if way == "pixels":
        found = contrast * ops.abs(changed)
    else:
        found = ops.concatenate([x, changed], axis=-1)
    return keras.Model([x, before], found, name="motion")


@pytest.mark.parametrize("way", ["pixels", "regions"])
def test_a_run_of_before_is_still_one_long_run(way, monkeypatch):
    monkeypatch.setattr(
        Motion,
        "build",
        lambda kind, frame, regions, rows=None: Motion(
            kind, old_motion(kind, frame if kind == "pixels" else regions)
        ),
    )
    _, labeler = built(PICTURE, mode="live", motion=way)
    video = frames(PICTURE, 12)
    expected = labeler.predict(video[None], verbose=0)[0]
    found = VideoInference(labeler, 5)(chunks(video, 5))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_frame_at_a_time_is_one_long_run():
    _, labeler = built(mode="live", cell="coupled_lstm", depth=2, refine=1)
    video = frames(FEATURES, 12)
    found = list(VideoInference(labeler, 1).follow(chunks(video, 1)))
    expected = labeler.predict(video[None], verbose=0)[0]
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-5)


def test_live_does_not_see_what_comes_and_offline_does():
    video = frames(FEATURES, 10)
    other = video.copy()
    other[7:] = 0
    for mode, same in (("live", True), ("offline", False)):
        whole = VideoInference(built(mode=mode)[1], 4)
        one, two = (whole(chunks(x, 4))[:7] for x in (video, other))
        assert np.allclose(one, two, atol=1e-6) == same


def test_frame_only_sees_no_other_frame():
    keras.utils.set_random_seed(1)
    _, labeler = model.build_frame_only(SMALL, FEATURES, 4)
    whole = VideoInference(labeler, 4)
    video = frames(FEATURES, 6)
    alone = [whole([frame[None]])[0] for frame in video]
    np.testing.assert_allclose(whole(chunks(video, 4)), alone, atol=1e-6)
