"""Changes since the frame before."""

import numpy as np
import pytest

from apps.video_labeling.motion import Motion


def changed(way, x, before, there):
    """What the model gives, by its definition, a frame at a time."""
    found = np.zeros_like(x)
    for row in range(x.shape[0]):
        last = before[row] if there[row] else None
        for t in range(x.shape[1]):
            if last is not None:
                found[row, t] = x[row, t] - last
            last = x[row, t]
    if way == "pixels":
        return 4 * np.abs(found)
    return np.concatenate([x, found], axis=-1)


@pytest.mark.parametrize("way", ["regions", "pixels"])
@pytest.mark.parametrize("rows", [(None, None), (3, 4)])
def test_changes_since_the_frame_before(way, rows):
    random = np.random.default_rng(0)
    x = random.integers(0, 9, (3, 4, 5, 6, 2)).astype("float32")
    before = random.integers(0, 9, (3, 5, 6, 2)).astype("float32")
    before[1:] = 0
    there = np.array([[1.0], [0.0], [1.0]], "float32")  # the last one is black
    motion = Motion.build(way, x.shape[2:], x.shape[2:], rows)
    found = np.array(motion.model([x, before, there]))
    np.testing.assert_allclose(found, changed(way, x, before, there[:, 0]))
