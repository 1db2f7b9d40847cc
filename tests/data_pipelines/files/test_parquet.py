import datetime
import decimal
import errno

import pyarrow
import pytest
from pyarrow import parquet

from data_pipelines.files.errors import DataError
from data_pipelines.files.tables import Table


@pytest.fixture
def path(tmp_path):
    return tmp_path / "train.parquet"


def write(path, columns, **options):
    parquet.write_table(pyarrow.table(columns), path, **options)
    return path


def read(path, required=("text", "label"), **options):
    return [
        (*row.values(), row.line) for row in Table(path, required, **options)
    ]


def test_texts_and_labels(path):
    texts = ["good", None, "bad \u2028 \u4f60"]
    columns = {
        "id": [1, 2, 3],
        "Text": pyarrow.array(texts),
        "label": pyarrow.array(["a", "b", "a"]).dictionary_encode(),
    }
    expected = [("good", "a", 1), ("", "b", 2), ("bad \u2028 \u4f60", "a", 3)]
    for group in (1, 2, 100):
        assert read(write(path, columns, row_group_size=group)) == expected
    columns["Text"] = pyarrow.array(texts, pyarrow.large_string())
    assert read(write(path, columns)) == expected
    assert Table(path, ["text"], ["label", "x"]).columns == ("text", "label")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], ["1", "2"]),
        ([0.5, None], ["0.5", ""]),
        ([None, None], ["", ""]),
        ([decimal.Decimal("1.50"), None], ["1.50", ""]),
    ],
)
def test_labels_that_are_numbers_or_null(path, values, expected):
    write(path, {"label": values, "text": ["a", "b"]})
    assert [row[0] for row in read(path)] == expected


MOMENT = datetime.datetime(2026, 1, 31, 13, 0, 5)
UTC = MOMENT.replace(tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pyarrow.array([MOMENT], pyarrow.timestamp("s")), str(MOMENT)),
        (pyarrow.array([UTC], pyarrow.timestamp("ms", "UTC")), str(UTC)),
        # A nanosecond later, which is none that Python has.
        (
            pyarrow.array(
                [int(UTC.timestamp()) * 10**9 + 1], pyarrow.timestamp("ns")
            ),
            str(MOMENT),
        ),
        ([MOMENT.date()], "2026-01-31"),
        ([MOMENT.time()], "13:00:05"),
        ([datetime.timedelta(minutes=2, seconds=5)], "0:02:05"),
    ],
)
def test_moments_are_written_out(path, values, expected):
    write(path, {"time": values, "label": ["a"]})
    assert read(path, ("time", "label")) == [(expected, "a", 1)]


def test_broken_bytes_are_repaired_and_counted(path):
    column = pyarrow.array([b"caf\xe9", b"b"]).view(pyarrow.string())
    table = Table(write(path, {"text": column}), ["text"])
    assert [row["text"] for row in table] == ["caf\ufffd", "b"]
    assert table.repaired == 1


def test_whole_rows_and_fields_within(path):
    pairs = [{"en": "a", "de": "b"}, None]
    write(path, {"id": [1, 2], "translation": pairs})
    rows = list(Table(path, ["translation.en"], whole=True))
    assert [row["translation.en"] for row in rows] == ["a", ""]
    assert rows[0].cells["id"] == 1
    assert rows[0].cells["translation.de"] == "b"


def test_what_is_wrong(path):
    def fails(*columns):
        with pytest.raises(DataError) as caught:
            read(path, columns or ("text",))
        message = str(caught.value)
        assert "\n" not in message
        return message.replace(str(path), "FILE")

    assert fails() == "FILE: there is no such file"
    path.write_bytes(b"text,label\n")
    assert fails().startswith("FILE: is damaged or not a Parquet file: ")
    path.write_bytes(b"")
    assert fails().startswith("FILE: is damaged or not a Parquet file: ")
    write(path, {"text": [f"text {i}" for i in range(5000)]})
    raw = bytearray(path.read_bytes())
    assert fails("x") == "FILE: no column 'x'; the columns are 'text'"
    raw[4:3000] = b"\xff" * 2996
    path.write_bytes(raw)
    assert fails().startswith("FILE: is damaged or not a Parquet file: ")
    write(path, {"text": [["a"]]})
    assert fails() == "FILE:1: 'text' is no string or number"
    write(path, {"text": pyarrow.array([], pyarrow.string())})
    assert fails() == "FILE: has no records"


def test_one_group_is_not_in_memory_at_once(path):
    texts = [f"{i} word " * 100 for i in range(8000)]
    write(path, {"text": texts}, compression="none", use_dictionary=False)
    assert path.stat().st_size > 7_000_000
    before = pyarrow.total_allocated_bytes()
    most = max(
        pyarrow.total_allocated_bytes() - before
        for row in Table(path, ["text"])
        if row.line % 100 == 0
    )
    assert most < 5_000_000


def test_bombs_are_refused_by_their_header(path):
    write(path, {"text": ["x" * 2**25, "y"]}, compression="zstd")
    with pytest.raises(
        DataError, match="parquet: unpacks to more than 500 times"
    ):
        read(path, ["text"])
    write(path, {"text": ["x" * 2**24, "y"]}, compression="none")
    with pytest.raises(DataError, match="parquet:1: the line is longer than"):
        read(path, ["text"])


def test_too_many_open_files_are_no_damage(path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    write(path, {"text": ["a"]})
    monkeypatch.setattr(parquet, "ParquetFile", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        read(path, ["text"])
