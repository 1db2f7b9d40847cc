"""Whether an encoder's features make sense, and what numbers they are.

Letters of shapes: N pictures, B pictures of a batch, R regions, C channels.
"""

import dataclasses
import math

import numpy as np

from data_pipelines.files.errors import DataError

# Largest float16.
_LARGEST = float(np.finfo(np.float16).max)

# Of 255, in the mean over a picture. Pictures that differ by less, frames of a
# scene where nothing moves, may have features that float16 does not tell apart.
_APART = 1.0


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What numbers features are, as sums, so that shards can be added.

    Attributes:
        pictures: How many.
        values: How many numbers.
        total: Their sum.
        squares: The sum of their squares.
        minimum: The least of them.
        maximum: The greatest of them.
        zeros: How many are zero.
        between: Pictures times the variance over pictures, the mean of all
            positions.
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
        """Return those of `(N, R, C)`, in float64, without a copy of them."""
        total = features.sum(0, dtype=np.float64)  # (R, C)
        squares = np.zeros(features.shape[1:])
        for picture in features:
            squares += np.square(picture, dtype=np.float64)
        count = len(features)
        variance = squares / count - np.square(total / count)
        return cls(
            pictures=count,
            values=features.size,
            total=float(total.sum()),
            squares=float(squares.sum()),
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

    def __str__(self) -> str:
        mean = self.total / self.values
        variance = max(0.0, self.squares / self.values - mean**2)
        return (
            f"mean {mean:.4g}, std {math.sqrt(variance):.4g}, min "
            f"{self.minimum:.4g}, max {self.maximum:.4g}, zeros "
            f"{self.zeros / self.values:.1%}, std over pictures "
            f"{math.sqrt(self.between / self.pictures):.4g}"
        )


def to_float16(
    values: np.ndarray,
    pictures: np.ndarray,
    names: list[str],
    first: bool,
    apart: float = _APART,
) -> np.ndarray:
    """Return the features of a batch as float16, or refuse nonsense.

    Args:
        values: `(B, R, C)`, what the encoder returned.
        pictures: uint8 `(B, H, W, 3)`, what it took.
        names: Of the pictures.
        first: Whether nothing of this encoder has been accepted yet.
        apart: Pictures are different if their mean absolute difference from
            the first one is more.

    Raises:
        DataError: If a value is no finite number or none that float16 holds;
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
    wide = pictures.astype(np.float32)
    apart_by = np.abs(wide - wide[:1]).mean(axis=tuple(range(1, wide.ndim)))
    different = apart_by.max() > apart
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
