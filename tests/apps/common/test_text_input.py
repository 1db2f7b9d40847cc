"""Texts of the command line, a file, a table or standard input; answers."""

import dataclasses
import io
import json
import os
import sys

import pytest

from apps.common import cli, runs, text_input
from apps.common.cli import UserError
from data_pipelines.files.errors import DataError


@dataclasses.dataclass(frozen=True)
class Options(text_input.Options, runs.Options):
    texts: tuple = cli.positional("texts")

    def check(self):
        pass


def rows(*texts, path="", **options):
    options = Options(texts=texts, input=str(path), **options)
    return list(text_input.read(options, "text", ["review"]))


def lines(*texts, **options):
    return [row["text"] for row in rows(*texts, **options)]


def refused(options, line=""):
    """The first error of flags."""
    with pytest.raises(UserError) as error:
        cli.check(options, line.split())
    return str(error.value)


def test_words_of_the_command_line(capsys):
    texts = ("a film", "", "\ufeffb ", os.fsdecode(b"caf\xe9"))
    assert lines(*texts) == ["a film", "", "b", "caf\N{REPLACEMENT CHARACTER}"]
    assert capsys.readouterr().err == "note: text 4: 1 broken bytes replaced\n"


def test_a_file_gives_a_text_a_line(tmp_path, capsys):
    path = tmp_path / "texts.txt"
    # A carriage return ends no line, in the data it does not either.
    path.write_bytes(b"\xef\xbb\xbfa\rb \r\n\n\xe2\x80\xa8\n\xff c\n")
    mark = "\N{REPLACEMENT CHARACTER}"
    assert lines(path=path) == ["a\rb", "", "", f"{mark} c"]
    assert capsys.readouterr().err.startswith(
        f"note: {path}: 1 broken bytes, which are not UTF-8, replaced, the "
        "first on line 4"
    )


def test_another_encoding_is_refused_or_named(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes("très bon, déjà vu, à peine\n".encode("cp1252") * 3)
    with pytest.raises(
        DataError, match=r"txt:1: is not UTF-8, 12 broken bytes"
    ):
        lines(path=path)
    expected = ["très bon, déjà vu, à peine"] * 3
    assert lines(path=path, encoding="cp1252") == expected


def test_standard_input_is_read_as_a_file_is(monkeypatch):
    raw = io.BufferedReader(io.BytesIO("\ufeffa\rb\nc".encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw, "ascii"))
    assert lines() == ["a\rb", "c"]


def test_a_table_gives_a_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("n;Review\n1;a film \n;\n")
    table = rows(path=path)
    assert [row["text"] for row in table] == ["a film", ""]
    assert [row.cells for row in table] == [
        {"n": "1", "Review": "a film "},
        {"n": "", "Review": ""},
    ]
    assert lines(path=path, text_column="n") == ["1", ""]
    with pytest.raises(
        DataError, match="'Review'; say which it is by --text-c"
    ):
        lines(path=path, text_column="x")


def test_what_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="give texts or --input, not both"):
        lines("a", path="x")
    with pytest.raises(UserError, match=r"none\.txt: No such file"):
        lines(path=tmp_path / "none.txt")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError, match=r"empty\.txt: the file is empty"):
        lines(path=tmp_path / "empty.txt")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe: is a pipe; expected a file"):
        lines(path=tmp_path / "pipe")
    empty = io.TextIOWrapper(io.BufferedReader(io.BytesIO()))
    monkeypatch.setattr(sys, "stdin", empty)
    with pytest.raises(UserError, match="no text; give one, or --input FILE"):
        lines()
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match="no text, and no standard input"):
        lines()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (dict(output="a.xlsx"), "a.xlsx: expected a name that ends in .csv or"),
        (dict(input="a.json"), "a.json: expected .jsonl, with an object on"),
    ],
)
def test_what_is_no_output_or_input(tmp_path, monkeypatch, flags, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").touch()
    monkeypatch.setattr(runs.Options, "check", lambda self: None)
    with pytest.raises(UserError, match=message):
        text_input.Options.check(Options(**flags))


@pytest.mark.parametrize(
    ("flags", "line", "message"),
    [
        (dict(text_column="x"), "--text-column", "x has no effect without a"),
        (dict(texts=("a",), encoding="x"), "--encoding", "on texts of the com"),
        (dict(output="a.csv", json=True), "--json", "with --output, whose end"),
    ],
)
def test_flags_without_effect(flags, line, message):
    assert message in refused(Options(**{"texts": (), **flags}), line)


def answered(capsys, row, columns, **options):
    with text_input.answers(Options(**options), "runs/x") as answer:
        answer(row, "a line", columns)
    return capsys.readouterr()


def test_answers(tmp_path, capsys):
    (row,) = rows("a")
    printed = answered(capsys, row, {"label": "x"})
    assert printed.out == "a line\n"
    assert printed.err == "note: answers of the run runs/x\n"
    printed = answered(capsys, row, {"text": "x"}, json=True)
    assert json.loads(printed.out) == {"text": "a", "predicted_text": "x"}
    path = tmp_path / "new" / "a.csv"
    assert answered(capsys, row, {"label": "=x"}, output=str(path)).out == ""
    assert path.read_text() == "text,label\na,'=x\n"


def test_outputs_have_a_column_each_empty_where_there_are_fewer():
    outputs = [("a", -0.12345), ("b", -2.0)]
    assert text_input.ranked("text", outputs, 3, True) == {
        **{"text": "a", "score": -0.123},
        **{"text_2": "b", "score_2": -2.0},
        **{"text_3": None, "score_3": None},
    }
    assert text_input.ranked("text", outputs, 1, False) == {"text": "a"}


def test_what_a_shell_pipes_into_a_file_is_one():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        file.write("a\nb\n")
    assert lines(path=f"/dev/fd/{reading}") == ["a", "b"]
    os.close(reading)
