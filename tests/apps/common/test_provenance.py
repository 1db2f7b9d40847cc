"""Where a result comes from."""

import subprocess

import keras
import numpy as np

from apps.common import provenance


def test_versions_are_those_of_the_libraries():
    versions = provenance.versions()
    assert versions["keras"] == keras.__version__
    assert versions["numpy"] == np.__version__
    assert set(versions) == {"python", "numpy", "keras", "tensorflow"}


def test_the_commit_says_whether_files_have_changed(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x", *words],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )

    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "file.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.commit() is None
    git("init")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-m", "first")
    commit = provenance.commit()
    assert len(commit) == 12
    (tmp_path / "a").write_text("2")
    assert provenance.commit() == commit + "-changed"


def test_the_device_is_named(monkeypatch):
    assert provenance.device().startswith("cpu (")
    devices = ["cpu:0", "gpu:0", "gpu:1"]
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    assert provenance.device() == "gpu:0, gpu:1"
