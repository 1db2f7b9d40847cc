"""The baselines."""

import numpy as np

from apps.video_labeling import baselines


def test_the_median_filter_is_one_over_time():
    random = np.random.default_rng(0)
    video = random.random((12, 2))
    padded = np.pad(video, ((2, 2), (0, 0)), mode="edge")
    expected = [np.median(padded[t : t + 5], axis=0) for t in range(12)]
    found = baselines.filtered([video], 5)[0]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(baselines.filtered([video], 1)[0], video)
