import os
import signal
import subprocess
import sys
import time

import pytest

from data_pipelines.files import cache

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
    return [p.name for p in path.iterdir() if p.name.startswith(".tmp-")]


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
        "", "/one", "/a", "/a/two", "/a/b", "/a/b/three"
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
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["one", "two"]
    assert not temporary(tmp_path)


def test_keys_tell_files_and_settings_apart(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    stamps = [cache.stamp(file)]
    file.write_text("four")
    stamps.append(cache.stamp(file))
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 5))
    stamps.append(cache.stamp(file))
    keys = {cache.key(stamp, 1) for stamp in stamps}
    assert len(keys) == 3
    assert cache.key(stamps[0], 2) not in keys
    assert cache.key(stamps[0], 1) in keys
