"""Shards of features: arrays on disk that are whole, and make sense.

N pictures, B pictures of a batch, R regions, C channels.
"""

import dataclasses
import functools
import json
import math
import zlib
from pathlib import Path

import numpy as np

from data_pipelines.files import atomic
from data_pipelines.files.errors import DataError

# Largest float16.
_LARGEST = float(np.finfo(np.float16).max)

# Of 255, in the mean over a picture.  Pictures that differ by less, frames of a
# scene where nothing moves, may have features that float16 does not tell apart.
_APART = 1.0


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What numbers features are, as sums, so that shards can be added.

    Attributes:
        pictures: how many.
        values: how many numbers.
        total: their sum.
        squares: the sum of their squares.
        minimum: the least of them.
        maximum: the greatest of them.
        zeros: how many are zero.
        between: pictures times the variance over pictures, the mean of all
            places.
    """

    pictures: int
    values: int
    total: float
    squares: float
    minimum: float
    maximum: float
    zeros: int
    between: float

    @classmethod
    def of(cls, features: np.ndarray) -> "Statistics":
        """Those of `(N, R, C)`, in float64, a picture at a time."""
        place_total = np.zeros(features.shape[1:])
        place_squares = np.zeros(features.shape[1:])
        for one in features:
            one = one.astype(np.float64)  # (R, C)
            place_total += one
            place_squares += np.square(one)
        count = len(features)
        variance = place_squares / count - np.square(place_total / count)
        return cls(
            pictures=count,
            values=features.size,
            total=float(place_total.sum()),
            squares=float(place_squares.sum()),
            minimum=float(features.min()),
            maximum=float(features.max()),
            zeros=int(features.size - np.count_nonzero(features)),
            between=count * max(0.0, float(variance.mean())),
        )

    def __add__(self, other: "Statistics") -> "Statistics":
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in dataclasses.fields(self)
        }
        sums["minimum"] = min(self.minimum, other.minimum)
        sums["maximum"] = max(self.maximum, other.maximum)
        return Statistics(**sums)

    @property
    def mean(self) -> float:
        """Mean of all values."""
        return self.total / self.values

    @property
    def std(self) -> float:
        """Standard deviation of all values."""
        return math.sqrt(max(0.0, self.squares / self.values - self.mean**2))

    @property
    def zero_share(self) -> float:
        """How many of the values are zero, 0 to 1."""
        return self.zeros / self.values

    @property
    def std_over_pictures(self) -> float:
        """How much a value differs from picture to picture."""
        return math.sqrt(self.between / self.pictures)

    def __str__(self) -> str:
        return (
            f"mean {self.mean:.4g}, std {self.std:.4g}, min "
            f"{self.minimum:.4g}, max {self.maximum:.4g}, zeros "
            f"{self.zero_share:.1%}, std over pictures "
            f"{self.std_over_pictures:.4g}"
        )


def checked(
    values: np.ndarray,
    pictures: np.ndarray,
    names: list[str],
    first: bool,
    apart: float = _APART,
) -> np.ndarray:
    """Features of a batch as float16, if they can be any.

    Args:
        values: `(B, R, C)`, what the encoder gave.
        pictures: uint8 `(B, H, W, 3)`, what it was given.
        names: of the pictures.
        first: whether nothing that this encoder gave has been accepted yet.
        apart: pictures are different if their mean absolute difference from
            the first one is more.

    Raises:
        DataError: if a value is no finite number or none that float16 holds;
            if all are zero; if they are the same for different pictures.
    """
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    finite = np.isfinite(values).all(axis=(1, 2))  # (B,)
    if not finite.all():
        raise _nonsense("not finite numbers", values, names[finite.argmin()])
    small = np.isfinite(half).all(axis=(1, 2))
    if not small.all():
        raise _nonsense(
            f"too large for float16, which ends at {_LARGEST:,.0f}; scale "
            "the encoder's result",
            values,
            names[small.argmin()],
        )
    if (half != half[:1]).any():
        return half
    different = _distance(pictures) > apart
    if not half.any() and (different or first):
        raise _nonsense("all zero", values, names[0])
    if different:
        raise _nonsense(
            "the same for different pictures; see what the encoder does to "
            "pixels of 0 to 255",
            values,
            names[0],
        )
    return half


def _distance(pictures: np.ndarray) -> float:
    """How far the first of them is from the one that is least like it."""
    wide = pictures.astype(np.float32)
    axes = tuple(range(1, wide.ndim))
    return float(np.abs(wide - wide[:1]).mean(axis=axes).max())


def _nonsense(what: str, values: np.ndarray, name: str) -> DataError:
    finite = values[np.isfinite(values)]
    numbers = "no value is finite"
    if finite.size:
        wide = finite.astype(np.float64)
        share = 1 - finite.size / values.size
        numbers = (
            f"mean {wide.mean():.4g}, std {wide.std():.4g}, min "
            f"{wide.min():.4g}, max {wide.max():.4g}, zeros "
            f"{(wide == 0).mean():.1%}, not finite {share:.1%}"
        )
    return DataError(
        f"{name}: the encoder's features are {what} (of this batch: {numbers})"
    )


class DamageError(Exception):
    """Says what is wrong with a shard."""


@dataclasses.dataclass(frozen=True)
class Shard:
    """Features of some pictures, in two files that belong together.

    Attributes:
        path: the .npy file; beside it stands its .json.
        shape: (R, C).
        digests: of the pictures' content, in the order of the rows.
        statistics: of the features.
    """

    path: Path
    shape: tuple[int, int]
    digests: list[str]
    statistics: Statistics

    @functools.cached_property
    def rows(self) -> np.ndarray:
        """float16 `(N, R, C)`, mapped."""
        return np.load(self.path, mmap_mode="r")

    @classmethod
    def write(
        cls, path: Path, features: np.ndarray, digests: list[str], of: dict
    ) -> "Shard":
        """Writes both files; without its .json a shard is not there.

        Args:
            path: the .npy file.
            features: float16 `(N, R, C)`.
            digests: N.
            of: what they were made with, for people who look.
        """
        statistics = Statistics.of(features)
        with atomic.replacing(path) as place, place.open("wb") as file:
            np.save(file, features)
        about = {
            "of": of,
            "shape": features.shape[1:],
            "bytes": path.stat().st_size,
            "time": path.stat().st_mtime_ns,
            "checksum": _checksum(path),
            "statistics": dataclasses.asdict(statistics),
            "digests": digests,
        }
        _write_about(path, about)
        return cls(path, features.shape[1:], digests, statistics)

    @classmethod
    def open(cls, path: Path, verify: bool) -> "Shard":
        """Opens a shard.

        Args:
            path: the .npy file.
            verify: whether to read all of it; else that is done only if its
                time is another than when it was written.

        Raises:
            DamageError: if it is not what was written.
        """
        try:
            about = json.loads(path.with_suffix(".json").read_text("utf-8"))
            shape = tuple(about["shape"])
            statistics = Statistics(**about["statistics"])
            written = about["time"], about["bytes"], about["checksum"]
            digests = list(about["digests"])
        except (ValueError, KeyError, TypeError, OSError):
            raise DamageError(
                f"{path.with_suffix('.json')} is damaged"
            ) from None
        time, size, checksum = written
        if not path.is_file():
            raise DamageError(f"{path} is not there")
        status = path.stat()
        if status.st_size != size:
            raise DamageError(
                f"{path} is damaged: it has {status.st_size:,} bytes, not "
                f"{size:,}"
            )
        if verify or status.st_mtime_ns != time:
            if _checksum(path) != checksum:
                raise DamageError(f"{path} is damaged: its checksum is wrong")
            if status.st_mtime_ns != time:
                # A copy; that it is a good one need not be found again.
                _write_about(path, {**about, "time": status.st_mtime_ns})
        return cls(path, shape, digests, statistics)


def remove(path: Path) -> None:
    """Removes a shard's files, first that without which it is not there."""
    path.with_suffix(".json").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _write_about(path: Path, about: dict) -> None:
    with atomic.replacing(path.with_suffix(".json")) as place:
        place.write_text(json.dumps(about), "utf-8")


def _checksum(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            found = zlib.crc32(block, found)
    return found
