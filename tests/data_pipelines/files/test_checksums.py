import contextlib
import errno
import json
import os
import zlib
from pathlib import Path

import pytest

from data_pipelines.files import checksums
from data_pipelines.files.checksums import DamageError
from data_pipelines.files.errors import DataError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "one"
    path.write_bytes(b"1" * 3_000_000)
    return path


def fails(path, measured):
    with pytest.raises(DamageError) as caught:
        checksums.verify(path, measured)
    assert isinstance(caught.value, DataError)
    return str(caught.value).replace(str(path), "FILE")


def test_what_is_measured(path):
    measured = checksums.measure(path)
    assert measured == [3_000_000, zlib.crc32(b"1" * 3_000_000)]
    os.utime(path, ns=(1, 1))
    checksums.verify(path, measured)
    path.write_bytes(b"")
    assert checksums.measure(path) == [0, 0]


def test_damage_is_named(path):
    measured = checksums.measure(path)
    time = path.stat().st_mtime_ns
    raw = bytearray(path.read_bytes())
    raw[1_500_000] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(time, time))
    assert fails(path, measured) == "FILE: damaged: it has a wrong checksum"
    path.write_bytes(raw[:-1])
    assert fails(path, measured) == (
        "FILE: damaged: it has 2,999,999 bytes, expected 3,000,000"
    )
    path.unlink()
    assert fails(path, measured) == (
        "FILE: damaged: it cannot be read (No such file or directory)"
    )


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EIO, DamageError), (errno.EMFILE, OSError)]
)
def test_a_bad_block_is_damage_too_few_handles_are_not(
    path, monkeypatch, number, kind
):
    measured = checksums.measure(path)

    def fail(*_):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(kind):
        checksums.verify(path, measured)


def test_files_are_read_in_threads_in_order(tmp_path):
    paths = [tmp_path / str(number) for number in range(50)]
    for number, path in enumerate(paths):
        path.write_bytes(b"x" * number)
    sizes = [s for s, _ in checksums.in_threads(checksums.measure, paths)]
    assert sizes == list(range(50))


@pytest.mark.parametrize(
    "content", [None, 0.1, ["\u00e9\ud800", -3, 1e300], {"b": [{}], "a": True}]
)
def test_json_comes_back(tmp_path, content):
    checksums.write_json(tmp_path / "a", content)
    again = checksums.read_json(tmp_path / "a")
    assert json.dumps(again) == json.dumps(content)


def test_no_bit_of_json_can_change(tmp_path):
    path = tmp_path / "a"
    content = {"size": 12, "names": ["a", "b c"], "rate": 1.5, "no": None}
    checksums.write_json(path, content)
    raw = path.read_bytes()
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        # Of white space any will do.
        with contextlib.suppress(DamageError):
            assert checksums.read_json(path) == content
    for end in range(0, len(raw), 5):
        path.write_bytes(raw[:end])
        with pytest.raises(DamageError):
            checksums.read_json(path)
    path.write_text("[" * 100_000)
    with pytest.raises(DamageError):
        checksums.read_json(path)
    path.unlink()
    with pytest.raises(DamageError, match="damaged: it is missing"):
        checksums.read_json(path)
