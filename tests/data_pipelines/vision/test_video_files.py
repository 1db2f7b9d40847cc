import re
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from data_pipelines.vision import images, video
from tests.data_pipelines.vision.videos import (
    H,
    W,
    encode,
    fails,
    frame,
    numbers,
    shade,
)

WHOLE = ["mp4", "mov", "avi", "webm", "gif", "mkv"]


@pytest.mark.parametrize("kind", WHOLE)
def test_kinds_are_known_by_content(tmp_path, kind):
    path = encode(tmp_path / f"a.{kind}").rename(tmp_path / "no_ending")
    actual = list(video.frames(path, (24, 32)))
    assert numbers(actual) == list(range(30))
    assert all(f.shape == (24, 32, 3) and f.dtype == np.uint8 for f in actual)
    about = video.probe(path)
    assert about == video.About(30, 10.0, 3.0)


def test_names_that_look_like_addresses(tmp_path):
    path = encode(tmp_path / "a.mp4").rename(tmp_path / "http:x?y %20#.mp4")
    assert len(list(video.frames(path, (24, 32)))) == 30


def field(number, bottom):
    """A field of one macroblock as H.264, by the standard's syntax.

    Two of them are a frame of 32 rows; each frame is an IDR picture.
    """

    def ue(value):  # Exp-Golomb
        word = f"{value + 1:b}"
        return "0" * (len(word) - 1) + word

    def unit(kind, bits, samples=b""):
        bits += "" if samples else "1"
        bits += "0" * (-len(bits) % 8)
        content = int(bits, 2).to_bytes(len(bits) // 8, "big") + samples
        return b"\0\0\0\1" + bytes([0x60 | kind]) + content

    # Main profile, POC type 2, one macroblock wide, frames of fields.
    sets = unit(
        7, f"{77:08b}{0:08b}{30:08b}11" + ue(2) + ue(1) + "0110010" + "0"
    )
    sets += unit(8, "11001110" + "00" + "111" + "100")
    head = ue(0) + ue(7) + ue(0) + "0000" + "1" + str(int(bottom))
    head += "0" if bottom else ue(number % 2) + "00"
    head += ue(0) + ue(1) + ue(25)
    grey = 16 + round(shade(number) * 219 / 255)
    samples = bytes([grey]) * 256 + b"\x80" * 128 + b"\x80"
    return sets + unit(1 if bottom else 5, head, samples)


@pytest.mark.parametrize("kind", ["avi", "h264"])
def test_frames_of_two_fields(tmp_path, kind):
    fields = [field(n, bottom) for n in range(10) for bottom in (False, True)]
    path = tmp_path / f"a.{kind}"
    if kind == "h264":
        path.write_bytes(b"".join(fields))
        assert numbers(video.frames(path, (32, 16))) == list(range(10))
        return
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 50)
        stream.height, stream.width, stream.pix_fmt = 32, 16, "yuv420p"
        container.start_encoding()
        for number, content in enumerate(fields):
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, Fraction(1, 50)
            packet.pts = packet.dts = number
            container.mux(packet)
    assert fails(path).startswith("has frames of two fields, each with a time")


def test_a_cover_is_no_frame(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        stream = container.add_stream("libx264", rate=10)
        cover.disposition = av.stream.Disposition.attached_pic
        for part, pixels in ((cover, "yuvj420p"), (stream, "yuv420p")):
            part.height, part.width, part.pix_fmt = H, W, pixels
        for part, count in ((cover, 1), (stream, 5)):
            for number in range(count):
                picture = frame(29 - number if part is cover else number)
                picture = av.VideoFrame.from_ndarray(picture, format="rgb24")
                container.mux(part.encode(picture))
            container.mux(part.encode())
    assert numbers(video.frames(path, (24, 32))) == list(range(5))


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi"])
def test_tags_that_are_not_utf8(tmp_path, kind):
    path = encode(tmp_path / f"a.{kind}", 3, tags={"title": "a camera of old"})
    content = path.read_bytes()
    assert b"camera" in content
    path.write_bytes(content.replace(b"camera", b"cam\xe9r\xff"))
    assert numbers(video.frames(path, (24, 32))) == [0, 1, 2]
    assert video.probe(path).frames == 3
    assert video.upright_size(path) == (H, W)


@pytest.mark.parametrize("kind", WHOLE)
def test_cut_off(tmp_path, kind):
    path = encode(tmp_path / f"a.{kind}")
    content = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(content[: int(share * len(content))])
        assert "cut off" in fails(path)


def test_cut_off_mp4(tmp_path):
    path = encode(tmp_path / "a.mp4")
    content = path.read_bytes()
    cut, whole = content.index(b"moov"), f"{len(content):,}"
    path.write_bytes(content[: cut + 40])
    assert fails(path) == (
        f"is cut off, {cut + 40:,} of {whole} bytes or more are there: moov "
        "atom not found"
    )
    # The table of contents comes first.
    path = encode(tmp_path / "b.mp4", movflags="faststart")
    content = path.read_bytes()
    cut = content.index(b"mdat") + 400
    path.write_bytes(content[:cut])
    assert fails(path) == (
        f"is cut off, {cut:,} of {len(content):,} bytes or more are there"
    )
    # What stands behind the video does no harm.
    path.write_bytes(content + b"\0\0\0\0 and so on")
    assert len(list(video.frames(path, (24, 32)))) == 30


@pytest.mark.parametrize("kind", ["webm", "gif"])
def test_how_many_frames_are_left(tmp_path, kind):
    path = encode(tmp_path / f"a.{kind}")
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    assert re.search(r"after \d+( of 30)? frames|in frame \d+", fails(path))


def sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        silence = np.zeros((1, 1024), np.float32)
        sound = av.AudioFrame.from_ndarray(silence, "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())


def test_no_video_in_it(tmp_path):
    path = tmp_path / "a.mp4"
    assert fails(path) == "there is no such file"
    path.write_bytes(b"")
    assert fails(path) == "the file is empty"
    path.write_bytes(b"what is this\n" * 100)
    assert fails(path) == "is not a video"
    Image.new("RGB", (8, 8)).save(path, "JPEG")
    assert fails(path) == "is not a video"
    sound(path)
    assert fails(path) == "has no video stream"
    # A playlist would make FFmpeg open other files.
    encode(tmp_path / "b.mp4")
    path.write_text("#EXTM3U\n#EXTINF:1,\nb.mp4\n#EXT-X-ENDLIST\n")
    assert fails(path) == "is not a video"


def test_zero_frames(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = H, W, "yuv420p"
        container.start_encoding()
    assert fails(path) in ("has no frames", "has no video stream")


def test_too_large_by_its_header(tmp_path, monkeypatch):
    path = encode(tmp_path / "a.mp4", 2)
    monkeypatch.setattr(images, "MOST_PIXELS", H * W - 1)
    assert fails(path) == f"is {W} x {H} pixels; expected at most {H * W - 1:,}"


# How frames are shown.


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
