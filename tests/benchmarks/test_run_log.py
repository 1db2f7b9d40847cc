"""The file of runs of a benchmark, and what is none."""

import json

import pytest

from apps.common.cli import UserError
from benchmarks import run_log
from data_pipelines.files.errors import DataError


def runs(path, *wanted):
    return run_log.runs(path, wanted, lambda settings: {"test": 1}, str)


@pytest.mark.slow
def test_what_was_run_is_not_run_again(tmp_path, capsys):
    path = tmp_path / "new" / "a.json"
    first = {"settings": {"n": 1}, "test": 1}
    assert runs(path, {"n": 1}) == [first]
    first["test"] = 2
    path.write_text(json.dumps([first]))
    second = {"settings": {"n": 2}, "test": 1}
    assert runs(path, {"n": 1}, {"n": 2}) == [first, second]
    assert json.loads(path.read_text()) == [first, second]
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("content", ["", "{", "null", "[1]", '{"settings": 1}'])
def test_what_is_no_file_of_runs(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"a\.json: is (not JSON|no list of r)"):
        runs(path, {})
    assert path.read_text() == content


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match=r"--json .* is a folder; expected a f"):
        runs(tmp_path, {})
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file is a file; expected a folder"):
        runs(tmp_path / "file" / "a.json", {})
