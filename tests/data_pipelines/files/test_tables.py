import csv
import gzip
import json
import os
import tracemalloc

import pytest

from data_pipelines.files import tables
from data_pipelines.files.errors import DataError
from data_pipelines.files.tables import Lines, Table, clean_label


def write(path, content):
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path, text="text", label="label"):
    """(text, label, line) of each row."""
    return [
        (row[text], row[label], row.line) for row in Table(path, (text, label))
    ]


def fails(path, **columns):
    with pytest.raises(DataError) as caught:
        read(path, **columns)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


CONTENT = {
    ".csv": 'id,text,label\n1,"good, very ""good""",pos\n2,bad,neg\n',
    ".tsv": 'id\ttext\tlabel\n1\tgood, very "good"\tpos\n2\tbad\tneg\n',
    ".jsonl": (
        '{"id": 1, "text": "good, very \\"good\\"", "label": "pos"}\n'
        '{"id": 2, "text": "bad", "label": "neg"}\n'
    ),
}


@pytest.mark.parametrize("compressed", ["", ".gz"])
@pytest.mark.parametrize("suffix", CONTENT)
def test_each_format(tmp_path, suffix, compressed):
    path = write(tmp_path / f"train{suffix}{compressed}", CONTENT[suffix])
    first = 1 if suffix == ".jsonl" else 2
    assert read(path) == [
        ('good, very "good"', "pos", first),
        ("bad", "neg", first + 1),
    ]


def test_gzip_is_known_by_its_bytes_not_its_name(tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes(gzip.compress(CONTENT[".csv"].encode()))
    assert len(read(path)) == 2


def test_other_columns(tmp_path):
    path = write(tmp_path / "a.csv", "stars,review\n5,fine\n1,poor\n")
    found = read(path, text="review", label="stars")
    assert found == [("fine", "5", 2), ("poor", "1", 3)]


def test_lines_of_quoted_fields_and_blank_lines(tmp_path):
    content = 'text,label\n"one\ntwo\n\nthree",a\n\n\nfour,b\n"five\n",c\n'
    path = write(tmp_path / "a.csv", content)
    assert read(path) == [
        ("one\ntwo\n\nthree", "a", 2),
        ("four", "b", 8),
        ("five\n", "c", 9),
    ]


@pytest.mark.parametrize("suffix", CONTENT)
def test_byte_order_mark_and_windows_line_ends(tmp_path, suffix):
    content = "\ufeff" + CONTENT[suffix].replace("\n", "\r\n")
    found = read(write(tmp_path / f"a{suffix}", content))
    assert [record[1] for record in found] == ["pos", "neg"]


@pytest.mark.parametrize("suffix", CONTENT)
def test_last_line_needs_no_line_break(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", CONTENT[suffix].rstrip("\n"))
    assert len(read(path)) == 2


def test_nul_bytes_pass(tmp_path):
    path = write(tmp_path / "a.csv", b"text,label\na\0b,x\n")
    assert read(path) == [("a\0b", "x", 2)]


def test_fields_longer_than_csv_allows_by_default(tmp_path):
    long = "word " * 100_000
    path = write(tmp_path / "a.csv", f'text,label\n"{long}",x\n')
    assert read(path)[0][0] == long


def test_broken_bytes_are_repaired_and_counted(tmp_path):
    content = b"text,label\ncaf\xe9,x\nna\xefve \xff,y\nfine \xef\xbf\xbd,x\n"
    found = Table(write(tmp_path / "a.csv", content), ["text"])
    assert [row["text"] for row in found] == [
        "caf\ufffd",
        "na\ufffdve \ufffd",
        "fine \ufffd",  # stood in the file, so it is no repair
    ]
    assert found.repaired == 3
    list(found)
    assert found.repaired == 3


def test_numbers_and_words_as_labels(tmp_path):
    content = '{"text": "a", "label": 3}\n{"text": "b", "label": " x "}\n'
    path = write(tmp_path / "a.jsonl", content)
    assert [label for _, label, _ in read(path)] == ["3", " x "]


@pytest.mark.parametrize(
    ("written", "label"),
    [
        (" very\n\tgood\u2028news", "very good news"),
        ("\t very \u3000good\x0bnews", "very good news"),
        ("very\r\ngood\tnews ", "very good news"),
        ("x\ud800", "x?"),  # half of a surrogate pair
    ],
)
def test_a_clean_label_is_one_line(written, label):
    assert clean_label(written, "a.csv:2") == label


@pytest.mark.parametrize("written", ["", "\n\u2028"])
def test_an_empty_label_is_refused(written):
    with pytest.raises(DataError, match=r"^a\.csv:2: the label is empty$"):
        clean_label(written, "a.csv:2")


def test_optional_columns(tmp_path):
    options = dict(required=["b"], optional=["d", "a"])
    table = Table(write(tmp_path / "a.csv", "a,b,c\n1,2,3\n"), **options)
    assert [dict(row) for row in table] == [{"b": "2", "a": "1"}]
    assert table.columns == ("a", "b")
    header_alone = write(tmp_path / "b.tsv", "a\tb\n")
    assert Table(header_alone, **options).columns == ("a", "b")
    path = write(tmp_path / "a.jsonl", '{"b": 1, "d": 2}\n{"c": 3, "b": 4.5}\n')
    table = Table(path, **options)
    assert [dict(row) for row in table] == [{"b": "1", "d": "2"}, {"b": "4.5"}]
    assert [row.line for row in table] == [1, 2]
    assert table.columns == ("b", "d")


def test_lines(tmp_path):
    path = write(tmp_path / "a.txt.gz", b"\xef\xbb\xbfone\r\n\xfftwo")
    lines = Lines(path)
    assert list(lines) == ["one\r\n", "\ufffdtwo"]
    assert lines.notes() == [
        f"{path}: 1 broken bytes, which are not UTF-8, replaced"
    ]
    assert Lines(path).notes() == []


def test_missing_file(tmp_path):
    assert fails(tmp_path / "no.csv") == ": there is no such file"


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.csv").mkdir()
    assert fails(tmp_path / "a.csv") == ": Is a directory"


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    assert fails(tmp_path / "a.csv") == ": is a pipe; expected a file"


@pytest.mark.parametrize("suffix", CONTENT)
def test_empty_file(tmp_path, suffix):
    assert fails(write(tmp_path / f"a{suffix}", "")) == ": the file is empty"


def test_header_alone(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\n")
    assert fails(path) == ": has no records"
    assert fails(write(tmp_path / "b.jsonl", "\n\n")) == ": has no records"


def test_unknown_kind(tmp_path):
    message = fails(write(tmp_path / "a.xlsx", "x"))
    assert message == (
        ": unknown kind of file; expected .csv, .tsv, .jsonl, or one of "
        "these with .gz"
    )


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_missing_column_names_those_there_are(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", CONTENT[suffix])
    assert fails(path, text="review") == (
        ":1: no column 'review' in the header; the columns are 'id', "
        "'text', 'label'"
    )


@pytest.mark.parametrize("header", ["text,label,label", "text,label, text"])
def test_a_column_twice_is_refused(tmp_path, header):
    path = write(tmp_path / "a.csv", f"{header}\na,b,c\n")
    name = header.split(",")[-1].strip()
    assert fails(path) == (
        f":1: the header has the column {name!r} 2 times; expected it once"
    )


def test_missing_key_names_those_there_are(tmp_path):
    path = write(tmp_path / "a.jsonl", CONTENT[".jsonl"] + '{"text": "c"}\n')
    assert fails(path) == ":3: no key 'label'; the keys are 'text'"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", ":2: not a line of JSON: "),
        ("[1]", ":2: expected a JSON object"),
        (
            '{"text": ["a"], "label": "a"}',
            ":2: 'text' is no string or number",
        ),
        (
            '{"text": "a", "label": null}',
            ":2: 'label' is no string or number",
        ),
        ("[" * 100_000, ":2: not a line of JSON: "),
        ('{"text": "a", "label": %s}' % ("9" * 5000), ":2: not a line of JSON"),
    ],
)
def test_bad_json(tmp_path, line, expected):
    good = json.dumps({"text": "a", "label": "b"})
    path = write(tmp_path / "a.jsonl", f"{good}\n{line}\n")
    assert fails(path).startswith(expected)


@pytest.mark.parametrize(
    ("row", "count"), [("only", 1), ("a,b,c", 3), ("a, b,x", 3)]
)
def test_rows_that_do_not_fit_the_header(tmp_path, row, count):
    path = write(tmp_path / "a.csv", f'text,label\n"x\ny",b\n{row}\n')
    assert fails(path) == (
        f":4: expected 2 fields as in the header, found {count}"
    )


def test_short_row_of_tabs(tmp_path):
    path = write(tmp_path / "a.tsv", "text\tlabel\na\tb\nc\n")
    assert fails(path) == ":3: expected 2 fields as in the header, found 1"


@pytest.mark.parametrize("broken", ['"a" b,x', '"never closed,x\nb,y'])
def test_bad_quotes(tmp_path, broken):
    path = write(tmp_path / "a.csv", f"text,label\nfine,x\n{broken}\n")
    message = fails(path)
    assert message.startswith(":3: the record that starts here is not CSV: ")
    assert message.endswith("to be doubled, and the last one closed")


def test_utf16_is_named(tmp_path):
    path = write(tmp_path / "a.csv", "text,label\na,b\n".encode("utf-16"))
    assert fails(path) == ":1: the file is UTF-16; save it as UTF-8"


def test_truncated_gzip(tmp_path):
    rows = "".join(f"text number {i * i},{i % 2}\n" for i in range(5000))
    data = gzip.compress(f"text,label\n{rows}".encode())
    path = tmp_path / "train.csv.gz"
    path.write_bytes(data[: len(data) // 2])
    message = fails(path)
    line = int(message.split(":")[1])
    assert 1000 < line < 4500
    assert "the gzip file is damaged or cut off here" in message


def test_damaged_gzip(tmp_path):
    data = bytearray(gzip.compress(CONTENT[".csv"].encode() * 50))
    data[-8:-4] = b"\0\0\0\0"  # the checksum
    path = tmp_path / "train.csv.gz"
    path.write_bytes(data)
    assert "the gzip file is damaged or cut off here" in fails(path)


def test_endless_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "LONGEST", 1000)
    path = write(tmp_path / "a.jsonl", "{}\n" + "x" * 5000)
    with pytest.raises(DataError, match=r":2: the line is longer than 1,000"):
        list(Lines(path))


def test_one_record_at_a_time_is_in_memory(tmp_path):
    path = tmp_path / "big.csv.gz"
    with gzip.open(path, "wt", newline="", compresslevel=1) as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows((f"{i} word, " * 250, i % 2) for i in range(8000))
    tracemalloc.start()
    try:
        size = sum(len(row["text"]) for row in Table(path, ["text"]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 20_000_000
    assert peak < 2_000_000
