"""What a model sees of pictures: their pixels, or features of an encoder.

PixelInputs     uint8 (B, H, W, 3), decoded by threads when they are wanted
FeatureInputs   float16 (B, R, C), computed once and mapped from disk

Both are used alike:

    inputs = read_pixels(files, (96, 96), "stretch", "data/cache/pictures", bad)
    inputs = extract_features(files, encoder, "stretch", "data/cache/features")
    inputs.contents                   # of those that can be read; inputs.bad
    inputs.get("cat.jpg")             # (H, W, 3)
    inputs.batch(["a.jpg", "b.jpg"])  # (2, H, W, 3)
    inputs.spec                       # of a batch

Letters of shapes: B batch, H height, W width, R regions, C channels.
"""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
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
        contents: Name -> what tells the content of its file.
        size: Height and width.
        mode: One of `images.MODES`.
        bad: The other pictures.
    """

    def __init__(
        self,
        paths: dict[str, Path],
        contents: dict[str, str],
        size: tuple[int, int],
        mode: str,
        bad: BadFiles,
    ) -> None:
        self.paths = paths
        self.contents = contents
        self.size = size
        self.mode = mode
        self.bad = bad
        self.spec = tf.TensorSpec((None, *size, 3), tf.uint8)
        self._total = len(paths) + len(bad)
        cached = _CACHED_BYTES // (size[0] * size[1] * 3)
        self._cached = functools.lru_cache(cached)(self._read)

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
    new, contents = {}, {}
    for name, path in paths.items():
        # Once an entry said no more than that the picture is good.
        if content := known.entries.get(file_index.file_identity(path)):
            contents[name] = content
        else:
            new[name] = path

    def check(path: Path) -> tuple[str, np.ndarray]:
        raw = images.content(path)
        return _digest(raw), images.decode(raw, 8, name=printable(path))

    for name, result in _read_new(new, check, known, bad, "checking pictures"):
        contents[name], _ = result
    bad.check(total, folder / "bad_pictures.txt")
    paths = {name: path for name, path in paths.items() if name in contents}
    contents = {name: contents[name] for name in paths}
    return PixelInputs(paths, contents, size, mode, bad)


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:32]


def _read_new(
    new: dict[str, Path],
    read: Callable[[Path], tuple[str, np.ndarray | None]],
    known: FileIndex,
    bad: BadFiles,
    action: str,
) -> Iterator[tuple[str, tuple[str, np.ndarray | None]]]:
    """Yield name and result of the pictures that `read` can read, in order.

    The first part of a result is remembered in `known`, the others in `bad`.
    """
    # As the files are before they are read.
    identities = [file_index.file_identity(path) for path in new.values()]
    bar = progress_bar(action, "pictures", new)
    ahead = frame_store.BATCH
    with contextlib.closing(
        images.in_order(read, new.values(), ahead=ahead)
    ) as results:
        for count, (name, identity, result) in enumerate(
            zip(bar, identities, results, strict=True), 1
        ):
            if isinstance(result, PictureError):
                bad.add(result)
                continue
            if identity is not None:
                known.add(identity, result[0])
            if count % _SAVED_AT_ONCE == 0:
                known.save()
            yield name, result
    known.save()


@dataclasses.dataclass(frozen=True)
class FeatureInputs:
    """Features of pictures by a frozen encoder.

    Attributes:
        stored: Name -> features, of the pictures that can be read.
        contents: Name -> what tells the content of its file.
        bad: The other pictures.
        path: Folder of the features.
        statistics: Of all features in it.
    """

    stored: dict[str, Stored]
    contents: dict[str, str]
    bad: BadFiles
    path: Path
    statistics: Statistics

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the features of a picture, (R, C)."""
        return next(iter(self.stored.values())).shard.shape[1:]

    @property
    def spec(self) -> tf.TensorSpec:
        """Of a batch."""
        return tf.TensorSpec((None, *self.shape), tf.float16)

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
) -> FeatureInputs:
    """Compute the features of pictures that are not there yet.

    Args:
        files: (name, path) of all pictures; two names may have the same file.
        encoder: What computes them.
        mode: How pictures get the encoder's size, one of `images.MODES`.
        folder: Where features are kept, those of other encoders, too.
        missing: Pictures that have no file; they count among the bad ones.

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
    with FrameStore(folder, about, encoder) as store:
        known = FileIndex(folder / "pictures.jsonl")
        contents, new = {}, {}
        for name, path in paths.items():
            content = known.entries.get(file_index.file_identity(path))
            if content in store:
                contents[name] = content
            else:
                new[name] = path
        count = len(new)
        store.expect("computing features", f"{count:,} pictures", count)
        # What has been taken is not in the store before its shard is whole.
        taken: set[str] = set()

        def load(path: Path) -> tuple[str, np.ndarray | None]:
            raw = images.content(path)
            content = _digest(raw)
            if content in taken or content in store:
                return content, None
            size, name = tuple(encoder.size), printable(path)
            return content, images.decode(raw, size, mode, name)

        def pictures() -> Iterator[tuple[str, tuple[str, np.ndarray]]]:
            action = "computing features"
            for name, result in _read_new(new, load, known, bad, action):
                content, pixels = result
                contents[name] = content
                # Another one of the same content may have come in between.
                if pixels is not None and content not in taken:
                    taken.add(content)
                    yield content, (printable(paths[name]), pixels)

        try:
            store.add_pictures(_encoded(store, pictures()))
        finally:
            known.save()
    bad.check(total, store.path / "bad_pictures.txt")
    if not contents:
        raise DataError("there are no pictures to compute features of")
    contents = {name: contents[name] for name in paths if name in contents}
    stored = {name: store[content] for name, content in contents.items()}
    return FeatureInputs(stored, contents, bad, store.path, store.statistics())


def _encoded(
    store: FrameStore, pictures: Iterator[tuple[str, tuple[str, np.ndarray]]]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield content and features of pictures, computed batch by batch."""
    while batch := dict(itertools.islice(pictures, store.batch_size)):
        names, pixels = zip(*batch.values(), strict=True)
        features = store.encode(np.stack(pixels), list(names))
        yield from zip(batch, features, strict=True)
