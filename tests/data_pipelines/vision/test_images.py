import contextlib
import errno
import io
import itertools
import os
import resource
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipelines.files.errors import DataError
from data_pipelines.vision import graph_images, images, video
from data_pipelines.vision.images import (
    BadFiles,
    PictureError,
    read,
)

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
RED, WHITE = (255, 0, 0), (255, 255, 255)


def scene(height=24, width=40):
    """Four colours in the corners, so that every turn of it is another."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (200, 40, 40)
    pixels[: height // 2, width // 2 :] = (40, 200, 40)
    pixels[height // 2 :, : width // 2] = (40, 40, 200)
    pixels[height // 2 :, width // 2 :] = (220, 220, 40)
    return pixels


def smooth(height, width):
    rows, columns = np.mgrid[:height, :width]
    planes = (rows * 255 / height, columns * 255 / width, rows * 0 + 90)
    return np.stack(planes, -1).astype(np.uint8)


def encoded(picture, format="PNG", **options):
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def lossless(format):
    return {"lossless": True} if format == "WEBP" else {}


def reason(source, size=8, **options):
    with pytest.raises(PictureError) as caught:
        read(source, size, **options)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", crc(body))


def crc(body):
    return zlib.crc32(body)


def png(width, height, data=b"", bits=8, kind=2, more=b""):
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + more
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


# What can be read.


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_under_a_wrong_name(tmp_path, format):
    path = tmp_path / "picture.txt"
    path.write_bytes(encoded(scene(), format, **lossless(format)))
    actual = read(path, (24, 40))
    assert actual.dtype == np.uint8
    assert actual.shape == (24, 40, 3)
    difference = np.abs(actual.astype(int) - scene())
    # JPEG mixes colours along the edges, GIF has 256 of them.
    assert np.median(difference) <= (4 if format == "JPEG" else 0)
    assert np.array_equal(read(path.read_bytes(), (24, 40)), actual)
    assert np.array_equal(read(str(path), (24, 40)), actual)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_modes_of_png(mode):
    levels = np.array([[0, 255], [255, 0]], np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(levels.astype(np.uint16) * 257)
        assert picture.mode == mode
    else:
        picture = Image.fromarray(levels).convert(mode)
    actual = read(encoded(picture), 2)
    assert np.array_equal(actual, np.repeat(levels[..., None], 3, -1))


def test_cmyk():
    picture = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    actual = read(encoded(picture, "JPEG"), 4).astype(int)
    assert np.abs(actual - RED).max() <= 3


def test_16_bits_keep_their_upper_half():
    levels = np.array([[0x0180, 0x7F00], [0xFFFF, 0x00FF]], np.uint16)
    actual = read(encoded(Image.fromarray(levels)), 2)[..., 0]
    assert actual.tolist() == [[1, 127], [255, 0]]


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_transparent_is_white(format):
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0] = (255, 0, 0, 255)
    pixels[1, 0] = (0, 0, 255, 0)
    pixels[1, 1] = (0, 0, 0, 127)
    actual = read(encoded(pixels, format, **lossless(format)), 2)
    assert actual[0].tolist() == [list(RED)] * 2
    assert actual[1, 0].tolist() == list(WHITE)
    assert np.abs(actual[1, 1].astype(int) - 128).max() <= 1


def test_transparent_colours_of_palettes_and_greys():
    picture = Image.fromarray(scene()).quantize(4)
    corner = picture.getpixel((0, 0))
    for format in ("PNG", "GIF"):
        actual = read(encoded(picture, format, transparency=corner), (24, 40))
        assert actual[0, 0].tolist() == list(WHITE)
        assert actual[0, 39].tolist() == [40, 200, 40]
    grey = Image.fromarray(np.array([[7, 9]], np.uint8))
    actual = read(encoded(grey, transparency=7), (1, 2))
    assert actual[0].tolist() == [[255] * 3, [9] * 3]
    grey = Image.fromarray(np.array([[700, 900]], np.uint16))
    actual = read(encoded(grey, transparency=700), (1, 2))
    assert actual[0].tolist() == [[255] * 3, [3] * 3]


def test_a_transparent_grey_is_a_level_of_the_file():
    contents, pictures = [], []
    for bits in (1, 2, 4, 8, 16):
        levels = f"{0:0{bits}b}{1:0{bits}b}{2**bits - 1:0{bits}b}"
        row = int(levels.ljust(48, "0"), 2).to_bytes(6, "big")
        row = row[: -(-3 * bits // 8)]
        transparent = chunk(b"tRNS", struct.pack(">H", 1))
        contents.append(png(3, 1, b"\0" + row, bits, 0, transparent))
        pictures.append(read(contents[-1], (1, 3)))
        # The level 1, whatever brightness it stands for, is white.
        assert pictures[-1][0, :, 0].tolist() == [0, 255, 255], bits
    graph, _ = graph_images.read(tf.constant(contents), (1, 3))
    np.testing.assert_array_equal(graph, pictures)


def test_hidden_colours_do_not_bleed_into_their_neighbours():
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:, :2] = (255, 255, 255, 255)  # beside black that is not seen
    assert (read(encoded(pixels), 2) == 255).all()


# Turning and resizing.


# Where the upper left, upper right, lower left and lower right corners of
# the upright picture stand in the file, by the standard's own words: "the
# 0th row is the visual top, the 0th column the visual left" and so on.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("format", ["PNG", "WEBP", "JPEG"])
def test_turned_as_exif_says(orientation, format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {}
    options = options or lossless(format)
    content = encoded(scene(), format, exif=exif, **options)
    expected = UPRIGHT[orientation](scene())
    actual = read(content, expected.shape[:2])
    assert np.abs(actual.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("mode", images.MODES)
def test_turned_then_resized(mode):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = smooth(30, 60)
    turned = read(encoded(pixels, exif=exif), (20, 16), mode)
    upright = read(encoded(np.rot90(pixels, -1)), (20, 16), mode)
    assert np.abs(turned.astype(int) - upright).max() <= 1


def test_broken_exif_is_no_broken_picture():
    for exif in (b"Exif\0\0MM", b"Exif\0\0II*\0\xff\xff\xff\xff", b"x" * 40):
        content = encoded(scene(), "JPEG", exif=exif)
        assert read(content, (24, 40)).shape == (24, 40, 3)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((64, 96), (16, 24)), ((50, 70), (21, 33)), ((9, 7), (20, 30))],
)
def test_resized_as_tensorflow_does_with_antialias(shape, size):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    expected = tf.image.resize(pixels, size, antialias=True).numpy()
    actual = read(encoded(pixels), size)
    # Pillow rounds after each of the two directions.
    assert np.abs(actual - expected).max() <= 1.5


def test_crop_keeps_the_centre_and_the_ratio():
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = 255  # the square in the middle
    assert (read(encoded(pixels), 5, "crop") == 255).all()
    tall = np.ascontiguousarray(pixels.transpose(1, 0, 2))
    assert (read(encoded(tall), 5, "crop") == 255).all()
    assert not (read(encoded(pixels), 5) == 255).all()
    pixels = smooth(20, 40)
    whole = read(encoded(pixels), (10, 20), "crop")
    assert np.array_equal(whole, read(encoded(pixels), (10, 20)))


def test_a_pixel_is_a_picture():
    pixel = np.full((1, 1, 3), 77, np.uint8)
    for mode in images.MODES:
        assert (read(encoded(pixel), 5, mode) == 77).all()


def test_unknown_mode():
    with pytest.raises(ValueError, match="expected stretch, crop"):
        read(encoded(scene()), 8, "fit")


# What cannot be read.


def test_no_picture(tmp_path):
    text = tmp_path / "cat.jpg"
    text.write_text("this is no picture")
    what = "is no JPEG, PNG, BMP, GIF or WebP picture"
    assert reason(text) == what
    with pytest.raises(PictureError, match=r"cat.jpg: is no JPEG"):
        read(text, 8)
    assert reason(b"\0" * 1000) == what
    assert reason(encoded(scene(), "TIFF")) == what
    assert reason(b"") == "the file is empty"
    assert reason(tmp_path / "no.jpg") == "there is no such file"
    assert reason(tmp_path) == "is a folder or a device, not a file"
    assert reason(text / "cat.jpg") == "cannot be read: Not a directory"
    assert reason("a\0b").startswith("is no file name: ")
    assert reason("a" * 5000) == "cannot be read: File name too long"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "cat.jpg")
    assert reason(tmp_path / "cat.jpg").startswith("is a folder or a device")
    assert reason("/dev/zero").startswith("is a folder or a device")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "cat.png"
    path.write_bytes(encoded(scene()))
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read everything

        def refuse(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(images.Path, "read_bytes", refuse)
    assert reason(path) == "cannot be read: Permission denied"


def test_a_file_is_not_bad_because_too_many_are_open(tmp_path):
    """A few bad ones are left out: they would change what is trained on."""
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"anything")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.open(os.devnull, os.O_RDONLY)  # the lowest number that is free
    os.close(free)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, most))
    try:
        errors = []
        for read_file in (images.content, video.probe):
            with pytest.raises(OSError, match="Errno 24") as caught:
                read_file(path)
            errors.append(caught.value.errno)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert errors == [errno.EMFILE] * 2


def test_names_are_shown_on_one_line(tmp_path):
    with pytest.raises(PictureError) as caught:
        read(tmp_path / "a\nb\udcff.jpg", 8)
    assert str(caught.value).endswith(r"a\nb\udcff.jpg: there is no such file")


def test_more_pixels_than_anyone_has():
    assert reason(png(60_000, 60_000)) == (
        "has too many pixels; expected at most 67,108,864"
    )
    what = "is 10,000 x 9,000 pixels; expected at most 67,108,864"
    assert reason(png(10_000, 9_000)) == what
    gif = bytearray(encoded(scene(), "GIF"))
    gif[6:10] = b"\xff\xff\xff\xff"
    assert "pixels; expected at most" in reason(bytes(gif))
    jpeg = bytearray(encoded(scene(), "JPEG"))
    start = jpeg.index(b"\xff\xc0") + 5
    jpeg[start : start + 4] = struct.pack(">HH", 60_000, 60_000)
    assert "pixels; expected at most" in reason(bytes(jpeg))
    bmp = bytearray(encoded(scene(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 50_000, 50_000)
    assert "pixels; expected at most" in reason(bytes(bmp))


def test_bombs_are_not_decoded():
    tracemalloc.start()
    try:
        for width, height in ((60_000, 60_000), (9_000, 9_000)):
            reason(png(width, height, b"\0" * 1000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_jpeg_of_many_scans_is_not_decoded():
    grey = Image.fromarray(smooth(512, 512)).convert("L")
    usual = encoded(grey, "JPEG", progressive=True)
    assert read(usual, 8).shape == (8, 8, 3)
    last = usual.rindex(b"\xff\xda")
    content = usual[:last] + usual[last:-2] * 101 + usual[-2:]
    assert reason(content) == "is a JPEG of too many scans; save it anew"
    # What a phone may append, such as a film, is no scan.
    film = np.random.default_rng(0).bytes(2**20) + b"\xff\xda\0\0" * 500
    assert read(usual + film, 8).shape == (8, 8, 3)


def test_bombs_of_text():
    text = zlib.compress(b"a" * 2**21)
    chunk = struct.pack(">I", len(text) + 3) + b"zTXtk\0\0" + text
    chunk += struct.pack(">I", zlib.crc32(b"zTXtk\0\0" + text))
    content = png(8, 8)
    start = content.index(b"IDAT") - 4
    content = content[:start] + chunk + content[start:]
    what = "is cut off or damaged (Decompressed data too large"
    assert reason(content).startswith(what)
    with pytest.raises(PictureError, match="is cut off or damaged"):
        images.thumbnail(content, 8)


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_kinds_that_phones_write(brand):
    content = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0" + bytes(40)
    assert reason(content) == "is HEIC or AVIF; save it as JPEG or PNG"


def test_an_animation_of_hundreds_of_frames():
    frames = [Image.new("L", (8, 8), n % 256) for n in range(600)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames)
    assert reason(content) == "is animated; expected a single picture"


def test_no_pixels():
    for width, height in ((0, 5), (5, 0)):
        assert "cut off or damaged" in reason(png(width, height))


def test_a_file_that_is_too_large(tmp_path):
    path = tmp_path / "cat.bmp"
    with path.open("wb") as file:
        file.truncate(images.MOST_BYTES + 1)  # without taking room
    assert reason(path) == (
        "the file has 268,435,457 bytes; expected at most 268,435,456"
    )


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(format):
    frames = [Image.fromarray(scene()[:, ::way]) for way in (1, -1)]
    content = encoded(
        frames[0], format, save_all=True, append_images=frames[1:]
    )
    assert reason(content) == "is animated; expected a single picture"
    still = encoded(frames[0], format, save_all=True)
    assert read(still, 8).shape == (8, 8, 3)


def test_a_jpeg_with_a_second_picture_is_its_first():
    frames = [Image.fromarray(scene()[:, ::way]) for way in (1, -1)]
    content = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    actual = read(content, (24, 40))
    assert np.median(np.abs(actual.astype(int) - scene())) <= 4


@pytest.mark.parametrize("format", FORMATS)
def test_cut_off_anywhere(format):
    content = encoded(smooth(30, 40), format)
    whole = read(content, (30, 40))
    positions = {*range(60), *range(60, len(content), 13)}
    positions |= set(range(len(content) - 30, len(content)))
    readable = []
    for position in sorted(positions):
        try:
            actual = read(content[:position], (30, 40))
        except PictureError:
            continue
        # What is missing is the end mark, or a checksum, but no pixels.
        assert np.array_equal(actual, whole), position
        readable.append(position)
    assert not readable or min(readable) > len(content) - 30


def test_cut_off_progressive_jpeg():
    content = encoded(smooth(64, 64), "JPEG", progressive=True)
    for position in range(100, len(content) - 30, 17):
        assert "cut off" in reason(content[:position])


@pytest.mark.parametrize("format", FORMATS)
def test_changed_bytes_never_raise_anything_else(format):
    content = encoded(smooth(20, 30), format)
    generator = np.random.default_rng(1)
    for _ in range(300):
        broken = bytearray(content)
        # Most of what can go wrong stands in the header.
        ends = (len(broken), 64)
        for end in ends:
            place = int(generator.integers(end))
            broken[place] = int(generator.integers(256))
        with contextlib.suppress(PictureError):
            assert read(bytes(broken), 8).shape == (8, 8, 3)


QUIET = """
import sys
from data_pipelines.vision import images

def work(path):
    return images.read(path, 8)

found = list(images.in_order(work, sys.argv[1:] * 20, 2))
print(sum(not isinstance(f, images.PictureError) for f in found))
"""


def odd_pictures():
    """Pictures that Pillow warns about, the first two of them readable."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    yield encoded(noise, "JPEG", exif=b"Exif\0\0II*\0" + bytes([9] * 9))
    still, control = png(1, 1, bytes(4)), chunk(b"acTL", bytes(8))
    yield still[:33] + control + still[33:]
    yield png(10_000, 9_000)
    yield from (encoded(noise, "JPEG")[:end] for end in (500, 40))
    yield from (b"GIF89a", b"", b"RIFF    WEBPVP8X")


def test_nothing_is_printed(tmp_path):
    paths = []
    for number, content in enumerate(odd_pictures()):
        paths.append(str(tmp_path / f"{number}"))
        (tmp_path / f"{number}").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", QUIET, *paths],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stderr == ""
    assert done.stdout == "40\n"
    # They are worth the test.
    for content in itertools.islice(odd_pictures(), 3):
        with pytest.warns(Warning), contextlib.suppress(OSError):  # noqa: PT030
            Image.open(io.BytesIO(content)).getexif()


# Many.


def write(folder, count):
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(encoded(np.full((4, 4, 3), number, np.uint8)))
    return paths


def decoded(paths, size, workers):
    return images.in_order(lambda path: images.read(path, size), paths, workers)


def test_in_order_with_bad_ones_among_them(tmp_path):
    paths = write(tmp_path, 40)
    paths[3].write_text("text")
    paths[17].unlink()
    pictures = list(decoded(paths, 4, workers=3))
    assert len(pictures) == 40
    for index, picture in enumerate(pictures):
        if index in (3, 17):
            assert isinstance(picture, PictureError)
            assert picture.name == str(paths[index])
            assert picture.__traceback__ is None
            assert picture.__context__ is None
        else:
            assert (picture == index).all()


def test_endless_paths_and_little_memory(tmp_path):
    (path,) = write(tmp_path, 1)
    started = itertools.count()
    paths = (path for _ in started)
    for index, _ in enumerate(decoded(paths, 64, workers=2)):
        if index == 200:
            break
    assert next(started) <= 200 + 10


def test_a_batch_is_worked_on_while_another_is_used():
    done = []
    results = images.in_order(done.append, range(100), 2, ahead=20)
    next(results)
    end = time.monotonic() + 10
    while len(done) < 21 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(done) == 21  # that one, and no more than twenty
    results.close()


def test_threads_end_when_no_one_reads_on(tmp_path):
    paths = write(tmp_path, 30)
    before = threading.active_count()
    pictures = decoded(paths, 4, workers=2)
    next(pictures)
    assert threading.active_count() > before
    del pictures
    assert threading.active_count() == before


def test_other_errors_are_errors():
    with pytest.raises(ZeroDivisionError):
        list(images.in_order(lambda item: 1 // item, [1, 0], 1))
    assert list(images.in_order(lambda item: 1 // item, [], 1)) == []


def test_few_bad_pictures_are_listed(tmp_path):
    bad = BadFiles()
    bad.check(10, tmp_path / "bad.txt")
    assert not (tmp_path / "bad.txt").exists()
    for number in range(5):
        bad.add(PictureError(f"{number}.jpg", "the file is empty"))
        bad.add(PictureError(f"{number}.jpg", "the file is empty"))
    bad.check(100, tmp_path / "bad.txt")
    lines = (tmp_path / "bad.txt").read_text().splitlines()
    assert lines == [f"{n}.jpg: the file is empty" for n in range(5)]
    assert bad.report(100) == (
        "5 of 100 pictures (5.0%) cannot be read: 0.jpg: the file is empty; "
        "1.jpg: the file is empty; 2.jpg: the file is empty; ..."
    )


def test_many_bad_pictures_are_an_error(tmp_path):
    bad = BadFiles()
    for number in range(2):
        bad.add(PictureError(f"{number}.jpg", "the file is empty"))
    with pytest.raises(DataError) as caught:
        bad.check(39, tmp_path / "bad.txt")
    assert str(caught.value) == (
        "2 of 39 pictures (5.1%) cannot be read: 0.jpg: the file is empty; "
        "1.jpg: the file is empty; expected at most 5%; all are listed in "
        f"{tmp_path / 'bad.txt'}"
    )
    assert len((tmp_path / "bad.txt").read_text().splitlines()) == 2
    bad.check(40)
