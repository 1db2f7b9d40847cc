import os

import pytest

from data_pipelines.files.file_index import FileIndex, file_identity


def test_a_file_is_known_until_it_changes(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    before = file_identity(file)
    assert before == file_identity(str(file))
    file.write_text("four")
    assert file_identity(file) != before
    after = file_identity(file)
    os.utime(file, ns=(1, 1))
    assert file_identity(file) != after


@pytest.mark.parametrize("name", ["none", "a\0b", "a" * 5000])
def test_no_file_has_no_identity(tmp_path, name):
    assert file_identity(tmp_path / name) is None


def test_entries_are_saved_and_read_again(tmp_path):
    path = tmp_path / "new" / "index.jsonl"
    index = FileIndex(path)
    assert index.entries == {}
    index.add(("/a", 1, 2), "x")
    index.add(("/b", 1, 2), "y")
    assert not path.exists()
    index.save()
    again = FileIndex(path)
    assert again.entries == {("/a", 1, 2): "x", ("/b", 1, 2): "y"}
    again.add(("/b", 1, 2), "y")
    again.save()
    size = path.stat().st_size
    again.add(("/b", 1, 2), "z")
    again.save()
    assert path.stat().st_size > size
    # The last line about a file holds.
    assert FileIndex(path).entries[("/b", 1, 2)] == "z"


def test_lines_that_are_cut_or_no_entries_are_passed_over(tmp_path):
    path = tmp_path / "index.jsonl"
    index = FileIndex(path)
    index.add(("/a", 1, 2), "x")
    index.save()
    with path.open("ab") as file:
        file.write(b'7\n\xff\n["/b", 1')
    index = FileIndex(path)
    assert index.entries == {("/a", 1, 2): "x"}
    # What comes next begins on a line of its own.
    index.add(("/c", 1, 2), "z")
    index.save()
    assert list(FileIndex(path).entries) == [("/a", 1, 2), ("/c", 1, 2)]


def test_no_bit_of_an_entry_can_change(tmp_path):
    path = tmp_path / "index.jsonl"
    index = FileIndex(path)
    index.add(("/a", 1, 2), "x")
    index.add(("/b\ud800", 3, 4), "y")
    index.save()
    entries = FileIndex(path).entries
    assert len(entries) == 2
    raw = path.read_bytes()
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert FileIndex(path).entries.items() <= entries.items()
