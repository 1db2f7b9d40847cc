"""Files of captions, a caption at a time: a table, COCO's, Flickr8k's.

Caption   (picture, text, split, line): name of a picture's file, what is said
          about it, train, valid, test or "" if that is not said, and the line
"""

import contextlib
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from data_pipelines.files import tables
from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import SPLITS
from data_pipelines.files.tables import LONGEST, Lines

# What the files of COCO and of Flickr8k call the splits.
_SPLITS = {"train": "train", "val": "valid", "dev": "valid", "test": "test"}

_SPACE = re.compile(r"\s*")


class Caption(NamedTuple):
    """What stands in the file, white space and all."""

    picture: str
    text: str
    split: str
    line: int


class Table:
    """captions.csv: columns `image` and `caption`, and `split` if you like.

    Attributes:
        path: the file.
        paths: all files that are read.
        folders: where its pictures can be.
        splits: those that are said to be there, once it has been read.
        repaired: broken sequences that the last iteration replaced.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "captions.csv"
        self.paths = [self.path]
        self.folders = [folder / "images", folder]
        self.splits: set[str] = set()
        self.repaired = 0

    def __iter__(self) -> Iterator[Caption]:
        table = tables.Table(self.path, ("image", "caption"), ("split",))
        for row in table:
            split = row.get("split", "").strip()
            if "split" in row:
                self._check(split, row.line)
                self.splits.add(split)
            yield Caption(row["image"].strip(), row["caption"], split, row.line)
        self.repaired = table.repaired

    def _check(self, split: str, line: int) -> None:
        if split not in SPLITS:
            raise DataError(
                f"{self.path}:{line}: unknown split {split!r}; expected "
                f"{', '.join(SPLITS[:-1])} or {SPLITS[-1]}"
            )


class Coco:
    """captions_train2017.json and the like: images, and annotations of them.

    Attributes:
        path: the file.
        paths: all files that are read.
        folders: where its pictures can be.
        splits: the one that its name says.
        repaired: always 0; broken bytes are none of COCO's.
    """

    NAME = re.compile(r"captions_(train|val|test)(\w*)\.json")

    def __init__(self, folder: Path, path: Path) -> None:
        split, year = self.NAME.fullmatch(path.name).groups()
        place = f"{split}{year}"
        self.path = path
        self.paths = [path]
        self.folders = [
            folder / place,
            folder / "images" / place,
            folder / "images",
            folder,
        ]
        self.splits = {_SPLITS[split]}
        self.repaired = 0

    def __iter__(self) -> Iterator[Caption]:
        names = {}
        for image, where, _ in self._items("images", ("id", "file_name")):
            name = image["file_name"]
            if names.setdefault(image["id"], name) != name:
                raise DataError(f"{where}: two images have the same id")
        (split,) = self.splits
        for item, where, line in self._items(
            "annotations", ("image_id", "caption")
        ):
            if item["image_id"] not in names:
                raise DataError(
                    f"{where}: no image has the id {item['image_id']!r}"
                )
            yield Caption(names[item["image_id"]], item["caption"], split, line)

    def _items(
        self, of: str, keys: tuple[str, str]
    ) -> Iterator[tuple[dict, str, int]]:
        """Yields (item, where it stands, line) of one of the lists."""
        number = 0
        for number, (item, line) in enumerate(_elements(self.path, of), 1):
            where = f"{self.path}:{line}: {of}, number {number:,}"
            for key in keys:
                if not isinstance(item, dict) or key not in item:
                    raise DataError(
                        f"{where}: no key {key!r}; expected COCO's files of "
                        "captions, captions_*.json"
                    )
                good = (str, int) if key.endswith("id") else str
                if not isinstance(item[key], good):
                    raise DataError(f"{where}: {key!r} is {item[key]!r}")
            yield item, where, line
        if not number:
            raise DataError(f"{self.path}: has no {of}")


class Flickr:
    """Flickr8k.token.txt: `name.jpg#0`, a tab, a caption.

    Lists such as Flickr_8k.trainImages.txt beside it say what is train, dev
    (our valid) and test; if there are any, pictures in none of them are left
    out.

    Attributes:
        path: the file.
        paths: all files that are read.
        folders: where its pictures can be.
        splits: those that have a list.
        repaired: broken sequences that the last iteration replaced.
        unlisted: pictures that the last iteration left out.
        uncaptioned: pictures of the lists that have no caption.
    """

    _LIST = re.compile(r".*\.(train|dev|test)Images\.txt")

    def __init__(self, folder: Path, path: Path) -> None:
        self.path = path
        # The first one is misspelt in the set as it is published.
        names = ("Flicker8k_Dataset", "Flickr8k_Dataset", "images", "Images")
        self.folders = [*(folder / name for name in names), folder]
        self.lists = {}
        for file in sorted(path.parent.iterdir()):
            if found := self._LIST.fullmatch(file.name):
                self.lists[file] = _SPLITS[found[1]]
        self.paths = [path, *self.lists]
        self.splits = set(self.lists.values())
        self.repaired = 0
        self.unlisted: set[str] = set()
        self.uncaptioned: set[str] = set()

    def __iter__(self) -> Iterator[Caption]:
        listed = self._listed()
        self.unlisted, self.uncaptioned = set(), set(listed)
        lines = Lines(self.path)
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            key, tab, text = line.partition("\t")
            picture, mark, count = key.strip().rpartition("#")
            if not (tab and mark and picture and count.isdigit()):
                raise DataError(
                    f"{self.path}:{number}: expected name.jpg#0, a tab and a "
                    "caption"
                )
            if listed and picture not in listed:
                self.unlisted.add(picture)
                continue
            self.uncaptioned.discard(picture)
            split = listed.get(picture, ("", ""))[0]
            yield Caption(picture, text, split, number)
        self.repaired = lines.repaired

    def _listed(self) -> dict[str, tuple[str, str]]:
        """Picture -> its split, and where that is said."""
        listed: dict[str, tuple[str, str]] = {}
        for path, split in self.lists.items():
            for number, line in enumerate(Lines(path), 1):
                where = f"{path}:{number}"
                name = line.strip()
                other, place = listed.get(name, (split, ""))
                if other != split:
                    raise DataError(
                        f"{where}: {name} is in {split} here and in {other} "
                        f"in {place}"
                    )
                if name:
                    listed[name] = (split, where)
        return listed


def find(data_path: str | Path | None) -> Sequence[Table | Coco | Flickr]:
    """Finds the captions in a user's folder."""
    if data_path is None:
        raise DataError("--data-path FOLDER is needed to read files")
    folder = Path(data_path)
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    found: dict[str, list] = {}
    for place in (folder, folder / "annotations", folder / "Flickr8k_text"):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.name == "captions.csv" and place == folder:
                found[path.name] = [Table(folder)]
            elif Coco.NAME.fullmatch(path.name):
                found.setdefault("captions_*.json", []).append(
                    Coco(folder, path)
                )
            elif path.name == "Flickr8k.token.txt":
                found.setdefault(path.name, []).append(Flickr(folder, path))
    if not found:
        raise DataError(
            f"{folder}: has no captions; expected captions.csv, COCO's "
            "captions_train*.json or Flickr8k.token.txt"
        )
    if len(found) > 1:
        raise DataError(
            f"{folder}: holds {' and '.join(found)}; expected one of them"
        )
    (sources,) = found.values()
    splits = [split for source in sources for split in source.splits]
    if len(sources) > 1 and len(set(splits)) < len(splits):
        names = ", ".join(str(source.path) for source in sources)
        raise DataError(
            f"{folder}: holds several files for one split; expected one: "
            f"{names}"
        )
    return sources


def _elements(path: Path, name: str) -> Iterator[tuple[object, int]]:
    """Yields (element, line) of a list in the object that a file holds.

    One element is in memory at a time; the other values of the object are
    passed over, lists of them an element at a time, too.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(
                path.open(encoding="utf-8-sig", errors="replace")
            )
        except OSError as error:
            raise DataError(f"{path}: {error.strerror}") from None
        reader = _Json(path, file)
        reader.skip("{")
        while reader.peek() != "}":
            key = reader.value()
            reader.skip(":")
            if reader.peek() != "[":
                reader.value()
            else:
                reader.skip("[")
                while reader.peek() != "]":
                    element, line = reader.value(), reader.line
                    if key == name:
                        yield element, line
                    reader.skip(",", before="]")
                reader.skip("]")
                if key == name:
                    return
            reader.skip(",", before="}")


class _Json:
    """Reads a JSON file piece by piece.

    Attributes:
        line: where the last value that was read began.
    """

    def __init__(self, path: Path, file: io.TextIOBase) -> None:
        self.path = path
        self.file = file
        self.text = ""
        self.place = 0
        self.line = 1
        self.counted = 0
        self.decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next character that is no white space."""
        while True:
            self.place = _SPACE.match(self.text, self.place).end()
            if self.place < len(self.text):
                return self.text[self.place]
            if not self._more():
                raise self._error("the file is cut off here; copy it again")

    def skip(self, character: str, before: str = "") -> None:
        """Passes over a character; it may be missing before another one."""
        found = self.peek()
        if found == character:
            self.place += 1
        elif not before or found != before:
            raise self._error(f"expected {character!r}, found {found!r}")

    def value(self) -> object:
        """The next value, of any kind."""
        self.peek()
        self._count()
        while True:
            try:
                value, end = self.decode(self.text, self.place)
            except (json.JSONDecodeError, RecursionError) as error:
                # What is wrong may be that the rest has not been read yet.
                if len(self.text) - self.place < LONGEST and self._more():
                    continue
                what = getattr(error, "msg", "it is nested too deeply")
                raise self._error(f"not JSON: {what}") from None
            # A number may go on where the text ends: 3, 3., 3.5.
            number, length = isinstance(value, int | float), end - self.place
            if number and len(self.text) < end + 8 and self._more():
                continue
            self.place += length
            return value

    def _count(self) -> None:
        self.line += self.text.count("\n", self.counted, self.place)
        self.counted = self.place

    def _more(self) -> bool:
        """Reads on, each time more, and forgets what is behind."""
        self._count()
        rest = self.text[self.place :]
        new = self.file.read(max(2**16, len(rest)))
        self.text, self.place, self.counted = rest + new, 0, 0
        return bool(new)

    def _error(self, what: str) -> DataError:
        self._count()
        return DataError(f"{self.path}:{self.line}: {what}")
