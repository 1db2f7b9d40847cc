"""Videos of any kind -> uint8 frames of one size, or one line why not.

Video     mp4, avi, mov, webm, mkv, gif, ... known by content, not by name; or
          a folder of pictures, in the order of the numbers in their names
Frame     RGB, 0 to 255, of the size that was asked for; H height, W width

    probe("walk.mp4")                     # About(frames, fps, seconds)
    for pixels in frames("walk.mp4", (64, 64), fps=10): ...   # (64, 64, 3)
    write("copy.mp4", pixels, fps=10)

A few frames are in memory at a time, however long the video is. Frames are
cropped (mp4, Matroska), turned and mirrored as the metadata of the video say,
taken in the shape that they are shown in, whose pixels may not be square, and
resized as `images.py` does.

With `fps` above 0 the video is resampled: frame k of the result is the frame
of the video whose time is nearest to k / fps seconds after its first one, the
earlier one of two that are equally near, for all k / fps before the end. The
times are the time stamps of the frames, so this is right for variable frame
rates, too; a frame whose time stamp is missing or not after the one before is
taken to follow it by one frame of the average rate. The video ends when its
last frame does, by that frame's own duration or, where the file does not say
it, one frame of the average rate. A header of a few bytes can give a frame a
year: a video that would become far more frames than it has is refused.

A folder of pictures has no times: its rate is taken to be `fps`, or
`image_sequence.FPS` if that is 0. Everything that is wrong with a video is a
`VideoError`.
"""

import contextlib
import mmap
import re
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.format import Flags
from av.sidedata.sidedata import Type as SideData
from PIL import Image

from data_pipelines.files import atomic
from data_pipelines.files.errors import EXHAUSTED
from data_pipelines.vision import image_sequence, images
from data_pipelines.vision.images import PictureError, printable

# Changes when the same file would give other pixels or times.
VERSION = 5

# Endings of what is taken for a video without a look into it; a GIF may be a
# picture.
SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".webm", ".mkv", ".gif", ".mpg", ".mpeg",
    ".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".ogv", ".3gp",
)  # fmt: skip

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

# Frames that a resampled video may have, and more of them for each of its own:
# at 25 a second 13 minutes, and 10 seconds for each.
_REPEATED = 20_000
_REPEATED_EACH = 250

# No format has a frame in fewer bytes.
_LEAST_BYTES = 8

# Seconds; two times that are closer are the same.
_SAME = 1e-6


class VideoError(PictureError):
    """A video that cannot be read, in one line; see `PictureError`."""


class _BrokenError(ValueError):
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


class Frame(NamedTuple):
    """A frame, its number in the video it is from, and its time."""

    pixels: np.ndarray
    number: int
    seconds: float


def probe(path: str | Path) -> About:
    """Read the header of a video, or look into a folder.

    Raises:
        VideoError: If it is no video.
    """
    with _named(path):
        if not Path(path).is_dir():
            with _opened(path) as stream:
                return _header(stream)
        count = len(image_sequence.numbered(Path(path)))
        rate = image_sequence.FPS
        return About(count, rate, count / rate)


def upright_size(path: Path) -> tuple[int, int]:
    """Return height and width of a video's frames as they are shown.

    Raises:
        VideoError: If it is no video.
    """
    if path.is_dir():
        first = images.content(image_sequence.pictures(path)[0])
        columns, rows = images.thumbnail(first, 96).size
        return rows, columns
    with _named(path), _opened(path) as stream:
        context = stream.codec_context
        rows, columns, swaps = context.height, context.width, False
        # What is wrong with its frames is said when they are read.
        with contextlib.suppress(av.FFmpegError):
            if frame := next(stream.container.decode(stream), None):
                rows, columns = frame.height, frame.width
                swaps = _turn(frame).swaps
        left, top, right, bottom = _aperture(path, stream)(columns, rows)
        rows = bottom - top
        columns = round((right - left) * _pixel_aspect(stream))
        # A header can say nothing.
        size = max(1, rows), max(1, columns)
        return size[::-1] if swaps else size


def frames(
    path: str | Path,
    size: tuple[int, int],
    fps: float = 0.0,
    mode: str = "stretch",
) -> Iterator[np.ndarray]:
    """Yield the frames of a video, uint8 `(H, W, 3)`; see `Reader`."""
    return (frame.pixels for frame in Reader(path, size, fps, mode))


class Reader:
    """The frames of a video with their numbers and times.

    Iterating yields `Frame`s, and raises a `VideoError` for whatever is wrong
    with the video; perhaps not before its end.

    Args:
        path: A file, or a folder of pictures.
        size: Height and width of the frames.
        fps: What the video is resampled to; 0: all frames as they are.
        mode: How frames get their size, one of `images.MODES`.

    Attributes:
        count: How many frames the video itself has, once it has been read to
            its end.
        fps: The rate of what is yielded, once something has been.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        fps: float = 0.0,
        mode: str = "stretch",
    ) -> None:
        if mode not in images.MODES:
            expected = ", ".join(images.MODES)
            raise ValueError(f"unknown mode {mode!r}; expected {expected}")
        if not 0 <= fps < float("inf"):
            raise ValueError(f"fps must be 0 or more, not {fps}")
        self.path = Path(path)
        self.size = size
        self.mode = mode
        self.wanted_fps = fps
        self.fps = fps
        self.count = 0

    def __iter__(self) -> Iterator[Frame]:
        self.count = 0
        with _named(self.path):
            if self.path.is_dir():
                yield from self._read_pictures()
            else:
                yield from self._read_file()

    def expected(self) -> int:
        """Return about how many frames there will be, by the header.

        Raises:
            VideoError: If it is no video, or would be far too many frames.
        """
        about = probe(self.path)
        if self.path.is_dir():
            return about.frames
        # A header can say anything.
        most = self.path.stat().st_size // _LEAST_BYTES
        frames = min(about.frames, most)
        if not self.wanted_fps:
            return frames
        with _named(self.path):
            self._check(about.seconds, frames)
        return max(1, round(about.seconds * self.wanted_fps))

    def _read_pictures(self) -> Iterator[Frame]:
        self.fps = self.wanted_fps or image_sequence.FPS
        paths = image_sequence.numbered(self.path)
        read = partial(images.read, size=self.size, mode=self.mode)
        with contextlib.closing(images.in_order(read, paths)) as decoded:
            for number, pixels in enumerate(decoded):
                if isinstance(pixels, PictureError):
                    name = printable(paths[number].name)
                    raise _BrokenError(f"{name} {pixels.reason}")
                yield Frame(pixels, number, number / self.fps)
        self.count = len(paths)

    def _read_file(self) -> Iterator[Frame]:
        with _opened(self.path) as stream:
            rate, aspect = _header(stream).fps, _pixel_aspect(stream)
            aperture = _aperture(self.path, stream)
            self.fps = self.wanted_fps or rate
            timed = _timed(_decoded(stream, self.path), rate)

            def lasts(frame: av.VideoFrame) -> float:
                seconds = _duration(stream, frame, rate)
                self._check(seconds, self.count)
                return seconds

            last, pixels = -1, None
            for frame, number, seconds in resampled(
                self._checked(timed), self.wanted_fps, lasts
            ):
                if number != last:
                    picture, upright = _upright(frame, aspect, aperture)
                    pixels = np.array(
                        images.resized(picture, *self.size, self.mode, upright)
                    )
                last = number
                yield Frame(pixels, number, seconds)

    def _checked(self, timed: Iterable[tuple[Any, float]]) -> Iterator:
        """Count frames, and check how long the ones before are shown."""
        for frame, seconds in timed:
            self.count += 1
            self._check(seconds, self.count)
            yield frame, seconds

    def _check(self, seconds: float, frames: int) -> None:
        """Refuse to make far more frames of some that last so long."""
        most = _REPEATED + _REPEATED_EACH * frames
        if seconds * self.wanted_fps > most:
            raise _BrokenError(
                f"shows {frames:,} frames for {seconds:,.0f} seconds; at "
                f"{self.wanted_fps:g} frames a second these would be more "
                f"than {most:,}"
            )


def resampled(
    timed: Iterable[tuple[Any, float]],
    fps: float,
    duration: Callable[[Any], float],
) -> Iterator[tuple[Any, int, float]]:
    """Choose the frames nearest in time to 0, 1 / fps, 2 / fps, ...

    Args:
        timed: Frames and their times in seconds, which begin with 0 and grow.
        fps: The rate of the result; 0: all frames as they are.
        duration: Takes a frame to the seconds that it lasts; is asked about
            the last one.

    Yields:
        (frame, its number, the time it stands for).
    """
    if not fps:
        for number, (item, seconds) in enumerate(timed):
            yield item, number, seconds
        return
    count, before, number = 0, None, -1
    for number, (item, seconds) in enumerate(timed):
        if before is not None:
            middle = (before[1] + seconds) / 2 + _SAME
            while count / fps <= middle:
                yield before[0], number - 1, count / fps
                count += 1
        before = (item, seconds)
    if before is not None:
        end = before[1] + duration(before[0]) - _SAME
        while count == 0 or count / fps < end:
            yield before[0], number, count / fps
            count += 1


def _timed(
    decoded: Iterable[tuple[Any, float | None]], rate: float
) -> Iterator[tuple[Any, float]]:
    """Yield frames and seconds since the first one."""
    first = seconds = None
    for frame, stamp in decoded:
        if stamp is not None:
            first = stamp if first is None else first
            stamp -= first
        if seconds is None:
            seconds = 0.0
        elif stamp is None or stamp <= seconds:
            seconds += 1 / rate
        else:
            seconds = stamp
        yield frame, seconds


@contextlib.contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Make every error of reading a `VideoError` with the video's name."""
    name = printable(path)
    try:
        yield
    except (VideoError, GeneratorExit):
        raise
    except FileNotFoundError:
        raise VideoError(name, "there is no such file") from None
    except _BrokenError as error:
        raise VideoError(name, str(error)) from None
    except (av.FFmpegError, OSError) as error:
        if error.errno in EXHAUSTED:
            raise
        why = getattr(error, "strerror", None) or type(error).__name__
        if isinstance(error, av.FFmpegError):
            raise VideoError(name, f"is cut off or damaged ({why})") from None
        raise VideoError(name, f"cannot be read: {why}") from None
    except PictureError as error:
        raise VideoError(name, error.reason) from None


# Files, by FFmpeg's libraries.


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    """Open the video stream of a file that a player would show."""
    if not Path(path).is_file():
        Path(path).stat()
        raise _BrokenError("is no ordinary file")
    if not Path(path).stat().st_size:
        raise _BrokenError("the file is empty")
    _check_parts(path)
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        # The prefix, because a name with a colon looks like an address.
        # Tags need not be UTF-8, and nobody reads them here.
        container = av.open(
            f"file:{path}", options=options, metadata_errors="replace"
        )
    except av.ArgumentError:
        raise _BrokenError("is not a video") from None
    except av.InvalidDataError:
        raise _BrokenError(_why(path)) from None
    with container:
        stream = container.streams.best("video")
        if stream is None:
            raise _BrokenError("has no video stream")
        context = stream.codec_context
        if context is None:
            raise _BrokenError("its video is coded in a way nobody knows here")
        width, height = context.width, context.height
        if width * height > images.MOST_PIXELS:
            raise _BrokenError(
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
                raise _BrokenError(
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


def _header(stream: Any) -> About:
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


def _decoded(
    stream: Any, path: str | Path
) -> Iterator[tuple[av.VideoFrame, float | None]]:
    """Yield the frames and their time stamps in seconds.

    Raises:
        _BrokenError: If a frame is damaged, or the video ends before its
            header says so.
    """
    about = _header(stream)
    end, count = None, 0
    for frame, seconds in _stamped(stream):
        if frame.is_corrupt:
            raise _BrokenError(f"is cut off or damaged in frame {count:,}")
        if frame.width * frame.height > images.MOST_PIXELS:
            raise _BrokenError(f"frame {count:,} has too many pixels")
        count += 1
        if seconds is not None:
            end = seconds + _duration(stream, frame, about.fps)
        yield frame, seconds
    expected = stream.frames
    if not count and not (expected or about.seconds):
        raise _BrokenError("has no frames")
    if _ends_early(about, end, count, expected) or _open_gif(stream, path):
        more = f" of {expected:,}" if expected > count else ""
        raise _BrokenError(f"is cut off after {count:,}{more} frames")


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
        raise _BrokenError(
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


def _duration(stream: Any, frame: av.VideoFrame, fps: float) -> float:
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


def _aperture(
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


def _upright(
    frame: av.VideoFrame, aspect: float, aperture: Callable
) -> tuple[Image.Image, float]:
    """Return a frame in RGB as it is shown, and the aspect of its pixels."""
    left, top, right, bottom = aperture(frame.width, frame.height)
    pixels = frame.to_ndarray(format="rgb24")[top:bottom, left:right]
    turn = _turn(frame)
    if turn.swaps:
        pixels, aspect = pixels.swapaxes(0, 1), 1 / aspect
    pixels = pixels[:: -1 if turn.flips else 1, :: -1 if turn.mirrors else 1]
    return Image.fromarray(np.ascontiguousarray(pixels)), aspect


def write(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float,
    options: dict[str, str] | None = None,
) -> None:
    """Write an mp4 file, coded as H.264.

    Args:
        path: Where; the file is whole or not there.
        frames: uint8 `(H, W, 3)`, RGB; H and W are even.
        fps: The rate.
        options: Of the encoder, x264.

    Raises:
        ValueError: If there are no frames, or of an odd size.
    """
    with (
        atomic.replacing(path, suffix=".mp4") as temporary,
        av.open(str(temporary), "w", format="mp4") as container,
    ):
        stream = container.add_stream(
            "libx264",
            rate=Fraction(fps).limit_denominator(1001),
            options=options or {},
        )
        stream.pix_fmt = "yuv420p"
        # Small pictures gain nothing from more.
        stream.codec_context.thread_count = 1
        size = None
        for pixels in frames:
            if size is None:
                size = pixels.shape
                height, width = size[:2]
                if height % 2 or width % 2:
                    raise ValueError(
                        f"H.264 wants even sizes, not {height} x {width}"
                    )
                stream.height, stream.width = height, width
            if pixels.shape != size or pixels.dtype != np.uint8:
                raise ValueError(f"expected uint8 {size}, got {pixels.shape}")
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame))
        if size is None:
            raise ValueError("there are no frames to write")
        container.mux(stream.encode())
