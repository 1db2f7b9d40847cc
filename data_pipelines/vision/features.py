r"""What a frozen encoder sees in pictures, computed once and kept on disk.

Features  float16 (R, C) for each picture: R regions, C channels of each
Folder    pictures.jsonl    each file's size, time and content
          <key>/00000.npy   float16 (N, R, C) of N pictures; mapped, not loaded
          <key>/00000.json  which pictures they are, a checksum, statistics
          <key>/bad_pictures.txt, if there are any

    found = extract(encode, [("a", "a.jpg"), ("b", "b.jpg")], "data/features",
                    encoder=file_key("weights.keras"), size=192)
    found["a"]                # float16 (R, C), a view of the file
    found.batch(["b", "a"])   # float16 (B, R, C)
    print(*found.report(), sep="\n")

The key is made from the encoder, the size of the pictures and how they are
read; a row is found by the content of its picture.  So a picture that is
renamed keeps its features, one that is changed gets new ones, and in a folder
that grows only what is new is computed.  A shard is whole or not there: what a
kill costs is the one that was being computed.  The folder may be deleted at
any time.
"""

import contextlib
import fcntl
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from data_pipelines.files import cache, file_index
from data_pipelines.files.errors import DataError
from data_pipelines.files.file_index import FileIndex
from data_pipelines.files.progress import progress_bar
from data_pipelines.vision import feature_shards, images
from data_pipelines.vision.feature_shards import (
    DamageError,
    Shard,
    Statistics,
    checked,
)
from data_pipelines.vision.images import BadFiles, PictureError

__all__ = ["Features", "Statistics", "extract", "file_key", "weights_key"]

# Changes when the files do.
_FORMAT = 1

Encode = Callable[[np.ndarray], np.ndarray]


def file_key(path: str | Path) -> str:
    """A short name for an encoder by the content of its file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def weights_key(config: str, weights: Iterable[np.ndarray]) -> str:
    """A short name for an encoder by what it is made of.

    Args:
        config: whatever else its results depend on.
        weights: its arrays, in their order.
    """
    found = hashlib.sha256(config.encode())
    for array in weights:
        found.update(str((array.dtype, array.shape)).encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:32]


def extract(
    encode: Encode,
    pictures: Iterable[tuple[str, str | Path]],
    folder: str | Path,
    *,
    encoder: str,
    size: int | tuple[int, int],
    mode: str = "stretch",
    batch_size: int = 32,
    shard_bytes: int = 2**25,
    workers: int | None = None,
    verify: bool = False,
    bad: BadFiles | None = None,
) -> "Features":
    """Computes what is not there yet, and opens all of it.

    Args:
        encode: uint8 `(B, H, W, 3)` -> float `(B, R, C)`; B is always
            `batch_size`, so that it is compiled once.
        pictures: keys and files; two keys may have the same file.
        folder: where features are kept, those of other encoders too.
        encoder: names everything that the result of `encode` depends on:
            its weights, and what it does to the pixels.
        size: height and width that pictures are read with.
        mode: how they get that size, one of `images.MODES`.
        batch_size: pictures that are encoded at a time.
        shard_bytes: size of a file, and what a kill can cost.
        workers: threads that read pictures.
        verify: whether all old shards are read and compared to their
            checksums; else only those whose file has another time.
        bad: pictures that are not in `pictures` because they cannot be read;
            they count.

    Returns:
        The features of `pictures`, in their order.

    Raises:
        DataError: if too many pictures are bad, or the features nonsense.
    """
    paths = _paths(pictures)
    unread = BadFiles(known=bad)
    total = len(paths) + len(unread)
    of = {
        "encoder": encoder,
        "size": [size, size] if isinstance(size, int) else list(size),
        "mode": mode,
    }
    folder = Path(folder)
    place = folder / cache.key(_FORMAT, images.VERSION, of)
    place.mkdir(parents=True, exist_ok=True)
    with _alone(place):
        store = _Store(place, of, shard_bytes, verify)
        known = FileIndex(folder / "pictures.jsonl")
        work = _Extraction(encode, store, known, unread, batch_size)
        work.run(paths, workers)
    unread.check(total, place / "bad_pictures.txt")
    return Features(store, work.digests, unread, total)


class Features(Mapping):
    """Features of pictures by their keys, mapped from disk.

    Attributes:
        shape: (R, C).
        statistics: of all features of this encoder in the folder.
        bad: the pictures that have none.
    """

    def __init__(
        self,
        store: "_Store",
        digests: dict[str, str],
        bad: BadFiles,
        total: int,
    ) -> None:
        self.shape = store.shards[0].shape
        self.statistics = store.statistics()
        self.bad = bad
        self._place = store.place
        self._shards = store.shards
        self._rows = {key: store.rows[d] for key, d in digests.items()}
        self._total = total

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> np.ndarray:
        shard, row = self._rows[key]
        return self._shards[shard].rows[row]

    def batch(self, keys: Sequence[str]) -> np.ndarray:
        """Features of some pictures, float16 `(B, R, C)`."""
        found = np.empty((len(keys), *self.shape), np.float16)
        for row, key in enumerate(keys):
            found[row] = self[key]
        return found

    def report(self) -> list[str]:
        """What to print."""
        lines = [
            f"features: {_described(len(self), self.shape)}, {self._place}",
            f"their values: {self.statistics}",
        ]
        if self.bad:
            lines.append(self.bad.report(self._total))
        return lines


def _described(count: int, shape: tuple[int, int]) -> str:
    regions, channels = shape
    size = count * regions * channels * 2
    unit, name = (1e9, "GB") if size >= 1e9 else (1e6, "MB")
    return (
        f"{count:,} pictures, {regions} x {channels} float16 each, "
        f"{size / unit:.3g} {name}"
    )


def _paths(pictures: Iterable[tuple[str, str | Path]]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for key, path in pictures:
        if paths.setdefault(key, path) != path:
            raise ValueError(f"two pictures have the key {key!r}")
    if not paths:
        raise DataError("there are no pictures to compute features of")
    return paths


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Waits until no other process computes the same."""
    with (place / ".lock").open("w") as gate:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"{place}: waiting for another process that computes the "
                "same features",
                file=sys.stderr,
            )
            fcntl.flock(gate, fcntl.LOCK_EX)
        yield


class _Store:
    """The shards of one encoder; the content of a picture -> its row."""

    def __init__(
        self, place: Path, of: dict, shard_bytes: int, verify: bool
    ) -> None:
        self.place = place
        self.of = of
        self.shard_bytes = shard_bytes
        self.shards: list[Shard] = []
        self.rows: dict[str, tuple[int, int]] = {}
        self.features: list[np.ndarray] = []
        self.digests: list[str] = []
        self.next = 0
        for abandoned in place.glob(".tmp-*"):
            abandoned.unlink()
        for about in sorted(place.glob("[0-9]*.json")):
            path = about.with_suffix(".npy")
            self.next = int(path.stem) + 1
            try:
                self._append(Shard.open(path, verify))
            except DamageError as damage:
                print(
                    f"{damage}; its features are computed again",
                    file=sys.stderr,
                )
                feature_shards.remove(path)

    def _append(self, shard: Shard) -> None:
        for row, digest in enumerate(shard.digests):
            self.rows[digest] = (len(self.shards), row)
        self.shards.append(shard)

    def statistics(self) -> Statistics:
        first, *others = (shard.statistics for shard in self.shards)
        return sum(others, first)

    def add(self, digests: list[str], features: np.ndarray) -> bool:
        """Takes float16 `(B, R, C)`; tells whether they fill a shard."""
        shape = features.shape[1:]
        known = [shard.shape for shard in self.shards[:1]]
        known += [features.shape[1:] for features in self.features[:1]]
        if known and known[0] != shape:
            raise DataError(
                f"{self.place}: holds features of {known[0]}, and the encoder "
                f"gives {shape}; if it has changed, its name must, too"
            )
        self.digests += digests
        self.features.append(features)
        return len(self.digests) * features[0].nbytes >= self.shard_bytes

    def write(self) -> None:
        """Writes what has been taken as a shard."""
        if self.digests:
            path = self.place / f"{self.next:05d}.npy"
            features = np.concatenate(self.features)
            self._append(Shard.write(path, features, self.digests, self.of))
            self.next += 1
        self.features, self.digests = [], []


class _Extraction:
    """Reads pictures, encodes batches of them, fills the store.

    Attributes:
        digests: key -> content, in order, for all pictures that are good.
    """

    def __init__(
        self,
        encode: Encode,
        store: _Store,
        known: FileIndex,
        bad: BadFiles,
        batch_size: int,
    ) -> None:
        self.encode = encode
        self.store = store
        self.known = known
        self.bad = bad
        self.batch_size = batch_size
        self.digests: dict[str, str] = {}
        # Content -> (name, picture) of the next batch.
        self.batch: dict[str, tuple[str, np.ndarray]] = {}
        self.taken: set[str] = set()

    def run(self, paths: dict[str, Path], workers: int | None) -> None:
        """Computes what is missing of `paths`."""
        todo = []
        for key, path in paths.items():
            stamp = file_index.file_identity(path)
            digest = self.known.entries.get(stamp)
            if digest in self.store.rows:
                self.digests[key] = digest
            else:
                todo.append((key, path, stamp))
        self.left = len(todo)
        found = images.in_order(self._load, todo, workers)
        with contextlib.closing(found):
            for item in progress_bar("computing features", "pictures", todo):
                self._take(*item, next(found))
        self._finish_batch()
        self._finish_shard()
        order = (key for key in paths if key in self.digests)
        self.digests = {key: self.digests[key] for key in order}

    def _load(self, item: tuple) -> tuple[str, np.ndarray | None]:
        """Content and picture of a file, in a thread."""
        _, path, _ = item
        content = images.content(path)
        digest = hashlib.sha256(content).hexdigest()[:32]
        if digest in self.taken or digest in self.store.rows:
            return digest, None
        height, width = self.store.of["size"]
        mode, name = self.store.of["mode"], images.printable(path)
        return digest, images.decode(content, (height, width), mode, name)

    def _take(
        self,
        key: str,
        path: Path,
        stamp: tuple | None,
        found: tuple[str, np.ndarray | None] | PictureError,
    ) -> None:
        if isinstance(found, PictureError):
            self.bad.add(found)
            return
        digest, picture = found
        self.digests[key] = digest
        if stamp is not None:
            self.known.add(stamp, digest)
        # Another picture of the same content may have come in between.
        if digest not in self.taken and digest not in self.store.rows:
            self.taken.add(digest)
            self.batch[digest] = (images.printable(path), picture)
            if len(self.batch) == self.batch_size:
                self._finish_batch()

    def _finish_batch(self) -> None:
        if not self.batch:
            return
        names = [name for name, _ in self.batch.values()]
        pictures = np.stack([picture for _, picture in self.batch.values()])
        missing = self.batch_size - len(pictures)
        padded = np.pad(
            pictures, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="edge"
        )
        values = np.asarray(self.encode(padded))
        if values.ndim != 3 or len(values) != len(padded):
            raise ValueError(
                f"the encoder gave an array of {values.shape}; expected "
                f"({len(padded)}, regions, channels)"
            )
        with np.errstate(over="ignore"):  # what that makes is found below
            values = values[: len(pictures)].astype(np.float32)
        first = not self.store.shards and not self.store.features
        half = checked(values, pictures, names, first)
        if not self.store.features:
            self._announce(half.shape[1:])
        if self.store.add(list(self.batch), half):
            self._finish_shard()
        self.batch = {}

    def _finish_shard(self) -> None:
        self.store.write()
        self.known.save()

    def _announce(self, shape: tuple[int, int]) -> None:
        """Says, once, how large it will be, before it is."""
        if not self.left:
            return
        place = self.store.place
        said = _described(self.left, shape)
        needed = self.left * shape[0] * shape[1] * 2
        self.left = 0
        free = shutil.disk_usage(place).free
        if free < needed:
            raise DataError(
                f"{place}: no room for the features: {said}; free are "
                f"{free / 1e9:.3g} GB"
            )
        print(f"computing features: {said}, {place}", file=sys.stderr)
