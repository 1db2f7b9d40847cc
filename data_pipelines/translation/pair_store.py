"""Sentences and their translations as arrays on disk: read once, mapped then.

Folder    meta.json, and for source number i and side s (0 source, 1 target)
          the ragged array `<i>.<s>.texts`, UTF-8, and `<i>.<s>.digests.npy`,
          equal for equal sentences; `<i>.alternatives`, the further right
          targets of each pair, tabs between

Letters of shapes: N pairs.
"""

import collections
import contextlib
import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data_pipelines.files import ragged, splits
from data_pipelines.files.errors import DataError
from data_pipelines.files.progress import progress_bar
from data_pipelines.files.ragged import ArrayWriter, RaggedWriter, Texts
from data_pipelines.files.sources import Source
from data_pipelines.files.splits import SPLITS
from data_pipelines.text.tokenizers import normalize

# Part of the key of every folder: raise it with any change of it, or of the
# way pairs are read.
FORMAT = 6

# Pairs that are written at a time.
_CHUNK = 4096

# How many pairs and words tell which language a file is in.
_LOOKED_AT = 20_000
_WORDS = 200
# A smaller file tells too little.
_FEWEST = 20


@dataclasses.dataclass(frozen=True)
class Pairs:
    """All pairs of one source.

    Attributes:
        sides: Texts of source and target.
        digests: `(2, N)` int64, of the sentences of both sides.
        alternatives: Further targets that are right, tabs between.
        about: Name, names, skipped, first_skipped, notes.
    """

    sides: tuple[Texts, Texts]
    digests: np.ndarray
    alternatives: Texts
    about: dict

    def __len__(self) -> int:
        return len(self.sides[0])


def load(folder: Path) -> list[Pairs]:
    """Map a folder that `build` wrote, the pairs of each source."""
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    return [
        Pairs(
            tuple(Texts.load(folder / f"{i}.{side}.texts") for side in (0, 1)),
            np.stack(
                [
                    ragged.mapped(folder / f"{i}.{side}.digests.npy")
                    for side in (0, 1)
                ]
            ),
            Texts.load(folder / f"{i}.alternatives"),
            about,
        )
        for i, about in enumerate(meta)
    ]


def rows_of_splits(
    stored: Sequence[Pairs], sources: Sequence[Source], seed: int
) -> dict[str, tuple[int, np.ndarray]]:
    """Return split -> the number of its source, and which rows are its own."""
    chosen = {split: (0, np.arange(0)) for split in SPLITS}
    for number, (pairs, source) in enumerate(zip(stored, sources, strict=True)):
        name = pairs.about["name"]
        cut = splits.by_hash(
            pairs.digests[0], source.shares, seed, name, "sentences"
        )
        chosen |= {split: (number, rows) for split, rows in cut.items()}
    return chosen


def build(
    folder: Path, sources: Sequence[Source], same_language: bool = False
) -> None:
    """Read all sources into a folder, and refuse what cannot be right.

    A pair with an empty side is left out and counted.

    Args:
        folder: An existing empty folder.
        sources: What to read, rows with a `source` and a `target`; train, if
            it is there, first.
        same_language: Whether sides may be alike, as in correction.
    """
    readers = list(map(_Reader, sources))
    for number, reader in enumerate(readers):
        _write(folder, number, reader)
        reader.check(same_language)
    for reader in readers[1:]:
        if "train" in sources[0].shares and not same_language:
            _refuse_swapped(readers[0], reader)
    meta = [reader.about for reader in readers]
    written = json.dumps(meta, ensure_ascii=False, indent=1)
    (folder / "meta.json").write_text(written, "utf-8")


def _write(folder: Path, number: int, reader: "_Reader") -> None:
    """Write the arrays of one source."""
    with contextlib.ExitStack() as stack:
        sides = [
            stack.enter_context(
                RaggedWriter(folder / f"{number}.{side}.texts", np.uint8)
            )
            for side in (0, 1)
        ]
        digests = [
            stack.enter_context(
                ArrayWriter(folder / f"{number}.{side}.digests.npy", np.int64)
            )
            for side in (0, 1)
        ]
        alternatives = stack.enter_context(
            RaggedWriter(folder / f"{number}.alternatives", np.uint8)
        )
        bar = stack.enter_context(
            progress_bar(f"reading {reader.source.name}", "pairs")
        )
        pairs = iter(reader)
        while chunk := list(itertools.islice(pairs, _CHUNK)):
            for side in (0, 1):
                texts = [pair[side] for pair in chunk]
                sides[side].append_texts(texts)
                digests[side].append(ragged.digests(texts))
            alternatives.append_texts([pair[2] for pair in chunk])
            bar.update(len(chunk))


class _Reader:
    """Read the pairs of one source, and count words of the first of them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.words = (collections.Counter(), collections.Counter())
        self.about = {
            "name": source.name,
            "names": source.names,
            "skipped": 0,
            "first_skipped": "",
        }
        self.count = 0
        self._same = 0

    def __iter__(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield source, target and alternatives of each pair as UTF-8."""
        for row in self.source.rows:
            texts = (normalize(row["source"]), normalize(row["target"]))
            if all(texts):
                self.count += 1
                self._same += texts[0] == texts[1]
                if self.count <= _LOOKED_AT:
                    for words, text in zip(self.words, texts, strict=True):
                        words.update(text.lower().split())
                alternatives = map(normalize, row.get("alternatives", ()))
                texts += ("\t".join(filter(None, alternatives)),)
                yield tuple(text.encode("utf-8") for text in texts)
            else:
                self.about["skipped"] += 1
                first = self.about["first_skipped"] or row.where
                self.about["first_skipped"] = first
        self.about["notes"] = self.source.rows.notes()

    def check(self, same_language: bool) -> None:
        """Refuse a source without any pair, or of one language."""
        if not self.count:
            raise DataError(
                f"{self.source.name}: none of the {self.about['skipped']:,} "
                "lines has a sentence on both sides"
            )
        if self._same * 2 > self.count and not same_language:
            raise DataError(
                f"{' and '.join(self.source.names)}: {self._same:,} of "
                f"{self.count:,} lines are the same on both sides; expected "
                "two languages, or --same-language for corrections"
            )


def _refuse_swapped(train: _Reader, other: _Reader) -> None:
    """Refuse valid or test with source and target exchanged.

    It is so if both sides have clearly more of the frequent words of train's
    other side than of its own.
    """
    if other.count < _FEWEST:
        return
    frequent = [
        {word for word, _ in words.most_common(_WORDS)} for words in train.words
    ]

    def share(words: collections.Counter, side: int) -> float:
        known = sum(n for word, n in words.items() if word in frequent[side])
        return known / words.total()

    if all(
        share(other.words[side], 1 - side)
        > share(other.words[side], side) + 0.2
        for side in (0, 1)
    ):
        raise DataError(
            f"{other.source.names[0]} reads like {train.source.names[1]}, and "
            f"{other.source.names[1]} like {train.source.names[0]}; exchange "
            "the two"
        )
