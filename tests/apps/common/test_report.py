"""Tables, pages and pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from apps.common import report


def test_a_table_lines_up_its_columns():
    rows = {"ours": {"a": 0.5, "b": None}, "majority": {"a": 1234, "b": "x"}}
    lines = report.table(rows, ["a", "b"], "name").splitlines()
    assert lines[0].split() == ["name", "a", "b"]
    assert set(lines[1]) == {"-"}
    assert lines[2].split() == ["ours", "0.5000", "-"]
    assert lines[3].split() == ["majority", "1,234", "x"]
    assert len({len(line) for line in lines}) == 1


def test_a_page_shows_text_as_it_is(tmp_path):
    body = report.marked_words(["<b>", "a&b"], [0.5, 0.25])
    body += report.html_table({"<x>": {"a": 1}}, ["a"])
    report.write_page(tmp_path / "page.html", "a <title>", body)
    text = (tmp_path / "page.html").read_text()
    assert "<title>a &lt;title&gt;</title>" in text
    assert "&lt;b&gt;</mark>" in text
    assert "a&amp;b</mark>" in text
    assert "<td>&lt;x&gt;</td>" in text


def test_words_are_shaded_by_the_share_of_the_heaviest():
    marked = report.marked_words(["x", "y", "z"], [0.5, 0.25, 0.0])
    shades = [part.split(")")[0] for part in marked.split("184, 0, ")[1:]]
    assert [float(shade) for shade in shades] == [1.0, 0.5, 0.0]


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
