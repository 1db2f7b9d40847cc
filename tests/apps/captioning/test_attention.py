"""Attention over pictures, drawn."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from apps.captioning import attention
from tests.apps.captioning.photos import CHANCE, opened, photo


def test_equal_weights_leave_a_picture_as_it_is():
    picture = photo(40, 60)
    for weights in (np.full((3, 4), 0.083), np.full((1, 1), 7)):
        shown = attention.overlay(picture, weights)
        assert shown.dtype == np.uint8
        np.testing.assert_array_equal(shown, picture)


def test_fog_lies_where_nobody_looked():
    picture = photo(50, 100)
    weights = np.zeros((5, 10))
    weights[1, 8] = 0.4  # its middle is at row 15, column 85
    shown = attention.overlay(picture, weights).astype(float)
    np.testing.assert_allclose(shown[15, 85], picture[15, 85], atol=3)
    fog = attention.THICK
    expected = (1 - fog) * picture + fog * np.array(attention.FOG)
    np.testing.assert_allclose(shown[30:, :60], expected[30:, :60], atol=0.51)


def test_a_region_of_half_the_weight_is_in_half_the_fog():
    picture = np.zeros((30, 30, 3), "uint8")
    weights = np.repeat([[1.0] * 3, [0.5] * 3], 3, axis=0)
    shown = attention.overlay(picture, 20 * weights)
    np.testing.assert_array_equal(shown[:8], 0)
    half = np.array(attention.FOG) * attention.THICK / 2
    np.testing.assert_allclose(
        shown[22:], np.broadcast_to(half, (8, 30, 3)), atol=0.51
    )


def test_fog_is_smooth():
    picture = np.zeros((96, 96, 3), "uint8")
    weights = np.zeros((5, 5))
    weights[2, 2] = 1
    row = attention.overlay(picture, weights)[48, :, 0].astype(int)
    assert np.abs(np.diff(row)).max() <= 12


def test_no_weight_at_all_is_fog_all_over():
    picture = photo(10, 10)
    shown = attention.overlay(picture, np.zeros((2, 2)))
    fog = attention.THICK
    expected = (1 - fog) * picture + fog * np.array(attention.FOG)
    np.testing.assert_allclose(shown, expected, atol=0.51)


def words_and_weights(count, rows=5, columns=5):
    words = [f"word{i}" for i in range(count)]
    return words, CHANCE.dirichlet(np.ones(rows * columns), count).reshape(
        count, rows, columns
    )


@pytest.mark.parametrize(("count", "down"), [(1, 1), (3, 1), (4, 2), (20, 6)])
def test_a_strip_has_a_tile_for_each_word(count, down):
    picture = photo(192, 192)
    words, weights = words_and_weights(count)
    found = opened(attention.strip(picture, words, weights)).convert("RGB")
    step = attention.LINE + attention.TILE + attention.GAP
    assert found.height == down * step - attention.GAP
    assert found.width <= attention.WIDTH
    pixels = np.asarray(found).astype(int)
    small = Image.fromarray(picture).resize(
        (attention.TILE, attention.TILE), Image.Resampling.LANCZOS
    )
    first = pixels[attention.LINE :, : attention.TILE][: attention.TILE]
    assert np.abs(first - np.asarray(small)).mean() < 12
    # What is around the tiles is white, so that a page shows no box.
    assert (pixels[: attention.LINE, : attention.TILE] == 255).all()
    assert pixels[:, attention.TILE : attention.TILE + 8].mean() > 254
    # A word stands above the second tile, and none above the first.
    left = attention.TILE + attention.GAP
    assert pixels[: attention.LINE, left : left + attention.TILE].min() < 99


def test_every_tile_is_the_overlay_of_its_word():
    picture = photo(attention.TILE, attention.TILE)
    weights = np.zeros((9, 2, 2))
    weights[np.arange(9), [0, 1, 0, 1, 0, 1, 0, 1, 0], 0] = 1
    pixels = np.asarray(
        opened(attention.strip(picture, list("abcdefghi"), weights)).convert(
            "RGB"
        )
    ).astype(int)
    for number in range(1, 10):
        top = number // 4 * (attention.LINE + attention.TILE + attention.GAP)
        top += attention.LINE
        left = number % 4 * (attention.TILE + attention.GAP)
        tile = pixels[top:, left:][: attention.TILE, : attention.TILE]
        wanted = attention.overlay(picture, weights[number - 1]).astype(int)
        other = attention.overlay(picture, weights[number % 9]).astype(int)
        error = np.abs(tile - wanted).mean()
        assert error < 12
        assert number == 9 or np.abs(tile - other).mean() > 1.5 * error


def test_a_strip_is_a_small_file():
    words, weights = words_and_weights(20)
    assert len(attention.strip(photo(192, 192), words, weights)) < 170_000


def test_colours_survive():
    """The shapes of the demo are small, and their colours are the point."""
    picture = np.full((96, 96, 3), 240, "uint8")
    colours = [(220, 30, 30), (250, 210, 40), (40, 150, 70), (60, 90, 220)]
    for i, colour in enumerate(colours):
        picture[10:22, 10 + 20 * i : 22 + 20 * i] = colour
    words, weights = words_and_weights(20)
    pixels = np.asarray(
        opened(attention.strip(picture, words, weights)).convert("RGB")
    ).astype(int)
    for i, colour in enumerate(colours):
        shown = pixels[attention.LINE + 12 : attention.LINE + 20]
        shown = shown[:, 12 + 20 * i : 20 + 20 * i].mean(axis=(0, 1))
        np.testing.assert_allclose(shown, colour, atol=16)


@pytest.mark.parametrize("shape", [(192, 80), (80, 192), (20, 30), (1, 1)])
@pytest.mark.parametrize("grid", [(5, 5), (3, 9), (1, 1)])
def test_pictures_of_any_shape_have_strips(shape, grid):
    words, weights = words_and_weights(3, *grid)
    found = opened(attention.strip(photo(*shape), words, weights))
    assert found.width == 4 * attention.TILE + 3 * attention.GAP


def test_long_and_strange_words_stay_above_their_tile():
    words = ["incomprehensibilities", "x" * 99, "", "\u72ac", "$5^{2", "<end>"]
    weights = words_and_weights(len(words))[1]
    pixels = np.asarray(
        opened(attention.strip(photo(96, 96), words, weights)).convert("L")
    )
    step = attention.LINE + attention.TILE + attention.GAP
    for number in range(1, len(words) + 1):  # nothing between the tiles
        if not number % 4:
            continue  # the first of a row
        line = pixels[number // 4 * step :][: attention.LINE]
        left = number % 4 * (attention.TILE + attention.GAP)
        assert (line[:, left - attention.GAP + 2 : left - 2] == 255).all()


def test_words_and_weights_must_be_as_many():
    words, weights = words_and_weights(3)
    with pytest.raises(ValueError, match="shorter"):
        attention.strip(photo(9, 9), words, weights[:2])


def test_tensorflow_reads_strips():
    words, weights = words_and_weights(2)
    content = attention.strip(photo(9, 9), words, weights)
    shown = tf.io.decode_png(content, channels=3).numpy()
    np.testing.assert_array_equal(
        shown, np.asarray(opened(content).convert("RGB"))
    )


def test_a_text_stands_below_its_picture():
    picture = photo(60, 90)
    one, three = (
        opened(attention.titled(picture, "some words " * count))
        for count in (1, 6)
    )
    assert one.width == three.width == 2 * attention.TILE
    assert three.height - one.height == 2 * attention.LINE
    for number, drawn in enumerate((one, three)):
        lines = np.asarray(drawn.convert("L"))[attention.LINE + 60 :]
        dark = (lines < 128).any(axis=1).reshape(-1, attention.LINE)
        assert dark.any(axis=1).all(), number  # each line has letters
