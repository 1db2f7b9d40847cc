"""The flags of `export`: what is no form, and what is missing, is one line."""

import dataclasses
import importlib.util

import pytest

from apps.common import cli, formats, runs
from tests.apps.tools import ROOT


@dataclasses.dataclass(frozen=True)
class Options(formats.Options):
    app = "sentiment"


@dataclasses.dataclass(frozen=True)
class FixedLength(formats.FixedLength):
    app = "sentiment"


@pytest.fixture(autouse=True)
def run(monkeypatch):
    """A run, so that what is refused is a flag."""
    monkeypatch.setattr(runs, "find_run", lambda *_: None)


def checked(*words, options=Options):
    cli.check(cli.parse(options, {}, words), words)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--format", "onx"], "--format onx: no 'onx'; did you mean onnx?"),
        (["--format", "onnx,"], "--format onnx,: no ''; the forms are: saved_"),
        (
            ["--format", "saved_model", "--quantize"],
            "--quantize has no effect without --format onnx",
        ),
    ],
)
def test_what_is_no_form_is_refused(words, line, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    with pytest.raises(cli.UserError) as error:
        checked(*words)
    assert str(error.value).startswith(line)


def test_a_form_without_its_packages_names_the_command(monkeypatch):
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name in ("onnx", "tf2onnx") else name,
    )
    checked("--format", "saved_model")
    checked("--format", "litert")
    with pytest.raises(cli.UserError) as error:
        checked("--format", "saved_model,onnx")
    assert str(error.value) == (
        "--format onnx needs onnx and tf2onnx; `make install-formats` installs"
        " what all forms need"
    )


def test_litert_without_a_length_names_the_flag(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    checked("--format", "litert", "--length", "9", options=FixedLength)
    with pytest.raises(cli.UserError, match=r"needs --length, such as"):
        checked("--format", "litert", options=FixedLength)
    with pytest.raises(cli.UserError, match="no effect without --format li"):
        checked("--format", "onnx", "--length", "9", options=FixedLength)


def test_the_page_shows_the_decoding_that_is_copied():
    page = (ROOT / "docs" / "formats.md").read_text()
    script = (ROOT / "apps" / "common" / "onnx_greedy.py").read_text()
    assert f"```python\n{script}```" in page
    _, _, function = script.partition("def greedy")
    assert len(function.splitlines()) <= 40
