import struct

import numpy as np
import pytest

from data_pipelines.vision import video
from tests.data_pipelines.vision.videos import (
    H,
    W,
    encode,
    frame,
)


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
