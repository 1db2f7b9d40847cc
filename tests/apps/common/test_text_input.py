"""Lines from the command line, a file or standard input; output files."""

import io
import os
import sys

import pytest

from apps.common import text_input
from apps.common.cli import UserError
from data_pipelines.files.errors import DataError


def lines(texts=(), path="", **options):
    return list(text_input.read_lines(texts, str(path), "text", **options))


def test_words_of_the_command_line_come_first_as_they_are():
    assert lines(["a film", "", "b"]) == ["a film", "", "b"]


def test_a_file_gives_a_text_a_line(tmp_path):
    path = tmp_path / "texts.txt"
    # A carriage return ends no line, in the data it does not either.
    path.write_bytes(b"a\rb \r\n\n\xff c\n")
    mark = "\N{REPLACEMENT CHARACTER}"
    assert lines(path=path) == ["a\rb", "", f"{mark} c"]
    assert lines(path=path, keep_empty=False) == ["a\rb", f"{mark} c"]


def test_standard_input_is_read_as_a_file_is(monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(b"a\rb\n\xff\n"), "ascii")
    monkeypatch.setattr(sys, "stdin", stdin)
    assert lines() == ["a\rb", "\N{REPLACEMENT CHARACTER}"]


def test_what_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="give texts or --input, not both"):
        lines(["a"], "x")
    with pytest.raises(UserError, match=r"none\.txt: No such file"):
        lines(path=tmp_path / "none.txt")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(UserError, match="no text; give one, or --input FILE"):
        lines(path=tmp_path / "empty.txt")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe: is a pipe; expected a file"):
        lines(path=tmp_path / "pipe")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match="no text, and no standard input"):
        lines()


def test_outputs_are_checked_before_anything_is_computed(tmp_path):
    text_input.check_output("--page", tmp_path / "new.html")
    with pytest.raises(UserError, match=r"--page .*: is a folder; "):
        text_input.check_output("--page", tmp_path)
    with pytest.raises(UserError, match=r"--json .*/no is not a folder$"):
        text_input.check_output("--json", tmp_path / "no" / "x.json")


def test_bytes_that_are_no_utf8_are_marked():
    assert text_input.repaired("é") == "é"
    broken = os.fsdecode(b"caf\xe9")
    assert text_input.repaired(broken) == "caf\N{REPLACEMENT CHARACTER}"


def test_what_a_shell_pipes_into_a_file_is_one():
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as file:
        file.write("a\nb\n")
    assert lines(path=f"/dev/fd/{reading}") == ["a", "b"]
    os.close(reading)
