import os
import shutil
import time

import pytest

from data_pipelines.files import cache, checksums
from data_pipelines.files.checksums import DamageError


def nested(place):
    (place / "a").mkdir()
    (place / "a" / "one").write_text("content")


def test_built_once(tmp_path):
    path = tmp_path / "caches" / "b"
    assert cache.folder(path, nested) == path
    assert (path / "a" / "one").read_text() == "content"

    def never(place):
        raise AssertionError("built again")

    assert cache.folder(path, never) == path
    assert sorted(p.name for p in path.rglob("*")) == [
        ".checksums.json",
        "a",
        "one",
    ]


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
