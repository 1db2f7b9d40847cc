"""What is shown of captions: attention over pictures, and pages."""

import base64
import html.parser
import io
import json
import random
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from apps.captioning import attention, page
from apps.common import report
from data_pipelines.captioning.demo import pictures
from data_pipelines.captioning.demo.layouts import Layout
from data_pipelines.captioning.demo.scenes import random_scene

CHANCE = np.random.default_rng(0)


def opened(content):
    return Image.open(io.BytesIO(content))


def demo_picture(seed=0):
    """A JPEG file."""
    chance = random.Random(seed)
    scene = random_scene(chance, "pair")
    return pictures.draw(Layout(chance).items(scene), f"{seed}")


def photo(height, width):
    """Noise of several sizes; compresses as badly as photos of grass."""
    layers = [
        np.asarray(
            Image.fromarray(
                CHANCE.integers(0, 256, (n, n, 3)).astype("uint8")
            ).resize((width, height), Image.Resampling.BICUBIC)
        )
        for n in (4, 16, 64)
    ]
    return np.mean(layers, axis=0).astype("uint8")


def encoded(picture, kind="JPEG", **options):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


# Attention over a picture.


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


# Strips.


def words_and_weights(count, rows=5, columns=5):
    words = [f"word{i}" for i in range(count)]
    return words, CHANCE.dirichlet(np.ones(rows * columns), count).reshape(
        count, rows, columns
    )


@pytest.mark.parametrize(("count", "down"), [(1, 1), (7, 1), (8, 2), (20, 3)])
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
        top = number // 8 * (attention.LINE + attention.TILE + attention.GAP)
        top += attention.LINE
        left = number % 8 * (attention.TILE + attention.GAP)
        tile = pixels[top:, left:][: attention.TILE, : attention.TILE]
        wanted = attention.overlay(picture, weights[number - 1]).astype(int)
        other = attention.overlay(picture, weights[number % 9]).astype(int)
        error = np.abs(tile - wanted).mean()
        assert error < 12
        assert number == 9 or np.abs(tile - other).mean() > 1.5 * error


def test_a_strip_is_a_small_file():
    words, weights = words_and_weights(20)
    assert len(attention.strip(photo(192, 192), words, weights)) < 150_000


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
    line = pixels[: attention.LINE]
    for number in range(1, len(words) + 1):  # nothing between the tiles
        left = number * (attention.TILE + attention.GAP)
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


# Pages.


class Parsed(html.parser.HTMLParser):
    """The tags and texts of a page; an error if tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def images(self):
        return [attrs for tag, attrs in self.tags if tag == "img"]


def held(address):
    kind, data = re.fullmatch(r"data:image/(\w+);base64,(.*)", address).groups()
    return kind, opened(base64.b64decode(data))


def test_an_article_has_all_that_was_said():
    words, weights = words_and_weights(2)
    strip = attention.strip(photo(9, 9), words, weights)
    parsed = Parsed(
        page.article(
            demo_picture(),
            "cat.jpg",
            [("a cat", -1.23456), ("two cats", -2)],
            ["a cat sleeps", "sleeping cat"],
            strip,
        )
    )
    assert parsed.texts == [
        *("cat.jpg", "a cat ", "-1.235", "two cats ", "-2.000"),
        *("a cat sleeps", "sleeping cat"),
    ]
    small, below = parsed.images()
    assert small["alt"] == "cat.jpg: a cat"
    assert held(small["src"])[0] == "jpeg"
    kind, shown = held(below["src"])
    assert kind == "png"
    assert shown.size == opened(strip).size


@pytest.mark.parametrize(
    ("wrong", "texts", "kinds"),
    [
        (None, ["a", "a cat ", "-1.000", "b"], [{}, {}]),
        (True, ["a", "a cat ", "-1.000 wrong", "b"], [{"class": "wrong"}, {}]),
        (False, ["a", "a cat ", "-1.000 right", "b"], [{}, {}]),
    ],
)
def test_only_the_best_caption_is_judged(wrong, texts, kinds):
    captions = [("a cat", -1.0), ("b", None)]
    parsed = Parsed(page.article(demo_picture(), "a", captions, wrong=wrong))
    assert parsed.texts == texts
    assert [attrs for tag, attrs in parsed.tags if tag == "p"] == kinds


def test_a_page_takes_nothing_that_it_is_told_for_html(tmp_path):
    evil = '"><script>alert(1)</script>&amp;<b>'
    body = page.gallery(
        [page.article(demo_picture(), evil, [(evil, 0.5)], [evil])] * 2
    )
    report.write_page(tmp_path / "x.html", evil, body)
    parsed = Parsed((tmp_path / "x.html").read_text("utf-8"))
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert parsed.texts.count(evil) == 2 * 2 + 2  # names, references, title
    assert all(image["src"].startswith("data:") for image in parsed.images())


def test_pictures_are_made_small_and_keep_their_shape():
    text = page.article(encoded(photo(600, 900)), "a", [])
    _, shown = held(Parsed(text).images()[0]["src"])
    assert shown.size == (page.SIDE, round(page.SIDE * 600 / 900))
    text = page.article(demo_picture(), "a", [])
    _, shown = held(Parsed(text).images()[0]["src"])
    assert shown.size == opened(demo_picture()).size


def test_pictures_of_every_kind_are_shown():
    clear = np.zeros((8, 8, 4), "uint8")
    for content in (
        encoded(clear, "PNG"),
        encoded(clear[..., 0], "GIF", transparency=0),
    ):
        text = page.article(content, "a", [])
        _, shown = held(Parsed(text).images()[0]["src"])
        assert np.asarray(shown).min() > 250  # what is transparent is white
    turned = Image.Exif()
    turned[0x0112] = 6
    content = encoded(photo(20, 40), exif=turned)
    _, shown = held(Parsed(page.article(content, "a", [])).images()[0]["src"])
    assert shown.size == (20, 40)
    # Broken EXIF data: a resolution that is a text, and as a whole.
    turned[0x011A] = 72.0
    number, text = b"\x01\x1a\x00\x05", b"\x01\x1a\x00\x02"
    assert number in turned.tobytes()
    for exif in (turned.tobytes().replace(number, text), b"x" * 40):
        content = encoded(photo(20, 40), exif=exif)
        held(Parsed(page.article(content, "a", [])).images()[0]["src"])


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


def test_a_page_of_24_pictures_is_small(tmp_path):
    words, weights = words_and_weights(13)
    picture = photo(192, 192)
    strip = attention.strip(picture, words, weights)
    one = page.article(
        encoded(picture), "a.jpg", [(" ".join(words), 0.1)], ["x"] * 5, strip
    )
    report.write_page(tmp_path / "x.html", "x", page.gallery([one] * 24))
    assert (tmp_path / "x.html").stat().st_size < 4_000_000


def test_records_go_through_json():
    captions = [("a cat", np.float32(-1.5)), ("b", None)]
    found = page.record("cat.jpg", captions, ("x", "y"), np.bool_(True))
    assert json.loads(json.dumps(found)) == {
        "image": "cat.jpg",
        "captions": [
            {"caption": "a cat", "score": -1.5},
            {"caption": "b", "score": None},
        ],
        "references": ["x", "y"],
        "wrong": True,
    }
    assert list(page.record("cat.jpg", captions)) == ["image", "captions"]
