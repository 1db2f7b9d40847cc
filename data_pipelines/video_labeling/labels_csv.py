"""labels.csv: what is to be seen in videos, frame by frame or in segments.

Frames     columns video, frame, label: every frame, from 0 on, once
Segments   columns video, start, end, label: frames of the video, from 0 on,
           the end not included; what no segment covers is `background`

Columns `split` and `group` may be there; rows may be in any order. Videos are
in `videos/` or in the folder itself.
"""

import contextlib
import os
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipelines.files import splits
from data_pipelines.files.errors import DataError
from data_pipelines.files.names import listed, printable
from data_pipelines.files.tables import Table, clean_label
from data_pipelines.video_labeling.clips import (
    BACKGROUND,
    VIDEO_FILES,
    Clip,
    Clips,
)
from data_pipelines.vision import image_sequence, video

NAME = "labels.csv"

# Frames are counted in int32, and no video has more.
_MAX_FRAME = 2**31 - 1

# Unlabelled videos that are named.
_NAMED = 3


class _Row(NamedTuple):
    video: str
    start: int
    end: int
    label: str
    split: str
    group: str
    line: int


def read(folder: Path) -> Clips:
    """Read the table of a folder, and look for its videos."""
    path = folder / NAME
    table = Table(
        path, ("video", "label"), ("frame", "start", "end", "split", "group")
    )
    by_frame = _is_by_frame(table)
    annotations: dict[str, TableAnnotation] = {}
    names = {BACKGROUND: 0}
    for row in _rows(table, by_frame):
        if row.video not in annotations:
            annotations[row.video] = TableAnnotation(path, row, by_frame)
        index = names.setdefault(row.label, len(names))
        annotations[row.video].add(row, index)
    paths = _paths(folder, annotations)
    clips = []
    for name, annotation in annotations.items():
        annotation.finish()
        split, group = annotation.split, annotation.group
        line = f"{path}:{annotation.line}"
        clips.append(Clip(name, paths[name], annotation, split, group, line))
    notes = _notes(folder, list(paths.values())) + table.notes()
    return Clips(str(path), clips, list(names), notes, VIDEO_FILES)


# The rows of the table.


def _is_by_frame(table: Table) -> bool:
    """Return whether a row is a frame; else it is a segment."""
    numbers = {"frame", "start", "end"} & set(table.columns)
    if numbers not in ({"frame"}, {"start", "end"}):
        raise DataError(
            f"{table.path}:1: expected the columns video, frame, label or "
            "video, start, end, label; the columns are "
            + ", ".join(map(repr, table.columns))
        )
    return numbers == {"frame"}


def _rows(table: Table, by_frame: bool) -> Iterator[_Row]:
    for row in table:
        where = f"{table.path}:{row.line}"
        name = row["video"].strip()
        if not name:
            raise DataError(f"{where}: the name of the video is empty")
        split = ""
        if "split" in row:
            split = splits.check(row["split"].strip(), where)
        if by_frame:
            start = _number(row, "frame", where)
            end = start + 1
        else:
            start = _number(row, "start", where)
            end = _number(row, "end", where)
            if end <= start:
                raise DataError(
                    f"{where}: the segment starts at frame {start:,} and ends "
                    f"before frame {end:,}; it has no frames"
                )
        label = clean_label(row["label"], where)
        group = row.get("group", "").strip()
        yield _Row(name, start, end, label, split, group, row.line)


def _number(row: dict[str, str], name: str, where: str) -> int:
    digits = row[name].strip()
    # Python refuses to read a number of thousands of digits.
    if re.fullmatch("[0-9]{1,10}", digits) and int(digits) <= _MAX_FRAME:
        return int(digits)
    raise DataError(
        f"{where}: the {name} is {digits[:40]!r}; expected the number of a "
        f"frame, 0 to {_MAX_FRAME:,}"
    )


class TableAnnotation:
    """The labels of one video.

    Attributes:
        line: Of its first row.
        split: As that says.
        group: As that says.
    """

    def __init__(self, path: Path, first: _Row, by_frame: bool) -> None:
        self.path = path
        self.name = first.video
        self.by_frame = by_frame
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
                    f"{self.path}:{row.line}: {printable(self.name)} has the "
                    f"{name} {one!r} here and {other!r} in line {self.line}; "
                    "a video has one"
                )
        self._numbers.extend((row.start, row.end, index, row.line))

    def finish(self) -> None:
        """Put the rows in order, and check that they fit each other."""
        rows = np.array(self._numbers, np.int64).reshape(-1, 4)
        self.rows = rows[np.argsort(rows[:, 0], kind="stable")]
        self._numbers = array("q")
        starts, lines = self.rows[:, 0], self.rows[:, 3]
        before = np.concatenate([[0], self.rows[:-1, 1]])
        wrong = starts != before if self.by_frame else starts < before
        if not wrong.any():
            return
        one = wrong.argmax()
        if starts[one] > before[one]:
            what = (
                f"frame {before[one]:,} has no label, the next one is "
                f"{starts[one]:,}; expected every frame, from 0 on"
            )
        elif self.by_frame:
            what = f"frame {starts[one]:,} is in line {lines[one - 1]} already"
        else:
            what = (
                f"the segment from frame {starts[one]:,} overlaps the one in "
                f"line {lines[one - 1]}"
            )
        where = f"{self.path}:{lines[one]}: {printable(self.name)}"
        raise DataError(f"{where}: {what}")

    def label_indices(self, frames: int) -> np.ndarray:
        """Return the label of each frame of a video of so many, `(T,)`."""
        last = self.rows[-1]
        where = f"{self.path}:{last[3]}: {printable(self.name)}"
        if self.by_frame and len(self.rows) != frames:
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
        return indices

    def first_line(self, index: int) -> str:
        """Return where a label stands for the first time, `file:line`."""
        lines = self.rows[self.rows[:, 2] == index, 3]
        return f"{self.path}:{lines.min() if lines.size else self.line}"


# Where the videos are, and which ones the table leaves out.


def _paths(
    folder: Path, annotations: dict[str, TableAnnotation]
) -> dict[str, Path]:
    """Return name -> its file; no two names may have the same."""
    paths = {}
    first: dict[str, TableAnnotation] = {}
    for name, annotation in annotations.items():
        candidates = [folder / "videos" / name, folder / name]
        # Not `Path.exists`, which raises an error if a name is too long.
        existing = filter(os.path.exists, candidates)
        paths[name] = next(existing, candidates[0])
        other = first.setdefault(_real(paths[name]), annotation)
        if other is not annotation:
            # As two videos it could be in train and in test.
            raise DataError(
                f"{annotation.path}:{annotation.line}: {printable(name)} is "
                f"the video {printable(other.name)} of line {other.line}; "
                "expected one name for a video"
            )
    return paths


def _real(path: Path) -> str:
    """Return the one name of a file that has several, such as `b/../a.mp4`.

    A link is a file of its own; whether a file exists or not, it has a name.
    """
    if not os.path.exists(path):
        return os.path.abspath(path)
    return os.path.join(os.path.realpath(path.parent), path.name)


def _notes(folder: Path, labelled: list[Path]) -> list[str]:
    """Return a line about videos of a folder that have no labels.

    Only folders are looked through where videos may be or are: the folder, its
    `videos/`, and what is below it and holds one with labels.
    """
    known = set(map(_real, labelled))
    folders = {folder, folder / "videos"}
    folders |= {
        path.parent
        for path in labelled
        if path.is_relative_to(folder) and ".." not in path.parts
    }
    # A folder of pictures is no video where videos are files.
    of_pictures = any(map(os.path.isdir, labelled))
    parents = set(map(_real, folders))
    names = {}
    for parent in sorted(folders):
        # What may not be listed can still hold videos that may be read.
        with contextlib.suppress(OSError, ValueError):
            for path in listed(parent):
                is_video = (
                    path.suffix.lower() in video.SUFFIXES and path.is_file()
                )
                if of_pictures and path.is_dir() and _real(path) not in parents:
                    is_video = bool(image_sequence.pictures(path))
                if is_video:
                    names.setdefault(_real(path), str(path.relative_to(folder)))
    unlabelled = [name for path, name in names.items() if path not in known]
    if not unlabelled:
        return []
    unlabelled.sort(key=image_sequence.natural)
    some = ", ".join(map(printable, unlabelled[:_NAMED]))
    more = ", ..." if len(unlabelled) > _NAMED else ""
    count = f"{len(unlabelled):,}"
    return [f"videos in {folder} without labels: {count} ({some}{more})"]
