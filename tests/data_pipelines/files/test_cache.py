import os
import re
import time

from data_pipelines.files import atomic, cache


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


def test_a_damaged_folder_is_named_and_built_again(tmp_path, capsys):
    path = cache.folder(tmp_path / "b", nested)
    file, index = path / "a" / "one", path / ".checksums.json"

    def flip():
        # The time stays, as when a disk loses a bit.
        times = file.stat()
        file.write_text("contenT")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    for damage, name, what in [
        (flip, "a/one", "has a wrong checksum"),
        (lambda: file.write_text("c"), "a/one", "has 1 bytes, expected 7"),
        (file.unlink, "a/one", r"cannot be read \(No such file.*\)"),
        (lambda: index.write_text("{"), ".checksums.json", "has a wrong.*"),
        (index.unlink, ".checksums.json", "is missing"),
    ]:
        damage()
        assert cache.folder(path, nested) == path
        line = f"{path}/{name}: damaged: it {what}; it is built again\n"
        assert re.fullmatch(line, capsys.readouterr().err)
        assert file.read_text() == "content"
        names = {p.name for p in tmp_path.iterdir()}
        assert names == {"b", ".lock"}
        cache.folder(path, nested)
        assert capsys.readouterr().err == ""


def test_a_folder_that_another_process_has_built_again_stays(
    tmp_path, monkeypatch
):
    path = cache.folder(tmp_path / "b", nested)
    (path / "a" / "one").write_text("CONTENT")
    lock = atomic.lock

    def late(parent):
        # While this one waits, another one is done.
        (path / "a" / "one").write_text("content")
        return lock(parent)

    monkeypatch.setattr(atomic, "lock", late)
    before = path.stat().st_ino
    cache.folder(path, nested)
    assert path.stat().st_ino == before


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
