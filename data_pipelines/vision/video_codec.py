"""Files of videos, opened, decoded and written by FFmpeg's libraries.

What is wrong with a file is a `BrokenError`, or one of PyAV's; `video.py` makes
them messages.
"""

import contextlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from data_pipelines.vision import images

# FFmpeg's names of what is taken for a video.  Others are not even tried:
# playlists, which open other files, texts, which it would draw, pictures.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,gif,mpegts,mpeg,mpegvideo,flv,"
    "asf,ogg,m4v,h264,hevc"
)

# Where neither header nor stream say it.
_RATE = 25.0

# How many frames a video may end before its header says it does.
_EARLY = 1.5


class BrokenError(ValueError):
    """What is wrong with a video."""


class Header(NamedTuple):
    """What `video.About` has."""

    frames: int
    fps: float
    size: tuple[int, int]
    seconds: float


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Opens a file that has a video stream of a size that can be."""
    if not Path(path).is_file():
        Path(path).stat()
        raise BrokenError("is no ordinary file")
    if not Path(path).stat().st_size:
        raise BrokenError("the file is empty")
    _check_parts(path)
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        # The prefix, because a name with a colon looks like an address.
        container = av.open(f"file:{path}", options=options)
    except av.ArgumentError:
        raise BrokenError("is not a video") from None
    except av.InvalidDataError:
        raise BrokenError(_why(path)) from None
    with container:
        streams = container.streams.video
        if not streams:
            raise BrokenError("has no video stream")
        stream = streams[0]
        context = stream.codec_context
        if context is None:
            raise BrokenError("its video is coded in a way nobody knows here")
        width, height = context.width, context.height
        if width * height > images.MOST_PIXELS:
            raise BrokenError(
                f"is {width:,} x {height:,} pixels; expected at most "
                f"{images.MOST_PIXELS:,}"
            )
        stream.thread_type = "AUTO"
        yield container


def _check_parts(path: str | Path) -> None:
    """Checks that an mp4 or mov file has all of what it says it has."""
    size, place, kinds = Path(path).stat().st_size, 0, []
    with open(path, "rb") as file:
        while start := file.read(16):
            length = int.from_bytes(start[:4], "big")
            kind = start[4:8]
            if not kinds and kind != b"ftyp":
                return
            if length == 1:
                length = int.from_bytes(start[8:], "big")
            if length == 0:  # to the end
                length = size - place
            if length < 8 or not kind.isalnum():  # something else follows
                break
            place += length
            if place > size:
                missing = "" if b"moov" in kinds else ": moov atom not found"
                raise BrokenError(
                    f"is cut off, {size:,} of {place:,} bytes or more are "
                    f"there{missing}"
                )
            kinds.append(kind)
            file.seek(place)


def _why(path: str | Path) -> str:
    """What a file is that cannot be opened."""
    with open(path, "rb") as file:
        start = file.read(8)
    known = (b"RIFF", b"\x1a\x45\xdf\xa3", b"GIF8")
    if start[4:] == b"ftyp" or start[:4] in known:
        return "is cut off or damaged"
    return "is not a video"


def header(container: Any) -> Header:
    """What the header of an open file says."""
    stream = container.streams.video[0]
    context = stream.codec_context
    rate = float(stream.average_rate or stream.guessed_rate or _RATE)
    seconds = _seconds(container, rate)
    frames = stream.frames
    if seconds is None:
        seconds = frames / rate
    return Header(
        frames or round(seconds * rate),
        rate,
        (context.height, context.width),
        seconds,
    )


def _seconds(container: Any, rate: float) -> float | None:
    """How long the video should be, if anything says it."""
    stream = container.streams.video[0]
    # An AVI file that is cut off still says how many frames it had.
    if container.format.name == "avi" and stream.frames:
        return stream.frames / rate
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    if written := stream.metadata.get("DURATION"):
        with contextlib.suppress(ValueError):
            hours, minutes, seconds = map(float, written.split(":"))
            return 3600 * hours + 60 * minutes + seconds
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def decoded(
    container: Any, path: str | Path
) -> Iterator[tuple[av.VideoFrame, float | None]]:
    """Yields the frames and their time stamps in seconds.

    Raises:
        BrokenError: if a frame is damaged, or the video ends before its
            header says so.
    """
    about = header(container)
    end, count = None, 0
    for frame in container.decode(video=0):
        if frame.is_corrupt:
            raise BrokenError(f"is cut off or damaged in frame {count:,}")
        if frame.width * frame.height > images.MOST_PIXELS:
            raise BrokenError(f"frame {count:,} has too many pixels")
        count += 1
        if frame.time is not None:
            end = frame.time + duration(container, frame, about.fps)
        yield frame, frame.time
    expected = container.streams.video[0].frames
    if not count and not (expected or about.seconds):
        raise BrokenError("has no frames")
    if _ends_early(about, end, count, expected) or _open_gif(container, path):
        more = f" of {expected:,}" if expected > count else ""
        raise BrokenError(f"is cut off after {count:,}{more} frames")


def _ends_early(
    about: Header, end: float | None, count: int, expected: int
) -> bool:
    # Not by the number of frames alone: an edited video can leave out some.
    if end is None:
        return count < max(expected, 1)
    if expected and count >= expected:
        return False
    return end + _EARLY / about.fps < about.seconds


def duration(container: Any, frame: av.VideoFrame, fps: float) -> float:
    """Seconds that a frame is shown: as the file says, or else 1 / fps."""
    usual, base = 1 / fps, frame.time_base
    if not frame.duration or not base:
        return usual
    # In mp4 it is the time until the next frame in the file, which is another
    # one if the decoder puts them in order.
    reordered = container.streams.video[0].codec_context.has_b_frames
    if reordered and "mp4" in container.format.name:
        return usual
    found = float(frame.duration * base)
    # What differs by less than the file can say is a rounded frame of the rate.
    return usual if abs(found - usual) <= base else found


def _open_gif(container: Any, path: str | Path) -> bool:
    """Whether it is a GIF without its end."""
    if container.format.name != "gif":
        return False
    with open(path, "rb") as file:
        file.seek(-min(Path(path).stat().st_size, 64), 2)
        return not file.read().rstrip(b"\0\r\n").endswith(b";")


def upright(frame: av.VideoFrame) -> np.ndarray:
    """A frame as RGB `(H, W, 3)`, turned as its metadata say."""
    pixels = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def encode(
    path: Path, frames: Iterable[np.ndarray], fps: float, options: dict
) -> None:
    """Writes an mp4 file; see `video.write`."""
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.pix_fmt = "yuv420p"
        # Small pictures gain nothing from more.
        stream.codec_context.thread_count = 1
        size = None
        for pixels in frames:
            if size is None:
                size = pixels.shape
                stream.height, stream.width = _even(size)
            if pixels.shape != size or pixels.dtype != np.uint8:
                raise ValueError(f"expected uint8 {size}, got {pixels.shape}")
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        if size is None:
            raise ValueError("there are no frames to write")
        container.mux(stream.encode())


def _even(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = shape[:2]
    if height % 2 or width % 2:
        raise ValueError(f"H.264 wants even sizes, not {height} x {width}")
    return height, width
