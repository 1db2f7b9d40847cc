"""Videos of any kind -> uint8 frames of one size, or one line why not.

Video     mp4, avi, mov, webm, mkv, gif, ... known by content, not by name; or
          a folder of pictures, in the order of the numbers in their names
Frame     RGB, 0 to 255, of the size that was asked for; H height, W width

    probe("walk.mp4")                     # About(frames, fps, size, seconds)
    for pixels in frames("walk.mp4", (64, 64), fps=10): ...   # (64, 64, 3)
    write("copy.mp4", pixels, fps=10)

A few frames are in memory at a time, however long the video is.  Frames are
turned as the metadata of the video say, and resized as `images.py` does.

With `fps` above 0 the video is resampled: frame k of the result is the frame
of the video whose time is nearest to k / fps seconds after its first one, the
earlier one of two that are equally near, for all k / fps before the end.  The
times are the time stamps of the frames, so this is right for variable frame
rates, too; a frame whose time stamp is missing or not after the one before is
taken to follow it by one frame of the average rate.  The video ends when its
last frame does, by that frame's own duration or, where the file does not say
it, one frame of the average rate.

A folder of pictures has no times: its rate is taken to be `fps`, or
`FOLDER_FPS` if that is 0.  If the names end in numbers, all of them must, and
a number that is missing is an error.  Everything that is wrong with a video is
a `VideoError`.
"""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from PIL import Image

from data_pipelines.files import atomic
from data_pipelines.files.errors import DataError
from data_pipelines.vision import images, video_codec
from data_pipelines.vision.images import (
    BadPictures,
    PictureError,
    printable,
)

# Changes when the same file would give other pixels or times.
VERSION = 2

# What a folder of pictures is taken to have if nobody says it.
FOLDER_FPS = 25.0

# Seconds; two times that are closer are the same.
_SAME = 1e-6


class VideoError(PictureError):
    """A video that cannot be read, in one line.

    Attributes:
        name: which video.
        reason: what is wrong with it.
    """


class About(NamedTuple):
    """What the header of a video says.

    Attributes:
        frames: how many; an estimate if the header has none (webm, gif).
        fps: the average rate.
        size: height and width, before it is turned.
        seconds: how long it is.
    """

    frames: int
    fps: float
    size: tuple[int, int]
    seconds: float


class Frame(NamedTuple):
    """A frame, its number in the video it is from, and its time."""

    pixels: np.ndarray
    number: int
    seconds: float


class BadVideos(BadPictures):
    """Counts videos that cannot be read, and says which they are."""

    def report(self, total: int) -> str:
        """How many there are among how many, and the first of them."""
        return super().report(total).replace("pictures", "videos", 1)


def probe(path: str | Path) -> About:
    """Reads the header of a video, or looks into a folder.

    Raises:
        VideoError: if it is no video.
    """
    with _told(path):
        if Path(path).is_dir():
            return _probe_folder(Path(path))
        with video_codec.opened(path) as container:
            return About(*video_codec.header(container))


def frames(
    path: str | Path,
    size: tuple[int, int],
    fps: float = 0.0,
    mode: str = "stretch",
) -> Iterator[np.ndarray]:
    """Yields the frames of a video, uint8 `(H, W, 3)`.

    Args:
        path: a file, or a folder of pictures.
        size: height and width of the frames.
        fps: what the video is resampled to; 0: all frames as they are.
        mode: how frames get their size, one of `images.MODES`.

    Raises:
        VideoError: whatever is wrong with the video; perhaps not before its
            end.
    """
    return (frame.pixels for frame in Reader(path, size, fps, mode))


class Reader:
    """The frames of a video with their numbers and times.

    Iterating yields `Frame`s.

    Args:
        path: a file, or a folder of pictures.
        size: height and width of the frames.
        fps: what the video is resampled to; 0: all frames as they are.
        mode: how frames get their size, one of `images.MODES`.

    Attributes:
        shape: of a frame, (H, W, 3).
        dtype: uint8.
        count: how many frames the video itself has, once it has been read to
            its end.
        fps: the rate of what is yielded, once something has been.
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
        self.shape = (*size, 3)
        self.dtype = "uint8"
        self.mode = mode
        self.wanted = fps
        self.fps = fps
        self.count = 0

    def __iter__(self) -> Iterator[Frame]:
        self.count = 0
        with _told(self.path):
            if self.path.is_dir():
                yield from self._pictures()
            else:
                yield from self._frames()

    def expected(self) -> int:
        """About how many frames there will be, by the header."""
        about = probe(self.path)
        if self.wanted and not self.path.is_dir():
            return max(1, round(about.seconds * self.wanted))
        return about.frames

    def _pictures(self) -> Iterator[Frame]:
        self.fps = self.wanted or FOLDER_FPS
        paths = _numbered(self.path)

        def read(path: Path) -> np.ndarray:
            return images.read(path, self.size, self.mode)

        with contextlib.closing(images.in_order(read, paths)) as found:
            for number, pixels in enumerate(found):
                if isinstance(pixels, PictureError):
                    name = paths[number].name
                    raise VideoError(
                        printable(self.path),
                        f"{printable(name)} {pixels.reason}",
                    )
                yield Frame(pixels, number, number / self.fps)
        self.count = len(paths)

    def _frames(self) -> Iterator[Frame]:
        with video_codec.opened(self.path) as container:
            rate = video_codec.header(container).fps
            self.fps = self.wanted or rate
            decoded = self._counted(video_codec.decoded(container, self.path))
            timed = _timed(decoded, rate)
            tick = partial(video_codec.duration, container, fps=rate)
            chosen = resampled(timed, self.wanted, tick)
            last, pixels = -1, None
            for frame, number, seconds in chosen:
                if number != last:
                    picture = Image.fromarray(video_codec.upright(frame))
                    pixels = np.array(fitted(picture, self.size, self.mode))
                last = number
                yield Frame(pixels, number, seconds)

    def _counted(self, decoded: Iterable) -> Iterator:
        for item in decoded:
            self.count += 1
            yield item


def resampled(
    timed: Iterable[tuple[Any, float]],
    fps: float,
    tick: Callable[[Any], float],
) -> Iterator[tuple[Any, int, float]]:
    """Chooses the frames nearest in time to 0, 1 / fps, 2 / fps, ...

    Args:
        timed: frames and their times in seconds, which begin with 0 and grow.
        fps: the rate of the result; 0: all frames as they are.
        tick: gives how long a frame is shown, in seconds; is asked about the
            last one.

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
        end = before[1] + tick(before[0]) - _SAME
        while count == 0 or count / fps < end:
            yield before[0], number, count / fps
            count += 1


def write(
    path: str | Path,
    frames: Iterable[np.ndarray],
    fps: float,
    options: dict[str, str] | None = None,
) -> None:
    """Writes an mp4 file, coded as H.264.

    Args:
        path: where; the file is whole or not there.
        frames: uint8 `(H, W, 3)`, RGB; H and W are even.
        fps: the rate.
        options: of the encoder, x264.

    Raises:
        ValueError: if there are no frames, or of an odd size.
    """
    with atomic.replacing(path, suffix=".mp4") as place:
        video_codec.encode(place, frames, fps, options or {})


def _timed(
    decoded: Iterable[tuple[Any, float | None]], rate: float
) -> Iterator[tuple[Any, float]]:
    """Frames and seconds since the first one."""
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


def fitted(
    picture: Image.Image, size: tuple[int, int], mode: str
) -> Image.Image:
    """Gives a picture a size, as `images.py` does."""
    height, width = size
    if mode == "crop":
        across, down = picture.size
        scale = min(across / width, down / height)
        kept_across = max(1, round(scale * width))
        kept_down = max(1, round(scale * height))
        left, top = (across - kept_across) // 2, (down - kept_down) // 2
        picture = picture.crop((left, top, left + kept_across, top + kept_down))
    return picture.resize((width, height), Image.Resampling.BILINEAR)


@contextlib.contextmanager
def _told(path: str | Path) -> Iterator[None]:
    """Makes every error of reading a `VideoError` with the video's name."""
    name = printable(path)
    try:
        yield
    except (VideoError, GeneratorExit):
        raise
    except FileNotFoundError:
        raise VideoError(name, "there is no such file") from None
    except video_codec.BrokenError as error:
        raise VideoError(name, str(error)) from None
    except av.FFmpegError as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise VideoError(name, f"is cut off or damaged ({why})") from None
    except OSError as error:
        raise VideoError(name, f"cannot be read: {error.strerror}") from None
    except DataError as error:
        raise VideoError(name, str(error)) from None


# Folders of pictures.

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names."""
    found = [
        path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES
    ]
    return sorted(found, key=lambda path: (natural(path.name), path.name))


def natural(name: str) -> list:
    """Puts names in the order of the numbers in them."""
    parts = re.split(r"([0-9]+)", name)
    return [int(p) if i % 2 else p for i, p in enumerate(parts)]


def _numbered(folder: Path) -> list[Path]:
    """The pictures, if there are any and none of them is missing."""
    found = pictures(folder)
    name = printable(folder)
    if not found:
        raise VideoError(
            name, f"the folder has no pictures ({', '.join(_SUFFIXES)})"
        )
    series = [re.fullmatch(r"(.*?)([0-9]+)", path.stem) for path in found]
    if not any(series):
        return found
    if not all(series) or len({match[1] for match in series}) > 1:
        odd = next(
            path.name
            for path, match in zip(found, series, strict=True)
            if not match or match[1] != (series[-1] or [0, 0])[1]
        )
        raise VideoError(
            name,
            f"{printable(odd)} and {printable(found[-1].name)} are not of one "
            "series; expected names that differ in their last number alone",
        )
    numbers = [int(match[2]) for match in series]
    for place, (one, next_) in enumerate(itertools.pairwise(numbers)):
        names = [printable(path.name) for path in found[place : place + 2]]
        if next_ == one:
            raise VideoError(
                name, f"{names[0]} and {names[1]} have the same number"
            )
        if next_ != one + 1:
            raise VideoError(
                name,
                f"frame {one + 1} is missing: {names[0]} is followed by "
                f"{names[1]}",
            )
    return found


def _probe_folder(folder: Path) -> About:
    paths = _numbered(folder)
    try:
        with Image.open(paths[0]) as picture:
            width, height = picture.size
    except Exception as error:
        raise VideoError(
            printable(folder), f"{printable(paths[0].name)}: {error}"
        ) from None
    seconds = len(paths) / FOLDER_FPS
    return About(len(paths), FOLDER_FPS, (height, width), seconds)
