"""labels.csv: what is to be seen in videos, frame by frame or in segments.

Frames     columns video, frame, label: every frame, from 0 on, once
Segments   columns video, start, end, label: frames of the video, from 0 on,
           the end not included; what no segment covers is `background`

Columns `split` and `group` may be there; rows may be in any order.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import SPLITS
from data_pipelines.files.tables import Table, clean_label
from data_pipelines.video_labeling import video_paths
from data_pipelines.video_labeling.clips import BACKGROUND, Clip, Clips
from data_pipelines.video_labeling.frame_sources import Files
from data_pipelines.vision.images import BadFiles, printable
from data_pipelines.vision.video import VideoError

NAME = "labels.csv"

# Frames are counted in int32, and no video has more.
_MOST = 2**31 - 1

# Unlabelled videos that are named, and digits of a number that is too large.
_NAMED = 3
_DIGITS = 40


class _Row(NamedTuple):
    video: str
    start: int
    end: int
    label: str
    split: str
    group: str
    line: int


def read(folder: Path) -> Clips:
    """Reads the table of a folder, and looks for its videos.

    Videos are in `videos/` or in the folder itself.
    """
    path = folder / NAME
    table = _Table(path)
    marks: dict[str, Marks] = {}
    names = {BACKGROUND: 0}
    for row in table:
        if row.video not in marks:
            marks[row.video] = Marks(path, row, table.by_frame)
        index = names.setdefault(row.label, len(names))
        marks[row.video].add(row, index)
    if not marks:
        raise DataError(f"{path}: has no labels")
    places = _places(folder, marks)
    found, bad = [], BadFiles("videos")
    for name, mark in marks.items():
        mark.finish()
        place, there = places[name]
        if not there:
            bad.add(VideoError(printable(place), "there is no such file"))
        line = f"{path}:{mark.line}"
        found.append(
            Clip(name, place, mark, mark.split, mark.group, line, there)
        )
    notes = _notes(folder, found)
    if table.repaired:
        notes.append(
            f"{path}: {table.repaired:,} broken bytes, which are not UTF-8, "
            "replaced"
        )
    return Clips(str(path), found, list(names), bad, notes, Files())


def _places(
    folder: Path, marks: dict[str, "Marks"]
) -> dict[str, tuple[Path, bool]]:
    """Name -> where a video is and whether it is; each is another one."""
    places = {name: video_paths.find(folder, name) for name in marks}
    first: dict[str, Marks] = {}
    for name, mark in marks.items():
        other = first.setdefault(video_paths.real(places[name][0]), mark)
        if other is not mark:
            # As two videos it could be in train and in test.
            raise DataError(
                f"{mark.path}:{mark.line}: {printable(name)} is the video "
                f"{printable(other.name)} of line {other.line}; expected one "
                "name for a video"
            )
    return places


def _notes(folder: Path, clips: list[Clip]) -> list[str]:
    """What is there and has no labels."""
    names = video_paths.unlabelled(folder, [clip.path for clip in clips])
    if not names:
        return []
    some = ", ".join(printable(name) for name in names[:_NAMED])
    more = ", ..." if len(names) > _NAMED else ""
    what = "1 video" if len(names) == 1 else f"{len(names):,} videos"
    verb = "has" if len(names) == 1 else "have"
    return [f"{what} in {folder} {verb} no labels: {some}{more}"]


class _Table:
    """The rows of the file.

    Attributes:
        by_frame: whether a row is a frame; else it is a segment.
        repaired: broken sequences that were replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by_frame = False
        self.repaired = 0

    def __iter__(self) -> Iterator[_Row]:
        numbers = ("frame", "start", "end")
        table = Table(
            self.path, ("video", "label"), (*numbers, "split", "group")
        )
        self.by_frame = "frame" in table.columns
        given = set(numbers) & set(table.columns)
        if given not in ({"frame"}, {"start", "end"}):
            raise DataError(
                f"{self.path}:1: expected the columns video, frame, label or "
                "video, start, end, label; the columns are "
                + ", ".join(map(repr, table.columns))
            )
        for row in table:
            fields = {name: field.strip() for name, field in row.items()}
            yield self._row(fields, f"{self.path}:{row.line}", row.line)
        self.repaired = table.repaired

    def _row(self, row: dict[str, str], where: str, line: int) -> _Row:
        if not row["video"]:
            raise DataError(f"{where}: the name of the video is empty")
        split = row.get("split", "")
        if "split" in row and split not in SPLITS:
            raise DataError(
                f"{where}: unknown split {split!r}; expected "
                f"{', '.join(SPLITS[:-1])} or {SPLITS[-1]}"
            )
        if self.by_frame:
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
        group = row.get("group", "")
        return _Row(row["video"], start, end, label, split, group, line)


def _number(row: dict[str, str], name: str, where: str) -> int:
    written = row[name]
    if not (written.isascii() and written.isdigit()):
        raise DataError(
            f"{where}: the {name} is {written!r}; expected the number of a "
            "frame, 0 or more"
        )
    # Python reads no number of more than 4,300 digits.
    digits = written.lstrip("0") or "0"
    if len(digits) > len(str(_MOST)) or int(digits) > _MOST:
        if len(digits) > _DIGITS:
            digits = f"{digits[:20]}... ({len(digits):,} digits)"
        raise DataError(
            f"{where}: the {name} is {digits}; expected a number of at most "
            f"{_MOST:,}"
        )
    return int(digits)


class Marks:
    """The labels of one video.

    Attributes:
        line: of its first row.
        split, group: as that says.
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
        """Takes a row of the file."""
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
        """Puts the rows in order, and checks that they fit each other."""
        rows = np.array(self._numbers, np.int64).reshape(-1, 4)
        self.rows = rows[np.argsort(rows[:, 0], kind="stable")]
        self._numbers = array("q")
        starts, lines = self.rows[:, 0], self.rows[:, 3]
        before = np.concatenate([[0], self.rows[:-1, 1]])
        early = np.flatnonzero(starts < before)
        if early.size:
            one = early[0]
            what = "frame" if self.by_frame else "segment from frame"
            rest = "is there" if self.by_frame else "overlaps the one"
            raise DataError(
                f"{self.path}:{lines[one]}: {printable(self.name)}: the {what} "
                f"{starts[one]:,} {rest} in line {lines[one - 1]}"
                + (" already" if self.by_frame else "")
            )
        late = np.flatnonzero(starts > before)
        if self.by_frame and late.size:
            one = late[0]
            raise DataError(
                f"{self.path}:{lines[one]}: {printable(self.name)}: frame "
                f"{before[one]:,} has no label, the next one is "
                f"{starts[one]:,}; expected every frame, from 0 on"
            )

    def indices(self, frames: int) -> np.ndarray:
        """The label of each frame of a video of so many, `(T,)` int32."""
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
        if self.by_frame:
            return self.rows[:, 2].astype(np.int32)
        found = np.zeros(frames, np.int32)
        for start, end, index, _ in self.rows:
            found[start:end] = index
        return found

    def where(self, index: int) -> str:
        """Where a label stands for the first time, `file:line`."""
        lines = self.rows[self.rows[:, 2] == index, 3]
        return f"{self.path}:{lines.min() if lines.size else self.line}"
