import os
import types
import unicodedata

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from data_pipelines.files.errors import DataError
from data_pipelines.files.file_index import FileIndex
from data_pipelines.video_labeling import labels_csv, pipeline
from data_pipelines.vision.video import VideoError


def table(folder, content, videos=None):
    """Writes labels.csv, and empty files for its videos."""
    lines = content.strip().splitlines()
    if videos is None:
        place = lines[0].split(",").index("video")
        videos = {line.split(",")[place].strip() for line in lines[1:]}
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    for name in videos:
        (folder / "videos" / name).touch()
    (folder / "labels.csv").write_text(content)
    return folder


def read(folder, training=True, seed=0):
    actual = labels_csv.read(folder)
    actual.cut(seed, training)
    return actual


def stored(count, fps=10):
    """A video of so many frames that was read as it is."""
    numbers = np.arange(count)
    return types.SimpleNamespace(
        frames=count, numbers=numbers, times=numbers / fps, fps=fps
    )


def fails(folder, *counts):
    """The message of reading it, or of its videos of so many frames."""

    def use():
        for clip, count in zip(read(folder).clips, counts, strict=True):
            clip.annotation.label_indices(stored(count))

    with pytest.raises(DataError) as caught:
        use()
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(str(folder / "labels.csv"))


def names_of(actual, clip, frames):
    return [
        actual.label_names[index]
        for index in clip.annotation.label_indices(stored(frames))
    ]


FRAMES = """video,frame,label,split
a.mp4,0,walk,train
a.mp4,1,run,train
b.mp4,1,walk,valid
b.mp4,0,sit,valid
a.mp4,2,run,train
c.mp4,0,walk,test
"""


def test_frames_in_any_order(tmp_path):
    actual = read(table(tmp_path, FRAMES))
    a, b, c = actual.clips
    assert names_of(actual, a, 3) == ["walk", "run", "run"]
    assert names_of(actual, b, 2) == ["sit", "walk"]
    assert [clip.split for clip in (a, b, c)] == ["train", "valid", "test"]
    assert a.path == tmp_path / "videos" / "a.mp4"
    assert b.line == f"{tmp_path / 'labels.csv'}:4"
    assert b.annotation.first_line(actual.label_names.index("sit")).endswith(
        "labels.csv:5"
    )


def test_segments_and_what_they_leave(tmp_path):
    content = "start,end,label,video\n6,8,wave,a.mp4\n1,4, jump  high ,a.mp4\n"
    actual = labels_csv.read(table(tmp_path, content))
    assert names_of(actual, actual.clips[0], 10) == [
        "background", *["jump high"] * 3, *["background"] * 2,
        *["wave"] * 2, *["background"] * 2,
    ]  # fmt: skip


def test_segments_that_touch(tmp_path):
    content = "video,start,end,label\na.mp4,0,2.0,x\na.mp4,2.0,3.,y\n"
    actual = labels_csv.read(table(tmp_path, content))
    assert names_of(actual, actual.clips[0], 3) == ["x", "x", "y"]


def test_videos_beside_the_table_and_below(tmp_path):
    folder = table(tmp_path, "video,frame,label\na.mp4,0,x\nb,0,x\n", ["a.mp4"])
    (tmp_path / "b").mkdir()
    a, b = labels_csv.read(folder).clips
    assert a.path == tmp_path / "videos" / "a.mp4"
    assert b.path == tmp_path / "b"


def test_videos_without_a_file_are_counted(tmp_path):
    folder = table(tmp_path, FRAMES, ["a.mp4", "c.mp4"])
    where = tmp_path / "videos" / "b.mp4"
    with pytest.raises(DataError) as caught:
        pipeline.make_datasets(
            "files", folder, cache_path=tmp_path / "cache", frame_size=8,
            chunk=4, batch_size=2, seed=0,
        )  # fmt: skip
    assert str(caught.value).startswith("3 of 3 videos (100.0%) cannot be read")
    assert f"{where}: there is no such file; " in str(caught.value)


HEAD = "video,frame,label\n"
PARTS = "video,start,end,label\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "video,when,label\n",
            ":1: expected the columns video, frame, label or video, start, "
            "end, label, whose times are start_seconds, start_ms or "
            "start_time; the columns are 'video', 'label'",
        ),
        (
            "video,frame,start,end,label\n",
            ":1: expected the columns video, frame, label or video, start, "
            "end, label, whose times are start_seconds, start_ms or "
            "start_time; the columns are 'video', 'frame', 'start', 'end', "
            "'label'",
        ),
        (HEAD, ": has no records"),
        (
            HEAD + "a.mp4,0\n",
            ":2: expected 3 fields as in the header, found 2",
        ),
        (HEAD + ",0,x\n", ":2: the name of the video is empty"),
        (HEAD + "a.mp4,0, \n", ":2: the label is empty"),
        (
            HEAD + "a.mp4,-1,x\n",
            ":2: the frame is '-1'; expected the number of a frame, 0 to "
            "2,147,483,647",
        ),
        (
            PARTS + "a.mp4,0,1.5,x\n",
            ":2: the end is '1.5'; expected the number of a frame, 0 to "
            "2,147,483,647; times go by start_seconds and end_seconds",
        ),
        (
            PARTS + "a.mp4,0,99999999999999999999999,x\n",
            ":2: the end is '99999999999999999999999'; expected the number of "
            "a frame, 0 to 2,147,483,647; times go by start_seconds and "
            "end_seconds",
        ),
        (
            HEAD + "a.mp4,2147483648,x\n",
            ":2: the frame is '2147483648'; expected the number of a frame, 0 "
            "to 2,147,483,647",
        ),
        (
            "video,start,end,label,label\na.mp4,0,1,x,y\n",
            ":1: the header has the column 'label' 2 times; expected it once",
        ),
        (
            "split,video,frame,label, split \ntrain,a.mp4,0,x,test\n",
            ":1: the header has the column 'split' 2 times; expected it once",
        ),
        (
            PARTS + "a.mp4,7,7,x\n",
            ":2: the segment starts at frame 7 and ends before frame 7; it "
            "has no frames",
        ),
        (
            HEAD + "a.mp4,0,x\na.mp4,1,x\na.mp4,0,y\n",
            ":4: a.mp4: frame 0 is in line 2 already",
        ),
        (
            HEAD + "a.mp4,0,x\na.mp4,1,x\na.mp4,3,x\n",
            ":4: a.mp4: frame 2 has no label, the next one is 3; expected "
            "every frame, from 0 on",
        ),
        (
            HEAD + "a.mp4,1,x\na.mp4,2,x\n",
            ":2: a.mp4: frame 0 has no label, the next one is 1; expected "
            "every frame, from 0 on",
        ),
        (
            PARTS + "a.mp4,4,9,x\na.mp4,0,5,y\n",
            ":2: a.mp4: the segment from frame 4 overlaps the one in line 3",
        ),
        (
            "video,frame,label,split\na.mp4,0,x,fold 1\n",
            ":2: unknown split 'fold 1'; expected train, valid or test",
        ),
        (
            "video,frame,label,split\na.mp4,0,x,train\na.mp4,1,x,test\n",
            ":3: a.mp4 has the split 'test' here and 'train' in line 2; a "
            "video has one",
        ),
        (
            "video,frame,label,group\na.mp4,0,x,g\na.mp4,1,x,h\n",
            ":3: a.mp4 has the group 'h' here and 'g' in line 2; a video has "
            "one",
        ),
        (
            "video,frame,label,split,group\n"
            "a.mp4,0,x,train,g\nb.mp4,0,x,test,g\n",
            ":3: the group 'g' is in test here and in train in {}:2; all "
            "videos of a group are in one split",
        ),
        (
            "video,frame,label,split\na.mp4,0,x,test\n",
            ": no video is in train; found test",
        ),
        (
            HEAD + "a.mp4,0,x\nb.mp4,0,x\n",
            ": too few different videos or groups to cut valid and test "
            "from; expected at least 3, or your own valid and test",
        ),
    ],
)
def test_bad_tables(tmp_path, content, expected):
    folder = table(tmp_path, content)
    assert fails(folder) == expected.format(tmp_path / "labels.csv")


def test_columns_of_others_may_be_there_twice(tmp_path):
    content = "video,note,frame,label,note\na.mp4,1,0,x,2\n"
    (clip,) = labels_csv.read(table(tmp_path, content)).clips
    assert clip.name == "a.mp4"


@pytest.mark.parametrize(
    "other",
    [
        "./v0.mp4",
        ".//v0.mp4",
        "a/../v0.mp4",
        "a/./../v0.mp4",
        "../videos/v0.mp4",
        "videos/v0.mp4",
        "l.mp4",
        "hard.mp4",
        "V0.MP4",
        ".\\v0.mp4",
        "link/v0.mp4",
        "{}/videos/v0.mp4",
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_two_names_of_one_video(tmp_path, other, turned):
    names = ["v0.mp4", other.format(tmp_path)]
    first, second = names[::-1] if turned else names
    folder = tmp_path
    content = f"{PARTS}{first},0,1,x\nv1.mp4,0,1,x\n{second},1,3,y\n"
    table(folder, content, ["v0.mp4", "v1.mp4"])
    (folder / "videos" / "a").mkdir()
    (folder / "link").symlink_to(folder / "videos")
    (folder / "l.mp4").symlink_to(folder / "videos" / "v0.mp4")
    os.link(folder / "videos" / "v0.mp4", folder / "hard.mp4")
    actual = labels_csv.read(folder)
    assert [clip.name for clip in actual.clips] == [first, "v1.mp4"]
    assert names_of(actual, actual.clips[0], 3) == ["x", "y", "y"]
    assert actual.notes == []
    (folder / "labels.csv").write_text(content.replace(",1,3,y", ",0,3,y"))
    assert fails(folder) == (
        f":4: {first}: the segment from frame 0 overlaps the one in line 2"
    )
    # What is said twice is said once.
    (folder / "labels.csv").write_text(content.replace(",1,3,y", ",0,1,x"))
    actual = labels_csv.read(folder)
    assert names_of(actual, actual.clips[0], 1) == ["x"]
    split = content.replace("label\n", "label,split\n").replace(
        "x\n", "x,train\n"
    )
    (folder / "labels.csv").write_text(split.replace("y\n", "y,test\n"))
    assert fails(folder) == (
        f":4: {second} has the split 'test' here and 'train' in line 2, as "
        f"{first}; a video has one"
    )


def test_two_names_of_one_missing_video(tmp_path):
    content = PARTS + "b/../v0.mp4,0,1,x\nv0.mp4,1,2,y\n"
    (clip,) = labels_csv.read(table(tmp_path, content, [])).clips
    assert clip.path == tmp_path / "videos" / "v0.mp4"


def test_names_that_only_look_alike(tmp_path):
    # A backslash is a letter like any other, if such a file is there.
    names = ["v0.mp4", ".\\v0.mp4", "a\\..\\v0.mp4", "V0.mp4", "v0.mp4 (2)"]
    rows = "".join(f"{name},0,1,x\n" for name in names)
    actual = labels_csv.read(table(tmp_path, PARTS + rows, names)).clips
    assert [clip.name for clip in actual] == names
    assert all(clip.path.exists() for clip in actual)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_that_are_composed_otherwise(tmp_path, form):
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    names = [unicodedata.normalize(form, f"\xfcbung {n}.mp4") for n in range(3)]
    rows = [unicodedata.normalize(other, f"{n},0,1,x\n") for n in names]
    folder = table(tmp_path, PARTS + "".join(rows), names)
    actual = labels_csv.read(folder)
    assert [c.path for c in actual.clips] == [
        folder / "videos" / n for n in names
    ]
    assert actual.notes == []


@pytest.mark.parametrize(
    "name", ["../v0.mp4", "../../v0.mp4", "{}/v0.mp4", "a/../../../v0.mp4"]
)
def test_names_that_leave_the_folder(tmp_path, name):
    (tmp_path / "v0.mp4").touch()
    name = name.format(tmp_path)
    folder = tmp_path / "in" / "data"
    table(folder, f"{PARTS}v1.mp4,0,1,x\n{name},0,1,x\n", ["v1.mp4"])
    (tmp_path / "in" / "v0.mp4").touch()
    if name == "../v0.mp4":  # of videos/, or of the folder
        (folder / "v0.mp4").touch()
        assert len(labels_csv.read(folder).clips) == 2
        return
    assert fails(folder) == (
        f":3: {name} is not in {folder}; expected the name of a file in it, or "
        "--allow-outside"
    )
    clip = labels_csv.read(folder, allow_outside=True).clips[1]
    assert clip.path.exists()


# Times.


TIMES = [
    ("start_seconds,end_seconds", ("0", "0.7"), ("0.7", "1.25")),
    ("start_s,end_s", ("0.000", "0,7"), ("0.7000", "1.25")),
    ("start_sec,end_sec", ("1e-07", ".7"), ("0.7000000000000001", "1.25")),
    ("start_ms,end_ms", ("0", "700"), ("700", "1250")),
    ("start_time,end_time", ("0:00", "0:00.7"), ("00:00:00.700", "1.25")),
    (
        "start_timestamp,end_timestamp",
        ("0:0:0", "0:0.7"),
        ("00:0.7", "0:01.25"),
    ),
    ("start,end", ("00:00", "0:00.7"), ("0.7", "00:00:01.25")),
]


@pytest.mark.parametrize(("columns", "first", "second"), TIMES)
def test_times(tmp_path, columns, first, second):
    rows = [["video", *columns.split(","), "label"]]
    rows += [["a.mp4", *second, "run"], ["a.mp4", *first, "walk"]]
    quoted = "\n".join(",".join(f'"{c}"' for c in row) for row in rows)
    folder = table(tmp_path, HEAD + "a.mp4,0,x\n")
    (folder / "labels.csv").write_text(quoted)
    actual = labels_csv.read(folder)
    seconds = np.arange(15) / 10
    expected = [
        "walk" if t < 0.7 else "run" if t < 1.25 else "background"
        for t in seconds.tolist()
    ]
    assert names_of(actual, actual.clips[0], 15) == expected
    # A frame is labelled by its own time, whatever its number is.
    some = stored(15)
    some.times = np.array([0, 0.5, 0.69, 0.75, 1.1, 1.26, 1.5])
    indices = actual.clips[0].annotation.label_indices(some)
    names = [actual.label_names[index] for index in indices]
    assert names == ["walk"] * 3 + ["run"] * 2 + ["background"] * 2


def test_times_that_are_rounded(tmp_path):
    # Frame n is at n / 30; the table has milliseconds.
    marks = "wwrrwrrrww"
    rows = [
        f"a.mp4,{n / 30:.3f},{(n + 1) / 30:.3f},{mark}\n"
        for n, mark in enumerate(marks)
    ]
    head = "video,start_seconds,end_seconds,label\n"
    actual = labels_csv.read(table(tmp_path, head + "".join(rows)))
    indices = actual.clips[0].annotation.label_indices(stored(len(marks), 30))
    assert "".join(actual.label_names[index] for index in indices) == marks


def test_frames_come_before_times(tmp_path):
    head = "video,start,end,label,probability,start_seconds,end_seconds\n"
    actual = labels_csv.read(table(tmp_path, head + "a.mp4,0,2,x,1,0,9\n"))
    assert names_of(actual, actual.clips[0], 3) == ["x", "x", "background"]


@pytest.mark.parametrize(
    ("columns", "cells", "expected"),
    [
        ("start_seconds,end_seconds", "0,x", "the end_seconds is 'x'; expected "
         "seconds, mm:ss or hh:mm:ss"),
        ("start_time,end_time", "0,1:75", "the end_time is '1:75'; expected "
         "seconds, mm:ss or hh:mm:ss"),
        ("start_ms,end_ms", "0,0:01", "the end_ms is '0:01'; expected "
         "milliseconds"),
        ("start_seconds,end_seconds", "-1,1", "the start_seconds is '-1'; "
         "expected seconds, mm:ss or hh:mm:ss"),
        ("start_seconds,end_seconds", "2,1.5", "the segment starts at 2.000 s "
         "and ends before 1.500 s; it has no frames"),
        ("start_ms,end_ms", "0,9000", "a.mp4 lasts 1.000 s, but this segment "
         "ends at 9.000 s"),
    ],
)  # fmt: skip
def test_bad_times(tmp_path, columns, cells, expected):
    content = f"video,{columns},label,split\na.mp4,{cells},x,train\n"
    content += "".join(
        f"{split}.mp4,0,1,x,{split}\n" for split in ("valid", "test")
    )
    assert fails(table(tmp_path, content), 10, 10, 10) == f":2: {expected}"


@pytest.mark.parametrize(
    "name", ["x" * 5000, "a\0.mp4", "b\0/a.mp4", f"{'x' * 5000}/a.mp4"]
)
def test_names_that_no_file_can_have(tmp_path, name):
    content = f"{PARTS}{name},0,1,x\n"
    actual = labels_csv.read(table(tmp_path, content, []))
    known = FileIndex(tmp_path / "videos.jsonl")
    with pytest.raises(VideoError, match=": there is no such file"):
        actual.medium.content(actual.clips[0].path, known)


# Videos that no row names.


def notes(folder):
    return labels_csv.read(folder).notes


def test_videos_without_labels_are_noted(tmp_path):
    content = HEAD + "a.mp4,0,x\nday/b.mp4,0,x\n"
    folder = table(tmp_path, content, ["a.mp4"])
    (folder / "videos" / "day").mkdir()
    for name in ("day/b.mp4", "readme.txt", "._a.mp4", "a.srt"):
        (folder / "videos" / name).touch()
    assert notes(folder) == []
    (folder / "videos" / "day" / "c.AVI").touch()
    assert notes(folder) == [
        f"videos in {folder} without labels: 1 (videos/day/c.AVI)"
    ]
    # Beside the table, too; numbers in names count as such.
    for name in ("v10.mp4", "v9.webm", "v11.mkv"):
        (folder / name).touch()
    assert notes(folder) == [
        f"videos in {folder} without labels: 4 (v9.webm, v10.mp4, v11.mkv, ...)"
    ]


def test_a_note_is_one_line(tmp_path):
    folder = table(tmp_path, HEAD + "a.mp4,0,x\n")
    (folder / "videos" / "b\nc.mp4").touch()
    assert notes(folder) == [
        f"videos in {folder} without labels: 1 (videos/b\\nc.mp4)"
    ]


def test_folders_of_pictures_without_labels(tmp_path):
    folder = table(tmp_path, HEAD + "a,0,x\n", [])
    for name in ("a", "b", "texts"):
        (folder / "videos" / name).mkdir()
    for name in ("a/1.png", "b/1.png", "texts/a.txt"):
        (folder / "videos" / name).touch()
    assert notes(folder) == [f"videos in {folder} without labels: 1 (videos/b)"]
    # Where videos are files a folder of pictures is none of them.
    (folder / "labels.csv").write_text(HEAD + "a.mp4,0,x\n")
    (folder / "videos" / "a.mp4").touch()
    assert notes(folder) == []


def test_only_the_folder_itself_is_looked_through(tmp_path):
    (tmp_path / "pool").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "pool" / name).touch()
    folder = table(tmp_path / "data", HEAD + "../../pool/a.mp4,0,x\n", [])
    actual = labels_csv.read(folder, allow_outside=True)
    assert actual.clips[0].path.exists()
    assert not actual.notes


ONE = "video,frame,label,split\na.mp4,0,x,train\na.mp4,1,x,train\n"
ONE += "b.mp4,0,x,valid\nc.mp4,0,x,test\n"
SEGMENT = "video,start,end,label,split\na.mp4,0,5,x,train\na.mp4,5,9,y,train\n"
SEGMENT += "b.mp4,0,1,x,valid\nc.mp4,0,1,x,test\n"


@pytest.mark.parametrize("count", [1, 3])
def test_more_or_fewer_rows_than_frames(tmp_path, count):
    assert fails(table(tmp_path, ONE), count, 1, 1) == (
        f":3: a.mp4 has {count} frames, but labels for 2; expected one for each"
    )


def test_labels_beyond_the_end(tmp_path):
    folder = table(tmp_path, SEGMENT)
    assert fails(folder, 8, 1, 1) == (
        ":3: a.mp4 has 8 frames, but this segment ends at 9"
    )
    actual = read(folder)
    assert names_of(actual, actual.clips[0], 9) == ["x"] * 5 + ["y"] * 4


def test_tables_of_other_kinds(tmp_path):
    folder = table(tmp_path, FRAMES)
    header, *rows = (line.split(",") for line in FRAMES.split())
    columns = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    columns["frame"] = list(map(int, columns["frame"]))
    parquet.write_table(pyarrow.table(columns), folder / "labels.parquet")
    with pytest.raises(
        DataError, match=r"holds labels\.csv and labels\.parquet"
    ):
        read(folder)
    (folder / "labels.csv").unlink()
    clips = read(folder)
    assert names_of(clips, clips.clips[0], 3) == ["walk", "run", "run"]
    assert clips.clips[0].line == f"{folder / 'labels.parquet'}:1"


def test_a_named_encoding(tmp_path):
    folder = table(tmp_path, FRAMES)
    content = FRAMES.replace("sit", "dösen").replace(",", ";").encode("cp1252")
    (folder / "labels.csv").write_bytes(content)
    assert fails(folder).startswith(
        ":5: the label 'd\ufffdsen' has broken bytes"
    )
    named = labels_csv.read(folder, encoding="cp1252")
    assert "dösen" in named.label_names
