"""Frames of videos, or what an encoder sees in them, on disk, mapped.

Folder    videos.jsonl              each file's size, time and content
          <key>/<content>/values.bin   uint8 (T, H, W, 3) or float16 (T, R, C)
                          numbers.npy  int32 (T,) frames of the original video
                          times.npy    float64 (T,) seconds
                          about.json   their shape, and the original's length
          <key>/bad_videos.txt, if there are any

The key is made from the encoder, the size, the mode and the rate; a video is
found by its content.  A video is whole or not there: what a kill costs is the
one that was being computed.  One video is read at a time, a batch of its
frames in memory.  The folder may be deleted at any time.

T frames of a video, H height, W width, B frames of a batch, R regions of a
frame, C channels of a region.
"""

import contextlib
import dataclasses
import itertools
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from data_pipelines.files import cache
from data_pipelines.files.errors import DataError
from data_pipelines.files.file_index import FileIndex
from data_pipelines.files.progress import progress_bar
from data_pipelines.video_labeling.frame_sources import Medium, Source
from data_pipelines.vision import feature_shards
from data_pipelines.vision.images import BadFiles, printable
from data_pipelines.vision.video import Frame, VideoError

# Changes when the files do.
_FORMAT = 1

# Frames that are encoded at a time.
BATCH = 32


class Encoder(Protocol):
    """What makes features of frames.

    Attributes:
        key: names everything that the features depend on.
        size: height and width of the frames that it takes.
    """

    key: str
    size: tuple[int, int]

    def __call__(self, frames: np.ndarray) -> Any:
        """Takes uint8 `(B, H, W, 3)` to floats `(B, R, C)`; B is `BATCH`."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """A video on disk.

    Attributes:
        folder: where.
        shape: (T, H, W, 3) or (T, R, C).
        dtype: uint8 or float16.
        frames: how many the original video has.
        fps: the rate of what is stored.
    """

    folder: Path
    shape: tuple[int, ...]
    dtype: str
    frames: int
    fps: float

    @classmethod
    def open(cls, folder: Path) -> "Stored":
        """Reads what was written about a video."""
        about = json.loads((folder / "about.json").read_text("utf-8"))
        about["shape"] = tuple(about["shape"])
        found = cls(folder, **about)
        size = (folder / "values.bin").stat().st_size
        if size != np.prod(found.shape) * np.dtype(found.dtype).itemsize:
            raise ValueError(f"{folder}: values.bin has {size} bytes")
        return found

    @property
    def values(self) -> np.ndarray:
        """Frames or features, mapped anew each time."""
        path = self.folder / "values.bin"
        return np.memmap(path, self.dtype, "r", shape=self.shape)

    @property
    def numbers(self) -> np.ndarray:
        """Which frames of the original video they are, `(T,)`."""
        return np.load(self.folder / "numbers.npy")

    @property
    def times(self) -> np.ndarray:
        """Seconds from the first frame, `(T,)`."""
        return np.load(self.folder / "times.npy")


def write(
    folder: Path, frames: Iterable[Frame], dtype: str, about: Callable
) -> None:
    """Writes a video into a new folder.

    Args:
        folder: an existing one.
        frames: their pixels, or features instead of these, of one shape.
        dtype: of these.
        about: gives how many frames the original has, and the rate of these;
            is called after the last one.
    """
    numbers, times, shape = [], [], ()
    with (folder / "values.bin").open("wb") as file:
        for frame in frames:
            shape = frame.pixels.shape
            file.write(np.ascontiguousarray(frame.pixels, dtype))
            numbers.append(frame.number)
            times.append(frame.seconds)
    np.save(folder / "numbers.npy", np.array(numbers, np.int32))
    np.save(folder / "times.npy", np.array(times, np.float64))
    count, fps = about()
    written = {
        "shape": [len(numbers), *shape],
        "dtype": dtype,
        "frames": count,
        "fps": fps,
    }
    (folder / "about.json").write_text(json.dumps(written), "utf-8")


class Store:
    """Videos as one kind of arrays.

    Args:
        folder: where videos of all kinds are kept.
        medium: how they are read.
        size: height and width of frames; an encoder has its own.
        mode: how frames get it, one of `images.MODES`.
        fps: what videos are resampled to; 0: not at all.
        encoder: what makes features of frames; None: frames are kept.

    Attributes:
        place: where the videos of this kind are.
    """

    def __init__(
        self,
        folder: Path,
        medium: Medium,
        *,
        size: tuple[int, int],
        mode: str,
        fps: float,
        encoder: Encoder | None,
    ) -> None:
        self.medium = medium
        self.size = size if encoder is None else tuple(encoder.size)
        self.mode = mode
        self.fps = fps
        self.encoder = encoder
        key = None if encoder is None else encoder.key
        name = cache.key(_FORMAT, medium.name, key, self.size, mode, fps)
        self.place = folder / name
        self.known = FileIndex(folder / "videos.jsonl")
        self._accepted = False

    def read(
        self,
        videos: Iterable[tuple[str, Path]],
        bad: BadFiles,
        check: Callable[[str, Stored], None],
    ) -> dict[str, Stored]:
        """Computes what is not there yet, and opens all of it.

        Args:
            videos: names and files.
            bad: takes videos that cannot be read; those that it has already
                count, too.
            check: is told of each video as soon as it is there, by its name.

        Returns:
            Name -> video, in the order of `videos`, bad ones left out.

        Raises:
            DataError: if too many videos are bad, or there is no room, or
                the features are nonsense.
        """
        paths = dict(videos)
        total = len(paths) + len(bad)
        digests = self._digests(paths, bad)
        new = [n for n, d in digests.items() if not (self.place / d).exists()]
        self._announce([paths[name] for name in new])
        found = {}
        with progress_bar(
            "reading videos", "frames", total=self.expected
        ) as bar:
            for name, digest in digests.items():
                try:
                    found[name] = self._stored(paths[name], digest)
                except VideoError as error:
                    bad.add(error)
                    continue
                if name in new:
                    bar.update(found[name].shape[0])
                check(name, found[name])
        bad.check(total, self.place / "bad_videos.txt")
        return found

    def _digests(self, paths: dict[str, Path], bad: BadFiles) -> dict:
        """Name -> content, of those that can be read."""
        found = {}
        for name in progress_bar("looking at videos", "videos", paths):
            try:
                found[name] = self.medium.content(paths[name], self.known)
            except VideoError as error:
                bad.add(error)
        self.known.save()
        return found

    def _stored(self, path: Path, digest: str) -> Stored:
        def build(folder: Path) -> None:
            source = self._source(path)
            frames, dtype = iter(source), source.dtype
            if self.encoder is not None:
                frames, dtype = (
                    self._encoded(frames, printable(path)),
                    "float16",
                )
            write(folder, frames, dtype, lambda: (source.count, source.fps))

        place = self.place / digest
        if place.exists():
            try:
                return Stored.open(place)
            except (ValueError, KeyError, TypeError, FileNotFoundError):
                print(f"{place}: is damaged; it is made again", file=sys.stderr)
                shutil.rmtree(place)
        return Stored.open(cache.folder(place, build))

    def _source(self, path: Path) -> Source:
        return self.medium.open(path, self.size, self.fps, self.mode)

    def _encoded(self, frames: Iterator[Frame], name: str) -> Iterator[Frame]:
        """Features instead of pixels."""
        while some := list(itertools.islice(frames, BATCH)):
            pixels = np.stack([frame.pixels for frame in some])
            missing = BATCH - len(some)
            padded = np.pad(
                pixels, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="edge"
            )
            values = np.asarray(self.encoder(padded))
            if values.ndim != 3 or len(values) != BATCH:
                raise ValueError(
                    f"the encoder gave an array of {values.shape}; expected "
                    f"({BATCH}, regions, channels)"
                )
            names = [f"{name}, frame {frame.number:,}" for frame in some]
            half = feature_shards.checked(
                values[: len(some)].astype(np.float32),
                pixels,
                names,
                not self._accepted,
            )
            self._accepted = True
            for frame, features in zip(some, half, strict=True):
                yield frame._replace(pixels=features)

    def _announce(self, paths: list[Path]) -> None:
        """Says how large it will be, before it is."""
        self.expected = 0
        for path in paths:
            source = self._source(path)
            # What is bad is counted when it is read.
            with contextlib.suppress(VideoError):
                self.expected += source.expected()
        if not self.expected:
            return
        shape, kind = source.shape, source.dtype
        if self.encoder is not None:
            blank = np.zeros((BATCH, *self.size, 3), np.uint8)
            shape, kind = np.shape(self.encoder(blank))[1:], "float16"
        needed = self.expected * int(np.prod(shape)) * np.dtype(kind).itemsize
        self.place.mkdir(parents=True, exist_ok=True)
        said = (
            f"{len(paths):,} videos, about {self.expected:,} frames, "
            f"{' x '.join(map(str, shape))} {kind} each, {_size(needed)}"
        )
        free = shutil.disk_usage(self.place).free
        if free < needed:
            raise DataError(
                f"{self.place}: no room for the videos: {said}; free are "
                f"{_size(free)}"
            )
        print(f"reading videos: {said}, {self.place}", file=sys.stderr)


def _size(count: int) -> str:
    unit, name = (1e9, "GB") if count >= 1e9 else (1e6, "MB")
    return f"{count / unit:.3g} {name}"
