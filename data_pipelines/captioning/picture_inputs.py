"""What a model sees of pictures: their pixels, or features of an encoder.

Pixels     uint8 (B, H, W, 3), decoded by threads ahead
Extracted  float16 (B, R, C), mapped from disk; see `features`

Both have the same face:

    seen = Pixels(files, 96, "stretch", folder="data/cache/pictures", bad=bad)
    "cat.jpg" in seen                             # False if it is a bad one
    seen.one("cat.jpg")                           # (H, W, 3)
    for batch in seen.batches([["a", "b"], ["c"]]):  # lists of names
        ...                                       # (2, H, W, 3), (1, H, W, 3)
    seen.spec                                     # of a batch
"""

import contextlib
import functools
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from data_pipelines.files import file_index
from data_pipelines.files.file_index import FileIndex
from data_pipelines.files.progress import progress_bar
from data_pipelines.vision import features, images
from data_pipelines.vision.images import BadFiles, PictureError

# Decoded pictures that are kept in memory; with five captions each they are
# needed often.
_KEPT_BYTES = 2**28

# What a kill can cost.
_CHECKED_AT_ONCE = 1000

# Stands where a picture was that has become bad since it was checked.
_GREY = 127


class Encoder(Protocol):
    """A network that does not change.

    Attributes:
        key: names everything that its results depend on.
        size: height and width of the pictures it takes.
    """

    key: str
    size: tuple[int, int]

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 `(B, H, W, 3)` -> float `(B, R, C)`."""


class Pixels:
    """Pictures as they are.

    All are read once, in threads, to find the bad ones; which are good is
    remembered for as long as their files stay the same.

    Args:
        files: (name, path) of all pictures.
        size: height and width; one number is both.
        mode: one of `images.MODES`.
        folder: where it is remembered which pictures are good.
        bad: pictures that have no file; those that cannot be read are added.

    Raises:
        DataError: if too many pictures are bad.
    """

    def __init__(
        self,
        files: Iterable[tuple[str, Path]],
        size: int | tuple[int, int],
        mode: str,
        folder: Path,
        bad: BadFiles,
    ) -> None:
        paths = dict(files)
        height, width = (size, size) if isinstance(size, int) else size
        self.size = (height, width)
        self.mode = mode
        self.bad = bad
        self.paths = paths
        self.spec = tf.TensorSpec((None, height, width, 3), tf.uint8)
        self._total = len(paths) + len(bad)
        self._check(folder)
        kept = _KEPT_BYTES // (height * width * 3)
        self._kept = functools.lru_cache(kept)(self._read)

    def __contains__(self, name: object) -> bool:
        return name in self.paths

    def one(self, name: str) -> np.ndarray:
        """One picture, uint8 `(H, W, 3)`."""
        (batch,) = self.batches([[name]])
        return batch[0]

    def batches(self, names: Iterable[Sequence[str]]) -> Iterator[np.ndarray]:
        """Yields uint8 `(B, H, W, 3)` for each list of names, of any number."""
        names, ahead = itertools.tee(names)
        every = itertools.chain.from_iterable(ahead)
        with contextlib.closing(images.in_order(self._kept, every)) as found:
            for batch in names:
                yield np.stack([self._good(next(found)) for _ in batch])

    def report(self) -> list[str]:
        """What to print."""
        height, width = self.size
        return [f"pictures {len(self.paths):,}, read as {height} x {width}"]

    def _read(self, name: str) -> np.ndarray:
        return images.read(self.paths[name], self.size, self.mode)

    def _good(self, found: np.ndarray | PictureError) -> np.ndarray:
        if not isinstance(found, PictureError):
            return found
        if found.name not in self.bad.reasons:
            print(f"{found}; it was good before", file=sys.stderr)
            self.bad.add(found)
            self.bad.check(self._total)
        return np.full((*self.size, 3), _GREY, np.uint8)

    def _check(self, folder: Path) -> None:
        """Takes out the pictures that cannot be read."""
        known = FileIndex(folder / f"good-{images.VERSION}.jsonl")
        todo = []
        for name, path in self.paths.items():
            stamp = file_index.file_identity(path)
            if stamp not in known.entries:
                todo.append((name, path, stamp))
        found = images.in_order(_whole, (path for _, path, _ in todo))
        bar = progress_bar("checking pictures", "pictures", todo)
        for count, (item, error) in enumerate(zip(bar, found, strict=True)):
            name, _, stamp = item
            if error is not None:
                self.bad.add(error)
                del self.paths[name]
            elif stamp is not None:
                known.add(stamp, "")
            if (count + 1) % _CHECKED_AT_ONCE == 0:
                known.save()
        known.save()
        self.bad.check(self._total, folder / "bad_pictures.txt")


def _whole(path: Path) -> None:
    """Reads a picture to its end; `PictureError` if that cannot be."""
    images.read(path, 8)


class Extracted:
    """Features of pictures by an encoder, computed where they are missing.

    Args:
        files: (name, path) of all pictures.
        encoder: what computes them.
        mode: how pictures get the encoder's size, one of `images.MODES`.
        folder: where features are kept.
        bad: pictures that have no file; those that cannot be read are added.

    Attributes:
        features: what `features.extract` gave.

    Raises:
        DataError: if too many pictures are bad, or the features nonsense.
    """

    def __init__(
        self,
        files: Iterable[tuple[str, Path]],
        encoder: Encoder,
        mode: str,
        folder: Path,
        bad: BadFiles,
    ) -> None:
        self.features = features.extract(
            encoder,
            files,
            folder,
            encoder=encoder.key,
            size=tuple(encoder.size),
            mode=mode,
            bad=bad,
        )
        bad.reasons.update(self.features.bad.reasons)
        self.bad = bad
        self.spec = tf.TensorSpec((None, *self.features.shape), tf.float16)

    def __contains__(self, name: object) -> bool:
        return name in self.features

    def one(self, name: str) -> np.ndarray:
        """Features of one picture, float16 `(R, C)`."""
        return self.features[name]

    def batches(self, names: Iterable[Sequence[str]]) -> Iterator[np.ndarray]:
        """Yields float16 `(B, R, C)` for each list of names, of any number."""
        for batch in names:
            yield self.features.batch(batch)

    def report(self) -> list[str]:
        """What to print."""
        described, values, *_ = self.features.report()
        return [described, values]
