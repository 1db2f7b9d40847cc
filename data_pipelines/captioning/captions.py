r"""Pictures and their captions, from files of several kinds.

Files   --data-path FOLDER with one of
        captions.csv         columns image, caption and, if you have it, split
                             (train, valid or test); also .tsv, .jsonl and
                             .parquet; pictures in images/ or beside it
        captions_train*.json, captions_val*.json   COCO's, in FOLDER or in
                             annotations/; pictures in train2017/ and the like
        dataset_*.json       Karpathy's, with the splits
        *.token, *.token.txt Flickr8k's and Flickr30k's, and lists such as
                             Flickr_8k.trainImages.txt
        results.csv          of Flickr30k: image_name| comment_number| comment
        captions.txt         Kaggle's: image,caption
Result  pictures in the order of the files, each with all of its captions

    captions = read("my-pictures", seed=0)
    captions.pictures["cat.jpg"]   # Picture(name, path, captions, split)
    captions.split("train")        # its pictures
    captions.bad, captions.notes   # those without a file, what else to tell

A picture is a file, whatever names of it the rows have, and in one split, with
all of its captions. A split that is missing is cut from train: a tenth of its
pictures, by a hash of their names; copies of a picture go with it. Pictures
that have no file are left out and counted, and an error if they are many.
Captions that a picture has twice, or that are empty, are left out and counted,
too, and so are pictures without any caption.
"""

import dataclasses
import json
import os
from collections.abc import Hashable, Sequence
from pathlib import Path

from data_pipelines.captioning import caption_files
from data_pipelines.captioning.caption_files import Caption, CaptionFile
from data_pipelines.files import cache, splits
from data_pipelines.files.errors import DataError
from data_pipelines.files.lines import encodable
from data_pipelines.files.names import (
    NamedFiles,
    file_id,
    printable,
    special,
)
from data_pipelines.files.progress import progress_bar
from data_pipelines.vision.images import BadFiles, PictureError

# Part of the key of what was read: raise it with any change of it.
_FORMAT = 3

# No caption has more letters, a file with an open quotation mark does.
_LONGEST = 10_000


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
        wordless: Number of captions that are empty.
        captionless: Files of pictures that have no other captions.
        notes: What else may be of interest, in lines.
    """

    name: str
    pictures: dict[str, Picture]
    bad: BadFiles
    wordless: int
    captionless: list[Path]
    notes: list[str]

    def split(self, split: str) -> list[Picture]:
        """Return the pictures of a split, in the order of the files."""
        return [p for p in self.pictures.values() if p.split == split]

    def separated(self, contents: dict[str, str]) -> "Captions":
        """Return the same with copies joined, see `splits.join_copies`.

        Args:
            contents: Name of a picture -> what tells its content.
        """
        known = [p for p in self.pictures.values() if p.name in contents]
        joined, notes = splits.join_copies(
            [
                splits.Example(
                    printable(picture.path),
                    picture.split,
                    contents[picture.name],
                    picture.is_cut,
                )
                for picture in known
            ],
            "pictures",
        )
        moved = {
            picture.name: dataclasses.replace(picture, split=split)
            for picture, split in zip(known, joined, strict=True)
        }
        return dataclasses.replace(
            self,
            pictures=self.pictures | moved,
            notes=[*self.notes, *notes],
        )


def read(
    data_path: str | Path | None,
    *,
    seed: int,
    training: bool = True,
    cache_path: Path,
    allow_outside: bool = False,
    encoding: str = "",
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
        encoding: Of the files, see `Lines`.

    Raises:
        DataError: If a file is not as described, with its line; if more than
            a few pictures have no file.
    """
    data_folder = splits.data_folder(data_path)
    sources = caption_files.sources(data_folder, encoding)
    name = " and ".join(str(source.path) for source in sources)
    fingerprints = [
        cache.file_fingerprint(p) for source in sources for p in source.paths
    ]

    def build(folder: Path) -> None:
        collected = json.dumps(_collect(sources, name), ensure_ascii=False)
        (folder / "captions.json").write_text(collected, "utf-8")

    key = cache.key(_FORMAT, name, fingerprints, encoding)
    folder = cache.folder(cache_path / f"{key}-captions", build)
    collected = json.loads((folder / "captions.json").read_text("utf-8"))
    files = [
        NamedFiles(data_folder, source.folders, allow_outside)
        for source in sources
    ]
    paths, bad = _paths(collected, sources, files)
    bad.check(len(paths) + len(bad), cache_path / "missing_pictures.txt")
    captionless = [p for n, p in paths.items() if not collected["captions"][n]]
    paths = {n: p for n, p in paths.items() if collected["captions"][n]}
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
    wordless, notes = collected["wordless"], collected["notes"]
    return Captions(name, pictures, bad, wordless, captionless, notes)


def _paths(
    collected: dict, sources: Sequence[CaptionFile], files: Sequence[NamedFiles]
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
        path = sources[number].find(files[number], name, where[name])
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
    shares = splits.shares("train", present)
    for part, rows in splits.by_hash(
        splits.name_digests(train), shares, seed, name, "pictures"
    ).items():
        split.update((train[row], part) for row in rows)


# From several files to captions by picture.


def _collect(sources: Sequence[CaptionFile], name: str) -> dict:
    """Read all files; return captions, split and source by picture."""
    collector = _Collector()
    for number, source in enumerate(sources):
        what = f"reading {source.path}"
        for caption in progress_bar(what, "captions", source):
            collector.add(caption, number)
    if not any(collector.captions.values()):
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
        "wordless": collector.wordless,
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
        self.wordless = 0

    def add(self, caption: Caption, source: int) -> None:
        """Take a caption of a file."""
        where = caption.where
        name = encodable(caption.picture)
        if not name:
            raise DataError(f"{where}: the name of the picture is empty")
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
        if caption.text is None:
            return
        text = " ".join(encodable(caption.text).split())
        if len(text) > _LONGEST:
            raise DataError(
                f"{where}: the caption has {len(text):,} letters; expected at "
                f"most {_LONGEST:,}"
            )
        if not text:
            self.wordless += 1
            return
        if text in self.captions[name]:
            self.twice.append(where)
        self.captions[name][text] = None
