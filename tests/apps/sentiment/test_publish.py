"""A run is copied as others need it, and loads where nothing else is."""

import json
import shutil
import sys
from types import SimpleNamespace

import pytest

from apps.common import cli, publish, runs
from tests.apps.tools import run_module


def options(trained, to, **more):
    return publish.Options(
        runs_path=trained.runs_path, app="sentiment", to=str(to), **more
    )


@pytest.mark.slow
def test_what_others_need_is_copied_and_loads(trained, tmp_path, capsys):
    to = tmp_path / "new" / "model"
    publish.main(options(trained, to))
    names = {path.name for path in to.iterdir()}
    assert names == {
        *("README.md", "config.json", "metrics.json", "digests.json"),
        *("model.keras", "vocabulary.txt", "labels.txt", "data.txt"),
        *("curve.png", "export"),
    }
    published = (
        "".join(path.read_text() for path in to.glob("*.json"))
        + (to / "README.md").read_text()
    )
    assert str(trained.folder) not in published
    assert "it loads" in capsys.readouterr().out
    # It is a run that the commands take.
    assert runs.open_run("sentiment", str(to)).finished
    config = json.loads((to / "config.json").read_text())["config"]
    assert config["data_path"] == "reviews"


def test_a_card_of_before_is_written_and_one_with_a_licence_stays(
    trained, tmp_path, monkeypatch
):
    monkeypatch.setattr(publish, "CHECK", "")
    folder = tmp_path / "run"
    shutil.copytree(trained.run.path, folder)
    run = runs.open_run("sentiment", str(folder))
    (folder / "README.md").write_text("mine")
    for count, text in enumerate(("mine", "# x")):
        target = tmp_path / str(count)
        target.mkdir()
        publish.copy(run, target)
        assert text in (target / "README.md").read_text()
        (folder / "README.md").unlink(missing_ok=True)
        # Whoever writes a licence in changes nothing that is checked.
        (target / "README.md").write_text("other")
        runs.open_run("sentiment", str(target))


@pytest.mark.slow
def test_what_does_not_load_is_said_and_not_left(trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained.run.path, folder)
    (folder / "digests.json").unlink()
    (folder / "model.keras").write_bytes(b"torn")
    run = runs.open_run("sentiment", str(folder))
    with pytest.raises(cli.UserError, match="does not load: "):
        publish.main(options(trained, tmp_path / "to", run=str(run.path)))
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("to", "line"),
    [
        ("", "give --to FOLDER or --to hf://owner/name"),
        ("hf://name", "--to hf://name: expected hf://owner/name"),
        (".", "--to .: exists; give a new folder"),
    ],
)
def test_a_bad_target_is_one_line(trained, to, line):
    with pytest.raises(cli.UserError) as error:
        options(trained, to).check()
    assert str(error.value) == line


def test_a_hub_gets_the_folder(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(publish, "CHECK", "")
    calls = []

    class HfApi:
        def create_repo(self, name, private, exist_ok):
            calls.append((name, private, exist_ok))

        def upload_folder(self, repo_id, folder_path):
            calls.append((repo_id, (folder_path / "model.keras").exists()))
            if len(calls) > 2:
                raise OSError("401 Client Error.\nRepository Not Found")

    stand_in = SimpleNamespace(HfApi=HfApi)
    monkeypatch.setitem(sys.modules, "huggingface_hub", stand_in)
    publish.main(options(trained, "hf://me/model"))
    assert calls == [("me/model", True, True), ("me/model", True)]
    assert "https://huggingface.co/me/model" in capsys.readouterr().out
    with pytest.raises(cli.UserError, match=r"401 Client Error\. Repository"):
        publish.main(options(trained, "hf://me/model"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(cli.UserError, match="needs huggingface_hub"):
        publish.main(options(trained, "hf://me/model"))
    assert not list(tmp_path.glob("unroll-*"))


def test_the_command_needs_a_run():
    done = run_module(
        *("apps.common.publish", "--app", "sentiment", "--runs-path", "none"),
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no finished run in none/sentiment")
