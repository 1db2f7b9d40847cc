import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from data_pipelines.vision import images, video
from tests.data_pipelines.vision.videos import (
    H,
    W,
    encode,
    frame,
)


@pytest.mark.parametrize(
    ("rotation", "turns"), [(0, 0), (90, 1), (180, 2), (-90, 3)]
)
def test_rotation(tmp_path, rotation, turns):
    path = encode(tmp_path / "a.mp4", 2, rotation=rotation)
    expected = np.rot90(frame(1), turns)  # counterclockwise, as FFmpeg says
    *_, actual = video.frames(path, expected.shape[:2])
    assert np.abs(actual.astype(int) - expected).mean() < 6


ORIENTATIONS = [
    (a, 0, 0, d) if upright else (0, a, d, 0)
    for upright in (True, False)
    for a in (1, -1)
    for d in (1, -1)
]


def shown(pixels, a, b, c, d):
    """Moves the pixel in column p and row q to (a p + c q, b p + d q)."""
    rows, columns = pixels.shape[:2]
    places = {
        (b * p + d * q, a * p + c * q): pixels[q, p]
        for q in range(rows)
        for p in range(columns)
    }
    top, left = min(r for r, _ in places), min(p for _, p in places)
    moved = np.zeros((columns, rows, 3) if b else pixels.shape, np.uint8)
    for (row, column), pixel in places.items():
        moved[row - top, column - left] = pixel
    return moved


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_display_matrices(tmp_path, kind, orientation):
    a, b, c, d = (number << 16 for number in orientation)
    matrix = (a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = encode(tmp_path / f"a.{kind}", 2, matrix=matrix)
    expected = shown(frame(1), *orientation)
    *_, pixels = video.frames(path, expected.shape[:2])
    assert np.abs(pixels.astype(int) - expected).mean() < 6
    assert video.upright_size(path) == expected.shape[:2]


@pytest.mark.parametrize(
    ("kind", "turned"),
    [("mp4", False), ("mp4", True), ("mkv", True), ("avi", False)],
)
def test_pixels_that_are_not_square(tmp_path, kind, turned):
    path = tmp_path / f"a.{kind}"
    aspect, turn = Fraction(3, 1), 90 if turned else None
    encode(path, 2, aspect=aspect, rotation=turn, codec="mpeg4")
    wide = np.rot90(np.repeat(frame(1), 3, axis=1), int(turned))
    assert video.upright_size(path) == wide.shape[:2]
    for mode in images.MODES:
        picture = Image.fromarray(np.ascontiguousarray(wide))
        expected = np.array(images.resized(picture, 20, 20, mode), int)
        *_, pixels = video.frames(path, (20, 20), mode=mode)
        assert np.abs(pixels - expected).mean() < 6


def with_box(content, path, box):
    """Puts a box at the end of one in an mp4 file whose `moov` is its last."""
    content, at, places = bytearray(content), 0, []
    for kind in path:
        at = content.index(kind, at)
        places.append(at - 4)
    (length,) = struct.unpack(">I", content[places[-1] : places[-1] + 4])
    end = places[-1] + length
    content[end:end] = struct.pack(">I", len(box) + 4) + box
    for place in places:
        (length,) = struct.unpack(">I", content[place : place + 4])
        content[place : place + 4] = struct.pack(">I", length + len(box) + 4)
    return bytes(content)


TRACK = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"]


CLAP = [  # width, height, right, down; and what is shown of 64 x 48
    ((48, 1, 24, 1, 0, 1, 0, 1), np.s_[12:36, 8:56]),
    ((32, 1, 48, 1, 16, 1, 0, 1), np.s_[:, 32:]),
    ((60, 2, 20, 1, -3, 1, 2, 1), np.s_[16:36, 14:44]),
    ((65, 1, 48, 1, 0, 1, 0, 1), np.s_[:, :]),
    ((24, 0, 16, 1, 0, 1, 0, 1), np.s_[:, :]),
    ((32, 1, 48, 1, 17, 1, 0, 1), np.s_[:, :]),
]


@pytest.mark.parametrize("rotation", [None, 90])
@pytest.mark.parametrize(("numbers", "part"), CLAP)
def test_what_a_clean_aperture_leaves_is_shown(
    tmp_path, numbers, part, rotation
):
    path = encode(tmp_path / "a.mp4", 2, rotation=rotation, coding={"crf": "1"})
    box = b"clap" + struct.pack(">IIIIiIiI", *numbers)
    path.write_bytes(with_box(path.read_bytes(), TRACK, box))
    expected = np.rot90(frame(1)[part], 0 if rotation is None else 1)
    assert video.upright_size(path) == expected.shape[:2]
    *_, actual = video.frames(path, expected.shape[:2])
    assert np.abs(actual.astype(int) - expected).mean() < 6


def test_a_clean_aperture_that_is_cut_off(tmp_path):
    path = encode(tmp_path / "a.mp4", 2)
    path.write_bytes(with_box(path.read_bytes(), TRACK, b"clap\0\0"))
    assert video.upright_size(path) == (H, W)


EDGES = [  # of PixelCropLeft, Top, Right and Bottom; what is shown of 64 x 48
    (b"\xcc", 16, np.s_[:, 16:]),
    (b"\xbb", 12, np.s_[12:, :]),
    (b"\xdd", 40, np.s_[:, :24]),
    (b"\xaa", 20, np.s_[:28, :]),
]


@pytest.mark.parametrize("rotation", [None, 90])
@pytest.mark.parametrize(("edge", "pixels", "part"), EDGES)
def test_the_edges_that_matroska_leaves_out(
    tmp_path, edge, pixels, part, rotation
):
    path = encode(tmp_path / "a.mkv", 2, rotation=rotation, coding={"crf": "1"})
    content = path.read_bytes()
    unit = b"\x54\xb2\x81\x04"  # DisplayUnit, of no use without a size
    assert content.count(unit) == 1
    content = content.replace(unit, b"\x54" + edge + b"\x81" + bytes([pixels]))
    path.write_bytes(content)
    expected = np.rot90(frame(1)[part], 0 if rotation is None else 1)
    assert video.upright_size(path) == expected.shape[:2]
    *_, actual = video.frames(path, expected.shape[:2])
    assert np.abs(actual.astype(int) - expected).mean() < 6
