"""Translations on a page."""

import io

import numpy as np
from PIL import Image

from apps.common import report
from apps.common.generation import Hypothesis
from apps.translation import page


class Predictor:
    """Attends evenly, to two tokens of the source."""

    has_attention = True

    def attention(self, texts, translations):
        weights = np.full((2, 2), 0.5)
        return [(["a", "$b"], ["c", "[EOS]"], weights) for _ in texts]


BEST = [Hypothesis("<b> due", -0.5, None), Hypothesis("uno", -1.25, None)]


def written(path, *examples):
    report.render(
        path,
        page.TEMPLATE,
        title="x",
        explanation="Below",
        examples=list(examples),
    )
    return path.read_text("utf-8")


def test_an_example_shows_hypotheses_reference_and_attention(tmp_path):
    example = page.example(Predictor(), "two <i>", BEST, "un due")
    text = written(tmp_path / "x.html", example)
    for part in ("two &lt;i&gt;", "&lt;b&gt; due <small>-0.500", "un due"):
        assert part in text
    assert "uno <small>-1.250" in text
    assert 'alt="attention"' in text
    assert "word for word" not in text


def test_an_exact_translation_is_said_to_be_one(tmp_path):
    example = page.example(Predictor(), "two", BEST, "<b>  due")
    assert "the reference, word for word" in written(tmp_path / "x", example)


def test_without_attention_and_reference_there_is_text_alone(tmp_path):
    predictor = Predictor()
    predictor.has_attention = False
    text = written(tmp_path / "x", page.example(predictor, "two", BEST))
    assert "<img" not in text
    assert "<em>" not in text


def test_the_attention_is_darkest_where_the_weight_is_largest():
    png = page.attention_picture(["a", "b"], ["c", "d"], np.eye(2))
    with Image.open(io.BytesIO(png)) as picture:
        grey = np.asarray(picture.convert("L"), float)
    # The square: the part that is coloured, from the right and from below.
    rows, columns = np.nonzero(grey < 80)
    middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    top_left = (rows < middle[0]) & (columns < middle[1])
    bottom_right = (rows > middle[0]) & (columns > middle[1])
    assert (top_left | bottom_right).mean() > 0.8
