"""Rows of different lengths, one after another in a file, mapped from disk.

Files     `<name>.npy`, the values of all rows, and `<name>.lengths.npy`; both
          are plain NumPy files. They belong into a folder of `files.cache`,
          which has their sizes and checksums.

Letters of shapes: N rows, L values of all rows.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.lib import format as npy


def mapped(path: Path) -> np.ndarray:
    """Map an array from a .npy file."""
    # As a plain array: slices of a memmap are slow.
    return np.asarray(np.load(path, mmap_mode="r"))


def digests(texts: Iterable[bytes]) -> np.ndarray:
    """Return a number for each text, the same for equal ones, `(N,)` int64."""
    raw = (hashlib.blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(raw), np.int64)


class ArrayWriter:
    """Append to an array in a .npy file, however long it becomes.

    Args:
        path: The file.
        dtype: Type of the values.
    """

    def __init__(self, path: Path, dtype: type) -> None:
        self.dtype = np.dtype(dtype)
        self.count = 0
        self._file = path.open("wb")
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._file:
            # The header has room for any length.
            self._file.seek(0)
            self._write_header()

    def append(self, values: Sequence | np.ndarray) -> None:
        """Write values behind those written so far."""
        array = np.asarray(values, self.dtype)
        self._file.write(array.tobytes())
        self.count += array.size

    def _write_header(self) -> None:
        header = {
            "descr": npy.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.count,),
        }
        npy.write_array_header_1_0(self._file, header)


class RaggedWriter:
    """Write a ragged array row by row.

    Args:
        path: The file's path without its ending.
        dtype: Type of the values.
        lengths: Type of the lengths.
    """

    def __init__(
        self, path: Path, dtype: type, lengths: type = np.int32
    ) -> None:
        self._values = ArrayWriter(_named(path, ".npy"), dtype)
        self._lengths = ArrayWriter(_named(path, ".lengths.npy"), lengths)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._values.__exit__(*error)
        self._lengths.__exit__(*error)

    def append(self, values: np.ndarray, lengths: Sequence[int]) -> None:
        """Write several rows, their values one after another."""
        self._values.append(values)
        self._lengths.append(lengths)

    def append_texts(self, texts: Sequence[bytes]) -> None:
        """Write UTF-8 texts, for `Texts`."""
        raw = np.frombuffer(b"".join(texts), np.uint8)
        self.append(raw, [len(text) for text in texts])


@dataclasses.dataclass(frozen=True)
class RaggedArray:
    """Rows of different lengths.

    Attributes:
        values: `(L,)` values of all rows, in whatever order.
        starts: `(N,)` where each row begins in `values`.
        lengths: `(N,)` how many values each row has.
    """

    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, lengths: np.ndarray) -> Self:
        """Return rows whose values stand one after another."""
        ends = np.cumsum(lengths, dtype=np.int64)
        return cls(values, ends - lengths, lengths)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Map what a `RaggedWriter` wrote."""
        values = mapped(_named(path, ".npy"))
        return cls.of(values, mapped(_named(path, ".lengths.npy")))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> np.ndarray:
        start = int(self.starts[row])
        return self.values[start : start + int(self.lengths[row])]

    def chosen(self, rows: np.ndarray) -> Self:
        """Return some of the rows, in the order of `rows`; nothing is read."""
        return dataclasses.replace(
            self, starts=self.starts[rows], lengths=self.lengths[rows]
        )


class Texts(Sequence):
    """Strings, one by one in memory.

    Args:
        raw: Their UTF-8, uint8.
    """

    def __init__(self, raw: RaggedArray) -> None:
        self.raw = raw

    @classmethod
    def load(cls, path: Path) -> Self:
        """Map what `RaggedWriter.append_texts` wrote."""
        return cls(RaggedArray.load(path))

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, row):
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        return self.raw[row].tobytes().decode("utf-8")

    def chosen(self, rows: np.ndarray) -> "Texts":
        """Return some of the texts, in the order of `rows`."""
        return Texts(self.raw.chosen(rows))


def _named(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
