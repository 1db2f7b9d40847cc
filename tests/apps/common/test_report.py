"""Pages and pictures."""

import base64
import io
import types

import jinja2
import numpy as np
import pytest
from PIL import Image

from apps.common import report


def test_a_page_escapes_all_text(tmp_path):
    path = tmp_path / "page.html"
    report.render(
        path,
        "sentiment/report.html.jinja",
        title="a <title>",
        test_set="1 < 2 texts",
        scores={"<x>": {"a": 1}},
        metrics=["a"],
        pictures=[('"<p>', b"png")],
        explanation="a & b",
        examples=[],
    )
    text = path.read_text("utf-8")
    assert "<title>a &lt;title&gt;</title>" in text
    assert "<h1>a &lt;title&gt;</h1>" in text
    assert "1 &lt; 2 texts" in text
    assert "<td>&lt;x&gt;</td>" in text
    assert 'alt="&quot;&lt;p&gt;"' in text or 'alt="&#34;&lt;p&gt;"' in text
    assert "a &amp; b" in text


def test_a_page_without_a_value_is_an_error(tmp_path):
    with pytest.raises(jinja2.UndefinedError, match="examples"):
        report.render(
            tmp_path / "page.html",
            "sentiment/report.html.jinja",
            title="x",
            explanation="",
        )
    assert list(tmp_path.iterdir()) == []


def test_a_picture_stands_inside_the_page():
    html = report.image(b"1234", 'a "b"', "jpeg")
    data = base64.b64encode(b"1234").decode()
    assert f'src="data:image/jpeg;base64,{data}"' in html
    assert 'alt="a &quot;b&quot;"' in html


@pytest.mark.parametrize("classes", [2, 5, 30])
def test_the_confusion_is_darkest_where_the_share_is_largest(classes):
    matrix = np.eye(classes, dtype=int) * 9 + 1
    png = report.confusion_picture(matrix, [f"c{i}" for i in range(classes)])
    with Image.open(io.BytesIO(png)) as picture:
        grey = np.asarray(picture.convert("L"), float)
    # More of the dark diagonal in the picture's two quarters on it.
    half = grey.shape[0] // 2, grey.shape[1] // 2
    on = grey[: half[0], : half[1]].mean() + grey[half[0] :, half[1] :].mean()
    off = grey[: half[0], half[1] :].mean() + grey[half[0] :, : half[1]].mean()
    assert on < off


def test_a_curve_of_one_epoch_is_a_picture():
    png = report.curve([{"epoch": 1, "loss": 0.5, "val_loss": 0.4}], ["loss"])
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size[0] > 300


EVIL = '"><script>alert(1)</script>'


@pytest.mark.parametrize(
    ("template", "values"),
    [
        (
            "video_labeling/segments.html.jinja",
            {
                "timeline": b"",
                "frames": 3,
                "seconds": 1.0,
                "segments": {EVIL: {"frames": EVIL, "label": EVIL}},
            },
        ),
        (
            "video_labeling/report.html.jinja",
            {
                "examples": [
                    types.SimpleNamespace(
                        name=EVIL, frames=1, accuracy=1.0, timeline=b""
                    )
                ]
            },
        ),
        (
            "sentiment/report.html.jinja",
            {
                "explanation": EVIL,
                "examples": [
                    (
                        types.SimpleNamespace(
                            label=EVIL,
                            probability=1.0,
                            words=[EVIL],
                            weights=[1.0],
                        ),
                        EVIL + "2",
                    )
                ],
            },
        ),
    ],
)
def test_the_pages_of_apps_escape_all_text(tmp_path, template, values):
    report.render(
        tmp_path / "x.html",
        template,
        title=EVIL,
        test_set=EVIL,
        scores={EVIL: {EVIL: EVIL}},
        metrics=[EVIL],
        **values,
    )
    page = (tmp_path / "x.html").read_text("utf-8")
    assert "<script" not in page
    assert page.count("&lt;script") > 5


@pytest.mark.parametrize(
    ("preset", "score", "expected"),
    [
        ("", 0.9, []),
        (
            "",
            0.8,
            [
                "bag is as good: accuracy 0.8500, the model 0.8000; try more"
                " data, more --epochs, a smaller --learning-rate or other"
                " --units"
            ],
        ),
        ("", None, []),
        ("smoke", 0.1, ["a smoke test: its scores mean nothing"]),
    ],
)
def test_remarks_say_how_it_ended_and_whether_a_baseline_is_as_good(
    preset, score, expected
):
    run = types.SimpleNamespace(record={"config": {"preset": preset}})
    result = types.SimpleNamespace(
        progress=types.SimpleNamespace(ending="trained for 3 epochs"),
        scores={"accuracy": score},
        baselines={
            "bag": {"accuracy": 0.85},
            "human": {"accuracy": 0.99},
            "other": {"loss": 9.0},
        },
    )
    lines = report.remarks(run, result, "accuracy")
    assert lines == ["trained for 3 epochs", *expected]
