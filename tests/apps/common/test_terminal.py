"""What is printed."""

import ast
import sys
import time
from pathlib import Path

import pytest

from apps.common import cli, terminal

APPS = Path(cli.__file__).parents[1]


def test_control_characters_are_written_out(capsys):
    label = "a\x1b]0;title\x07\x9b31m\r\x7f\u202eb\u2066\udce9"
    terminal.echo(label, "c\td\ne", file=sys.stderr)
    written = r"a\x1b]0;title\x07\x9b31m\r\x7f\u202eb\u2066\udce9"
    assert capsys.readouterr().err == written + " c\td\ne\n"


def test_scripts_that_need_joiners_keep_them(capsys):
    text = "\u0645\u06cc\u200c\u062e\u0648 \U0001f468\u200d\U0001f469 \u200f"
    terminal.echo(text, 1, sep="|")
    assert capsys.readouterr().out == f"{text}|1\n"


def test_an_error_of_a_user_is_written_out(capsys):
    def fail():
        raise cli.UserError("no label \x1b[31m")

    with pytest.raises(SystemExit):
        cli.main(fail)
    assert "\x1b" not in capsys.readouterr().err


def test_who_is_silent_for_long_says_what_is_done(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "FIRST", 0.05)
    monkeypatch.setattr(terminal, "NEXT", 0.1)
    monkeypatch.setattr(terminal.progress, "last_shown", lambda: -1e9)
    lines = []
    with terminal.watched():
        time.sleep(0.2)
        assert capsys.readouterr().err == ""  # nothing is being done
        terminal.busy("epoch 1 of 2", "step 7 of 9")
        end = time.monotonic() + 30
        while len(lines) < 2 and time.monotonic() < end:
            time.sleep(0.05)
            lines += capsys.readouterr().err.splitlines()
        terminal.busy("")
    assert set(lines) <= {f"epoch 1 of 2, step 7 of 9, {n} s" for n in range(9)}
    assert len(lines) >= 2
    capsys.readouterr()
    terminal.busy("what nobody watches")
    time.sleep(0.2)
    assert capsys.readouterr().err == ""
    terminal.busy("")


def test_beside_a_progress_line_nothing_else_is_said(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "FIRST", 0.05)
    monkeypatch.setattr(terminal.progress, "last_shown", time.monotonic)
    with terminal.watched():
        terminal.busy("reading")
        time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_all_that_apps_print_goes_through_echo():
    calls = [
        f"{path}:{node.lineno}"
        for path in APPS.rglob("*.py")
        if path.name != "terminal.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Name) and node.id == "print"
    ]
    assert not calls
