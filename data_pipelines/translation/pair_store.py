"""Sentences and their translations as arrays on disk: read once, mapped then.

Folder    meta.json, and per source number i and side s (0 source, 1 target)
          `<i>.<s>.texts`, UTF-8, one text after another; `<i>.<s>.sizes`,
          bytes of each; `<i>.digests`, equal for equal source sentences

Letters: N pairs.
"""

import array
import collections
import contextlib
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from data_pipelines.files import splits
from data_pipelines.files.errors import DataError
from data_pipelines.files.progress import Progress
from data_pipelines.files.ragged import mapped
from data_pipelines.text.token_rows import Texts
from data_pipelines.text.tokenizers import normalize
from data_pipelines.translation.parallel_files import Pair

# Part of the key of every folder: raise it with any change of it, or of the
# way pairs are read.
FORMAT = 1

# How many pairs and words tell which language a file is in.
_LOOKED_AT = 20_000
_WORDS = 200
# A smaller file tells too little.
_FEWEST = 20


@dataclasses.dataclass(frozen=True)
class Source:
    """One file, or two, and the splits they go to.

    Attributes:
        pairs: yields (source, target, line); has a `name` for both sides, a
            pair `names` and a count `repaired`.
        shares: split name -> its share; the shares add up to 1.
    """

    pairs: Iterable[Pair]
    shares: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Store:
    """All pairs of one source.

    Attributes:
        sides: texts of source and target.
        digests: `(N,)` int64.
        about: name, names, skipped, first_skipped, repaired.
    """

    sides: tuple[Texts, Texts]
    digests: np.ndarray
    about: dict

    def __len__(self) -> int:
        return len(self.digests)

    def rows(self, shares: dict[str, float], seed: int) -> dict:
        """Split -> its rows, in the order of the file."""
        chosen = splits.sides(self.digests, shares, seed)
        if chosen is None:
            cut = [name for name in shares if name != "train"]
            raise DataError(
                f"{self.about['name']}: too few different sentences to cut "
                f"{' and '.join(cut)} from; expected at least {len(shares)}, "
                f"or {' and '.join(f'{name} files' for name in cut)}"
            )
        return {
            name: np.flatnonzero(chosen == side)
            for side, name in enumerate(shares)
        }


def load(folder: Path) -> list[Store]:
    """Opens a folder that `build` wrote, a store for each source."""
    about = json.loads((folder / "meta.json").read_text("utf-8"))
    return [
        Store(
            tuple(_texts(folder / f"{number}.{side}") for side in (0, 1)),
            mapped(folder / f"{number}.digests", np.int64),
            source,
        )
        for number, source in enumerate(about)
    ]


def _texts(place: Path) -> Texts:
    sizes = mapped(place.with_name(place.name + ".sizes"), np.int32)
    data = mapped(place.with_name(place.name + ".texts"), np.uint8)
    return Texts(data, np.cumsum(sizes, dtype=np.int64) - sizes, sizes)


def build(folder: Path, sources: Sequence[Source]) -> None:
    """Reads all sources into a folder, and refuses what cannot be right.

    A pair with an empty side is left out and counted.

    Args:
        folder: an existing empty folder.
        sources: what to read; train, if it is there, first.
    """
    writers = [
        _Writer(folder, number, source.pairs)
        for number, source in enumerate(sources)
    ]
    for writer in writers:
        writer.write()
    for writer in writers[1:]:
        if "train" in sources[0].shares:
            _refuse_swapped(writers[0], writer)
    meta = [writer.about for writer in writers]
    written = json.dumps(meta, ensure_ascii=False, indent=1)
    (folder / "meta.json").write_text(written, "utf-8")


class _Writer:
    """Writes the pairs of one source, and looks at the first of them."""

    def __init__(self, folder: Path, number: int, pairs: Iterable) -> None:
        self.folder = folder
        self.number = number
        self.pairs = pairs
        self.words = (collections.Counter(), collections.Counter())
        self.about = {
            "name": pairs.name,
            "names": list(pairs.names),
            "skipped": 0,
            "first_skipped": 0,
        }
        self.sizes = (array.array("i"), array.array("i"))
        self.count = 0
        self.same = 0

    def write(self) -> None:
        """Writes everything but meta.json."""
        progress = Progress(f"reading {self.pairs.name}", "pairs")
        with contextlib.ExitStack() as stack:
            files = {
                ending: stack.enter_context(
                    (self.folder / f"{self.number}.{ending}").open("wb")
                )
                for ending in ("0.texts", "1.texts", "digests")
            }
            for source, target, line in self.pairs:
                texts = (normalize(source), normalize(target))
                if all(texts):
                    self._look(texts)
                    self._append(files, texts)
                else:
                    self.about["skipped"] += 1
                    first = self.about["first_skipped"] or line
                    self.about["first_skipped"] = first
                progress.show(self.count)
        progress.done(self.count)
        for side in (0, 1):
            path = self.folder / f"{self.number}.{side}.sizes"
            path.write_bytes(self.sizes[side].tobytes())
        self.about["repaired"] = self.pairs.repaired
        self._refuse()

    def _append(self, files: dict, texts: tuple[str, str]) -> None:
        for side, text in enumerate(texts):
            raw = text.encode("utf-8")
            self.sizes[side].append(len(raw))
            files[f"{side}.texts"].write(raw)
            if side == 0:
                digest = hashlib.blake2b(raw, digest_size=8).digest()
                files["digests"].write(digest)

    def _look(self, texts: tuple[str, str]) -> None:
        self.count += 1
        self.same += texts[0] == texts[1]
        if self.count <= _LOOKED_AT:
            for words, text in zip(self.words, texts, strict=True):
                words.update(text.lower().split())

    def _refuse(self) -> None:
        """Refuses a source without any pair, or of one language."""
        if not self.count:
            lines = self.about["skipped"]
            raise DataError(
                f"{self.pairs.name}: none of the {lines:,} lines has a "
                "sentence on both sides"
            )
        if self.same * 2 > self.count:
            raise DataError(
                f"{' and '.join(self.pairs.names)}: {self.same:,} of "
                f"{self.count:,} lines are the same on both sides; expected "
                "two languages"
            )


def _refuse_swapped(train: _Writer, other: _Writer) -> None:
    """Refuses valid or test with source and target exchanged.

    It is so if both sides have clearly more of the frequent words of train's
    other side than of its own.
    """
    if other.count < _FEWEST:
        return
    frequent = [
        {word for word, _ in words.most_common(_WORDS)} for words in train.words
    ]
    share = functools.partial(_share, frequent)
    if all(
        share(other.words[side], 1 - side)
        > share(other.words[side], side) + 0.2
        for side in (0, 1)
    ):
        raise DataError(
            f"{other.pairs.names[0]} reads like {train.pairs.names[1]}, and "
            f"{other.pairs.names[1]} like {train.pairs.names[0]}; exchange "
            "the two"
        )


def _share(frequent: list[set], words: collections.Counter, side: int) -> float:
    """How many of the words are frequent on a side of train."""
    known = sum(n for word, n in words.items() if word in frequent[side])
    return known / words.total()
