"""Files of videos: which are any, what their headers say, all their frames.

    with opened("walk.mp4") as stream:
        header(stream)                  # About(frames, fps, seconds)
        turned = upright("walk.mp4", stream)
        for frame, seconds in decoded(stream, "walk.mp4"):
            picture, aspect = turned(frame)    # of Pillow, RGB

Files are known by content, not by name. A file that is cut off or damaged is
told by what its header, or its last bytes, say. What libraries leave to players
is read here: the display matrix and the shape of the pixels; what is cut off
says `video_crop`.
"""

import contextlib
import re
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.format import Flags
from av.sidedata.sidedata import Type as SideData
from PIL import Image

from data_pipelines.vision import images, video_crop

# FFmpeg's names of what is taken for a video. Others are not even tried:
# playlists, which open other files, texts, which it would draw, pictures.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,gif,mpegts,mpeg,mpegvideo,flv,"
    "asf,ogg,m4v,h264,hevc"
)

# Where neither header nor stream say it.
_RATE = 25.0

# Codecs whose frames FFmpeg cannot give the time that AVI does not say.
_REORDERED = ("h264", "hevc")

# How many frames a video may end before its header says it does.
_EARLY = 1.5


class BrokenError(ValueError):
    """What is wrong with a video, without its name."""


class About(NamedTuple):
    """What the header of a video says.

    Attributes:
        frames: How many; an estimate if the header has none (webm, gif).
        fps: The average rate.
        seconds: How long it is.
    """

    frames: int
    fps: float
    seconds: float


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Open the video stream of a file that a player would show."""
    if not Path(path).is_file():
        Path(path).stat()
        raise BrokenError("is no ordinary file")
    if not Path(path).stat().st_size:
        raise BrokenError("the file is empty")
    _check_parts(path)
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        # The prefix, because a name with a colon looks like an address.
        # Tags need not be UTF-8, and nobody reads them here.
        container = av.open(
            f"file:{path}", options=options, metadata_errors="replace"
        )
    except av.ArgumentError:
        raise BrokenError("is not a video") from None
    except av.InvalidDataError:
        raise BrokenError(_why(path)) from None
    with container:
        stream = container.streams.best("video")
        if stream is None:
            raise BrokenError("has no video stream")
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
        yield stream


def _check_parts(path: str | Path) -> None:
    """Check that an mp4 or mov file has all of what it says it has."""
    size, position, kinds = Path(path).stat().st_size, 0, []
    with open(path, "rb") as file:
        while start := file.read(16):
            length = int.from_bytes(start[:4], "big")
            kind = start[4:8]
            if not kinds and kind != b"ftyp":
                return
            if length == 1:
                length = int.from_bytes(start[8:], "big")
            if length == 0:  # to the end
                length = size - position
            if length < 8 or not kind.isalnum():  # something else follows
                break
            position += length
            if position > size:
                missing = "" if b"moov" in kinds else ": moov atom not found"
                raise BrokenError(
                    f"is cut off, {size:,} of {position:,} bytes or more are "
                    f"there{missing}"
                )
            kinds.append(kind)
            file.seek(position)


def _why(path: str | Path) -> str:
    """Return what a file is that cannot be opened."""
    with open(path, "rb") as file:
        start = file.read(8)
    known = (b"RIFF", b"\x1a\x45\xdf\xa3", b"GIF8")
    if start[4:] == b"ftyp" or start[:4] in known:
        return "is cut off or damaged"
    return "is not a video"


def header(stream: Any) -> About:
    """Return what the header of an open file says."""
    rates = stream.average_rate, stream.guessed_rate
    if Flags.no_timestamps in Flags(stream.container.format.flags):
        rates = rates[::-1]  # by the codec, whatever FFmpeg takes for usual
    rate = float(rates[0] or rates[1] or _RATE)
    seconds = _seconds(stream, rate)
    if seconds is None:
        seconds = stream.frames / rate
    return About(stream.frames or round(seconds * rate), rate, seconds)


def _seconds(stream: Any, rate: float) -> float | None:
    """Return how long the video should be, if anything says it."""
    container = stream.container
    # An AVI file that is cut off still says how many frames it had.
    if container.format.name == "avi" and stream.frames:
        return stream.frames / rate
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    written = stream.metadata.get("DURATION", "")
    if parts := re.match(r"(\d{1,9}):(\d\d?):(\d\d?(\.\d*)?)", written, re.A):
        return 3600 * int(parts[1]) + 60 * int(parts[2]) + float(parts[3])
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    return None


def decoded(
    stream: Any, path: str | Path
) -> Iterator[tuple[av.VideoFrame, float | None]]:
    """Yield the frames and their time stamps in seconds.

    Raises:
        BrokenError: If a frame is damaged, or the video ends before its
            header says so.
    """
    about = header(stream)
    end, count = None, 0
    for frame, seconds in _stamped(stream):
        if frame.is_corrupt:
            raise BrokenError(f"is cut off or damaged in frame {count:,}")
        if frame.width * frame.height > images.MOST_PIXELS:
            raise BrokenError(f"frame {count:,} has too many pixels")
        count += 1
        if seconds is not None:
            end = seconds + duration(stream, frame, about.fps)
        yield frame, seconds
    expected = stream.frames
    if not count and not (expected or about.seconds):
        raise BrokenError("has no frames")
    if _ends_early(about, end, count, expected) or _open_gif(stream, path):
        more = f" of {expected:,}" if expected > count else ""
        raise BrokenError(f"is cut off after {count:,}{more} frames")


def _stamped(stream: Any) -> Iterator[tuple[av.VideoFrame, float | None]]:
    """Yield the frames as they are shown, and when, by their time stamps."""
    container = stream.container
    codec = stream.codec_context.codec.name
    if container.format.name != "avi" or codec not in _REORDERED:
        for frame in container.decode(stream):
            yield frame, frame.time
        return
    # AVI says when a frame is decoded; in the same order they are shown.
    times: deque[float] = deque()
    has_fields = False
    for packet in container.demux(stream):
        if packet.size and packet.dts is not None:
            times.append(float(packet.dts * packet.time_base))
        for frame in packet.decode():
            has_fields = has_fields or frame.interlaced_frame
            yield frame, times.popleft() if times else None
    if has_fields and times:
        raise BrokenError(
            "has frames of two fields, each with a time of its own in AVI; "
            "convert it to mp4"
        )


def _ends_early(
    about: About, end: float | None, count: int, expected: int
) -> bool:
    # Not by the number of frames alone: an edited video can leave out some.
    if end is None:
        return count < max(expected, 1)
    if expected and count >= expected:
        return False
    return end + _EARLY / about.fps < about.seconds


def duration(stream: Any, frame: av.VideoFrame, fps: float) -> float:
    """Return for how long a frame is shown: as the file says, or 1 / fps."""
    usual, base = 1 / fps, frame.time_base
    if not frame.duration or not base:
        return usual
    # In mp4 it is the time until the next frame in the file, which is another
    # one if the decoder puts them in order.
    reordered = stream.codec_context.has_b_frames
    if reordered and "mp4" in stream.container.format.name:
        return usual
    seconds = float(frame.duration * base)
    # What differs by less than the file can say is a rounded frame of the rate.
    return usual if abs(seconds - usual) <= base else seconds


def _open_gif(stream: Any, path: str | Path) -> bool:
    """Return whether it is a GIF without its end."""
    if stream.container.format.name != "gif":
        return False
    with open(path, "rb") as file:
        file.seek(-min(Path(path).stat().st_size, 64), 2)
        return not file.read().rstrip(b"\0\r\n").endswith(b";")


def upright(
    path: str | Path, stream: Any
) -> Callable[[av.VideoFrame], tuple[Image.Image, float]]:
    """Return what takes a frame to its picture in RGB as it is shown.

    It gives the aspect of the picture's pixels, too: how wide one is shown for
    its height.

    Args:
        path: The file.
        stream: Its video.
    """
    part, usual = video_crop.shown_part(path, stream), _pixel_aspect(stream)

    def turned(frame: av.VideoFrame) -> tuple[Image.Image, float]:
        left, top, right, bottom = part(frame.width, frame.height)
        pixels = frame.to_ndarray(format="rgb24")[top:bottom, left:right]
        turn, aspect = _turn(frame), usual
        if turn.swaps:
            pixels, aspect = pixels.swapaxes(0, 1), 1 / aspect
        flips, mirrors = -1 if turn.flips else 1, -1 if turn.mirrors else 1
        pixels = np.ascontiguousarray(pixels[::flips, ::mirrors])
        return Image.fromarray(pixels), aspect

    return turned


def shown_size(path: str | Path, stream: Any) -> tuple[int, int]:
    """Return height and width of the frames as they are shown."""
    context = stream.codec_context
    rows, columns, swaps = context.height, context.width, False
    # What is wrong with its frames is said when they are read.
    with contextlib.suppress(av.FFmpegError):
        if frame := next(stream.container.decode(stream), None):
            rows, columns = frame.height, frame.width
            swaps = _turn(frame).swaps
    part = video_crop.shown_part(path, stream)
    left, top, right, bottom = part(columns, rows)
    rows = bottom - top
    columns = round((right - left) * _pixel_aspect(stream))
    # A header can say nothing.
    size = max(1, rows), max(1, columns)
    return size[::-1] if swaps else size


class _Turn(NamedTuple):
    """How a frame is to be shown.

    Attributes:
        swaps: Whether rows and columns change places, before all else.
        mirrors: Whether left and right do then.
        flips: Whether top and bottom do then.
    """

    swaps: bool
    mirrors: bool
    flips: bool


def _turn(frame: av.VideoFrame) -> _Turn:
    """Return what the display matrix of a frame says.

    It takes the pixel in column p and row q to `(a p + c q, b p + d q)`, up to
    a shift; of angles between the quarters of a turn the nearest is taken.
    """
    matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
    if matrix is None:
        return _Turn(False, False, False)
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        return _Turn(True, c < 0, b < 0)
    return _Turn(False, a < 0, d < 0)


def _pixel_aspect(stream: Any) -> float:
    """Return how wide a pixel is shown for its height."""
    return float(stream.sample_aspect_ratio or 1)
