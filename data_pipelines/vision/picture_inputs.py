"""What a model sees of pictures: their pixels, or features of an encoder.

PixelInputs     uint8 (B, H, W, 3), decoded by threads when they are wanted
FeatureInputs   float16 (B, R, C), computed once and mapped from disk

Both are used alike:

    inputs = read_pixels(files, (96, 96), "stretch", "data/cache/pictures", bad)
    inputs = extract_features(files, encoder, "stretch", "data/cache/features")
    inputs.names                      # those that can be read; inputs.bad
    inputs.get("cat.jpg")             # (H, W, 3)
    inputs.batch(["a.jpg", "b.jpg"])  # (2, H, W, 3)
    inputs.spec                       # of a batch

Letters of shapes: B batch, H height, W width, R regions, C channels.
"""

import contextlib
import functools
import hashlib
import sys
from collections.abc import Iterable, Iterator, KeysView, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from data_pipelines.files import file_index
from data_pipelines.files.errors import DataError
from data_pipelines.files.file_index import FileIndex
from data_pipelines.files.progress import progress_bar
from data_pipelines.vision import frame_store, images
from data_pipelines.vision.feature_checks import Statistics
from data_pipelines.vision.frame_store import Encoder, FrameStore, Stored
from data_pipelines.vision.images import BadFiles, PictureError, printable

# Decoded pictures in memory; with five captions each they are needed often.
_CACHED_BYTES = 2**28

# Pictures after which it is saved which ones are good, and what a kill can
# cost.
_SAVED_AT_ONCE = 1000

# Stands where a picture was that has become bad since it was checked.
_GREY = 127


class PixelInputs:
    """Pictures as they are.

    Args:
        paths: Name -> file, of the pictures that can be read.
        size: Height and width.
        mode: One of `images.MODES`.
        bad: The other pictures.
    """

    def __init__(
        self,
        paths: dict[str, Path],
        size: tuple[int, int],
        mode: str,
        bad: BadFiles,
    ) -> None:
        self.paths = paths
        self.size = size
        self.mode = mode
        self.bad = bad
        self.spec = tf.TensorSpec((None, *size, 3), tf.uint8)
        self._total = len(paths) + len(bad)
        cached = _CACHED_BYTES // (size[0] * size[1] * 3)
        self._cached = functools.lru_cache(cached)(self._read)

    @property
    def names(self) -> KeysView[str]:
        """Names of the pictures."""
        return self.paths.keys()

    def get(self, name: str) -> np.ndarray:
        """Return one picture, uint8 `(H, W, 3)`."""
        return self.batch([name])[0]

    def batch(self, names: Sequence[str]) -> np.ndarray:
        """Return some pictures, uint8 `(B, H, W, 3)`."""
        decoded = images.in_order(self._cached, names)
        return np.stack([self._good(picture) for picture in decoded])

    def report(self) -> list[str]:
        """Return lines to print."""
        height, width = self.size
        return [f"pictures {len(self.paths):,}, read as {height} x {width}"]

    def _read(self, name: str) -> np.ndarray:
        return images.read(self.paths[name], self.size, self.mode)

    def _good(self, picture: np.ndarray | PictureError) -> np.ndarray:
        if not isinstance(picture, PictureError):
            return picture
        if picture.name not in self.bad.reasons:
            print(f"{picture}; it was good before", file=sys.stderr)
            self.bad.add(picture)
            self.bad.check(self._total)
        return np.full((*self.size, 3), _GREY, np.uint8)


def read_pixels(
    files: Iterable[tuple[str, Path]],
    size: tuple[int, int],
    mode: str,
    folder: Path,
    missing: BadFiles | None = None,
) -> PixelInputs:
    """Return the pictures that can be read, and which ones cannot.

    All are read once, in threads; which ones are good is remembered for as
    long as their files stay the same.

    Args:
        files: (name, path) of all pictures.
        size: Height and width.
        mode: One of `images.MODES`.
        folder: Where it is remembered which pictures are good.
        missing: Pictures that have no file; they count among the bad ones.

    Raises:
        DataError: If too many pictures are bad.
    """
    paths = dict(files)
    bad = BadFiles(known=missing)
    total = len(paths) + len(bad)
    known = FileIndex(folder / f"good-{images.VERSION}.jsonl")
    new = [
        (name, path, fingerprint)
        for name, path in paths.items()
        if (fingerprint := file_index.file_identity(path)) not in known.entries
    ]
    checked = images.in_order(_check, (path for _, path, _ in new))
    bar = progress_bar("checking pictures", "pictures", new)
    for count, ((name, _, fingerprint), error) in enumerate(
        zip(bar, checked, strict=True), 1
    ):
        if error is not None:
            bad.add(error)
            del paths[name]
        elif fingerprint is not None:
            known.add(fingerprint, "")
        if count % _SAVED_AT_ONCE == 0:
            known.save()
    known.save()
    bad.check(total, folder / "bad_pictures.txt")
    return PixelInputs(paths, size, mode, bad)


def _check(path: Path) -> None:
    """Read a picture to its end; `PictureError` if that cannot be."""
    images.read(path, 8)


class FeatureInputs:
    """Features of pictures by a frozen encoder.

    Args:
        stored: Name -> features, of the pictures that can be read.
        bad: The other pictures.
        path: Folder of the features.
        statistics: Of all features in it.

    Attributes:
        shape: (R, C).
    """

    def __init__(
        self,
        stored: dict[str, Stored],
        bad: BadFiles,
        path: Path,
        statistics: Statistics,
    ) -> None:
        self.stored = stored
        self.bad = bad
        self.path = path
        self.statistics = statistics
        self.shape = next(iter(stored.values())).shard.shape[1:]
        self.spec = tf.TensorSpec((None, *self.shape), tf.float16)

    @property
    def names(self) -> KeysView[str]:
        """Names of the pictures."""
        return self.stored.keys()

    def get(self, name: str) -> np.ndarray:
        """Return the features of one picture, float16 `(R, C)`."""
        return self.stored[name].values[0]

    def batch(self, names: Sequence[str]) -> np.ndarray:
        """Return those of some pictures, float16 `(B, R, C)`."""
        return np.stack([self.get(name) for name in names])

    def report(self) -> list[str]:
        """Return lines to print."""
        count = len(self.stored)
        size = frame_store.described(
            f"{count:,} pictures", count, self.shape, "float16"
        )
        return [
            f"features: {size}, {self.path}",
            f"their values: {self.statistics}",
        ]


def extract_features(
    files: Iterable[tuple[str, Path]],
    encoder: Encoder,
    mode: str,
    folder: Path,
    missing: BadFiles | None = None,
    **options: int | bool,
) -> FeatureInputs:
    """Compute the features of pictures that are not there yet.

    Args:
        files: (name, path) of all pictures; two names may have the same file.
        encoder: What computes them.
        mode: How pictures get the encoder's size, one of `images.MODES`.
        folder: Where features are kept, those of other encoders, too.
        missing: Pictures that have no file; they count among the bad ones.
        options: Of the `FrameStore`.

    Returns:
        The features of the pictures that can be read, in their order.

    Raises:
        DataError: If too many pictures are bad, or the features nonsense.
    """
    paths = dict(files)
    bad = BadFiles(known=missing)
    total = len(paths) + len(bad)
    about = {
        "size": list(encoder.size), "mode": mode, "images": images.VERSION,
    }  # fmt: skip
    with FrameStore(folder, about, encoder, **options) as store:
        known = FileIndex(folder / "pictures.jsonl")
        try:
            contents = _Extraction(store, known, bad).run(paths)
        finally:
            known.save()
    bad.check(total, store.path / "bad_pictures.txt")
    if not contents:
        raise DataError("there are no pictures to compute features of")
    stored = {name: store[content] for name, content in contents.items()}
    return FeatureInputs(stored, bad, store.path, store.statistics())


class _Extraction:
    """Reads pictures in threads, and encodes batches of them.

    Args:
        store: Where features are, and the encoder.
        known: Files -> their content.
        bad: Takes the pictures that cannot be read.
    """

    def __init__(
        self, store: FrameStore, known: FileIndex, bad: BadFiles
    ) -> None:
        self.store = store
        self.known = known
        self.bad = bad
        self.contents: dict[str, str] = {}
        self.taken: set[str] = set()

    def run(self, paths: dict[str, Path]) -> dict[str, str]:
        """Compute what is missing; return name -> content of good pictures."""
        new = []
        for name, path in paths.items():
            fingerprint = file_index.file_identity(path)
            content = self.known.entries.get(fingerprint)
            if content in self.store:
                self.contents[name] = content
            else:
                new.append((name, path, fingerprint))
        count = len(new)
        self.store.expect("computing features", f"{count:,} pictures", count)
        self.store.add_pictures(self._features(new))
        order = (name for name in paths if name in self.contents)
        return {name: self.contents[name] for name in order}

    def _features(self, new: list[tuple]) -> Iterator[tuple[str, np.ndarray]]:
        """Yield content and features of pictures that have none yet."""
        batch: dict[str, tuple[str, np.ndarray]] = {}
        bar = progress_bar("computing features", "pictures", new)
        with contextlib.closing(images.in_order(self._load, new)) as loaded:
            for (name, path, fingerprint), result in zip(
                bar, loaded, strict=True
            ):
                if isinstance(result, PictureError):
                    self.bad.add(result)
                    continue
                content, picture = result
                self.contents[name] = content
                if fingerprint is not None:
                    self.known.add(fingerprint, content)
                # Another one of the same content may have come in between.
                if picture is None or content in self.taken:
                    continue
                self.taken.add(content)
                batch[content] = (printable(path), picture)
                if len(batch) == self.store.batch_size:
                    yield from self._encode(batch)
                    batch = {}
        if batch:
            yield from self._encode(batch)

    def _encode(
        self, batch: dict[str, tuple[str, np.ndarray]]
    ) -> Iterator[tuple[str, np.ndarray]]:
        names, pictures = zip(*batch.values(), strict=True)
        features = self.store.encode(np.stack(pictures), list(names))
        return zip(batch, features, strict=True)

    def _load(self, item: tuple) -> tuple[str, np.ndarray | None]:
        """Return content and picture of a file, in a thread."""
        _, path, _ = item
        raw = images.content(path)
        content = hashlib.sha256(raw).hexdigest()[:32]
        if content in self.taken or content in self.store:
            return content, None
        size, mode = self.store.encoder.size, self.store.about["mode"]
        return content, images.decode(raw, tuple(size), mode, printable(path))
