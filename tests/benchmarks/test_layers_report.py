"""The tables that `make bench-layers` writes."""

import pytest

from benchmarks import layers_report


def row(cell, what, ours, stock, **others):
    times = {"ours": ours, "stock": stock, **others}
    return {
        "cell": cell,
        "shape": [2, 3, 4, 5],
        "what": what,
        "masked": False,
        "bidirectional": False,
        "compilations": 1,
        "first_call_ms": {"ours": 500.0},
        "ms": {
            name: {"low": ms - 1, "median": ms, "high": ms + 1}
            for name, ms in times.items()
        },
    }


RESULT = {
    "machine": "a machine",
    "versions": {"TensorFlow": "2"},
    "seconds": 1.0,
    "streaming_us": {"ours": 20.0, "products": 10.0},
    "memory": [{"cell": "gru", "shape": [2, 3], "mib": {"ours": 7.0}}],
    "rows": [
        row("lstm", "forward", 2.0, 4.0),
        row("gru", "forward", 2.0, 16.0, torch=3.0),
        row("min_gru", "forward", 2.0, 6.0),
    ],
}


def cells(line):
    """The cells of a line of Markdown."""
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_means_are_geometric_and_say_where_they_are_least():
    _, _, plain, minimal = map(
        cells, layers_report.summary(RESULT).splitlines()
    )
    assert plain == [
        *("forward", "", "4.00, from 2.00 (`lstm` at (2, 3, 4, 5)) to 8.00"),
        "1.50, from 1.50 (`gru` at (2, 3, 4, 5)) to 1.50",
    ]
    assert minimal[:2] == ["`min_gru`, forward", ""]
    assert minimal[2].startswith("3.00,")


def test_a_row_has_as_many_cells_as_the_head():
    lines = layers_report.table(RESULT["rows"]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "2.0 (1.0 to 3.0)" in lines[2]


def test_a_page_gets_the_result_in_place_of_the_one_before(tmp_path):
    page = tmp_path / "README.md"
    begin, end = layers_report.BEGIN, layers_report.END
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    for _ in range(2):
        layers_report.replace_in(page, RESULT)
    text = page.read_text()
    assert text.startswith(f"before\n{begin}\n| what ")
    assert text.endswith(f"</details>\n{end}\nafter\n")
    assert "old" not in text
    assert text.count(layers_report.section(RESULT)) == 1


def test_a_page_without_a_place_is_refused(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("nothing\n")
    with pytest.raises(ValueError, match="needs a line"):
        layers_report.replace_in(page, RESULT)
    assert page.read_text() == "nothing\n"
