"""Tables for the terminal, Markdown and HTML."""

import numpy as np

from apps.common import tables

ROWS = {"ours": {"a": 0.5, "b": None}, "majority": {"a": 1234, "b": "x"}}


def test_a_table_lines_up_its_columns():
    lines = tables.text(ROWS, ["a", "b"], "name").splitlines()
    assert lines[0].split() == ["name", "a", "b"]
    assert set(lines[1]) == {"-", " "}
    assert lines[2].split() == ["ours", "0.5000", "-"]
    assert lines[3].split() == ["majority", "1,234", "x"]
    assert len({len(line) for line in lines}) == 1
    assert lines[2].index("0.5000") + 6 == lines[3].index("1,234") + 5


def test_a_column_that_no_row_has_is_left_out():
    rows = {"ours": {"a": 0.5, "b": None}, "theirs": {"c": 0}}
    head = tables.text(rows, ["a", "b", "c", "d"]).splitlines()[0]
    assert head.split() == ["a", "c"]
    assert "<th>b" not in tables.html(rows, ["a", "b"])


def test_a_name_of_several_lines_stays_on_its_line():
    table = tables.text({"a\nb\tc": {"x\ny": "d\u2028e"}}, ["x\ny"])
    assert table.splitlines()[2].split() == ["a", "b", "c", "d", "e"]
    assert len(table.splitlines()) == 3


def test_html_escapes_text():
    html = tables.html({"<x>": {"<a>": "&"}}, ["<a>"], "<f>")
    for part in ("&lt;x&gt;", "&lt;a&gt;", "&amp;", "&lt;f&gt;"):
        assert part in html
    assert html.count("<td") == 2


def test_a_long_heading_of_a_page_may_be_broken_and_nothing_else():
    html = tables.html({"a_b": {"x_y": "c_d"}}, ["x_y"], "<_>")
    assert "<th>x_<wbr>y</th>" in html
    assert "<th>&lt;_<wbr>&gt;</th>" in html
    assert html.count("<wbr>") == 2


def test_large_numbers_have_no_decimals():
    values = 0.00004, 9999.5, 10_000.5, -133_929.7529, 1234567
    assert [tables.number(value) for value in values] == [
        "0.0000",
        "9999.5000",
        "10,000",
        "-133,930",
        "1,234,567",
    ]


def test_markdown_keeps_cells_apart():
    lines = tables.markdown(["a", "b"], [["x|y", 1.0], ["z", "1.00"]])
    lines = lines.splitlines()
    cells = [line.replace("\\|", "").count("|") for line in lines]
    assert cells == [3] * 4
    assert "x\\|y" in lines[2]
    assert "1.0000" in lines[2]
    assert "1.00 " in lines[3]
    assert len(tables.markdown(["a"], []).splitlines()) == 2


def test_a_confusion_matrix_names_targets_and_predictions():
    table = tables.confusion(np.array([[5, 1], [0, 1234]]), ["no", "yes"])
    rows = [line.split() for line in table.splitlines()]
    assert rows[0] == ["target", "\\", "predicted", "no", "yes"]
    assert rows[2:] == [["no", "5", "1"], ["yes", "0", "1,234"]]


def test_markdown_escapes_text():
    table = tables.markdown(["a"], [["<script> & a|b"]])
    assert "&lt;script&gt; &amp; a\\|b" in table


def test_times_are_said_as_people_say_them():
    assert [tables.duration(s) for s in (8, 90, 5400, 172_800)] == [
        "8 seconds",
        "1.5 minutes",
        "1.5 hours",
        "2.0 days",
    ]
