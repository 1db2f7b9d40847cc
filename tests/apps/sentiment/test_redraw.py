"""A trained run is tested again, and nothing else of it changes."""

import json
import shutil

import keras
import pytest

from apps.common import cli, redraw
from data_pipelines.files.errors import DataError


@pytest.fixture
def copied(trained, tmp_path):
    path = tmp_path / "moved" / "sentiment" / "x"
    shutil.copytree(trained.run.path, path)
    return path


def options(path, **more):
    return redraw.Options(app="sentiment", run=str(path), **more)


@pytest.mark.slow
def test_report_and_scores_are_written_anew(copied):
    files = ("report.html", "metrics.json", "model.keras", "log.csv")
    before = {name: (copied / name).read_bytes() for name in files}
    (copied / "report.html").unlink()
    keras.utils.clear_session(free_memory=False)  # as in a new process
    redraw.main(options(copied))
    assert (copied / "report.html").stat().st_size > 1000
    old, new = (
        json.loads(before["metrics.json"]),
        json.loads((copied / "metrics.json").read_text()),
    )
    assert new["metrics"] == old["metrics"]
    assert new["train_seconds"] == old["train_seconds"]
    for name in ("model.keras", "log.csv"):
        assert (copied / name).read_bytes() == before[name]


def test_an_error_leaves_the_scores_as_they_were(copied):
    path = copied / "config.json"
    record = json.loads(path.read_text())
    record["config"]["data_path"] = "nowhere"
    path.write_text(json.dumps(record))
    (copied / "digests.json").unlink()
    scores = (copied / "metrics.json").read_bytes()
    with pytest.raises(DataError, match="nowhere"):
        redraw.main(options(copied))
    assert (copied / "metrics.json").read_bytes() == scores


def test_what_cannot_be_tested_again_is_refused(copied):
    with pytest.raises(cli.UserError, match="outside of a folder sentiment/"):
        options(copied.rename(copied.parents[1] / "y")).check()
    shutil.rmtree(copied.parents[1] / "y" / "backup")
    with pytest.raises(cli.UserError, match="repeat the command of the run"):
        options(copied.parents[1] / "y").check()
