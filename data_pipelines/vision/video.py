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
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from data_pipelines.files import atomic
from data_pipelines.files.errors import EXHAUSTED
from data_pipelines.files.names import printable
from data_pipelines.vision import image_sequence, images, video_files
from data_pipelines.vision.images import PictureError
from data_pipelines.vision.video_files import About, BrokenError

# Changes when the same file would give other pixels or times.
VERSION = 5

# Endings of what is taken for a video without a look into it; a GIF may be a
# picture.
SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".webm", ".mkv", ".gif", ".mpg", ".mpeg",
    ".ts", ".mts", ".m2ts", ".wmv", ".asf", ".flv", ".ogv", ".3gp",
)  # fmt: skip

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
            with video_files.opened(path) as stream:
                return video_files.header(stream)
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
    with _named(path), video_files.opened(path) as stream:
        return video_files.shown_size(path, stream)


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
                    raise BrokenError(f"{name} {pixels.reason}")
                yield Frame(pixels, number, number / self.fps)
        self.count = len(paths)

    def _read_file(self) -> Iterator[Frame]:
        with video_files.opened(self.path) as stream:
            rate = video_files.header(stream).fps
            upright = video_files.upright(self.path, stream)
            self.fps = self.wanted_fps or rate
            timed = _timed(video_files.decoded(stream, self.path), rate)

            def lasts(frame: av.VideoFrame) -> float:
                seconds = video_files.duration(stream, frame, rate)
                self._check(seconds, self.count)
                return seconds

            last, pixels = -1, None
            for frame, number, seconds in resampled(
                self._checked(timed), self.wanted_fps, lasts
            ):
                if number != last:
                    picture, aspect = upright(frame)
                    pixels = np.array(
                        images.resized(picture, *self.size, self.mode, aspect)
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
            raise BrokenError(
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
    except BrokenError as error:
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
