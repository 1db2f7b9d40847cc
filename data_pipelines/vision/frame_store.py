r"""Frames of pictures and videos, or an encoder's features of them, on disk.

Folder    <key>/00000.bin   frames, uint8 (N, H, W, 3) or float16 (N, R, C), of
                            a video or of many pictures; mapped, not loaded
          <key>/00000.json  whose they are, a checksum, statistics

    with FrameStore("data/features", {"size": 192}, encoder) as store:
        store.add_pictures([(content, store.encode(pixels, names)[0])])
        store.add_video(other_content, video.Reader("a.mp4", (192, 192)))
    store[content].values        # (N, R, C), a view of the file

The key is made from everything that frames depend on; frames are found by the
content of their file. So a file that is renamed keeps its frames, one that is
changed gets new ones, and in a folder that grows only what is new is computed.
A shard, 00000 and the like, is whole or not there: what a kill costs is the
one that was being written. The folder may be deleted at any time.

Letters of shapes: N frames, H height, W width, B frames of a batch, R regions
of a frame, C channels of a region.
"""

import dataclasses
import functools
import hashlib
import itertools
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import filelock
import numpy as np
from tqdm import tqdm

from data_pipelines.files import atomic, cache, checksums
from data_pipelines.files.checksums import DamageError
from data_pipelines.files.errors import DataError
from data_pipelines.vision import feature_checks
from data_pipelines.vision.feature_checks import Statistics
from data_pipelines.vision.video import Frame

# Changes when the files do.
_FORMAT = 3

# Frames that are encoded at a time.
BATCH = 32


class Encoder(Protocol):
    """A network that does not change.

    Attributes:
        key: Names everything that its results depend on.
        size: Height and width of the frames it takes.
    """

    key: str
    size: tuple[int, int]

    def __call__(self, frames: np.ndarray) -> Any:
        """Return float `(B, R, C)` of uint8 `(B, H, W, 3)`; B is `BATCH`."""


class FrameSource(Protocol):
    """The frames of one video, as they are stored.

    Attributes:
        count: How many frames the video itself has, once it has been read.
        fps: The rate of what is yielded, once something has been.
    """

    count: int
    fps: float

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames, or features in their place."""

    def expected(self) -> int:
        """Return about how many there will be, without reading them."""


def weights_key(config: str, weights: Iterable[np.ndarray]) -> str:
    """Return a short name for an encoder by what it is made of.

    Args:
        config: Whatever else its results depend on.
        weights: Its arrays, in their order.
    """
    digest = hashlib.sha256(config.encode())
    for array in weights:
        digest.update(str((array.dtype, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:32]


@dataclasses.dataclass(frozen=True)
class Shard:
    """Frames in two files that belong together.

    Attributes:
        path: The .bin file; beside it stands its .json, without which it is
            not there.
        shape: Of all frames, `(N, H, W, 3)` or `(N, R, C)`.
        dtype: uint8 or float16.
        items: Content of a file, number of its frames, and what else is known
            of it, in the order of the frames.
        statistics: Of the features; None for pixels.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: str
    items: list[tuple[str, int, dict]]
    statistics: Statistics | None

    @functools.cached_property
    def values(self) -> np.ndarray:
        """All frames, mapped."""
        # As a plain array: slices of a memmap are slow.
        return np.asarray(np.memmap(self.path, self.dtype, "r", 0, self.shape))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Verify and map a shard, given its .bin file.

        Raises:
            DamageError: If it is not what was written.
        """
        written = checksums.read_json(path.with_suffix(".json"))
        checksums.verify(path, written["measured"])
        statistics = written["statistics"]
        return cls(
            path,
            tuple(written["shape"]),
            written["dtype"],
            [tuple(item) for item in written["items"]],
            statistics and Statistics(**statistics),
        )

    def save(self, about: dict) -> None:
        """Write the .json, when all frames are in the .bin file.

        Args:
            about: What the frames were made with, for people who look.
        """
        written = {
            "about": about,
            "shape": self.shape,
            "dtype": self.dtype,
            "items": self.items,
            "statistics": self.statistics
            and dataclasses.asdict(self.statistics),
            "measured": checksums.measure(self.path),
        }
        checksums.write_json(self.path.with_suffix(".json"), written)


class Stored(NamedTuple):
    """The frames of one file.

    Attributes:
        content: A short name for what is in the file.
        shard: Where its frames are.
        start: The first of them.
        size: How many there are.
        details: What else is known of a video.
    """

    content: str
    shard: Shard
    start: int
    size: int
    details: dict

    @property
    def values(self) -> np.ndarray:
        """Frames or features, `(N, H, W, 3)` or `(N, R, C)`, mapped."""
        return self.shard.values[self.start : self.start + self.size]

    @property
    def frames(self) -> int:
        """How many frames the video itself has."""
        return self.details["frames"]

    @property
    def fps(self) -> float:
        """The rate of the frames that are stored."""
        return self.details["fps"]

    @property
    def numbers(self) -> np.ndarray:
        """Which frames of the video itself they are, `(N,)` int32."""
        return np.array(self.details["numbers"], np.int32)

    @property
    def times(self) -> np.ndarray:
        """Seconds from the first frame, `(N,)` float64."""
        return np.array(self.details["times"], np.float64)


class FrameStore:
    """Frames of one kind, found by the content of their files.

    It is a context in which no other process writes into the same folder.

    Args:
        folder: Where stores of all kinds are.
        about: What frames depend on beside the encoder, as JSON.
        encoder: What makes features of frames; None: frames are stored.

    Attributes:
        path: Folder of this kind.
        batch_size: Frames that are encoded at a time.
        shard_bytes: Size of a shard of pictures, and what a kill can cost.
    """

    batch_size = BATCH
    shard_bytes = 2**25

    def __init__(
        self, folder: Path, about: dict, encoder: Encoder | None
    ) -> None:
        self.about = {**about, "encoder": encoder and encoder.key}
        self.path = folder / cache.key(_FORMAT, self.about)
        self.encoder = encoder
        self._shards: list[Shard] = []
        self._stored: dict[str, Stored] = {}
        self._next = 0
        self._encoded: tuple[int, ...] | None = None
        self._expected: tuple[str, str, int] | None = None
        self._lock = filelock.FileLock(self.path / ".lock")

    def __enter__(self) -> Self:
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout:
            print(
                f"{self.path}: waiting for another process that computes the "
                "same frames",
                file=sys.stderr,
            )
            self._lock.acquire()
        for abandoned in self.path.glob(".tmp-*"):
            abandoned.unlink()
        described = sorted(self.path.glob("[0-9]*.json"))
        paths = [path.with_suffix(".bin") for path in described]
        for path, shard in zip(
            paths, checksums.in_threads(_load, paths), strict=True
        ):
            self._open(path, shard)
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __contains__(self, content: object) -> bool:
        return content in self._stored

    def __getitem__(self, content: str) -> Stored:
        return self._stored[content]

    def statistics(self) -> Statistics:
        """Return those of all features in the folder."""
        first, *others = (shard.statistics for shard in self._shards)
        return sum(others, first)

    def expect(self, action: str, counted: str, frames: int) -> None:
        """Say how large it will be, once the shape of frames is known.

        Args:
            action: What is done, such as "reading videos".
            counted: How much there is, such as "3 videos".
            frames: How many frames, about.
        """
        self._expected = (action, counted, frames)

    def encode(self, frames: np.ndarray, names: list[str]) -> np.ndarray:
        """Return features of some frames, float16 `(B, R, C)`.

        Args:
            frames: uint8 `(B, H, W, 3)`; B is at most the batch size.
            names: Of the frames, for messages.

        Raises:
            DataError: If the features are nonsense, or of another shape than
                those that the encoder gave before.
        """
        missing = self.batch_size - len(frames)
        padded = np.pad(
            frames, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="edge"
        )
        values = np.asarray(self.encoder(padded))
        if values.ndim != 3 or len(values) != len(padded):
            raise ValueError(
                f"the encoder gave an array of {values.shape}; expected "
                f"({len(padded)}, regions, channels)"
            )
        with np.errstate(over="ignore"):  # what that makes is refused below
            values = values[: len(frames)].astype(np.float32)
        half = feature_checks.to_float16(
            values, frames, names, first=self._encoded is None
        )
        shape = half.shape[1:]
        if shape != (self._encoded or shape):
            raise DataError(
                f"{self.path}: holds features of {self._encoded}, and the "
                f"encoder gives {shape}; if it has changed, its name must, too"
            )
        self._encoded = shape
        return half

    def add_pictures(self, pictures: Iterable[tuple[str, np.ndarray]]) -> None:
        """Write pictures, many in a shard.

        Args:
            pictures: Content of the file, and its frame or features; a shard
                of them is in memory at a time.
        """
        pictures = iter(pictures)
        for first in pictures:
            count = -(-self.shard_bytes // first[1].nbytes)
            some = [first, *itertools.islice(pictures, count - 1)]
            written = self._write([np.stack([frame for _, frame in some])])
            items = [(content, 1, {}) for content, _ in some]
            self._append(*written, items)

    def add_video(self, content: str, source: FrameSource, name: str) -> None:
        """Write a video as a shard of its own.

        Args:
            content: Of its file.
            source: Its frames; a batch of them is in memory at a time.
            name: Of the video, for messages.

        Raises:
            VideoError: If it cannot be read; nothing of it is written then.
        """
        numbers: list[int] = []
        times: list[float] = []

        def blocks() -> Iterator[np.ndarray]:
            frames = iter(source)
            while some := list(itertools.islice(frames, self.batch_size)):
                numbers.extend(frame.number for frame in some)
                times.extend(frame.seconds for frame in some)
                block = np.stack([frame.pixels for frame in some])
                if self.encoder is not None:
                    names = [f"{name}, frame {f.number:,}" for f in some]
                    block = self.encode(block, names)
                yield block

        written = self._write(blocks())
        details = {
            "frames": source.count,
            "fps": source.fps,
            "numbers": numbers,
            "times": times,
        }
        self._append(*written, [(content, len(numbers), details)])

    def _open(self, path: Path, shard: Shard | DamageError) -> None:
        self._next = max(self._next, int(path.stem) + 1)
        if isinstance(shard, DamageError):
            print(f"{shard}; its frames are computed again", file=sys.stderr)
            # First that without which it is not there.
            path.with_suffix(".json").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        else:
            self._take(shard)

    def _take(self, shard: Shard) -> None:
        start = 0
        for content, size, details in shard.items:
            self._stored[content] = Stored(content, shard, start, size, details)
            start += size
        self._shards.append(shard)
        if self.encoder is not None:
            self._encoded = shard.shape[1:]

    def _write(
        self, blocks: Iterable[np.ndarray]
    ) -> tuple[Path, tuple[int, ...], str]:
        """Write the frames of a shard; return where, their shape and type."""
        path = self.path / f"{self._next:05d}.bin"
        count, block = 0, np.empty(0)
        with atomic.replacing(path) as temporary, temporary.open("wb") as file:
            for block in blocks:
                self._announce(block)
                file.write(np.ascontiguousarray(block))
                count += len(block)
        return path, (count, *block.shape[1:]), str(block.dtype)

    def _append(
        self, path: Path, shape: tuple, dtype: str, items: list[tuple]
    ) -> None:
        """Describe the frames that were written, and take them."""
        statistics = None
        if dtype == "float16":
            statistics = Statistics.of(np.memmap(path, dtype, "r", 0, shape))
        shard = Shard(path, shape, dtype, items, statistics)
        shard.save(self.about)
        self._take(shard)
        self._next += 1

    def _announce(self, block: np.ndarray) -> None:
        """Say how large it will be, before it is."""
        if self._expected is None:
            return
        action, counted, frames = self._expected
        self._expected = None
        shape = block.shape[1:]
        size = described(counted, frames, shape, block.dtype)
        free = shutil.disk_usage(self.path).free
        if free < frames * block[0].nbytes:
            raise DataError(
                f"{self.path}: no room for {size}; free are "
                f"{tqdm.format_sizeof(free, 'B')}"
            )
        print(f"{action}: {size}, {self.path}", file=sys.stderr)


def _load(path: Path) -> Shard | DamageError:
    try:
        return Shard.load(path)
    except DamageError as error:
        return error


def described(
    counted: str, frames: int, shape: tuple[int, ...], dtype: Any
) -> str:
    """Return how much there is, in words.

    Args:
        counted: Such as "3 videos".
        frames: How many frames.
        shape: Of a frame.
        dtype: Of a frame.
    """
    size = frames * int(np.prod(shape)) * np.dtype(dtype).itemsize
    each = f"{' x '.join(map(str, shape))} {dtype} each"
    return f"{counted}, {each}, {tqdm.format_sizeof(size, 'B')}"
