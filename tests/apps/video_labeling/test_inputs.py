"""Which files are videos or features, and their names."""

import os

import pytest
from PIL import Image

from apps.common.cli import UserError
from apps.video_labeling import inputs
from tests.apps.videos import gif, picture, pictures, write


def listed(folder, capsys):
    found = [path.name for path in inputs.listed([folder])]
    return found, capsys.readouterr().err


def test_a_folder_with_videos_is_a_folder_of_videos(tmp_path, capsys):
    write(tmp_path / "a.mkv", 3)
    pictures(tmp_path / "clip")
    Image.fromarray(picture(1)).save(tmp_path / "cover.png")
    found, said = listed(tmp_path, capsys)
    assert found == ["a.mkv", "clip"]
    assert said.startswith(f"note: {tmp_path}: is read as a folder of videos")
    assert "pictures (1, such as cover.png) are not read" in said


def test_what_systems_leave_behind_is_not_read(tmp_path, capsys):
    write(tmp_path / "a.mkv", 3)
    write(tmp_path / ".b.mkv", 3)
    for name in ("._a.mkv", ".DS_Store", "Thumbs.db", "._c.mp4", "desktop.ini"):
        (tmp_path / name).write_bytes(b"attributes")
    pictures(tmp_path / "__MACOSX")
    assert listed(tmp_path, capsys) == (["a.mkv"], "")
    # A shell makes a list of all that is in a folder.
    every = list(inputs.listed(map(str, sorted(tmp_path.iterdir()))))
    assert every == [tmp_path / ".b.mkv", tmp_path / "a.mkv"]
    for name in ("._a.npy", "a.npy", ".b.npy"):
        (tmp_path / name).touch()
    features = inputs.listed([str(tmp_path)], features=True)
    assert list(features) == [tmp_path / "a.npy"]
    with pytest.raises(UserError, match="no video; give files or folders"):
        list(inputs.listed([str(tmp_path / "Thumbs.db")]))


def test_a_gif_that_moves_is_a_video(tmp_path, capsys):
    gif(tmp_path / "a.gif", 3)
    gif(tmp_path / "b.gif", 3)
    assert listed(tmp_path, capsys) == (["a.gif", "b.gif"], "")
    write(tmp_path / "c.mkv", 3)
    assert listed(tmp_path, capsys) == (["a.gif", "b.gif", "c.mkv"], "")
    pictures(tmp_path)
    found, said = listed(tmp_path, capsys)
    assert found == ["a.gif", "b.gif", "c.mkv"]
    assert "(3, such as 0.png) are not read" in said


def test_gifs_that_do_not_move_are_frames(tmp_path, capsys):
    for number in range(3):
        gif(tmp_path / f"{number}.gif", 1)
    assert listed(tmp_path, capsys) == ([tmp_path.name], "")


def test_a_folder_of_pictures_with_folders_is_one_video(tmp_path, capsys):
    pictures(tmp_path)
    pictures(tmp_path / "masks")
    found, said = listed(tmp_path, capsys)
    assert found == [tmp_path.name]
    assert "is read as one video" in said
    assert "(1, such as masks) are not read" in said


@pytest.mark.parametrize(
    ("name", "codec", "kind"),
    [
        ("a.3gp", "mpeg4", "mp4"),
        ("a.flv", "flv", None),
        ("a.mts", "libx264", "mpegts"),
        ("a.ogv", "ffv1", "matroska"),
        ("a.wmv", "wmv2", "asf"),
        ("a", "ffv1", "matroska"),
    ],
)
def test_a_video_is_found_whatever_its_name(
    tmp_path, capsys, name, codec, kind
):
    write(tmp_path / name, 3, codec, kind=kind)
    for other in ("notes.txt", "labels.csv", "empty"):
        (tmp_path / other).write_text("" if other == "empty" else "a,b\n" * 99)
    assert listed(tmp_path, capsys) == ([name], "")
    (tmp_path / "bad.wmv").write_text("no video")
    assert listed(tmp_path, capsys)[0] == sorted([name, "bad.wmv"])


def test_a_pipe_is_not_waited_for(tmp_path, capsys):
    write(tmp_path / "a.mkv", 3)
    for name in ("b.gif", "c.png", "d.mkv"):
        os.mkfifo(tmp_path / name)
    assert listed(tmp_path, capsys)[0] == ["a.mkv"]
