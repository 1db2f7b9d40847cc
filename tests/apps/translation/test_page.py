"""Translations on a page."""

import io

import numpy as np
import pytest
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


BEST = [
    Hypothesis("<b> due", -0.5, None, -1),
    Hypothesis("uno", -1.25, None, -2),
]


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
    for part in ("two &lt;i&gt;", "score -0.500", "uno <small>score -1.250"):
        assert part in text
    # What the other one does not have is marked.
    assert '<span class="differs">&lt;b&gt;</span> due' in text
    assert '<span class="differs">un</span> due' in text
    assert 'title="c, $b: 0.5000"' in text
    assert "word for word" not in text


@pytest.mark.parametrize(
    ("output", "reference", "pieces"),
    [
        ("a b c", "a x c", [("a", True), ("b", False), ("c", True)]),
        ("a b", "a b", [("a b", True)]),
        ("a b", "", [("a b", False)]),
        ("", "a", []),
    ],
)
def test_pieces_are_what_both_have_and_what_one_has(output, reference, pieces):
    best = [Hypothesis(output, 0, None, 0)]
    example = page.example(Predictor(), "x", best, reference)
    assert example["best"] == pieces
    for side, text in (("best", output), ("expected", reference)):
        assert " ".join(piece for piece, _ in example[side]) == text
    common = [
        [text for text, same in example[side] if same]
        for side in ("best", "expected")
    ]
    assert common[0] == common[1]


def test_an_exact_translation_is_said_to_be_one(tmp_path):
    example = page.example(Predictor(), "two", BEST, "<b>  due")
    assert "the reference, word for word" in written(tmp_path / "x", example)


def test_without_attention_and_reference_there_is_text_alone(tmp_path):
    predictor = Predictor()
    predictor.has_attention = False
    text = written(tmp_path / "x", page.example(predictor, "two", BEST))
    assert "<table" not in text
    assert "differs" not in text.partition("</style>")[2]


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
