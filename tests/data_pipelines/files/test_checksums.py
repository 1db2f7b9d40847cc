import os
import zlib

import pytest

from data_pipelines.files import checksums
from data_pipelines.files.checksums import DamageError
from data_pipelines.files.errors import DataError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one").write_bytes(b"1" * 3_000_000)
    (tmp_path / "two").write_bytes(b"")
    return tmp_path


NAMES = ["a/one", "two"]


def fails(folder, recorded):
    with pytest.raises(DamageError) as caught:
        checksums.verify(folder, recorded)
    assert isinstance(caught.value, DataError)
    return str(caught.value).replace(str(folder), "FOLDER")


def test_what_is_recorded(folder):
    recorded = checksums.record(folder, NAMES)
    assert list(recorded) == NAMES
    size, time, checksum = recorded["a/one"]
    assert size == 3_000_000
    assert time == (folder / "a" / "one").stat().st_mtime_ns
    assert checksum == zlib.crc32(b"1" * 3_000_000)
    assert checksums.verify(folder, recorded) == recorded


def test_a_copy_is_read_once_and_has_new_times(folder):
    recorded = checksums.record(folder, NAMES)
    os.utime(folder / "two", ns=(1, 1))
    now = checksums.verify(folder, recorded)
    assert now["a/one"] == recorded["a/one"]
    assert now["two"] == [0, 1, 0]


def test_damage_is_named(folder):
    recorded = checksums.record(folder, NAMES)
    end = "; delete the folder FOLDER, it is built again"
    path = folder / "a" / "one"
    time = path.stat().st_mtime_ns
    raw = bytearray(path.read_bytes())
    raw[1_500_000] = 0
    path.write_bytes(raw)
    wrong = f"FOLDER/a/one: damaged: it has a wrong checksum{end}"
    assert fails(folder, recorded) == wrong
    # With the time it had, it is not read.
    os.utime(path, ns=(time, time))
    assert checksums.verify(folder, recorded) == recorded
    path.write_bytes(raw[:-1])
    assert fails(folder, recorded) == (
        "FOLDER/a/one: damaged: it has 2,999,999 bytes, expected 3,000,000"
        + end
    )
    path.unlink()
    assert fails(folder, recorded) == (
        f"FOLDER/a/one: damaged: it is missing{end}"
    )
