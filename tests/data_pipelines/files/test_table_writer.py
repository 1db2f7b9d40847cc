import csv

import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.files.table_writer import from_cell, to_cell, writing
from data_pipelines.files.tables import Table


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+ 1", "'+ 1"),
        ("- No", "'- No"),
        ("@a", "'@a"),
        ("\t=1", "'\t=1"),
        ("'=1", "''=1"),
        ("-0.5", "-0.5"),
        ("'-5", "'-5"),
        ("'t is", "'t is"),
        ("a=1", "a=1"),
        ("", ""),
        (-1.5, -1.5),
    ],
)
def test_cells_that_spreadsheets_would_compute(tmp_path, value, cell):
    assert to_cell(value) == cell
    with open(tmp_path / "a.csv", "w", newline="") as file:
        csv.writer(file).writerows([["text", "n"], [to_cell(value), 1]])
    (row,) = Table(tmp_path / "a.csv", ["text"])
    assert row["text"] == str(value)
    assert from_cell(cell) == value if isinstance(value, str) else True


def write_rows(path, rows):
    with writing(path) as write:
        for row in rows:
            write(row)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_rows_are_written_whole_or_not_at_all(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    cells = [
        {"text": "=1", "n": 1, "list": [1], "x": "x\ud800"},
        {"text": 'a,\n"b"', "n": None},
    ]
    write_rows(path, cells)
    table = list(Table(path, ["text", "n"], whole=True))
    assert [dict(row) for row in table] == [
        {"text": "=1", "n": "1"},
        {"text": 'a,\n"b"', "n": ""},
    ]
    assert table[0].cells["x"] == "x?"
    if suffix == ".csv":
        assert path.read_text().startswith("text,n,list,x\n'=1,1,[1],x?\n")
        rows = [{"text": "a"}, {"more": "a"}]
        with pytest.raises(DataError, match="the column 'more' is not in the"):
            write_rows(path, rows)
        assert len(list(Table(path, ["text"]))) == 2
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
