import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from data_pipelines.files import cache, checksums
from data_pipelines.files.checksums import DamageError

# Builds slowly, saying when it has begun.
BUILDER = """
import sys, time
from pathlib import Path
from data_pipelines.files import cache

def build(place):
    (place / "one").write_text("whole")
    print("begun", flush=True)
    time.sleep(float(sys.argv[2]))
    (place / "two").write_text("whole")

print((cache.folder(Path(sys.argv[1]), build) / "two").read_text())
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
    calls = []
    for _ in range(3):
        found = cache.folder(
            tmp_path / "a" / "b", lambda place: calls.append(build(place))
        )
    assert (found / "one").read_text() == "new"
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
    found = cache.folder(tmp_path / "whole", nested)
    assert (found / "a" / "b" / "three").read_text() == "a/b/three"
    place = min(flushed, key=len)
    assert {path.removeprefix(place) for path in flushed} == {
        "", "/one", "/a", "/a/two", "/a/b", "/a/b/three", "/.checksums.json"
    }  # fmt: skip


def test_a_flush_that_fails_is_an_error(tmp_path, monkeypatch):
    def fail(handle):
        raise OSError("no room")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no room"):
        cache.folder(tmp_path / "b", build)
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_a_failing_build_leaves_nothing(tmp_path):
    def fail(place):
        build(place)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        cache.folder(tmp_path / "b", fail)
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_what_a_killed_builder_left_is_never_used_and_swept(tmp_path):
    process = start(tmp_path / "b", 60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert len(temporary(tmp_path)) == 1
    assert not (tmp_path / "b").exists()
    found = cache.folder(tmp_path / "b", build)
    assert (found / "one").read_text() == "new"
    assert not (found / "two").exists()
    assert not temporary(tmp_path)


def test_a_living_builder_is_left_alone(tmp_path):
    process = start(tmp_path / "b", 2)
    cache.folder(tmp_path / "other", build)
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
    assert names == [".checksums.json", "one", "two"]
    assert not temporary(tmp_path)


def test_keys_tell_files_and_settings_apart(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    stamps = [cache.file_fingerprint(file)]
    file.write_text("four")
    stamps.append(cache.file_fingerprint(file))
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 5))
    stamps.append(cache.file_fingerprint(file))
    keys = {cache.key(stamp, 1) for stamp in stamps}
    assert len(keys) == 3
    assert cache.key(stamps[0], 2) not in keys
    assert cache.key(stamps[0], 1) in keys


def test_a_builder_may_build_another_folder(tmp_path):
    def outer(place):
        cache.folder(tmp_path / "inner", build)
        (place / "two").write_text("whole")

    cache.folder(tmp_path / "outer", outer)
    assert (tmp_path / "inner" / "one").read_text() == "new"
    assert (tmp_path / "outer" / "two").read_text() == "whole"
    assert not temporary(tmp_path)


def nested(place):
    (place / "a").mkdir()
    (place / "a" / "one").write_text("content")


def test_damage_is_named(tmp_path):
    path = cache.folder(tmp_path / "b", nested)
    (path / "a" / "one").write_text("CONTENT")
    with pytest.raises(DamageError) as caught:
        cache.folder(path, nested)
    assert str(caught.value) == (
        f"{path}/a/one: damaged: it has a wrong checksum; delete the folder "
        f"{path}, it is built again"
    )
    shutil.rmtree(path)
    assert (cache.folder(path, nested) / "a" / "one").read_text() == "content"
    (path / ".checksums.json").write_text("{")
    with pytest.raises(DamageError, match="damaged: it is not JSON; delete"):
        cache.folder(path, nested)


def test_a_copy_is_as_good(tmp_path, monkeypatch):
    path = cache.folder(tmp_path / "b", nested)
    copy = tmp_path / "copy"
    shutil.copytree(path, copy, copy_function=shutil.copyfile)
    assert cache.folder(copy, nested) == copy
    # Its times are known now: its files are not read again.
    monkeypatch.setattr(checksums, "zlib", None)
    assert cache.folder(copy, nested) == copy


def test_a_folder_of_before_there_were_checksums(tmp_path):
    path = tmp_path / "old"
    path.mkdir()
    (path / "one").write_text("whatever")
    assert cache.folder(path, nested) == path
