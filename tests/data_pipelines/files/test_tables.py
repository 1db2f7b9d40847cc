import csv
import gzip
import json
import os
import tracemalloc

import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.files.tables import Table, clean_label


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
    actual = read(path, text="review", label="stars")
    assert actual == [("fine", "5", 2), ("poor", "1", 3)]


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
    actual = read(write(tmp_path / f"a{suffix}", content))
    assert [record[1] for record in actual] == ["pos", "neg"]


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
    actual = Table(write(tmp_path / "a.csv", content), ["text"])
    assert [row["text"] for row in actual] == [
        "caf\ufffd",
        "na\ufffdve \ufffd",
        "fine \ufffd",  # stood in the file, so it is no repair
    ]
    assert actual.repaired == 3
    list(actual)
    assert actual.repaired == 3


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


def test_a_text_is_no_label():
    with pytest.raises(DataError) as caught:
        clean_label("x" * 100_000, "a.csv:2")
    assert str(caught.value) == (
        "a.csv:2: the label has 100,000 letters; expected at most 1,000"
    )


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


def records(path, **options):
    return [(*row.values(), row.line) for row in Table(path, **options)]


NAMES = {
    "text": ("review", "sentence", "content"),
    "label": ("sentiment", "class"),
}


FLAGS = {"text": "", "label": ""}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_header(tmp_path, delimiter):
    rows = [["id", "Text", "Label"], ["1", "good, very; good | x", "a"]]
    with open(tmp_path / "a.csv", "w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    assert records(tmp_path / "a.csv", required=["text", "label"]) == [
        ("good, very; good | x", "a", 2)
    ]


def test_what_excel_writes(tmp_path):
    content = 'sep=;\r\n\r\ntext;label;\r\n"a; b";x;\r\n;;\r\nc;y;\r\n'
    path = write(tmp_path / "a.csv", content)
    assert read(path) == [("a; b", "x", 4), ("c", "y", 6)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("label,text", "text"),
        ("Label,TEXT", "TEXT"),
        ("class,Review", "Review"),
        ("SENTIMENT, Content ", "Content"),
        ("label,text,review", "text"),
        ("label,Text,text", "text"),
    ],
)
def test_usual_names_of_columns(tmp_path, header, expected):
    names = [name.strip() for name in header.split(",")]
    cells = [f"in {name}" for name in names]
    path = write(tmp_path / "a.csv", f"{header}\n{','.join(cells)}\n")
    (row,) = Table(path, ("text", "label"), also=NAMES)
    assert row["text"] == f"in {expected}"
    assert row["label"] == f"in {names[0]}"
    path = write(
        tmp_path / "a.jsonl",
        json.dumps(dict(zip(names, cells, strict=True))) + "\n",
    )
    assert [dict(row)] == [dict(r) for r in Table(path, row, also=NAMES)]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "review,content,class",
            ":1: the columns 'review' and 'content' may both be the text; say "
            "which it is by --text-column",
        ),
        (
            "Text,TEXT,label",
            ":1: the columns 'Text' and 'TEXT' may both be the text; say "
            "which it is by --text-column",
        ),
        (
            "text;stars",
            ":1: no column 'label' in the header; the columns are 'text', "
            "'stars'; say which it is by --label-column",
        ),
    ],
)
def test_names_that_are_not_clear(tmp_path, header, message):
    path = write(tmp_path / "a.csv", header + "\na;b\n")
    with pytest.raises(DataError) as caught:
        list(Table(path, FLAGS, names=FLAGS, also=NAMES))
    assert str(caught.value) == str(path) + message


def test_names_that_the_user_says(tmp_path):
    path = write(tmp_path / "a.csv", "text,Stars,Comment\na,5,b\n")
    names = {"text": "comment", "label": "Stars"}
    options = dict(required=["text", "label"], also=NAMES)
    assert records(path, names=names, **options) == [("5", "b", 2)]
    with pytest.raises(DataError, match="no column 'x' in the header; the"):
        records(path, names={"text": "x"}, **options)


def test_null_is_empty(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": null, "label": 1}\n')
    assert read(path) == [("", "1", 1)]


def test_halves_of_surrogate_pairs_are_no_text(tmp_path):
    line = json.dumps({"text": "a\ud800", "label": "\U0001f600"}) + "\n"
    path = write(tmp_path / "a.jsonl", line)
    assert read(path) == [("a?", "\U0001f600", 1)]


def test_fields_of_objects_within(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"translation": {"en": "a"}}\n')
    (row,) = Table(path, ["translation.en"], whole=True)
    assert dict(row) == {"translation.en": "a"}
    assert row.cells == {"translation": {"en": "a"}}


def test_whole_rows(tmp_path):
    path = write(tmp_path / "a.csv", "id,text,,x,x\n7,a,,1,2\n,,,,\n")
    rows = list(Table(path, ["text"], whole=True))
    assert [row["text"] for row in rows] == ["a", ""]
    cells = {"id": "7", "text": "a", "": "", "x": "1", "x_2": "2"}
    assert rows[0].cells == cells
    assert rows[1].cells == dict.fromkeys(cells, "")
    path = write(tmp_path / "a.jsonl", '{"id": 7, "text": "a"}\n')
    assert next(iter(Table(path, ["text"], whole=True))).cells == {
        "id": 7,
        "text": "a",
    }


def test_missing_file(tmp_path):
    assert fails(tmp_path / "no.csv") == ": there is no such file"


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a.csv").mkdir()
    assert fails(tmp_path / "a.csv").startswith(": is a folder without any")


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
        ": unknown kind of file; expected .csv, .tsv, .jsonl, .parquet, or "
        "one of these with .gz"
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
            '{"text": "a", "label": {"a": 1}}',
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


def test_a_table_in_several_files(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "0.csv").write_bytes(b"Review,label\ncaf\xe9,a\n\nb,a\n")
    (folder / "1.csv").write_bytes(b"label;text\n'=b;c\xff\n")
    table = Table(folder, ["text", "label"], also={"text": ["review"]})
    assert table.columns == ("text", "label")
    assert [(*row.values(), row.where) for row in table] == [
        ("caf\ufffd", "a", f"{folder}/0.csv:2"),
        ("b", "a", f"{folder}/0.csv:4"),
        ("=b", "c\ufffd", f"{folder}/1.csv:2"),
    ]
    assert [note.partition(": ")[0] for note in table.notes()] == [
        f"{folder}/0.csv",
        f"{folder}/0.csv",
        f"{folder}/1.csv",
    ]
    (folder / "1.csv").write_text("text\nb\n")
    with pytest.raises(DataError, match=r"1\.csv:1: no column 'label'"):
        list(table)
    (folder / "0.csv").unlink()
    (folder / "1.csv").rename(tmp_path / "x")
    with pytest.raises(
        DataError, match=r"train: is a folder without any \.csv"
    ):
        list(table)


RETURN = "not CSV: a carriage return stands in it; expected quotation marks"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\na\rb,x\n", f":2: {RETURN}"),
        ("a.csv", "text,label\na,x\rb,y\n", f":2: {RETURN}"),
        ("a.csv", 'text,label\r"a\nb",x\rc,y\r', f":1: {RETURN}"),
        (
            "a.jsonl",
            '[\n{"text": 1}]',
            ":1: not a line of JSON: Expecting value",
        ),
        (
            "a.jsonl",
            '{"text": "a",\n',
            ":1: not a line of JSON: Expecting prop",
        ),
        (
            "a.tsv",
            'text\tlabel\n"a\nb"\tx\n',
            ":2: expected 2 fields as in the",
        ),
    ],
)
def test_ends_of_lines_that_are_none(tmp_path, name, content, message):
    actual = fails(write(tmp_path / name, content))
    assert message in actual.replace("the record that starts here is ", "")
    if name == "a.tsv":
        assert actual.endswith("if texts are quoted, let its name end in .csv")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".jsonl"])
def test_lines_are_counted_whatever_ends_them(tmp_path, suffix, encoding, end):
    """As Excel writes Unicode text, on systems of today and of before."""
    lines = ["text\tlabel", '"a', "", '""b"""\tx', "c\ty", "", "d\tz", ""]
    expected = [('a\n\n"b"', "x", 2), ("c", "y", 5), ("d", "z", 7)]
    if suffix == ".jsonl":
        lines = [
            "",
            '{"text": "a", "label": "x"}',
            "",
            '{"text": 1, "label": 2}',
        ]
        expected = [("a", "x", 2), ("1", "2", 4)]
    content = "".join(line + end for line in lines).encode(encoding)
    rows = read(write(tmp_path / f"a{suffix}", content))
    assert [(row[0].replace("\r", ""), *row[1:]) for row in rows] == expected


def test_marks_of_files_that_were_joined(tmp_path):
    content = "\ufeff\ufefftext,label\na,x\n\ufeffb,y\n"
    path = write(tmp_path / "a.csv", content)
    assert read(path) == [("a", "x", 2), ("b", "y", 3)]


def test_what_is_no_number_is_nothing(tmp_path):
    content = '{"text": NaN, "label": "x"}\n{"text": null, "label": 1.5}\n'
    path = write(tmp_path / "a.jsonl", content)
    assert read(path) == [("", "x", 1), ("", "1.5", 2)]
