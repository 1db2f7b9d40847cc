"""Pages and pictures."""

import base64
import io
import math
import re
import types

import jinja2
import numpy as np
import pytest
from PIL import Image

from apps.common import outcome, report, runs
from apps.common.progress import Progress


class Model:
    trainable_weights = ()

    def count_params(self):
        return 1234


ROWS = [
    {"epoch": 1, "loss": 0.5, "val_loss": 0.4},
    {"epoch": 2, "loss": 0.3, "val_loss": 0.45},
]


@pytest.fixture
def training(tmp_path):
    """A run and what its training came to."""
    config = {"cell": "gru", "dataset": "<b>", "seed": 7}
    record = {"config": config, "command": "python -m a <x>", "versions": {}}
    progress = Progress(
        epoch=2, best_epoch=1, seconds=65.0, ending="stopped", rows=ROWS
    )
    result = outcome.Result(
        Model(),
        {"accuracy": 0.875, "roc_auc": None},
        {"majority": {"accuracy": 0.5, "roc_auc": None}},
        progress,
        {"train": 3000, "test": 20},
    )
    return runs.Run("sentiment", tmp_path, record), result


def of_training(training, **more):
    """The page of a training, with what it shows of every app."""
    report.of_training(
        training[0],
        "sentiment/report.html.jinja",
        training[1],
        **{
            "test_set": "1 < 2 texts",
            "metrics": {"accuracy": "<share>", "roc_auc": "chance"},
            "baselines": {"majority": "the most <frequent>", "other": "no"},
            "main": "accuracy",
            "explanation": "a & b",
            "examples": [],
            **more,
        },
    )
    return training[0].file("report.html").read_text("utf-8")


def test_the_page_of_a_training_says_what_it_was(training):
    page = of_training(training)
    for part in (
        *("A text in, one of its labels out.", "&lt;b&gt;", "3,000 train"),
        *("1,234 parameters", "2, the best 1", "1.1 minutes", "Seed 7"),
        *("python -m a &lt;x&gt;", "<li>stopped</li>"),
        *("1 &lt; 2 texts", "0.8750"),
        *("&lt;share&gt;", "the most &lt;frequent&gt;", "a &amp; b"),
    ):
        assert part in page, part
    # What no row has, and baselines that are not there, are not explained.
    assert "roc_auc" not in page
    assert "<dt>other" not in page
    assert page.count("<h1>") == 1
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/", "")


def test_the_page_of_a_classifier_has_its_classes(training):
    targets = np.array([0, 0, 0, 1])
    probabilities = np.eye(2)[[0, 0, 1, 1]]
    labels = ["a", "<c>"]
    page = of_training(
        training,
        **report.by_class(targets, probabilities, labels, np.array([5, 6])),
    )
    # Of two predicted ones both are right, of three there are two.
    row = "a</td><td>1.0000</td><td>0.6667</td><td>0.8000</td><td>3</td>"
    assert row in re.sub(" +<", "<", re.sub("> +", ">", page))
    assert 'title="a, &lt;c&gt;: 1"' in page


def test_curves_are_drawn_in_the_colours_of_the_page(training):
    page = of_training(training, curves=["loss"])
    svg = page[page.index("<svg") : page.index("</svg>")]
    ends = "train from 0.5 to 0.3, validation from 0.4 to 0.45"
    assert f'aria-label="loss over the epochs: {ends}"' in svg
    assert ">validation</text>" in svg
    assert "var(--line1)" in svg
    assert "currentColor" in svg
    assert "#000000" not in svg
    assert 'width="' not in svg.partition(">")[0]
    assert training[0].file("curve.png").exists()


def test_a_description_of_a_drawing_is_escaped():
    drawn = report.curve(ROWS, ["loss"])
    assert 'aria-label="a &lt;b&gt; \\1"' in report.svg(drawn, "a <b> \\1")


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (1, "100 %"),
        (0.12, "12 %"),
        (1 / 3400, "1 in 3,400"),
        (1e-9, "1 in 10^9"),
    ],
)
def test_probabilities_are_said_as_people_do(p, words):
    assert report.chance(math.log(p)) == words


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
    png = report.png(report.curve(ROWS[:1], ["loss"]))
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size[0] > 300


EVIL = '"><script>alert(1)</script>'


VIDEO = {
    "bars": {
        "prediction": [{"label": EVIL, "start_seconds": 0, "end_seconds": 1}]
    },
    "colours": {EVIL: "red"},
    "used": [EVIL],
    "bands": [(EVIL, "0,0")],
    "film": [],
    "begin": 0,
    "end": 1,
}
WORD = types.SimpleNamespace(
    before=EVIL, text=EVIL, attention=1, change=1, changes={EVIL: 1}, size=1
)


@pytest.mark.parametrize(
    ("template", "values"),
    [
        (
            "video_labeling/segments.html.jinja",
            {
                "drawn": VIDEO,
                "frames": 3,
                "seconds": 1.0,
                "segments": {EVIL: {"frames": EVIL, "label": EVIL}},
            },
        ),
        (
            "video_labeling/report.html.jinja",
            {
                "examples": [
                    {"name": EVIL, "frames": 1, "wrong": 1.0, "timeline": VIDEO}
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
                            prediction=types.SimpleNamespace(
                                label=EVIL, probability=1.0
                            ),
                            probabilities={EVIL: 1.0},
                            words=[WORD],
                            rest=EVIL,
                            ngrams=[(EVIL, {EVIL: 1.0})],
                        ),
                        EVIL + "2",
                    )
                ],
            },
        ),
    ],
)
def test_the_pages_of_apps_escape_all_text(tmp_path, template, values):
    report.render(tmp_path / "x.html", template, title=EVIL, **values)
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
        (
            "best",
            1.0,
            [
                "bag is as good: accuracy 1.0000, the model 1.0000; nothing is"
                " left to learn, and it needs no network"
            ],
        ),
        ("smoke", 0.1, ["a smoke test: its scores mean nothing"]),
    ],
)
def test_remarks_say_how_it_ended_and_whether_a_baseline_is_as_good(
    preset, score, expected
):
    run = types.SimpleNamespace(
        app="tagging", record={"config": {"preset": preset}}
    )
    result = types.SimpleNamespace(
        progress=types.SimpleNamespace(ending="trained for 3 epochs"),
        scores={"accuracy": score},
        baselines={
            "bag": {"accuracy": 1.0 if preset == "best" else 0.85},
            "human": {"accuracy": 0.99},
            "other": {"loss": 9.0},
        },
    )
    lines = report.remarks(run, result, "accuracy")
    assert lines == ["trained for 3 epochs", *expected]
