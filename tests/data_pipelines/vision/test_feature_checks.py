import numpy as np
import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.vision.feature_checks import Statistics, to_float16

B, R, C = 4, 3, 2
NAMES = ["a.png", "b.png", "c.png", "d.png"]


def pictures():
    """No two are alike."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (B, 6, 6, 3), np.uint8)


def values():
    return np.random.default_rng(1).random((B, R, C), np.float32)


def fails(features, frames=None, first=False):
    frames = pictures() if frames is None else frames
    with pytest.raises(DataError) as caught:
        to_float16(features, frames, NAMES, first)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_right_is_rounded():
    half = to_float16(values(), pictures(), NAMES, first=True)
    assert half.dtype == np.float16
    np.testing.assert_array_equal(half, values().astype(np.float16))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none(wrong):
    features = values()
    features[2, 1, 0] = wrong
    finite = features[np.isfinite(features)].astype(np.float64)
    assert fails(features) == (
        "c.png: the encoder's features are not finite numbers (of this batch: "
        f"mean {finite.mean():.4g}, std {finite.std():.4g}, min "
        f"{finite.min():.4g}, max {finite.max():.4g}, zeros 0.0%, not finite "
        f"{1 / (B * R * C):.1%})"
    )


def test_nothing_but_numbers_that_are_none():
    message = fails(values() * np.nan)
    assert message.endswith("(of this batch: no value is finite)")


def test_numbers_that_are_too_large():
    features = values()
    features[1] *= 1e6
    assert fails(features).startswith(
        "b.png: the encoder's features are too large for float16, which ends "
        "at 65,504; scale the encoder's result (of this batch: mean "
    )
    features[1] = 65504
    half = to_float16(features, pictures(), NAMES, first=True)
    assert half.max() == 65504


def test_all_zero():
    zeros = np.zeros((B, R, C), np.float32)
    same = np.repeat(pictures()[:1], B, 0)
    # Of nothing but one picture it may be right, but not the first time.
    for frames, first in ((pictures(), False), (same, True)):
        message = fails(zeros, frames, first)
        assert message.startswith("a.png: the encoder's features are all zero")
        assert "mean 0, std 0, min 0, max 0, zeros 100.0%" in message
    assert not to_float16(zeros, same, NAMES, first=False).any()


def test_the_same_for_all_pictures():
    features = np.repeat(values()[:1], B, 0)
    assert fails(features).startswith(
        "a.png: the encoder's features are the same for different pictures; "
        "see what the encoder does to pixels of 0 to 255 (of this batch: "
    )
    same = np.repeat(pictures()[:1], B, 0)
    half = to_float16(features, same, NAMES, first=True)
    np.testing.assert_array_equal(half, features.astype(np.float16))


def test_black_pictures_with_a_spot_may_have_features_of_zero():
    frames = np.zeros((B, 8, 6, 3), np.uint8)
    frames[3, 2, 3] = 1
    zeros = np.zeros((B, 1, 2), np.float32)
    assert not to_float16(zeros, frames, NAMES, first=False).any()
    for first, most in ((True, 1), (False, 100)):
        frames[3] = most
        assert "are all zero" in fails(zeros, frames, first)


def test_statistics_of_shards_add_up():
    features = np.maximum(values() - 0.5, 0).astype(np.float16)
    features = np.concatenate([features, features * 2, features[:1]])
    parts = np.split(features, [4, 7])
    first, *others = map(Statistics.of, parts)
    statistics = sum(others, first)
    wide = features.astype(np.float64)
    assert statistics.pictures == 9
    # The mean over shards of the variance over the pictures of each.
    variance = sum(
        len(part) * part.astype(np.float64).var(0).mean() for part in parts
    )
    assert str(statistics) == (
        f"mean {wide.mean():.4g}, std {wide.std():.4g}, min {wide.min():.4g}, "
        f"max {wide.max():.4g}, zeros {(wide == 0).mean():.1%}, std over "
        f"pictures {(variance / 9) ** 0.5:.4g}"
    )
    assert str(Statistics.of(features[:1])).endswith("std over pictures 0")
