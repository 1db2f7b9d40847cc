import sys
import time

import pytest

from data_pipelines.files import progress
from data_pipelines.files.progress import progress_bar


def work(**options):
    return list(progress_bar("reading a.csv", "texts", range(40), **options))


def test_quick_work_is_quiet(capsys):
    assert work() == list(range(40))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_slow_work_shows_how_far_it_is(terminal, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_DELAY", 1e-9)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert work() == list(range(40))
    written = capsys.readouterr().err
    assert "reading a.csv: 100%" in written
    assert "40/40" in written
    assert " texts/s" in written
    # Neither a terminal nor a file gets a line for each item.
    assert written.count("\r" if terminal else "\n") < 5
    assert ("\r" in written) == terminal
    assert written.endswith("\n")
    assert "\n\n" not in written


def test_a_file_gets_lines_one_below_another(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_DELAY", 1e-9)
    monkeypatch.setattr(progress, "INTERVAL", 0.01)
    for _ in progress_bar("reading a.csv", "texts", range(4)):
        time.sleep(0.02)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("reading a.csv: ") for line in lines)
    assert time.monotonic() - progress.last_shown() < 60


def test_without_items_it_is_updated(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_DELAY", 1e-9)
    with progress_bar("reading videos", "frames", total=50) as bar:
        bar.update(20)
        bar.update(30)
    assert "50/50" in capsys.readouterr().err
