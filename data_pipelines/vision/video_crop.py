"""Which part of its frames a video file says is shown.

    part = shown_part(path, stream)
    left, top, right, bottom = part(frame.width, frame.height)

What libraries leave to players is read here: the clean aperture of mp4, the
crop of Matroska.
"""

import mmap
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any


def shown_part(
    path: str | Path, stream: Any
) -> Callable[[int, int], tuple[int, int, int, int]]:
    """Return what gives left, top, right and bottom of what a player shows.

    It takes width and height of a frame, of which a file may leave a part.
    """
    name = stream.container.format.name
    crop = "mp4" in name and _clean_aperture
    crop = crop or ("matroska" in name and _pixel_crop)
    part = None
    if crop:
        with (
            open(path, "rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            part = crop(data, stream)

    def aperture(width: int, height: int) -> tuple[int, int, int, int]:
        whole = 0, 0, width, height
        if part is None:
            return whole
        left, top, right, bottom = part(width, height)
        inside = 0 <= left < right <= width and 0 <= top < bottom <= height
        return (left, top, right, bottom) if inside else whole

    return aperture


def _boxes(data: Any, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, begin and end of what is in the boxes of an mp4 file."""
    while at + 8 <= end:
        length, head = int.from_bytes(data[at : at + 4], "big"), 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if length < head:  # 0: to the end
            length = end - at
        yield bytes(data[at + 4 : at + 8]), at + head, min(at + length, end)
        at += length


def _elements(data: Any, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, begin and end of the elements in one of a Matroska file."""
    while at < end and data[at]:
        # Leading zeros say how long a name is, and how long a length.
        head = at + 9 - data[at].bit_length()
        if head >= end or not data[head]:
            return
        width = 9 - data[head].bit_length()
        length = int.from_bytes(data[head : head + width], "big")
        unknown = (1 << 7 * width) - 1
        length &= unknown
        begin = head + width
        stop = end if length == unknown else min(begin + length, end)
        yield bytes(data[at:head]), begin, stop
        at = stop


def _box(
    data: Any, at: int, end: int, *kinds: bytes, walk: Callable = _boxes
) -> tuple[int, int]:
    """Return begin and end of what is in a box in a box, alike if none is."""
    for kind in kinds:
        places = (p for k, *p in walk(data, at, end) if k == kind)
        at, end = next(places, (end, end))
    return at, end


def _clean_aperture(data: Any, stream: Any) -> Callable | None:
    """Return the aperture that an mp4 file says, `None` if it says none.

    The box `clap` has width and height, and how far the centre is from that of
    the frame, each a fraction.
    """
    clap = b""
    moov = _box(data, 0, len(data), b"moov")
    tracks = [place for kind, *place in _boxes(data, *moov) if kind == b"trak"]
    for track in tracks:
        at, _ = _box(data, *track, b"tkhd")
        at += 20 if data[at : at + 1] == b"\1" else 12
        if int.from_bytes(data[at : at + 4], "big") != stream.id:
            continue
        kinds = (b"mdia", b"minf", b"stbl", b"stsd")
        at, end = _box(data, *track, *kinds)
        # Behind the heads of the box and of its first entry.
        at, _ = _box(data, at + 8 + 86, end, b"clap")
        clap = data[at : at + 32]
    numbers = struct.unpack(">IIIIiIiI", clap) if len(clap) == 32 else [0] * 8
    pairs = [numbers[k : k + 2] for k in (0, 2, 4, 6)]
    if not all(denominator for _, denominator in pairs):
        return None
    columns, rows, right, down = (Fraction(*pair) for pair in pairs)

    def part(width: int, height: int) -> tuple[int, int, int, int]:
        left = round((width - columns) / 2 + right)
        top = round((height - rows) / 2 + down)
        return left, top, left + round(columns), top + round(rows)

    return part


def _pixel_crop(data: Any, stream: Any) -> Callable | None:
    """Return the same of a Matroska file, which says what its edges lose."""
    segment, tracks = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b"
    place = _box(data, 0, len(data), segment, tracks, walk=_elements)
    edges = []
    for kind, *entry in _elements(data, *place):
        at, end = _box(data, *entry, b"\x83", walk=_elements)  # its type
        if kind == b"\xae" and data[at:end] == b"\1":  # a video
            video = _box(data, *entry, b"\xe0", walk=_elements)
            edges.append(
                {
                    name: int.from_bytes(data[begin:stop], "big")
                    for name, begin, stop in _elements(data, *video)
                }
            )
    # Covers stand behind all videos.
    videos = [other.index for other in stream.container.streams.video]
    number = videos.index(stream.index)
    if number >= len(edges):
        return None
    left, top, right, bottom = (
        edges[number].get(b"\x54" + side, 0)
        for side in (b"\xcc", b"\xbb", b"\xdd", b"\xaa")
    )
    return lambda width, height: (left, top, width - right, height - bottom)
