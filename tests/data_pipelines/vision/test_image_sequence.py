import pytest

from data_pipelines.vision import image_sequence
from data_pipelines.vision.images import PictureError


def folder(path, names):
    path.mkdir()
    for name in names:
        (path / name).touch()
    return path


def test_pictures_in_the_order_of_their_numbers(tmp_path):
    names = [f"frame_{n}.png" for n in range(8, 22)]
    path = folder(
        tmp_path / "clip",
        [*reversed(names), "notes.txt", "._frame_8.png", ".x.png"],
    )
    expected = [path / name for name in names]
    assert image_sequence.pictures(path) == expected
    assert image_sequence.numbered(path) == expected


def test_pictures_without_numbers(tmp_path):
    names = ["a.png", "b2x.png", "b10x.JPG"]
    path = folder(tmp_path / "clip", names)
    assert [p.name for p in image_sequence.numbered(path)] == names


def test_names_are_sorted_by_the_numbers_in_them():
    names = ["a", "a2", "a10", "a10b1", "a10b2", "b1"]
    assert sorted(reversed(names), key=image_sequence.natural) == names


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ["f_1.png", "f_2.png", "f_4.png"],
            "frame 3 is missing: f_2.png is followed by f_4.png",
        ),
        (
            ["f_1.png", "f_01.png"],
            "f_01.png and f_1.png have the same number",
        ),
        (
            ["cover.png", "f_1.png", "f_2.png"],
            "cover.png and f_2.png are not of one series; expected names that "
            "differ in their last number alone",
        ),
        (
            ["e_1.png", "f_2.png"],
            "e_1.png and f_2.png are not of one series; expected names that "
            "differ in their last number alone",
        ),
        (
            [],
            "the folder has no pictures (.jpg, .jpeg, .png, .bmp, .gif, .webp)",
        ),
    ],
)
def test_bad_folders(tmp_path, names, reason):
    path = folder(tmp_path / "clip", names)
    with pytest.raises(PictureError) as caught:
        image_sequence.numbered(path)
    assert caught.value.name == str(path)
    assert caught.value.reason == reason
