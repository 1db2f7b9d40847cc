import errno
import os
import socket
import unicodedata
from pathlib import Path

import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.files.names import (
    NamedFiles,
    file_id,
    is_hidden,
    is_litter,
    listed,
    refuse_special,
)

NFC, NFD = (unicodedata.normalize(f, "Café Zoë.jpg") for f in ("NFC", "NFD"))


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def files(folder, **options):
    return NamedFiles(folder, [folder / "images", folder], **options)


@pytest.mark.parametrize(
    ("on_disk", "name"),
    [
        ("images/6.jpg", "6.jpg"),
        ("images/6.jpg", "./6.jpg"),
        ("images/6.jpg", "images/6.jpg"),
        ("images/6.jpg", "a//../6.jpg"),
        ("images/6.jpg", "../images/6.jpg"),
        ("images/6.jpg", "images\\6.jpg"),
        ("images/6.jpg", ".\\6.jpg"),
        ("images/6.jpg", "{}/images/6.jpg"),
        ("6.jpg", "../6.jpg"),
        ("6.jpg", "./6.jpg"),
        (f"images/{NFC}", NFD),
        (f"images/{NFD}", NFC),
        (f"{NFD}/b/{NFC}", f"{NFC}\\b\\{NFD}"),
        ("Images/IMG_6.JPG", "images/img_6.jpg"),
        ("Images/IMG_6.JPG", "IMG_6.jpg"),
        ("images/a cat  & a dog.jpg", "a%20cat%20%20%26%20a dog.jpg"),
        ("images/a\\b.jpg", "a\\b.jpg"),
        ("images/50%25.jpg", "50%25.jpg"),
    ],
)
def test_the_file_that_a_name_means(tmp_path, on_disk, name):
    write(tmp_path, on_disk)
    path = files(tmp_path).find(name.format(tmp_path), "t.csv:2")
    assert path == tmp_path / on_disk
    assert file_id(path) == file_id(tmp_path / on_disk)


def test_a_name_as_it_is_goes_first(tmp_path):
    names = [NFC, NFD, "a.jpg", "A.jpg", "b.JPG", "B.jpg", "c%20.jpg", "c .jpg"]
    write(tmp_path, *(f"images/{name}" for name in names))
    for name in names:
        assert files(tmp_path).find(name, "") == tmp_path / "images" / name
    # One of two, and nobody knows which.
    for name in ("b.jpg", "B.JPG"):
        assert not files(tmp_path).find(name, "").exists()
    # Of two that differ in case, the one that is only composed otherwise.
    write(tmp_path, f"x/{NFD}", f"x/{NFC.upper()}")
    assert files(tmp_path).find(f"x/{NFC}", "") == tmp_path / "x" / NFD


@pytest.mark.parametrize(
    "name", ["6.jpg", "a/6.jpg", "a\0b", "x" * 5000, "%00"]
)
def test_what_does_not_exist_is_where_it_would_be(tmp_path, name):
    write(tmp_path, "images/7.jpg")
    missing = files(tmp_path).find(f"./{name}", "")
    assert missing == tmp_path / "images" / name
    assert file_id(missing) == str(missing)


@pytest.mark.parametrize(
    "name",
    [
        "../../6.jpg",
        "../../data2/6.jpg",
        "a/../../../6.jpg",
        "..\\..\\6.jpg",
        "..%2F..%2F6.jpg",
        "/etc/hostname",
        "/a\0b",
        "C:\\pictures\\6.jpg",
        "\\\\server\\6.jpg",
    ],
)
def test_names_that_leave_the_folder(tmp_path, name):
    write(tmp_path, "6.jpg", "data2/6.jpg", "data/images/6.jpg")
    folder = tmp_path / "data"
    with pytest.raises(DataError) as caught:
        files(folder).find(name, "t.csv:2")
    shown = name.replace("\0", "\\x00")
    assert str(caught.value) == (
        f"t.csv:2: {shown} is not in {folder}; expected the name of a file in "
        "it, or --allow-outside"
    )
    path = files(folder, allow_outside=True).find(name, "t.csv:2")
    assert path.exists() == (name not in ("/a\0b", *NOT_HERE))


NOT_HERE = ("C:\\pictures\\6.jpg", "\\\\server\\6.jpg")


def test_links_that_a_user_put_there(tmp_path):
    write(tmp_path, "big/6.jpg", "big/7.jpg")
    folder = write(tmp_path / "data", "0.jpg")
    (folder / "images").symlink_to(tmp_path / "big")
    (folder / "8.jpg").symlink_to(tmp_path / "big" / "7.jpg")
    os.link(folder / "0.jpg", folder / "9.jpg")
    (tmp_path / "link").symlink_to(folder)
    for place in (folder, tmp_path / "link"):
        for name in ("6.jpg", "8.jpg", f"{folder}/0.jpg"):
            assert files(place).find(name, "").exists()
    one, other, another = (
        folder / n for n in ("8.jpg", "images/7.jpg", "0.jpg")
    )
    assert file_id(one) == file_id(other) == file_id(tmp_path / "big/7.jpg")
    assert file_id(another) == file_id(folder / "9.jpg") != file_id(one)
    # What is checked is what is read: not big/../5.jpg.
    write(tmp_path, "5.jpg")
    assert not files(folder).find("images/../5.jpg", "").exists()


HIDDEN = ["._0.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX"]
HIDDEN += ["@eaDir", "$RECYCLE.BIN", "lost+found", "~$captions.csv"]


def test_hidden_files_are_not_listed(tmp_path):
    write(tmp_path, "b.jpg", "a.jpg", ".x/y.jpg", *HIDDEN, "THUMBS.DB")
    assert listed(tmp_path) == [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    assert all(map(is_litter, HIDDEN))
    assert not any(map(is_litter, ("a.jpg", ".a.jpg", "..", "thumbs.jpg")))
    assert is_hidden(Path("x/.a.jpg"))
    assert not is_hidden("x/a.jpg")


def test_special_files_are_refused(tmp_path, monkeypatch):
    pipe = tmp_path / "a\n.jpg"
    os.mkfifo(pipe)
    with pytest.raises(DataError) as caught:
        refuse_special(pipe)
    assert str(caught.value) == (
        f"{tmp_path}/a\\n.jpg: is a pipe; expected a file"
    )
    with pytest.raises(DataError, match="is a device; expected a file"):
        refuse_special("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)
        server.bind("s")
        with pytest.raises(DataError, match="is a socket; expected a file"):
            refuse_special("s")


def refused(number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("name", ["stat", "listdir"])
def test_what_the_system_does_not_say_is_not_taken_for_nothing(
    tmp_path, monkeypatch, name
):
    write(tmp_path, "A.jpg")
    for number in (errno.EMFILE, errno.EACCES, errno.EIO):
        files = NamedFiles(tmp_path, [tmp_path])
        with monkeypatch.context() as patch:
            patch.setattr(os, name, refused(number))
            with pytest.raises(OSError, match=os.strerror(number)):
                files.find("a.jpg", "captions.csv:2")
        assert files.find("a.jpg", "captions.csv:2") == tmp_path / "A.jpg"


def test_files_folders_and_what_a_shell_has_opened_are_not(tmp_path):
    reading, writing = os.pipe()
    write(tmp_path, "a")
    for path in (tmp_path, tmp_path / "a", tmp_path / "none", "a\0b"):
        refuse_special(path)
    refuse_special(f"/dev/fd/{reading}")
    os.close(reading)
    os.close(writing)
