"""Files of captions, of several kinds, as they are given out.

A kind is known by its name, and by its first line where others have the name.
All are read anew every time; their pictures may be in any of a few folders.
"""

import contextlib
import json
import os
import re
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from data_pipelines.files import lines, splits, tables
from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import Lines
from data_pipelines.files.names import (
    NamedFiles,
    listed,
    printable,
    refuse_special,
)
from data_pipelines.files.tables import Table

# Other names that the columns of such tables often have.
COLUMNS = {
    "image": ("image_name", "file_name", "filename", "file", "picture"),
    "caption": ("text", "comment", "sentence", "description"),
}

# What the files call the splits; restval is what Karpathy and Li leave of
# COCO's own valid.
_SPLITS = {
    "train": "train",
    "restval": "train",
    "val": "valid",
    "dev": "valid",
    "test": "test",
}

# Broken bytes that are replaced in JSON, and bytes that tell its encoding.
_MOST_REPAIRED = 10
_GUESSED = 2**16

# Where files of captions can be in a user's folder.
_FOLDERS = ("", "annotations", "Flickr8k_text", "flickr30k_images")

# Where the pictures of Flickr8k, Flickr30k and COCO can be; the first one is
# misspelt in the set as it is published.
_PLACES = (
    "Flicker8k_Dataset",
    "Flickr8k_Dataset",
    "images",
    "Images",
    "flickr30k_images",
    "flickr30k_images/flickr30k_images",
    "flickr30k-images",
    "",
)


class Caption(NamedTuple):
    """What stands in a file, white space and all.

    Attributes:
        picture: The name of a picture.
        text: A caption of it; None: it has none.
        split: The one it is in; empty if the file does not say.
        where: File and line.
    """

    picture: str
    text: str | None
    split: str
    where: str


class CaptionFile:
    """A file of captions; iterating yields `Caption`s.

    Args:
        folder: The user's.
        path: The file.
        encoding: Its encoding, see `Lines`.
        places: Folders in it where the pictures can be.

    Attributes:
        KIND: What messages call such files.
        path: The file.
        folders: Where its pictures can be.
        splits: Those it has, once it has been read; none if it does not say.
        paths: All files that are read.
    """

    KIND: str

    def __init__(
        self,
        folder: Path,
        path: Path,
        encoding: str,
        places: Sequence[str] = _PLACES,
    ) -> None:
        self.path = path
        self.encoding = encoding
        self.folders = [folder / place for place in places]
        self.splits: set[str] = set()
        self.paths = [path]

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Return whether a file is of this kind."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Caption]:
        raise NotImplementedError

    def find(self, files: NamedFiles, name: str, where: str) -> Path:
        """Return the file of a picture; see `NamedFiles.find`."""
        return files.find(name, where)

    def notes(self) -> list[str]:
        """Return what to tell of what was left out or repaired."""
        return []


class CaptionTable(CaptionFile):
    """captions.csv and the like: columns image, caption, perhaps split."""

    KIND = "captions.csv"

    def __init__(self, folder: Path, path: Path, encoding: str) -> None:
        super().__init__(folder, path, encoding, ("images", ""))
        self.table = Table(
            path,
            ("image", "caption"),
            ("split",),
            encoding=encoding,
            also=COLUMNS,
        )

    @classmethod
    def reads(cls, path: Path) -> bool:
        """See `CaptionFile`."""
        is_table = bool(tables.kind(path))
        return is_table and path.name.partition(".")[0] == "captions"

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


class LooseTable(CaptionFile):
    """Kaggle's captions.txt of Flickr8k, and results.csv of Flickr30k.

    Their captions have the delimiter in them, and are not quoted or a few
    only; one of the numbers in results.csv has no delimiter behind it.
    """

    KIND = "captions.txt or results.csv"
    _HEADER = re.compile(
        r"\s*image(?:_name)?\s*([,|])(\s*comment_number\s*\1)?"
        r"\s*(?:caption|comment)\s*",
        re.I,
    )

    def __init__(self, folder: Path, path: Path, encoding: str) -> None:
        super().__init__(folder, path, encoding)
        self._lines = Lines(path, encoding)

    @classmethod
    def _header(cls, path: Path) -> re.Match | None:
        with contextlib.closing(iter(Lines(path))) as lines:
            return cls._HEADER.fullmatch(next(lines, ""))

    @classmethod
    def reads(cls, path: Path) -> bool:
        """See `CaptionFile`."""
        if path.name not in ("captions.txt", "results.csv"):
            return False
        # A results.csv can be anything.
        with contextlib.suppress(DataError):
            return cls._header(path) is not None
        return False

    def __iter__(self) -> Iterator[Caption]:
        mark, numbered = self._header(self.path).groups()
        for number, line in enumerate(self._lines, 1):
            if number == 1 or not line.strip():
                continue
            where = f"{self.path}:{number}"
            name, has_mark, text = line.strip().partition(mark)
            if name.startswith('"'):
                name, has_mark, text = line.strip().partition(f'"{mark}')
                name += '"'
            digits = re.match(r"\s*\d+\s*", text) if numbered else None
            if digits:
                text = text[digits.end() :].removeprefix(mark)
            if not has_mark or (numbered and not digits):
                raise DataError(
                    f"{where}: expected the name of a picture and a caption, "
                    "and between them what is between them in the header"
                )
            picture, text = (_unquoted(field.strip()) for field in (name, text))
            yield Caption(picture, text, "", where)

    def notes(self) -> list[str]:
        """Return how many bytes were repaired."""
        return self._lines.notes()


def _unquoted(field: str) -> str:
    if len(field) > 1 and field[0] == field[-1] == '"':
        return field[1:-1].replace('""', '"')
    return field


class JsonFile(CaptionFile):
    """A file that is one JSON object with lists of objects."""

    EXPECTED: str
    _repaired = 0

    def notes(self) -> list[str]:
        """Return how many bytes were repaired."""
        if not self._repaired:
            return []
        return [f"{self.path}: {self._repaired:,} broken bytes replaced"]

    def _content(self) -> Any:
        refuse_special(self.path)
        try:
            raw = self.path.read_bytes()
            encoding = self.encoding or json.detect_encoding(raw)
            text, self._repaired = lines.decode(raw, encoding)
            if self._repaired > _MOST_REPAIRED and self.encoding != "utf-8":
                raise DataError(
                    f"{self.path}: {self._repaired:,} bytes are not "
                    f"{encoding.upper()}; add --encoding with its encoding, "
                    f"such as {lines.guess(raw[:_GUESSED]) or 'cp1252'}"
                )
            return json.loads(text.lstrip("\ufeff"))
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror}") from None
        except RecursionError:
            raise DataError(f"{self.path}: is nested too deeply") from None
        except json.JSONDecodeError as error:
            raise DataError(
                f"{self.path}:{error.lineno}: not JSON, or cut off here: "
                f"{error.msg}"
            ) from None
        except ValueError as error:  # a number of thousands of digits
            raise DataError(f"{self.path}: not JSON: {error}") from None

    def _items(
        self, content: Any, key: str, kinds: dict[str, Any]
    ) -> Iterator[tuple[dict, str]]:
        """Yield each item of the list `key`, and where it is.

        Args:
            content: What the file holds.
            key: Of the list.
            kinds: Key of every item -> the type of its value.
        """
        items = content.get(key) if isinstance(content, dict) else None
        if not items or not isinstance(items, list):
            raise DataError(
                f"{self.path}: has no list of {key}; expected {self.EXPECTED}"
            )
        for count, item in enumerate(items, 1):
            where = f"{self.path}: {key}, number {count:,}"
            for name, kind in kinds.items():
                if not isinstance(item, dict) or name not in item:
                    raise DataError(
                        f"{where}: no key {name!r}; expected {self.EXPECTED}"
                    )
                if not isinstance(item[name], kind):
                    value = reprlib.repr(item[name])
                    raise DataError(f"{where}: {name!r} is {value}")
            yield item, where


class Coco(JsonFile):
    """captions_train2017.json: images and annotations."""

    KIND = "captions_*.json"
    EXPECTED = "COCO's files of captions, captions_*.json"
    _NAME = re.compile(r"captions_(train|val|test)(\w*)\.json")

    def __init__(self, folder: Path, path: Path, encoding: str) -> None:
        split, year = self._NAME.fullmatch(path.name).groups()
        name = split + year
        places = (name, f"images/{name}", "images", "")
        super().__init__(folder, path, encoding, places)
        self.split = _SPLITS[split]
        self.splits = {self.split}

    @classmethod
    def reads(cls, path: Path) -> bool:
        """See `CaptionFile`."""
        return cls._NAME.fullmatch(path.name) is not None

    def __iter__(self) -> Iterator[Caption]:
        content = self._content()
        names = {}
        kinds = {"id": str | int, "file_name": str}
        for image, where in self._items(content, "images", kinds):
            name = image["file_name"]
            if names.setdefault(image["id"], name) != name:
                raise DataError(f"{where}: two images have the same id")
        kinds = {"image_id": str | int, "caption": str | None}
        for item, where in self._items(content, "annotations", kinds):
            if item["image_id"] not in names:
                raise DataError(
                    f"{where}: no image has the id {item['image_id']!r}"
                )
            picture = names[item["image_id"]]
            yield Caption(picture, item["caption"] or "", self.split, where)


class Karpathy(JsonFile):
    """dataset_flickr8k.json, dataset_coco.json: images with their sentences."""

    KIND = "dataset_*.json"
    EXPECTED = "Karpathy's files of captions, dataset_*.json"

    @classmethod
    def reads(cls, path: Path) -> bool:
        """See `CaptionFile`."""
        return re.fullmatch(r"dataset_\w+\.json", path.name) is not None

    def __iter__(self) -> Iterator[Caption]:
        kinds = {"filename": str, "split": str, "sentences": list}
        for image, where in self._items(self._content(), "images", kinds):
            if image["split"] not in _SPLITS:
                raise DataError(
                    f"{where}: unknown split {image['split'][:40]!r}; expected "
                    "train, restval, val or test"
                )
            split = _SPLITS[image["split"]]
            self.splits.add(split)
            parts = (image.get("filepath") or "", image["filename"])
            if not isinstance(parts[0], str):
                value = reprlib.repr(parts[0])
                raise DataError(f"{where}: 'filepath' is {value}")
            name = "/".join(filter(None, parts))
            if not image["sentences"]:
                yield Caption(name, None, split, where)
            for sentence in image["sentences"]:
                yield Caption(name, self._text(sentence, where), split, where)

    def _text(self, sentence: Any, where: str) -> str:
        """Return a sentence as it was written, or else its words."""
        if isinstance(sentence, dict):
            raw, tokens = sentence.get("raw"), sentence.get("tokens")
            if isinstance(raw, str):
                return raw
            if isinstance(tokens, list):
                return " ".join(map(str, tokens))
            if "raw" in sentence and raw is None:
                return ""
        value = reprlib.repr(sentence)
        raise DataError(
            f"{where}: a sentence is {value}; expected {self.EXPECTED}"
        )

    def find(self, files: NamedFiles, name: str, where: str) -> Path:
        """Return the file of a picture, in its folder or beside others."""
        path = files.find(name, where)
        if os.path.exists(path):
            return path
        return files.find(PurePosixPath(name).name, where)


class Flickr(CaptionFile):
    """Flickr8k.token.txt, results_20130124.token: `name.jpg#0`, tab, caption.

    Lists such as Flickr_8k.trainImages.txt beside it say what is train, dev
    (our valid) and test; if there are any, pictures in none of them are left
    out.
    """

    KIND = "*.token"
    _LIST = re.compile(r".*\.(train|dev|test)Images\.txt")

    def __init__(self, folder: Path, path: Path, encoding: str) -> None:
        super().__init__(folder, path, encoding)
        self.lists = {}
        for file in listed(path.parent):
            if match := self._LIST.fullmatch(file.name):
                self.lists[file] = _SPLITS[match[1]]
        self.splits.update(self.lists.values())
        self.paths += self.lists
        self._lines = Lines(path, encoding)
        self._unlisted: set[str] = set()
        self._uncaptioned: set[str] = set()

    @classmethod
    def reads(cls, path: Path) -> bool:
        """See `CaptionFile`."""
        # Not the words of Flickr8k without their endings, which come along.
        name = path.name.removesuffix(".txt")
        return name.endswith(".token") and not name.endswith(".lemma.token")

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
            for number, line in enumerate(Lines(path, self.encoding), 1):
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


_KINDS = (CaptionTable, LooseTable, Coco, Karpathy, Flickr)


def sources(folder: Path, encoding: str = "") -> Sequence[CaptionFile]:
    """Return the files of captions in a user's folder.

    Args:
        folder: The folder.
        encoding: Of the files, see `Lines`.
    """
    every = [
        kind(folder, path, encoding)
        for parent in (folder / name for name in _FOLDERS)
        for path in (listed(parent) if parent.is_dir() else ())
        for kind in _KINDS
        if kind.reads(path)
    ]
    if not every:
        raise DataError(
            f"{folder}: has no captions; expected captions.csv or .parquet, "
            "COCO's captions_train*.json, Karpathy's dataset_*.json, Flickr's "
            "*.token or results.csv, or Kaggle's captions.txt"
        )
    names = ", ".join(str(source.path) for source in every)
    if len({type(source) for source in every}) > 1:
        raise DataError(
            f"{folder}: holds captions of several kinds; expected one of them: "
            f"{names}"
        )
    parts = [
        split for source in every for split in source.splits or splits.SPLITS
    ]
    if len(set(parts)) < len(parts):
        raise DataError(
            f"{folder}: holds several files for one split; expected one: "
            f"{names}"
        )
    return every
