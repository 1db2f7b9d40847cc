"""`make new-app`: a copy under a new name runs, and nothing else changes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from apps.common import cli, new_app

ROOT = Path(__file__).parents[3]
# What is in a checkout, but in no commit.
ASIDE = shutil.ignore_patterns(
    ".git", ".venv*", "runs", "data", "__pycache__", ".*_cache", ".tmp-*"
)


@pytest.fixture
def checkout(tmp_path):
    """A copy of the checkout."""
    return shutil.copytree(ROOT, tmp_path / "checkout", ignore=ASIDE)


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".ruff_cache" not in path.parts
    }


@pytest.mark.parametrize(
    ("source", "name"),
    [("captioning", "signs"), ("video_labeling", "sign_language")],
)
def test_the_copy_has_every_file_and_no_old_name(checkout, source, name):
    before = contents(checkout)
    folders = new_app.copy(source, name, checkout)
    after = contents(checkout)
    assert {path: after[path] for path in before} == before
    added = set(after) - set(before)
    assert len(folders) == len(new_app.FOLDERS)
    for path in added:
        assert any((checkout / path).is_relative_to(f) for f in folders)
    originals = {
        path
        for path in before
        for folder in new_app.FOLDERS
        if path.is_relative_to(Path(folder) / source)
    }
    assert {re.sub(source, name, str(p)) for p in originals} == set(
        map(str, added)
    )
    for path in added:
        if path.suffix == ".py":
            compile(after[path], path, "exec")
        if path.suffix in (".py", ".md"):
            dashed = source.replace("_", "-").encode()
            assert source.encode() not in after[path], path
            assert b"-" + dashed not in after[path], path
        if path.suffix == ".jinja":
            assert f'"{source}/'.encode() not in after[path], path
    config = (checkout / "apps" / name / "train.py").read_text()
    assert f"from data_pipelines import {name} as pipeline" in config
    page = (checkout / "apps" / name / "README.md").read_text()
    assert f"make train-{name.replace('_', '-')}" in page


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("captions", "signs", "FROM=captions: no such app; the apps are capt"),
        ("", "signs", "FROM=: no such app"),
        ("captioning", "", "NAME=: not a name for a module"),
        ("captioning", "sign-language", "NAME=sign-language: not a name"),
        ("captioning", "2signs", "NAME=2signs: not a name"),
        ("captioning", "lambda", "NAME=lambda: not a name"),
        ("captioning", "../signs", "NAME=../signs: not a name"),
        ("captioning", "sentiment", "NAME=sentiment: apps/sentiment exists"),
        ("captioning", "common", "NAME=common: apps/common exists"),
        ("captioning", "text", "NAME=text: data_pipelines/text exists"),
    ],
)
def test_what_cannot_be_copied_is_one_line(checkout, source, name, message):
    before = contents(checkout)
    with pytest.raises(cli.UserError) as error:
        new_app.copy(source, name, checkout)
    assert str(error.value).startswith(message)
    assert contents(checkout) == before


@pytest.mark.slow
def test_the_copy_trains_and_passes_its_tests(checkout):
    def run(*words):
        done = subprocess.run(
            words, cwd=checkout, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # The environment that `make install` makes is the one of these tests.
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (checkout / ".venv" / ".installed").touch()
    run("make", "new-app", "FROM=language_model", "NAME=poems")
    printed = run("make", "train-poems", "ARGS=--preset smoke")
    (folder,) = re.findall("^run (runs/poems/.*)$", printed, re.MULTILINE)
    assert (checkout / folder / "metrics.json").exists()
    tests = [
        *("tests/apps/poems", "tests/data_pipelines/poems"),
        "tests/test_architecture.py",
    ]
    run(sys.executable, "-m", "pytest", "-x", "-m", "not slow", *tests)
    run(sys.executable, "-m", "ruff", "check", ".")
    run(sys.executable, "-m", "ruff", "format", "--check", ".")
