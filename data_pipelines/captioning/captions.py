r"""Pictures and their captions, from files of several kinds.

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

    captions = read("my-pictures", seed=0)
    captions.pictures["cat.jpg"]   # Picture(name, path, captions, split)
    captions.split("train")        # its pictures
    captions.bad, captions.notes   # those without a file, what else to tell

A picture is a file, whatever names of it the rows have, and in one split, with
all of its captions. A split that is missing is cut from train: a tenth of its
pictures, by a hash of their names; copies of a picture go with it. Pictures
that have no file are left out and counted, and an error if they are many.
Captions that a picture has twice are left out and counted, too.
"""

import dataclasses
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipelines.files import cache, splits
from data_pipelines.files.errors import DataError
from data_pipelines.files.names import (
    NamedFiles,
    file_id,
    listed,
    printable,
    refuse_special,
    special,
)
from data_pipelines.files.progress import progress_bar
from data_pipelines.files.tables import Lines, Table
from data_pipelines.vision.images import BadFiles, PictureError

# Part of the key of what was read: raise it with any change of it.
_FORMAT = 3

# What the files of COCO and of Flickr8k call the splits.
_SPLITS = {"train": "train", "val": "valid", "dev": "valid", "test": "test"}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture and its captions, single spaces between their words.

    Attributes:
        name: The first one that the files have for it.
        path: The file.
        captions: In the order of the files.
        split: The one it is in.
        is_cut: Whether that was cut from train, or is what was left of it.
    """

    name: str
    path: Path
    captions: tuple[str, ...]
    split: str
    is_cut: bool


@dataclasses.dataclass(frozen=True)
class Captions:
    """All pictures of a folder.

    Attributes:
        name: The files.
        pictures: Name -> picture, in the order of the files.
        bad: Pictures that have no file.
        notes: What else may be of interest, in lines.
    """

    name: str
    pictures: dict[str, Picture]
    bad: BadFiles
    notes: list[str]

    def split(self, split: str) -> list[Picture]:
        """Return the pictures of a split, in the order of the files."""
        return [p for p in self.pictures.values() if p.split == split]

    def separated(self, contents: dict[str, str]) -> "Captions":
        """Return the same, with copies of a picture in its split if possible.

        What the files say stays, and is told; no split becomes empty.

        Args:
            contents: Name of a picture -> what tells its content.
        """
        sizes = Counter(p.split for p in self.pictures.values())
        pictures, leaks = {}, []
        originals: dict[str, Picture] = {}
        for name, picture in self.pictures.items():
            if name in contents:
                one = originals.setdefault(contents[name], picture)
                if one.split != picture.split:
                    if (
                        picture.is_cut
                        and one.is_cut
                        and sizes[picture.split] > 1
                    ):
                        sizes[picture.split] -= 1
                        picture = dataclasses.replace(picture, split=one.split)
                    else:
                        leaks.append((picture, one))
            pictures[name] = picture
        notes = list(self.notes)
        if leaks:
            first, second = (
                f"{printable(picture.path)} in {picture.split}"
                for picture in leaks[0]
            )
            notes.append(
                f"{len(leaks):,} pictures are copies, byte for byte, of one in "
                f"another split, such as {first} of {second}"
            )
        return dataclasses.replace(self, pictures=pictures, notes=notes)


def read(
    data_path: str | Path | None,
    *,
    seed: int,
    training: bool = True,
    cache_path: Path,
    allow_outside: bool = False,
) -> Captions:
    """Read the captions in a folder, and look for their pictures.

    Args:
        data_path: The folder.
        seed: Random seed of the cut of missing splits.
        training: Whether there must be pictures of train; if not, and if
            there are none, splits that are missing are empty.
        cache_path: Where the captions are kept, so that the next time is
            quicker, and a list of missing pictures. Pictures are looked for
            each time.
        allow_outside: Whether names of pictures may leave the folder.

    Raises:
        DataError: If a file is not as described, with its line; if more than
            a few pictures have no file.
    """
    data_folder = splits.data_folder(data_path)
    sources = _sources(data_folder)
    name = " and ".join(str(source.path) for source in sources)
    fingerprints = [
        cache.file_fingerprint(p) for source in sources for p in source.paths
    ]

    def build(folder: Path) -> None:
        collected = json.dumps(_collect(sources, name), ensure_ascii=False)
        (folder / "captions.json").write_text(collected, "utf-8")

    key = cache.key(_FORMAT, name, fingerprints)
    folder = cache.folder(cache_path / f"{key}-captions", build)
    collected = json.loads((folder / "captions.json").read_text("utf-8"))
    files = [
        NamedFiles(data_folder, source.folders, allow_outside)
        for source in sources
    ]
    paths, bad = _paths(collected, files)
    bad.check(len(paths) + len(bad), cache_path / "missing_pictures.txt")
    split = {picture: collected["split"][picture] for picture in paths}
    is_cut = len(collected["splits"]) < len(splits.SPLITS)
    if training or "train" in split.values():
        _cut(split, collected["splits"], seed, name)
    pictures = {
        picture: Picture(
            picture,
            path,
            tuple(collected["captions"][picture]),
            split[picture],
            is_cut and collected["split"][picture] == "train",
        )
        for picture, path in paths.items()
    }
    return Captions(name, pictures, bad, collected["notes"])


def _paths(
    collected: dict, files: Sequence[NamedFiles]
) -> tuple[dict[str, Path], BadFiles]:
    """Return the files of the pictures that have one, and the others.

    The captions of all names of a file become those of the first one.
    """
    paths, bad = {}, BadFiles()
    names: dict[Hashable, str] = {}
    where, split, captions = (
        collected[key] for key in ("where", "split", "captions")
    )
    for name, number in collected["source"].items():
        path = files[number].find(name, where[name])
        first = names.setdefault(file_id(path), name)
        if first != name:
            if split[first] != split[name]:
                raise _in_two_splits(
                    f"{where[name]}: {printable(name)}",
                    *(split[name], split[first]),
                    f"{where[first]}, as {printable(first)}",
                )
            both = (*captions[first], *captions[name])
            captions[first] = list(dict.fromkeys(both))
        elif os.path.isfile(path):
            paths[name] = path
        else:
            folder = os.path.isdir(path)
            why = "is a folder" if folder else "there is no such file"
            bad.add(PictureError(printable(path), special(path) or why))
    return paths, bad


def _in_two_splits(name: str, here: str, there: str, where: str) -> DataError:
    return DataError(
        f"{name} is in {here} here and in {there} in {where}; a picture can "
        "be in one split only"
    )


def _cut(
    split: dict[str, str], present: Sequence[str], seed: int, name: str
) -> None:
    """Cut missing splits from train, in place, by the pictures' names."""
    train = [picture for picture, part in split.items() if part == "train"]
    if not train:
        parts = ", ".join(sorted(present))
        raise DataError(f"{name}: no picture is in train; found {parts}")
    raw = (hashlib.sha256(p.encode()).digest()[:8] for p in train)
    digests = np.frombuffer(b"".join(raw), np.uint64)
    shares = splits.shares("train", present)
    for part, rows in splits.by_hash(
        digests, shares, seed, name, "pictures"
    ).items():
        split.update((train[row], part) for row in rows)


# From several files to captions by picture.


def _collect(sources: Sequence["Source"], name: str) -> dict:
    """Read all files; return captions, split and source by picture."""
    collector = _Collector()
    for number, source in enumerate(sources):
        what = f"reading {source.path}"
        for caption in progress_bar(what, "captions", source):
            collector.add(caption, number)
    if not collector.captions:
        raise DataError(f"{name}: has no captions")
    notes = []
    if collector.twice:
        notes.append(
            f"{len(collector.twice):,} captions that their picture has already "
            f"are left out, the first in {collector.twice[0]}"
        )
    present = sorted({split for source in sources for split in source.splits})
    split = collector.split
    if not present:  # No file says anything of splits.
        split, present = dict.fromkeys(split, "train"), ["train"]
    return {
        "captions": {p: list(texts) for p, texts in collector.captions.items()},
        "split": split,
        "source": collector.source,
        "where": collector.where,
        "splits": present,
        "notes": notes + [n for source in sources for n in source.notes()],
    }


class _Collector:
    """Collects captions by picture, each once, with its split and file."""

    def __init__(self) -> None:
        self.captions: dict[str, dict[str, None]] = {}
        self.split: dict[str, str] = {}
        self.source: dict[str, int] = {}
        self.where: dict[str, str] = {}
        self.twice: list[str] = []

    def add(self, caption: "Caption", source: int) -> None:
        """Take a caption of a file."""
        where = caption.where
        # JSON can hold halves of surrogate pairs, UTF-8 cannot.
        name = caption.picture.encode("utf-8", "replace").decode("utf-8")
        text = caption.text.encode("utf-8", "replace").decode("utf-8")
        text = " ".join(text.split())
        if not name:
            raise DataError(f"{where}: the name of the picture is empty")
        if not text:
            raise DataError(f"{where}: the caption is empty")
        if name not in self.captions:
            self.captions[name] = {}
            self.split[name] = caption.split
            self.source[name] = source
            self.where[name] = where
        elif self.split[name] != caption.split:
            raise _in_two_splits(
                f"{where}: {printable(name)}",
                *(caption.split, self.split[name], self.where[name]),
            )
        if text in self.captions[name]:
            self.twice.append(where)
        self.captions[name][text] = None


# Files of each kind.


class Caption(NamedTuple):
    """What stands in a file, white space and all; `split` may be empty."""

    picture: str
    text: str
    split: str
    where: str


class Source:
    """A file of captions; iterating yields `Caption`s.

    Attributes:
        path: The file.
        folders: Where its pictures can be.
        splits: Those it has, once it has been read; none if it does not say.
        paths: All files that are read.
    """

    def __init__(
        self, path: Path, folders: list[Path], splits: Iterable[str] = ()
    ) -> None:
        self.path = path
        self.folders = folders
        self.splits = set(splits)
        self.paths = [path]

    def notes(self) -> list[str]:
        """Return what to tell of what was left out or repaired."""
        return []


class CaptionTable(Source):
    """captions.csv: columns image, caption, perhaps split."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "captions.csv", [folder / "images", folder])
        self.table = Table(self.path, ("image", "caption"), ("split",))

    def __iter__(self) -> Iterator[Caption]:
        for row in self.table:
            where = f"{self.path}:{row.line}"
            split = ""
            if "split" in row:
                split = splits.check(row["split"].strip(), where)
                self.splits.add(split)
            picture = row["image"].strip()
            yield Caption(picture, row["caption"], split, where)

    def notes(self) -> list[str]:
        """Return how many bytes were repaired."""
        return self.table.notes()


class Coco(Source):
    """captions_train2017.json: images and annotations."""

    NAME = re.compile(r"captions_(train|val|test)(\w*)\.json")

    def __init__(self, folder: Path, path: Path) -> None:
        split, year = self.NAME.fullmatch(path.name).groups()
        names = (f"{split}{year}", f"images/{split}{year}", "images", "")
        folders = [folder / name for name in names]
        super().__init__(path, folders, [_SPLITS[split]])

    def __iter__(self) -> Iterator[Caption]:
        try:
            refuse_special(self.path)
            text = self.path.read_text("utf-8-sig", "replace")
            content = json.loads(text)
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror}") from None
        except RecursionError:
            raise DataError(f"{self.path}: is nested too deeply") from None
        except json.JSONDecodeError as error:
            raise DataError(
                f"{self.path}:{error.lineno}: not JSON, or cut off here: "
                f"{error.msg}"
            ) from None
        names = {}
        for image, where in self._items(content, "images", "id", "file_name"):
            name = image["file_name"]
            if names.setdefault(image["id"], name) != name:
                raise DataError(f"{where}: two images have the same id")
        (split,) = self.splits
        for item, where in self._items(
            content, "annotations", "image_id", "caption"
        ):
            if item["image_id"] not in names:
                raise DataError(
                    f"{where}: no image has the id {item['image_id']!r}"
                )
            picture = names[item["image_id"]]
            yield Caption(picture, item["caption"], split, where)

    def _items(
        self, content: object, key: str, number: str, text: str
    ) -> Iterator[tuple[dict, str]]:
        """Yield each item of the list `key`, and where it is."""
        items = content.get(key) if isinstance(content, dict) else None
        if not items or not isinstance(items, list):
            raise DataError(
                f"{self.path}: has no list of {key}; expected COCO's files of "
                "captions, captions_*.json"
            )
        for count, item in enumerate(items, 1):
            where = f"{self.path}: {key}, number {count:,}"
            for name, kind in ((number, str | int), (text, str)):
                if not isinstance(item, dict) or name not in item:
                    raise DataError(
                        f"{where}: no key {name!r}; expected COCO's files of "
                        "captions, captions_*.json"
                    )
                if not isinstance(item[name], kind):
                    raise DataError(f"{where}: {name!r} is {item[name]!r}")
            yield item, where


class Flickr(Source):
    """Flickr8k.token.txt: lines of `name.jpg#0`, a tab, a caption.

    Lists such as Flickr_8k.trainImages.txt beside it say what is train, dev
    (our valid) and test; if there are any, pictures in none of them are left
    out.
    """

    _LIST = re.compile(r".*\.(train|dev|test)Images\.txt")

    def __init__(self, folder: Path, path: Path) -> None:
        self.lists = {}
        for file in listed(path.parent):
            if match := self._LIST.fullmatch(file.name):
                self.lists[file] = _SPLITS[match[1]]
        # The first one is misspelt in the set as it is published.
        names = ("Flicker8k_Dataset", "Flickr8k_Dataset", "images", "Images")
        folders = [*(folder / name for name in names), folder]
        super().__init__(path, folders, self.lists.values())
        self.paths += self.lists
        self._lines = Lines(path)
        self._unlisted: set[str] = set()
        self._uncaptioned: set[str] = set()

    def __iter__(self) -> Iterator[Caption]:
        listed = self._listed()
        self._unlisted, self._uncaptioned = set(), set(listed)
        for number, line in enumerate(self._lines, 1):
            if not line.strip():
                continue
            where = f"{self.path}:{number}"
            key, tab, text = line.partition("\t")
            picture, mark, count = key.strip().rpartition("#")
            if not (tab and mark and picture and count.isdigit()):
                raise DataError(
                    f"{where}: expected name.jpg#0, a tab and a caption"
                )
            if listed and picture not in listed:
                self._unlisted.add(picture)
                continue
            self._uncaptioned.discard(picture)
            split, _ = listed.get(picture, ("", ""))
            yield Caption(picture, text, split, where)

    def _listed(self) -> dict[str, tuple[str, str]]:
        """Return picture -> its split, and `file:line` that says it."""
        listed: dict[str, tuple[str, str]] = {}
        for path, split in self.lists.items():
            for number, line in enumerate(Lines(path), 1):
                where = f"{path}:{number}"
                name = line.strip()
                other, earlier = listed.get(name, (split, ""))
                if other != split:
                    raise DataError(
                        f"{where}: {name} is in {split} here and in {other} "
                        f"in {earlier}"
                    )
                if name:
                    listed[name] = (split, where)
        return listed

    def notes(self) -> list[str]:
        """Return what to tell of the lists, and of bytes that were repaired."""
        notes = [
            f"{len(pictures):,} pictures {what}, such as "
            f"{printable(min(pictures))}"
            for what, pictures in (
                ("are in no list and left out", self._unlisted),
                ("of the lists have no caption", self._uncaptioned),
            )
            if pictures
        ]
        return notes + self._lines.notes()


def _sources(folder: Path) -> Sequence[Source]:
    """Return the files of captions in a user's folder."""
    kinds: dict[str, list[Source]] = {}
    for parent in (folder, folder / "annotations", folder / "Flickr8k_text"):
        for path in listed(parent) if parent.is_dir() else ():
            if path.name == "captions.csv" and parent == folder:
                kinds[path.name] = [CaptionTable(folder)]
            elif Coco.NAME.fullmatch(path.name):
                kinds.setdefault("captions_*.json", []).append(
                    Coco(folder, path)
                )
            elif path.name == "Flickr8k.token.txt":
                kinds.setdefault(path.name, []).append(Flickr(folder, path))
    if not kinds:
        raise DataError(
            f"{folder}: has no captions; expected captions.csv, COCO's "
            "captions_train*.json or Flickr8k.token.txt"
        )
    if len(kinds) > 1:
        raise DataError(
            f"{folder}: holds {' and '.join(kinds)}; expected one of them"
        )
    (sources,) = kinds.values()
    parts = [split for source in sources for split in source.splits]
    if len(sources) > 1 and len(set(parts)) < len(parts):
        names = ", ".join(str(source.path) for source in sources)
        raise DataError(
            f"{folder}: holds several files for one split; expected one: "
            f"{names}"
        )
    return sources
