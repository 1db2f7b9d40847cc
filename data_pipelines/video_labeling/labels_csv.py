"""labels.csv: what is to be seen in videos, frame by frame or in segments.

Frames     columns video, frame, label: every frame, from 0 on, once
Segments   columns video, start, end, label: frames of the video, from 0 on,
           the end not included; what no segment covers is `background`
Times      the same with start_seconds and end_seconds (or start_s, ...), with
           start_ms and end_ms, or with start_time and end_time, which may be
           mm:ss or hh:mm:ss.mmm, too; from the video's first frame on

Columns `split` and `group` may be there; rows may be in any order. Videos are
in `videos/` or in the folder itself; names of one file name one video.
"""

import contextlib
import hashlib
import json
import os
import re
from array import array
from collections.abc import Hashable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipelines.files import splits
from data_pipelines.files.errors import DataError
from data_pipelines.files.file_index import FileIndex
from data_pipelines.files.names import NamedFiles, file_id, listed, printable
from data_pipelines.files.tables import Table, clean_label, kind
from data_pipelines.video_labeling.clips import (
    BACKGROUND,
    Clip,
    Clips,
    Medium,
    file_content,
)
from data_pipelines.vision import image_sequence, images, video
from data_pipelines.vision.frame_store import Stored

NAME = "labels.csv"

# Frames are counted in int32, and no video has more.
_MAX_FRAME = 2**31 - 1

# Endings of the columns of start and end -> microseconds in a unit of them;
# None: frames.
_UNITS = {
    "": None, "_frame": None, "_seconds": 10**6, "_sec": 10**6, "_s": 10**6,
    "_ms": 1000, "_milliseconds": 1000, "_time": 10**6, "_timestamp": 10**6,
}  # fmt: skip

# Microseconds: times are written to the millisecond, and videos end at a time
# that is rounded more.
_ROUNDED = 1000
_BEYOND = 10**6

_DECIMAL = r"[0-9]{1,10}(?:[.,][0-9]{0,20})?|[.,][0-9]{1,20}"
_NUMBER = re.compile(rf"(?:{_DECIMAL})(?:[eE]-[0-9]{{1,2}})?")
_CLOCK = re.compile(
    r"(?:([0-9]{1,4}):([0-5]?[0-9])|([0-9]{1,4})):([0-5]?[0-9](?:[.,][0-9]{0,20})?)"
)

# Unlabelled videos that are named.
_NAMED = 3


class _Columns(NamedTuple):
    """Which columns of a table say when a label begins and ends.

    Attributes:
        start: The one of the start, or of the frame.
        end: The one of the end; "" if a row is a frame.
        unit: Microseconds in a unit of them; None: they are frames.
    """

    start: str
    end: str
    unit: int | None


class _Row(NamedTuple):
    video: str
    start: int
    end: int
    label: str
    split: str
    group: str
    line: int


def _content(path: Path, known: FileIndex) -> str:
    """Return a name made from names and contents of all files of a video."""
    # Not `Path.is_dir`, which raises an error if a name is too long.
    if not os.path.isdir(path):
        return file_content(path, known)
    pictures = image_sequence.pictures(path)
    parts = [[p.name, file_content(p, known)] for p in pictures]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


# Files of videos, and folders of pictures.
VIDEO_FILES = Medium(
    f"files {video.VERSION} {images.VERSION}", False, _content, video.Reader
)


def find(folder: Path) -> Path | None:
    """Return the table of a folder, `NAME` or the like, if it has one."""
    stem = Path(NAME).stem
    tables = [
        path
        for path in listed(folder)
        if path.name.partition(".")[0] == stem and kind(path)
    ]
    if len(tables) > 1:
        raise DataError(
            f"{folder}: holds {tables[0].name} and {tables[1].name}; expected "
            "one table of labels"
        )
    return tables[0] if tables else None


def read(
    folder: Path, allow_outside: bool = False, encoding: str = ""
) -> Clips:
    """Read the table of a folder, and look for its videos.

    Args:
        folder: The folder.
        allow_outside: Whether names of videos may leave it.
        encoding: Of the table, see `Lines`.
    """
    path = find(folder) or folder / NAME
    sides = [f"{side}{end}" for side in ("start", "end") for end in _UNITS]
    table = Table(
        path,
        ("video", "label"),
        ("frame", *sides, "split", "group"),
        encoding=encoding,
    )
    columns = _columns(table)
    files = NamedFiles(folder, [folder / "videos", folder], allow_outside)
    annotations: dict[str, TableAnnotation] = {}
    paths: dict[Hashable, tuple[Path, TableAnnotation]] = {}
    labels = {BACKGROUND: 0}
    for row in _rows(table, columns):
        if row.video not in annotations:
            file = files.find(row.video, f"{path}:{row.line}")
            annotation = TableAnnotation(path, row, columns)
            _, annotation = paths.setdefault(file_id(file), (file, annotation))
            annotations[row.video] = annotation
        index = labels.setdefault(row.label, len(labels))
        annotations[row.video].add(row, index)
    clips = []
    for file, annotation in paths.values():
        annotation.finish()
        name, line = annotation.name, f"{path}:{annotation.line}"
        split, group = annotation.split, annotation.group
        clips.append(Clip(name, file, annotation, split, group, line))
    notes = _notes(folder, [clip.path for clip in clips]) + table.notes()
    return Clips(str(path), clips, list(labels), notes, VIDEO_FILES)


# The rows of the table.


def _columns(table: Table) -> _Columns:
    """Return which columns are read; frames come before times."""
    names = set(table.columns) - {"video", "label", "split", "group"}
    if names == {"frame"}:
        return _Columns("frame", "", None)
    pairs = [e for e in _UNITS if {f"start{e}", f"end{e}"} <= names]
    if "frame" in names or not pairs:
        raise DataError(
            f"{table.path}:1: expected the columns video, frame, label or "
            "video, start, end, label, whose times are start_seconds, "
            "start_ms or start_time; the columns are "
            + ", ".join(map(repr, table.columns))
        )
    ending = pairs[0]
    unit = _UNITS[ending]
    columns = _Columns(f"start{ending}", f"end{ending}", unit)
    first = next(iter(table))
    if unit is None and ":" in first[columns.start] + first[columns.end]:
        return columns._replace(unit=_UNITS["_time"])
    return columns


def _rows(table: Table, columns: _Columns) -> Iterator[_Row]:
    for row in table:
        where = f"{table.path}:{row.line}"
        name = row["video"].strip()
        if not name:
            raise DataError(f"{where}: the name of the video is empty")
        split = ""
        if "split" in row:
            split = splits.check(row["split"].strip(), where)
        start = _position(row, columns.start, columns.unit, where)
        end = start + 1
        if columns.end:
            end = _position(row, columns.end, columns.unit, where)
            if end <= start:
                raise DataError(
                    f"{where}: the segment starts at {_text(start, columns)} "
                    f"and ends before {_text(end, columns)}; it has no frames"
                )
        label = clean_label(row["label"], where)
        group = row.get("group", "").strip()
        yield _Row(name, start, end, label, split, group, row.line)


def _position(
    row: dict[str, str], name: str, unit: int | None, where: str
) -> int:
    """Return the number of a frame, or microseconds."""
    cell = row[name].strip()
    if unit is None:
        # Python refuses to read a number of thousands of digits; programs that
        # have no number for an empty cell write 12.0.
        match = re.fullmatch("([0-9]{1,10})([.]0{0,9})?", cell)
        if match and int(match[1]) <= _MAX_FRAME:
            return int(match[1])
        expected = f"the number of a frame, 0 to {_MAX_FRAME:,}"
        if name != "frame":
            expected += "; times go by start_seconds and end_seconds"
    else:
        if _NUMBER.fullmatch(cell):
            return round(Decimal(cell.replace(",", ".")) * unit)
        if unit == 10**6:
            if match := _CLOCK.fullmatch(cell):
                minutes = 60 * int(match[1] or 0) + int(match[2] or match[3])
                seconds = Decimal(match[4].replace(",", "."))
                return round((60 * minutes + seconds) * unit)
            expected = "seconds, mm:ss or hh:mm:ss"
        else:
            expected = "milliseconds"
    raise DataError(
        f"{where}: the {name} is {cell[:40]!r}; expected {expected}"
    )


def _text(position: int, columns: _Columns) -> str:
    """Return a frame or a time in words."""
    if columns.unit is None:
        return f"frame {position:,}"
    return f"{position / 1e6:,.3f} s"


class TableAnnotation:
    """The labels of one video.

    Attributes:
        line: Of its first row.
        split: As that says.
        group: As that says.
    """

    def __init__(self, path: Path, first: _Row, columns: _Columns) -> None:
        self.path = path
        self.name = first.video
        self.columns = columns
        self.line = first.line
        self.split = first.split
        self.group = first.group
        # start, end, index of the label, line of each row.
        self._numbers = array("q")
        self.rows = np.zeros((0, 4), np.int64)

    def add(self, row: _Row, index: int) -> None:
        """Take a row of the file."""
        for name in ("split", "group"):
            one, other = getattr(row, name), getattr(self, name)
            if one != other:
                raise DataError(
                    f"{self.path}:{row.line}: {printable(row.video)} has the "
                    f"{name} {one!r} here and {other!r} in line {self.line}"
                    f"{self._also(row.video)}; a video has one"
                )
        self._numbers.extend((row.start, row.end, index, row.line))

    def _also(self, name: str) -> str:
        return "" if name == self.name else f", as {printable(self.name)}"

    def finish(self) -> None:
        """Put the rows in order, and check that they fit each other."""
        rows = np.array(self._numbers, np.int64).reshape(-1, 4)
        self.rows = rows[np.argsort(rows[:, 0], kind="stable")]
        self._numbers = array("q")
        if not (wrong := self._wrong()).any():
            return
        # The same row twice does no harm.
        _, first = np.unique(self.rows[:, :3], axis=0, return_index=True)
        self.rows = self.rows[np.sort(first)]
        if not (wrong := self._wrong()).any():
            return
        one = wrong.argmax()
        start, _, _, line = self.rows[one]
        _, before, _, line_before = self.rows[one - 1] if one else [0] * 4
        if start > before:
            what = (
                f"frame {before:,} has no label, the next one is {start:,}; "
                "expected every frame, from 0 on"
            )
        elif not self.columns.end:
            what = f"frame {start:,} is in line {line_before} already"
        else:
            what = (
                f"the segment from {_text(start, self.columns)} overlaps the "
                f"one in line {line_before}"
            )
        where = f"{self.path}:{line}: {printable(self.name)}"
        raise DataError(f"{where}: {what}")

    def _wrong(self) -> np.ndarray:
        """Return which rows do not fit the ones before, `(N,)`."""
        starts = self.rows[:, 0]
        before = np.concatenate([[0], self.rows[:-1, 1]])
        if self.columns.unit is not None:
            return starts + _ROUNDED < before
        return starts < before if self.columns.end else starts != before

    def label_indices(self, stored: Stored) -> np.ndarray:
        """Return the label of each frame of a video that was read, `(T,)`."""
        last = self.rows[-1]
        where = f"{self.path}:{last[3]}: {printable(self.name)}"
        if self.columns.unit is not None:
            return self._by_time(stored, where)
        frames = stored.frames
        if not self.columns.end and len(self.rows) != frames:
            raise DataError(
                f"{where} has {frames:,} frames, but labels for "
                f"{len(self.rows):,}; expected one for each"
            )
        if last[1] > frames:
            raise DataError(
                f"{where} has {frames:,} frames, but this segment ends at "
                f"{last[1]:,}"
            )
        indices = np.zeros(frames, np.int32)
        for start, end, index, _ in self.rows:
            indices[start:end] = index
        return indices[stored.numbers]

    def _by_time(self, stored: Stored, where: str) -> np.ndarray:
        times = np.round(stored.times * 10**6).astype(np.int64)
        end = times[-1] + 10**6 / stored.fps
        if self.rows[-1, 1] > end + _BEYOND:
            raise DataError(
                f"{where} lasts {end / 1e6:,.3f} s, but this segment ends at "
                f"{_text(self.rows[-1, 1], self.columns)}"
            )
        indices = np.zeros(len(times), np.int32)
        for start, end, index, _ in self.rows:
            first, last = np.searchsorted(times + _ROUNDED, [start, end])
            indices[first:last] = index
        return indices

    def first_line(self, index: int) -> str:
        """Return where a label stands for the first time, `file:line`."""
        lines = self.rows[self.rows[:, 2] == index, 3]
        return f"{self.path}:{lines.min() if lines.size else self.line}"


# The videos that the table leaves out.


def _notes(folder: Path, labelled: list[Path]) -> list[str]:
    """Return a line about videos of a folder that have no labels.

    Only folders are looked through where videos may be or are: the folder, its
    `videos/`, and what is below it and holds one with labels.
    """
    known = set(map(file_id, labelled))
    folders = {folder, folder / "videos"}
    folders |= {
        path.parent
        for path in labelled
        if path.is_relative_to(folder) and ".." not in path.parts
    }
    # A folder of pictures is no video where videos are files.
    of_pictures = any(map(os.path.isdir, labelled))
    parents = set(map(file_id, folders))
    names = {}
    for parent in sorted(folders):
        if not os.path.isdir(parent):  # of a name that no folder can have, too
            continue
        # What may not be listed can still hold videos that may be read.
        with contextlib.suppress(PermissionError):
            for path in listed(parent):
                is_video = (
                    path.suffix.lower() in video.SUFFIXES and path.is_file()
                )
                file = file_id(path)
                if of_pictures and path.is_dir() and file not in parents:
                    is_video = bool(image_sequence.pictures(path))
                if is_video:
                    names.setdefault(file, str(path.relative_to(folder)))
    unlabelled = [name for file, name in names.items() if file not in known]
    if not unlabelled:
        return []
    unlabelled.sort(key=image_sequence.natural)
    some = ", ".join(map(printable, unlabelled[:_NAMED]))
    more = ", ..." if len(unlabelled) > _NAMED else ""
    count = f"{len(unlabelled):,}"
    return [f"videos in {folder} without labels: {count} ({some}{more})"]
