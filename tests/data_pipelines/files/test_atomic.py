import errno
import os
import signal
import subprocess
import sys
import tempfile

import pytest

from data_pipelines.files.atomic import build_folder, replacing

# Builds slowly, saying when it has begun.
BUILDER = """
import sys, time
from pathlib import Path
from data_pipelines.files.atomic import build_folder

def build(place):
    (place / "one").write_text("whole")
    print("begun", flush=True)
    time.sleep(float(sys.argv[2]))
    (place / "two").write_text("whole")

build_folder(Path(sys.argv[1]), build)
print((Path(sys.argv[1]) / "two").read_text())
"""


def start(path, seconds):
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(path), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == "begun\n"
    return process


def build(place):
    (place / "one").write_text("new")


def temporary(path):
    """Names of the folders that builders work in, and of their locks."""
    names = [p.name for p in path.iterdir() if p.name.startswith(".tmp-")]
    folders = [name for name in names if not name.endswith(".lock")]
    assert sorted(names) == sorted(
        name + end for name in folders for end in ("", ".lock")
    )
    return folders


def test_built_once(tmp_path):
    path, calls = tmp_path / "a" / "b", []
    for _ in range(3):
        build_folder(path, lambda place: calls.append(build(place)))
    assert (path / "one").read_text() == "new"
    assert len(calls) == 1
    assert not temporary(tmp_path / "a")


def test_everything_is_flushed_folders_within_folders_too(
    tmp_path, monkeypatch
):
    flushed = set()
    flush = os.fsync

    def noted(handle):
        flushed.add(os.readlink(f"/proc/self/fd/{handle}"))
        flush(handle)

    def nested(place):
        (place / "a" / "b").mkdir(parents=True)
        for name in ("one", "a/two", "a/b/three"):
            (place / name).write_text(name)

    monkeypatch.setattr(os, "fsync", noted)
    build_folder(tmp_path / "whole", nested)
    path = tmp_path / "whole" / "a" / "b" / "three"
    assert path.read_text() == "a/b/three"
    place = min(flushed, key=len)
    assert {path.removeprefix(place) for path in flushed} == {
        "", "/one", "/a", "/a/two", "/a/b", "/a/b/three"
    }  # fmt: skip


def test_a_flush_that_fails_is_an_error(tmp_path, monkeypatch):
    def fail(handle):
        raise OSError("no room")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no room"):
        build_folder(tmp_path / "b", build)
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_a_failing_build_leaves_nothing(tmp_path):
    def fail(place):
        build(place)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        build_folder(tmp_path / "b", fail)
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_what_a_killed_builder_left_is_never_used_and_swept(tmp_path):
    process = start(tmp_path / "b", 60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(temporary(tmp_path)) == 1
    assert not (tmp_path / "b").exists()
    build_folder(tmp_path / "b", build)
    assert (tmp_path / "b" / "one").read_text() == "new"
    assert not (tmp_path / "b" / "two").exists()
    assert not temporary(tmp_path)


def test_a_living_builder_is_left_alone(tmp_path):
    process = start(tmp_path / "b", 2)
    build_folder(tmp_path / "other", build)
    assert len(temporary(tmp_path)) == 1
    assert process.communicate()[0] == "whole\n"
    assert process.returncode == 0
    assert not temporary(tmp_path)


def test_two_builders_of_one_folder(tmp_path):
    slow, fast = start(tmp_path / "b", 1.5), start(tmp_path / "b", 0.5)
    for process in (slow, fast):
        assert process.communicate()[0] == "whole\n"
        assert process.returncode == 0
    names = sorted(p.name for p in (tmp_path / "b").iterdir())
    assert names == ["one", "two"]
    assert not temporary(tmp_path)


def test_a_builder_may_build_another_folder(tmp_path):
    def outer(place):
        build_folder(tmp_path / "inner", build)
        (place / "two").write_text("whole")

    build_folder(tmp_path / "outer", outer)
    assert (tmp_path / "inner" / "one").read_text() == "new"
    assert (tmp_path / "outer" / "two").read_text() == "whole"
    assert not temporary(tmp_path)


# Files.


def test_the_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path, suffix=".txt") as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".tmp-")
        assert temporary.suffix == ".txt"
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


class SealedError(OSError):
    """As those of PyAV."""

    filename = property(lambda self: None)


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize(
    "call", ["write", "seal", "mkstemp", "fsync", "rename"]
)
def test_what_the_system_refuses_names_the_path(
    tmp_path, kind, call, monkeypatch
):
    """Neither nothing, as `write` does, nor a temporary name."""

    def refuse(*arguments, **_):
        paths = () if call == "fsync" else arguments[:1]
        raise OSError(errno.ENOSPC, "No space left", *map(str, paths))

    def write(place):
        if call == "write":
            raise OSError(errno.ENOSPC, "No space left")
        if call == "seal":
            raise SealedError(errno.ENOSPC, "No space left")

    path = tmp_path / "a"
    names = dict(mkstemp="mkdtemp" if kind == "folder" else "mkstemp")
    names |= dict(rename="rename" if kind == "folder" else "replace")
    name = names.get(call, call)
    if call not in ("write", "seal"):
        module = tempfile if call == "mkstemp" else os
        monkeypatch.setattr(module, name, refuse)

    def use():
        if kind == "folder":
            build_folder(path, write)
        else:
            with replacing(path) as temporary:
                write(temporary)

    with pytest.raises(OSError, match="No space left") as caught:
        use()
    monkeypatch.undo()
    if call != "mkstemp":
        assert caught.value.filename == str(path)
    assert not path.exists()
    assert [p.name for p in tmp_path.iterdir()] in ([], [".lock"])
