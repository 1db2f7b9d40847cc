import collections
import itertools
import struct
import time
import tracemalloc

import av
import numpy as np
import pytest
from PIL import Image

from data_pipelines.vision import image_sequence, images, video
from data_pipelines.vision.video import VideoError
from tests.data_pipelines.vision.videos import (
    H,
    W,
    encode,
    fails,
    frame,
    numbers,
)


def test_colours_and_sizes(tmp_path):
    path = encode(tmp_path / "a.mp4", 3)
    for size in ((H, W), (24, 32), (96, 32)):
        for actual in video.frames(path, size):
            assert actual.shape == (*size, 3)
            h, w = size[0] // 4, size[1] // 4
            assert np.abs(actual[h, 3 * w].astype(int) - 255).max() < 6
            assert np.abs(actual[3 * h, 3 * w].astype(int)).max() < 6


def test_sizes_as_pictures_get_them(tmp_path):
    path = encode(tmp_path / "a.mp4", 1)
    (plain,) = video.frames(path, (H, W))
    Image.fromarray(plain).save(tmp_path / "a.png")
    for mode in images.MODES:
        (actual,) = video.frames(path, (30, 20), mode=mode)
        expected = images.read(tmp_path / "a.png", (30, 20), mode)
        np.testing.assert_array_equal(actual, expected)


def test_memory_does_not_grow_with_length(tmp_path):
    video.write(tmp_path / "a.mp4", (frame(n) for n in range(600)), 10)
    tracemalloc.start()
    try:
        count = sum(1 for _ in video.frames(tmp_path / "a.mp4", (H, W)))
        assert count == 600
        assert tracemalloc.get_traced_memory()[1] < 60 * H * W * 3
    finally:
        tracemalloc.stop()


def nearest(times, fps, tick):
    """Frames nearest to 0, 1 / fps, ... by looking at all of them."""
    actual, count = [], 0
    while count == 0 or count / fps < times[-1] + tick - 1e-6:
        far = [round(abs(t - count / fps), 6) for t in times]
        actual.append((far.index(min(far)), count / fps))
        count += 1
    return actual


@pytest.mark.parametrize("fps", [1, 2.5, 3, 4, 5, 10, 24, 29.97])
@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_resampled_frames_are_the_nearest(fps, count):
    chance = np.random.default_rng(count)
    for times in (
        [n / 10 for n in range(count)],
        [0.0, *np.cumsum(chance.uniform(0.01, 0.4, count - 1))],
    ):
        timed = [(f"frame {n}", t) for n, t in enumerate(times)]
        actual = list(video.resampled(timed, fps, lambda _: 0.1))
        assert [(n, s) for _, n, s in actual] == nearest(times, fps, 0.1)
        assert [item for item, _, _ in actual] == [
            f"frame {n}" for _, n, _ in actual
        ]


def test_without_a_rate_nothing_is_left_out():
    timed = [("a", 0.0), ("b", 0.5), ("c", 0.6)]
    actual = list(video.resampled(timed, 0, lambda _: 0.1))
    assert actual == [("a", 0, 0.0), ("b", 1, 0.5), ("c", 2, 0.6)]
    assert not list(video.resampled([], 5, lambda _: 0.1))


def test_resampled_file(tmp_path):
    path = encode(tmp_path / "a.mp4")
    assert numbers(video.frames(path, (24, 32), fps=5)) == list(range(0, 30, 2))
    twice = [n for n in range(30) for _ in (0, 1)]
    reader = video.Reader(path, (24, 32), fps=20)
    actual = list(reader)
    assert len(actual) == 60
    # Half-way between two frames the earlier one is taken.
    assert [f.number for f in actual] == twice
    assert numbers(f.pixels for f in actual) == twice
    assert reader.count == 30
    assert reader.expected() == 60


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_variable_rate(tmp_path, kind):
    # The first time is not 0.
    times = [500 + t for t in (0, 40, 80, 500, 900, 940, 2000)]
    path = encode(tmp_path / f"a.{kind}", 7, times=times)
    reader = video.Reader(path, (24, 32))
    assert [f.seconds for f in reader] == pytest.approx(
        [0, 0.04, 0.08, 0.5, 0.9, 0.94, 2], abs=0.002
    )
    actual = [f.number for f in video.Reader(path, (24, 32), fps=4)]
    assert actual[:9] == [0, 2, 3, 4, 5, 5, 6, 6, 6]


SHARP = {"bf": "2", "qmax": "2"}


@pytest.mark.parametrize(
    ("kind", "codec", "coding"),
    [
        *[(kind, "libx264", {"bf": "3"}) for kind in ("mp4", "mkv", "mov")],
        *[(kind, "libx264", {"bf": "3"}) for kind in ("avi", "flv", "h264")],
        *[(kind, "mpeg4", SHARP) for kind in ("avi", "mp4", "asf")],
        *[(kind, "mpeg2video", SHARP) for kind in ("ts", "mpg")],
        ("m4v", "mpeg4", SHARP),
        ("mkv", "libx264", {"flags": "+ildct+ilme", "bf": "2"}),
    ],
)
def test_frames_that_are_coded_in_another_order(tmp_path, kind, codec, coding):
    path = tmp_path / f"a.{kind}"
    rate = 25 if codec == "mpeg2video" else 10
    encode(path, rate=rate, codec=codec, coding=coding)
    for fps in (0, rate / 2):
        reader = video.Reader(path, (24, 32), fps)
        result = list(reader)
        step = 2 if fps else 1
        expected = list(range(0, 30, step))
        assert [f.number for f in result] == expected
        assert numbers(f.pixels for f in result) == expected
        times = [n / rate for n in expected]
        assert [f.seconds for f in result] == pytest.approx(times, abs=0.002)
        assert reader.count == 30


def test_avi_with_frames_left_out(tmp_path):
    # A frame that is left out is one of no bytes, which repeats that before.
    shows = [0, 1, 2, 5, 6, 10, 11, 12]
    times = [100 * n for n in shows]
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 10, {"bf": "2"})
        stream.height, stream.width, stream.pix_fmt = H, W, "yuv420p"
        packets = []
        for number in range(len(shows)):
            picture = av.VideoFrame.from_ndarray(frame(number), format="rgb24")
            packets += stream.encode(picture)
        packets += stream.encode()
        for packet, number in zip(packets, shows, strict=True):
            packet.pts = packet.dts = number
        container.mux(packets)
    result = list(video.Reader(path, (24, 32)))
    assert numbers(f.pixels for f in result) == list(range(len(shows)))
    assert [1000 * f.seconds for f in result] == pytest.approx(times)


@pytest.mark.parametrize("edit", [(3000, 0), (1000, 5 * 1024), (500, 1024)])
@pytest.mark.parametrize("coding", [{"bf": "0"}, {"bf": "2"}])
def test_edit_lists(tmp_path, edit, coding):
    path = encode(tmp_path / "a.mp4", coding=coding)
    content = bytearray(path.read_bytes())
    start = content.index(b"elst") + 12
    length, first = edit
    (begins,) = struct.unpack(">i", content[start + 4 : start + 8])
    content[start : start + 8] = struct.pack(">ii", length, begins + first)
    path.write_bytes(content)
    result = list(video.Reader(path, (24, 32)))
    expected = list(range(first // 1024, first // 1024 + length // 100))
    assert numbers(f.pixels for f in result) == expected
    times = [n / 10 for n in range(len(expected))]
    assert [f.seconds for f in result] == pytest.approx(times)


@pytest.mark.parametrize("run", [1, 2])
def test_a_frame_of_years_is_not_repeated_for_years(tmp_path, run):
    # In runs of frames that last alike: 3, one of a second, and the last one.
    times = [0, 100, 200, 300, 1300]
    coding = {"bf": "0"}
    path = tmp_path / "a.mp4"
    encode(path, 5, times=times, coding=coding, use_editlist="0")
    content = bytearray(path.read_bytes())
    place = content.index(b"stts") + 12 + 8 * run
    content[place : place + 8] = struct.pack(">II", 1, 2**31 - 5)
    path.write_bytes(content)
    assert len(list(video.frames(path, (8, 8)))) == 5
    started = time.monotonic()
    frames = iter(video.Reader(path, (8, 8), 10))
    assert next(frames).number == 0
    with pytest.raises(VideoError, match=r"a\.mp4: shows \d frames for 13\d,"):
        collections.deque(itertools.islice(frames, 100), 0)
    assert time.monotonic() - started < 5


def test_headers_that_say_years(tmp_path):
    # Matroska says when a frame is shown, AVI how many are in so long.
    path = encode(tmp_path / "a.mkv", 3, times=[0, 100, 10**9])
    assert "seconds; at 10 frames a second" in fails(path, fps=10)
    assert video.Reader(path, (8, 8)).expected() < 1000
    path = encode(tmp_path / "a.avi")
    content = bytearray(path.read_bytes())
    start = content.index(b"strh") + 28
    content[start : start + 8] = struct.pack("<II", 2**31 - 1, 1)
    path.write_bytes(content)
    reader = video.Reader(path, (8, 8), 10)
    with pytest.raises(VideoError, match="shows 30 frames for 64,424,509,410"):
        reader.expected()
    assert "shows 2 frames for" in fails(path, fps=10)
    path = encode(tmp_path / "a.gif", 9, times=[655_000 * n for n in range(9)])
    assert "seconds; at 25 frames a second" in fails(path, fps=25)


@pytest.mark.parametrize("words", [b"nan", b"inf", b"1e9", b"-1:", b"9" * 4])
def test_a_length_that_is_none(tmp_path, words):
    path = encode(tmp_path / "a.mkv", 3)
    content = path.read_bytes()
    assert b"00:00:00.300000000" in content
    tag = (words + b":" + words + b":" + words).ljust(18, b"0")[:18]
    path.write_bytes(content.replace(b"00:00:00.300000000", tag))
    assert numbers(video.frames(path, (24, 32))) == [0, 1, 2]


def test_a_slide_show_is_no_bomb(tmp_path):
    path = encode(tmp_path / "a.mkv", 3, times=[0, 600_000, 1_200_000])
    result = list(video.frames(path, (1, 1), fps=5))
    assert len(result) == 5 * 1200 + 1


def test_the_last_frame_is_asked_how_long_it_is_shown():
    timed = [("a", 0.0), ("b", 0.1)]
    lasting = {"a": 9.0, "b": 0.35}
    actual = list(video.resampled(timed, 10, lasting.get))
    assert [item for item, _, _ in actual] == ["a", "b", "b", "b", "b"]


# Frames that a decoder takes in another order have other durations in mp4.
@pytest.mark.parametrize("kind", ["gif", "webm", "mkv", "mov"])
@pytest.mark.parametrize("last", [2000, 500, 20])
def test_a_last_frame_of_another_length(tmp_path, kind, last):
    times = [0, 100, 200, 300]
    path = encode(tmp_path / f"a.{kind}", 4, times=times, last=last)
    seconds = (times[-1] + last) / 1000
    reader = video.Reader(path, (24, 32))
    assert [f.seconds for f in reader] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert video.probe(path).seconds == pytest.approx(seconds)
    for fps in (5, 10, 20):
        actual = [f.number for f in video.Reader(path, (24, 32), fps)]
        chosen = nearest([t / 1000 for t in times], fps, last / 1000)
        assert actual == [number for number, _ in chosen]


@pytest.mark.parametrize("kind", ["webm", "mkv"])
def test_a_long_last_frame_is_no_missing_end(tmp_path, kind):
    times = [0, 40, 80, 120, 160]
    path = encode(tmp_path / f"a.{kind}", 5, times=times, last=5000)
    assert numbers(video.frames(path, (24, 32))) == list(range(5))
    # Without its last frame it is cut off.
    content = path.read_bytes()
    with av.open(str(path)) as container:
        places = {p.pts: p.pos for p in container.demux(video=0) if p.size}
    path.write_bytes(content[: places[160]])
    assert "is cut off after" in fails(path)


def test_durations_in_another_order_are_not_taken(tmp_path):
    # In mp4 a duration is that until the next frame in the file.  Here the
    # last frame stands before the one before it, and seems to last a second.
    times = [0, 1000, 1100, 1200]
    path = encode(tmp_path / "a.mp4", 4, times=times)
    with av.open(str(path)) as container:
        *_, end = container.decode(video=0)
        tick = 1 / container.streams.video[0].average_rate
    assert end.duration * end.time_base > 1.5 * tick
    chosen = nearest([t / 1000 for t in times], 10, float(tick))
    actual = [f.number for f in video.Reader(path, (24, 32), 10)]
    assert actual == [number for number, _ in chosen]


@pytest.mark.parametrize("fps", [24, 60])
def test_a_coarse_time_base_adds_no_frames(tmp_path, fps):
    times = [round(1000 * n / fps) for n in range(24)]
    for last in (1000 // fps, 1000 // fps + 1):
        path = encode(tmp_path / "a.mkv", 24, rate=fps, times=times, last=last)
        assert len(list(video.frames(path, (24, 32), fps / 3))) == 8


def test_bad_arguments():
    for fps in (-1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="fps must be 0 or more"):
            video.Reader("a.mp4", (8, 8), fps)
    with pytest.raises(ValueError, match="expected stretch, crop"):
        video.frames("a.mp4", (8, 8), mode="fit")


def test_written_frames_come_back(tmp_path):
    made = [frame(n) for n in range(25)]
    video.write(tmp_path / "a.mp4", made, 12.5, {"qp": "10"})
    actual = list(video.frames(tmp_path / "a.mp4", (H, W)))
    assert np.abs(np.stack(actual).astype(int) - np.stack(made)).mean() < 2
    assert video.probe(tmp_path / "a.mp4").fps == 12.5


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([], "no frames"),
        ([np.zeros((9, 8, 3), np.uint8)], "even sizes, not 9 x 8"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 6, 3), np.uint8)], "exp"),
    ],
)
def test_what_cannot_be_written(tmp_path, made, message):
    with pytest.raises(ValueError, match=message):
        video.write(tmp_path / "a.mp4", made, 10)
    assert not list(tmp_path.iterdir())


def folder(path, names, **options):
    path.mkdir()
    for number, name in enumerate(names):
        Image.fromarray(frame(number)).save(path / name, **options)
    return path


def test_pictures_in_the_order_of_their_numbers(tmp_path):
    names = [f"frame_{n}.png" for n in range(8, 22)]
    path = folder(tmp_path / "clip", names)
    (path / "notes.txt").write_text("not a picture")
    assert numbers(video.frames(path, (24, 32))) == list(range(14))
    reader = video.Reader(path, (24, 32), fps=5)
    actual = list(reader)
    assert [f.seconds for f in actual] == [n / 5 for n in range(14)]
    assert reader.count == reader.expected() == 14
    assert reader.fps == 5
    assert video.probe(path) == (14, image_sequence.FPS, 14 / 25)


def test_bad_picture_in_a_folder(tmp_path):
    path = folder(tmp_path / "clip", ["f_1.png", "f_2.png", "f_3.png"])
    (path / "f_2.png").write_bytes(b"no picture")
    assert fails(path).startswith("f_2.png is no JPEG, PNG")


def test_a_folder_that_is_no_series(tmp_path):
    path = folder(tmp_path / "clip", ["f_1.png", "f_3.png"])
    assert fails(path) == "frame 2 is missing: f_1.png is followed by f_3.png"


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_upright_sizes(tmp_path, rotation):
    path = encode(tmp_path / "a.mp4", 2, rotation=rotation)
    expected = np.rot90(frame(0), rotation // 90).shape[:2]
    assert video.upright_size(path) == expected
    # What says no size has one to divide by.
    cut = encode(tmp_path / "a.flv", 2)
    cut.write_bytes(cut.read_bytes()[:500])
    assert min(video.upright_size(cut)) > 0
    pictures = folder(tmp_path / "clip", ["1.png"])
    assert video.upright_size(pictures) == (H, W)
    path.write_bytes(b"no video")
    with pytest.raises(VideoError, match=r"a\.mp4: is not a video"):
        video.upright_size(path)
