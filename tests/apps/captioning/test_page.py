"""Pictures with their captions on a page."""

import base64
import html.parser
import io
import re

import numpy as np
import pytest
from PIL import Image

from apps.captioning import page
from apps.common import report
from apps.common.generation import Hypothesis
from tests.apps.captioning.photos import CHANCE, opened, photo


def encoded(picture, kind="JPEG", **options):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


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
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def images(self):
        return [attrs for tag, attrs in self.tags if tag == "image"]


def held(address):
    kind, data = re.fullmatch(r"data:image/(\w+);base64,(.*)", address).groups()
    return kind, opened(base64.b64decode(data))


def caption(text, score):
    return Hypothesis(text, score, np.array([5, 3]), 2 * score)


CAPTIONS = [caption("a cat", -1.23456), caption("two cats", -2.0)]


def example(folder, captions=CAPTIONS, weights=None, content=None, **more):
    """An example of a page, of a picture in a folder."""
    path = folder / more.pop("name", "cat.jpg")
    path.write_bytes(content or encoded(photo(40, 60)))
    return page.example(path, captions, weights, **more)


def rendered(folder, *examples, title="x"):
    """A page of examples, parsed."""
    report.render(
        folder / "x.html",
        page.TEMPLATE,
        title=title,
        explanation="",
        examples=examples,
    )
    return Parsed((folder / "x.html").read_text("utf-8"))


def texts(parsed):
    """The texts of a page behind its title and headline."""
    stripped = [" ".join(text.split()) for text in parsed.texts]
    # Behind the title, the style, the headline and the heading.
    return [text for text in stripped if text][4:]


def test_a_page_has_pictures_captions_references_and_attention(tmp_path):
    weights = ["a", "cat"], CHANCE.dirichlet(np.ones(4), 2).reshape(2, 2, 2)
    references = ("a cat sleeps", "sleeping cat")
    parsed = rendered(
        tmp_path,
        example(tmp_path, weights=weights, references=references),
    )
    # exp(-2 * 1.23456) and exp(-4).
    assert texts(parsed) == [
        *("cat.jpg", "a cat", "probability of this caption: 8 %"),
        *("two cats", "probability of this caption: 2 %", "People say:"),
        *("a cat sleeps", "sleeping cat", "a", "cat"),
    ]
    (picture,) = parsed.images()
    assert held(picture["href"])[0] == "jpeg"
    # The same picture for each word, in fog but where its weight is largest.
    used = [attrs["href"] for tag, attrs in parsed.tags if tag == "use"]
    assert used == ["#" + picture["id"]] * 2
    fog = [float(a["opacity"]) for t, a in parsed.tags if t == "rect"]
    for place in (0, 1):
        own = fog[4 * place : 4 * place + 4]
        assert np.argmin(own) == weights[1][place].argmax()
        assert min(own) == 0


@pytest.mark.parametrize(
    ("errors", "best", "verdicts"),
    [
        (None, [], []),
        ({"missing": [], "false": []}, [], ["right"]),
        (
            {"missing": ["1 big cat", "cat in bed"], "false": ["a <dog>"]},
            ["missing: 1 big cat; cat in bed", "false: a <dog>"],
            ["wrong"],
        ),
    ],
)
def test_only_the_best_caption_is_judged(tmp_path, errors, best, verdicts):
    parsed = rendered(tmp_path, example(tmp_path, errors=errors))
    first, second = (f"probability of this caption: {n} %" for n in (8, 2))
    signs = {"right": "✓", "wrong": "✗"}
    said = [word for v in verdicts for word in (signs[v], v)]
    assert texts(parsed) == [
        *("cat.jpg", *said, "a cat", first, *best, "two cats", second),
    ]


def test_a_page_escapes_all_text(tmp_path):
    evil = '"><script>alert(1)<script>&amp;<b>'
    one = example(tmp_path, [caption(evil, 0.5)], name=evil, references=[evil])
    parsed = rendered(tmp_path, one, one, title=evil)
    assert "script" not in {tag for tag, _ in parsed.tags}
    # Names, captions, references; and the title.
    assert [text.strip() for text in parsed.texts].count(evil) == 2 * 3 + 2
    assert all(image["href"].startswith("data:") for image in parsed.images())


def jpeg(content):
    small, size = page.thumbnail(content)
    assert opened(small).size == size
    return opened(small)


def test_pictures_are_made_small_and_keep_their_shape():
    shape = page.SIDE, round(page.SIDE * 600 / 900)
    assert jpeg(encoded(photo(600, 900))).size == shape
    assert jpeg(encoded(photo(40, 60))).size == (60, 40)


def test_pictures_of_every_kind_are_shown():
    clear = np.zeros((8, 8, 4), "uint8")
    for content in (
        encoded(clear, "PNG"),
        encoded(clear[..., 0], "GIF", transparency=0),
    ):
        # What is transparent is white.
        assert np.asarray(jpeg(content)).min() > 250
    turned = Image.Exif()
    turned[0x0112] = 6
    assert jpeg(encoded(photo(20, 40), exif=turned)).size == (20, 40)
    # Broken EXIF data: a resolution that is a text, and as a whole.
    turned[0x011A] = 72.0
    number, text = b"\x01\x1a\x00\x05", b"\x01\x1a\x00\x02"
    assert number in turned.tobytes()
    for exif in (turned.tobytes().replace(number, text), b"x" * 40):
        assert jpeg(encoded(photo(20, 40), exif=exif)).format == "JPEG"


@pytest.mark.slow
def test_a_page_of_24_pictures_is_small(tmp_path):
    words = [f"word{i}" for i in range(13)]
    weights = words, CHANCE.dirichlet(np.ones(25), 13).reshape(13, 5, 5)
    (tmp_path / "a.jpg").write_bytes(encoded(photo(192, 192)))
    captions = [caption(" ".join(words), 0.1)]
    one = page.example(tmp_path / "a.jpg", captions, weights, ["x"] * 5)
    rendered(tmp_path, *[one] * 24)
    assert (tmp_path / "x.html").stat().st_size < 4_000_000
