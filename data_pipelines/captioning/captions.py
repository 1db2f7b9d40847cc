r"""Pictures and what is said about them, from files of several kinds.

Files   --data-path FOLDER with one of
        captions.csv         columns image, caption and, if you have it, split
                             (train, valid or test); pictures in images/ or
                             beside it
        captions_train*.json, captions_val*.json   COCO's, in FOLDER or in
                             annotations/; pictures in train2017/ and the like
        Flickr8k.token.txt   and lists such as Flickr_8k.trainImages.txt, in
                             FOLDER or in Flickr8k_text/; pictures in
                             Flicker8k_Dataset/ or images/
Result  pictures in the order of the files, each with all of its captions

    found = read("my-pictures", seed=0)
    found.pictures["cat.jpg"]   # Picture(name, path, captions, split)
    found.split("train")        # its pictures
    found.files()               # (name, path) of all, for features.extract
    print(*found.report(), sep="\n")

A picture is in one split, with all of its captions.  A split that is missing
is cut from train: a tenth of its pictures, by a hash of their names.  Pictures
that have no file are left out and counted, and an error if they are many.
Captions that a picture has twice are left out and counted, too.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from data_pipelines.captioning import caption_files
from data_pipelines.captioning.caption_files import Caption
from data_pipelines.files import cache, splits
from data_pipelines.files.errors import DataError
from data_pipelines.files.progress import progress_bar
from data_pipelines.files.splits import SPLITS
from data_pipelines.vision.images import (
    BadFiles,
    PictureError,
    printable,
)

# Part of the key of what was read: raise it with any change of it.
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture and its captions, single spaces between their words."""

    name: str
    path: Path
    captions: tuple[str, ...]
    split: str


@dataclasses.dataclass(frozen=True)
class Captions:
    """All pictures of a folder.

    Attributes:
        name: the files.
        pictures: name -> picture, in the order of the files.
        bad: pictures that have no file.
        notes: what else was found and may be of interest, in lines.
    """

    name: str
    pictures: dict[str, Picture]
    bad: BadFiles
    notes: list[str]

    def split(self, split: str) -> list[Picture]:
        """The pictures of a split, in the order of the files."""
        return [p for p in self.pictures.values() if p.split == split]

    def files(self) -> Iterable[tuple[str, Path]]:
        """Yields (name, path) of all pictures."""
        return ((p.name, p.path) for p in self.pictures.values())

    def report(self) -> list[str]:
        """What to print."""
        lines = [f"captions: {self.name}"]
        for split in SPLITS:
            counts = [len(p.captions) for p in self.split(split)]
            if counts:
                lines.append(
                    f"{split}: {len(counts):,} pictures, {sum(counts):,} "
                    f"captions ({min(counts)} to {max(counts)} of each)"
                )
        if self.bad:
            total = len(self.pictures) + len(self.bad)
            lines.append(self.bad.report(total))
        return lines + self.notes


def read(
    data_path: str | Path | None,
    *,
    seed: int,
    training: bool = True,
    cache_path: str | Path | None = None,
) -> Captions:
    """Reads the captions in a folder, and looks for their pictures.

    Args:
        data_path: the folder.
        seed: of the cut of missing splits.
        training: whether there must be pictures of train; if not, and if
            there are none, splits that are missing are empty.
        cache_path: where the captions are kept, so that the next time is
            quicker, and if pictures are missing a list of them; None: nowhere.
            Pictures are looked for each time.

    Raises:
        DataError: if a file is not as described, with its line; if more than
            a few pictures have no file.
    """
    sources = caption_files.find(data_path)
    name = " and ".join(str(source.path) for source in sources)
    if cache_path is None:
        collected = _Collected.of(sources, name)
    else:
        collected = _cached(sources, name, Path(cache_path))
    bad = BadFiles()
    paths = collected.paths(sources, bad)
    listed = cache_path and Path(cache_path) / "missing_pictures.txt"
    bad.check(len(collected.found), listed)
    chosen = {picture: collected.split[picture] for picture in paths}
    if training or "train" in chosen.values():
        _cut(chosen, collected.present, seed, name)
    pictures = {
        picture: Picture(
            picture, path, tuple(collected.found[picture]), chosen[picture]
        )
        for picture, path in paths.items()
    }
    return Captions(name, pictures, bad, collected.notes)


def _cached(sources: Sequence, name: str, cache_path: Path) -> "_Collected":
    """What was read the last time, if the files are the same."""
    paths = [path for source in sources for path in source.paths]
    fingerprints = [cache.file_fingerprint(path) for path in paths]
    key = cache.key(_FORMAT, name, fingerprints)
    place = cache_path / f"{key}-captions"

    def build(folder: Path) -> None:
        _Collected.of(sources, name).write(folder / "captions.json")

    return _Collected.load(cache.folder(place, build) / "captions.json")


@dataclasses.dataclass
class _Collected:
    """Captions by picture.

    Attributes:
        found: picture -> captions, each once, in the order of the files.
        split: picture -> its split.
        source: picture -> number of the file that has it.
        present: the splits that are said to be there.
        notes: what was left out or repaired, in lines.
    """

    found: dict[str, list[str]]
    split: dict[str, str]
    source: dict[str, int]
    present: list[str]
    notes: list[str]

    @classmethod
    def of(cls, sources: Sequence, name: str) -> "_Collected":
        """Reads all files to their ends."""
        reader = _Reader()
        for number, source in enumerate(sources):
            reader.read(number, source)
        if not reader.found:
            raise DataError(f"{name}: has no captions")
        present = sorted({split for s in sources for split in s.splits})
        split = reader.split
        if not present:  # Nothing is said of splits.
            split, present = dict.fromkeys(split, "train"), ["train"]
        found = {name: list(texts) for name, texts in reader.found.items()}
        notes = reader.notes(sources)
        return cls(found, split, reader.source, present, notes)

    def write(self, path: Path) -> None:
        """Writes everything into one file."""
        path.write_text(json.dumps(vars(self), ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, path: Path) -> "_Collected":
        """Reads what `write` wrote."""
        return cls(**json.loads(path.read_text("utf-8")))

    def paths(self, sources: Sequence, bad: BadFiles) -> dict[str, Path]:
        """Picture -> its file, for those that have one."""
        paths = {}
        for name, number in self.source.items():
            places = [folder / name for folder in sources[number].folders]
            there = next(filter(os.path.isfile, places), None)
            if there is None:
                bad.add(
                    PictureError(printable(places[0]), "there is no such file")
                )
            else:
                paths[name] = there
        return paths


class _Reader:
    """Goes through files of captions, and refuses what cannot be right.

    Attributes:
        found: picture -> captions, each once, in the order of the files.
        split: picture -> split, or "".
        source: picture -> number of the file that has it.
    """

    def __init__(self) -> None:
        self.found: dict[str, dict[str, None]] = {}
        self.split: dict[str, str] = {}
        self.source: dict[str, int] = {}
        self.first: dict[str, str] = {}
        self.twice: list[str] = []

    def read(self, number: int, source: Iterable[Caption]) -> None:
        """Reads one file to its end."""
        what = f"reading {source.path}"
        for caption in progress_bar(what, "captions", source):
            self._add(caption, number, f"{source.path}:{caption.line}")

    def _add(self, caption: Caption, number: int, where: str) -> None:
        # JSON can hold halves of surrogate pairs, UTF-8 cannot.
        name = caption.picture.encode("utf-8", "replace").decode("utf-8")
        text = caption.text.encode("utf-8", "replace").decode("utf-8")
        text = " ".join(text.split())
        if not name:
            raise DataError(f"{where}: the name of the picture is empty")
        if not text:
            raise DataError(f"{where}: the caption is empty")
        if name not in self.found:
            self.found[name] = {}
            self.split[name] = caption.split
            self.first[name] = where
            self.source[name] = number
        elif self.split[name] != caption.split:
            raise DataError(
                f"{where}: {printable(name)} is in {caption.split} here and in "
                f"{self.split[name]} in {self.first[name]}; a picture can "
                "be in one split only"
            )
        if text in self.found[name]:
            self.twice.append(where)
        self.found[name][text] = None

    def notes(self, sources: Iterable) -> list[str]:
        """What to tell of what was left out or repaired."""
        notes = []
        if self.twice:
            notes.append(
                f"{len(self.twice):,} captions that their picture has "
                f"already are left out, the first in {self.twice[0]}"
            )
        for source in sources:
            for what, pictures in (
                ("are in no list and left out", "unlisted"),
                ("of the lists have no caption", "uncaptioned"),
            ):
                if found := getattr(source, pictures, None):
                    notes.append(
                        f"{len(found):,} pictures {what}, such as "
                        f"{printable(min(found))}"
                    )
            if source.repaired:
                notes.append(
                    f"{source.path}: {source.repaired:,} broken bytes, which "
                    "are not UTF-8, replaced"
                )
        return notes


def _cut(
    chosen: dict[str, str], present: Iterable[str], seed: int, name: str
) -> None:
    """Cuts missing splits from train, in place, by the pictures' names."""
    train = [picture for picture, split in chosen.items() if split == "train"]
    if not train:
        found = ", ".join(sorted(present))
        raise DataError(f"{name}: no picture is in train; found {found}")
    shares = splits.shares("train", present)
    raw = (hashlib.sha256(p.encode()).digest()[:8] for p in train)
    digests = np.frombuffer(b"".join(raw), np.uint64)
    cut = splits.by_hash(digests, shares, seed, name, "pictures")
    for split, rows in cut.items():
        for row in rows:
            chosen[train[row]] = split
