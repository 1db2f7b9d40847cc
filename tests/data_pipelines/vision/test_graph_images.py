"""Pictures in a graph: pixel for pixel what Pillow gives, or a flag."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipelines.vision import graph_images, images

H, W = 37, 53
RANDOM = np.random.default_rng(0)
CLEAR = Image.fromarray(RANDOM.integers(0, 256, (5, 7, 4), np.uint8))
CLEAR = CLEAR.resize((W, H))
PLAIN = CLEAR.convert("RGB")
GREY = PLAIN.convert("L")
COLOURS = PLAIN.quantize(9)
DEEP = Image.fromarray(RANDOM.integers(0, 2**16, (H, W)).astype(np.uint16))


def file(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def big_endian(orientation):
    entries = b"\x01\x0f\0\2\0\0\0\4abc\0\x01\x12\0\3\0\0\0\1"
    return b"Exif\0\0MM\0*\0\0\0\x08\0\2%b\0%c\0\0" % (entries, orientation)


def bitmap(bits, packing, masks, pixels, head=40, down=False):
    body = b"".join(row.tobytes() + b"\0" * (-row.nbytes % 4) for row in pixels)
    fields = (W, -H if down else H, 1, bits, packing, len(body), 0, 0, 0, 0)
    header = struct.pack("<IiiHHIIiiII", head, *fields)
    header += b"".join(struct.pack("<I", mask) for mask in masks)
    header += b"\0" * (head - len(header))
    start = 14 + len(header)
    return struct.pack("<2sIII", b"BM", start + len(body), 0, start) + (
        header + body
    )


def shifted(gif):
    """The same picture on a larger canvas."""
    data = bytearray(gif)
    data[6:10] = struct.pack("<HH", W + 9, H + 5)
    image = data.index(b",\0\0\0\0")
    data[image + 1 : image + 5] = struct.pack("<HH", 4, 3)
    return bytes(data)


def prefixed(webp):
    """The same with the EXIF data as in a JPEG file."""
    at = webp.index(b"EXIF") + 4
    sizes = [struct.unpack("<I", webp[k : k + 4])[0] + 6 for k in (4, at)]
    whole, part = (struct.pack("<I", size) for size in sizes)
    return b"".join(
        [webp[:4], whole, webp[8:at], part, b"Exif\0\0", webp[at + 4 :]]
    )


def good():
    for quality, subsampling in ((75, 2), (100, 1), (90, 0)):
        for progressive in (False, True):
            yield file(
                PLAIN,
                "JPEG",
                quality=quality,
                subsampling=subsampling,
                progressive=progressive,
            )
    yield file(GREY, "JPEG")
    yield file(PLAIN.convert("CMYK"), "JPEG")
    alpha, bilevel = CLEAR.convert("LA"), GREY.convert("1")
    for picture in (PLAIN, GREY, CLEAR, alpha, COLOURS, DEEP, bilevel):
        yield file(picture, "PNG")
    yield file(COLOURS, "PNG", transparency=3)
    yield file(COLOURS, "PNG", transparency=bytes(range(0, 180, 20)))
    yield file(PLAIN, "PNG", transparency=PLAIN.getpixel((3, 3)))
    yield file(GREY, "PNG", transparency=100)
    yield file(DEEP, "PNG", transparency=DEEP.getpixel((0, 0)))
    for picture in (PLAIN, GREY, CLEAR, alpha):
        yield file(picture, "WEBP")
        yield file(picture, "WEBP", lossless=True, exact=True)
    for picture in (PLAIN, GREY, CLEAR, COLOURS, bilevel, PLAIN.quantize(16)):
        yield file(picture, "BMP")
    for options in ({}, {"transparency": 2}, {"interlace": 1}):
        gif = file(COLOURS, "GIF", **options)
        yield gif
        yield shifted(gif)
    yield from with_orientations()
    pixels = RANDOM.integers(0, 2**16, (H, W)).astype("<u2")
    yield bitmap(16, 0, [], pixels)
    yield bitmap(16, 3, [0xF800, 0x7E0, 0x1F], pixels)
    pixels = RANDOM.integers(0, 2**32, (H, W)).astype("<u4")
    yield bitmap(32, 0, [], pixels)
    yield bitmap(32, 0, [], pixels, down=True)
    masks = [0xFF0000, 0xFF00, 0xFF, 0xFF000000]
    yield bitmap(32, 3, masks, pixels, head=108)


def with_orientations():
    for orientation in range(10):
        yield file(PLAIN, "JPEG", exif=exif(orientation))
        yield file(PLAIN, "JPEG", exif=big_endian(orientation))
        yield file(CLEAR, "PNG", exif=exif(orientation))
        yield file(CLEAR, "WEBP", exif=exif(orientation))
    yield file(PLAIN, "JPEG", xmp=b'<x:xmpmeta tiff:Orientation="6">')
    turned = file(PLAIN, "JPEG", exif=big_endian(6))
    for damage in (b"Exif\0\1", b"MM\0+", b"\x01\x12\0\3\0\0\0\2"):
        yield turned.replace(damage[:-1] + bytes([damage[-1] - 1]), damage)
    yield prefixed(file(CLEAR, "WEBP", exif=exif(6)))
    yield file(PLAIN, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    yield file(PLAIN, "JPEG", exif=b"Exif\0\0II")


def bad():
    turned = PLAIN.rotate(90)
    for kind in ("GIF", "PNG", "WEBP"):
        yield file(PLAIN, kind, save_all=True, append_images=[turned])
        yield file(PLAIN, kind)[:200]
    yield file(PLAIN, "JPEG")[:400]
    yield b""
    yield b"no picture"
    header = struct.pack(
        ">I4sIIBBBBB", 13, b"IHDR", 2**16, 2**16, 8, 2, 0, 0, 0
    )
    yield b"\x89PNG\r\n\x1a\n" + header


def test_a_graph_reads_what_pillow_reads():
    size = (24, 31)
    good_ones, bad_ones = list(good()), list(bad())
    read = tf.function(
        lambda contents: graph_images.read(contents, size),
        [tf.TensorSpec((None,), tf.string)],
        autograph=False,
    )
    pictures, readable = read(tf.constant(good_ones + bad_ones))
    pairs = zip(good_ones, pictures.numpy(), strict=False)
    for number, (content, picture) in enumerate(pairs):
        expected = images.decode(content, size)
        np.testing.assert_array_equal(picture, expected, str(number))
    expected = [True] * len(good_ones) + [False] * len(bad_ones)
    assert readable.numpy().tolist() == expected
    assert not pictures.numpy()[len(good_ones) :].any()
    for content in bad_ones:
        with pytest.raises(images.PictureError):
            images.decode(content, size)
    none, _ = read(tf.zeros((0,), tf.string))
    assert none.shape == (0, *size, 3)


@pytest.mark.parametrize("size", [(64, 64), (7, 300), (500, 96)])
def test_a_picture_is_resized_as_pillow_does(size):
    noise = RANDOM.integers(0, 256, (301, 203, 3), np.uint8)
    expected = images.resized(Image.fromarray(noise), *size, "stretch")
    found = graph_images.resized(noise, size)
    np.testing.assert_array_equal(found, np.asarray(expected))
