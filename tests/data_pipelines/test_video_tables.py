import numpy as np
import pytest

from data_pipelines import video_clips, video_tables
from data_pipelines.errors import DataError


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
    found = video_tables.read(folder)
    found.cut(seed, training)
    return found


def fails(folder, *counts):
    """The message of reading it, or of its videos of so many frames."""

    def use():
        for clip, count in zip(read(folder).found, counts, strict=True):
            clip.labels.indices(count)

    with pytest.raises(DataError) as caught:
        use()
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(str(folder / "labels.csv"))


def names_of(found, clip, frames):
    return [found.names[index] for index in clip.labels.indices(frames)]


FRAMES = """video,frame,label,split
a.mp4,0,walk,train
a.mp4,1,run,train
b.mp4,1,walk,valid
b.mp4,0,sit,valid
a.mp4,2,run,train
c.mp4,0,walk,test
"""


def test_frames_in_any_order(tmp_path):
    found = read(table(tmp_path, FRAMES))
    a, b, c = found.found
    assert names_of(found, a, 3) == ["walk", "run", "run"]
    assert names_of(found, b, 2) == ["sit", "walk"]
    assert [clip.split for clip in (a, b, c)] == ["train", "valid", "test"]
    assert a.path == tmp_path / "videos" / "a.mp4"
    assert b.line == f"{tmp_path / 'labels.csv'}:4"
    assert b.labels.where(found.names.index("sit")).endswith("labels.csv:5")


def test_segments_and_what_they_leave(tmp_path):
    content = "start,end,label,video\n6,8,wave,a.mp4\n1,4, jump  high ,a.mp4\n"
    found = video_tables.read(table(tmp_path, content))
    assert names_of(found, found.found[0], 10) == [
        "background", *["jump high"] * 3, *["background"] * 2,
        *["wave"] * 2, *["background"] * 2,
    ]  # fmt: skip


def test_segments_that_touch(tmp_path):
    content = "video,start,end,label\na.mp4,0,2,x\na.mp4,2,3,y\n"
    found = video_tables.read(table(tmp_path, content))
    assert names_of(found, found.found[0], 3) == ["x", "x", "y"]


def test_videos_beside_the_table_and_below(tmp_path):
    folder = table(tmp_path, "video,frame,label\na.mp4,0,x\nb,0,x\n", ["a.mp4"])
    (tmp_path / "b").mkdir()
    a, b = video_tables.read(folder).found
    assert a.path == tmp_path / "videos" / "a.mp4"
    assert b.path == tmp_path / "b"


def test_videos_without_a_file_are_counted(tmp_path):
    folder = table(tmp_path, FRAMES, ["a.mp4", "c.mp4"])
    found = read(folder)
    assert [clip.there for clip in found.found] == [True, False, True]
    where = tmp_path / "videos" / "b.mp4"
    assert found.bad.found == {str(where): "there is no such file"}
    with pytest.raises(DataError) as caught:
        found.bad.check(3)
    assert str(caught.value) == (
        f"1 of 3 videos (33.3%) cannot be read: {where}: there is no such "
        "file; expected at most 5%"
    )


HEAD = "video,frame,label\n"
PARTS = "video,start,end,label\n"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "video,when,label\n",
            ":1: no column 'start' in the header; expected video, frame, "
            "label or video, start, end, label; the columns are 'video', "
            "'when', 'label'",
        ),
        (
            "video,frame,start,end,label\n",
            ":1: expected a column frame or columns start and end, not both; "
            "the columns are 'video', 'frame', 'start', 'end', 'label'",
        ),
        (HEAD, ": has no labels"),
        (
            HEAD + "a.mp4,0\n",
            ":2: expected 3 fields as in the header, found 2",
        ),
        (HEAD + ",0,x\n", ":2: the name of the video is empty"),
        (HEAD + "a.mp4,0, \n", ":2: the label is empty"),
        (
            HEAD + "a.mp4,-1,x\n",
            ":2: the frame is '-1'; expected the number of a frame, 0 or more",
        ),
        (
            PARTS + "a.mp4,0,1.5,x\n",
            ":2: the end is '1.5'; expected the number of a frame, 0 or more",
        ),
        (
            PARTS + "a.mp4,7,7,x\n",
            ":2: the segment starts at frame 7 and ends before frame 7; it "
            "has no frames",
        ),
        (
            HEAD + "a.mp4,0,x\na.mp4,1,x\na.mp4,0,y\n",
            ":4: a.mp4: the frame 0 is there in line 2 already",
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
            "video,frame,label,split\na.mp4,0,x,Train\n",
            ":2: unknown split 'Train'; expected train, valid or test",
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
            ": too few videos or groups to cut valid and test from; expected "
            "at least 3",
        ),
    ],
)
def test_bad_tables(tmp_path, content, expected):
    folder = table(tmp_path, content)
    assert fails(folder) == expected.format(tmp_path / "labels.csv")


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
    found = read(folder)
    assert names_of(found, found.found[0], 9) == ["x"] * 5 + ["y"] * 4


# Splits.


def many(count, group=None, split=None):
    lines = ["video,frame,label"]
    lines[0] += (",group" if group else "") + (",split" if split else "")
    for n in range(count):
        end = f",{group(n)}" if group else ""
        end += f",{split(n)}" if split else ""
        lines.append(f"{n}.mp4,0,x{end}")
    return "\n".join(lines) + "\n"


def splits(found):
    return {clip.name: clip.split for clip in found.found}


def test_missing_splits_are_cut_by_name_alone(tmp_path):
    first = splits(read(table(tmp_path / "a", many(200))))
    for split in ("valid", "test"):
        assert 8 <= list(first.values()).count(split) <= 32
    # Other videos do not move those that are there.
    more = splits(read(table(tmp_path / "b", many(400))))
    assert {name: more[name] for name in first} == first
    other = splits(read(table(tmp_path / "a", many(200)), seed=1))
    assert other != first


def test_a_cut_keeps_groups_together(tmp_path):
    found = read(table(tmp_path, many(200, lambda n: n // 5)))
    sides = {}
    for clip in found.found:
        sides.setdefault(clip.group, set()).add(clip.split)
    assert all(len(side) == 1 for side in sides.values())
    assert set.union(*sides.values()) == {"train", "valid", "test"}


def test_a_split_that_is_there_stays(tmp_path):
    content = many(100, split=lambda n: "test" if n % 4 == 0 else "train")
    found = splits(read(table(tmp_path, content)))
    for name, split in found.items():
        assert (split == "test") == (int(name[:-4]) % 4 == 0)
    assert 1 <= list(found.values()).count("valid") <= 20


def test_without_train_an_old_run_needs_no_other_split(tmp_path):
    content = "video,frame,label,split\na.mp4,0,x,test\n"
    found = read(table(tmp_path, content), training=False)
    assert splits(found) == {"a.mp4": "test"}


# Labels.


def test_labels_are_those_of_train_background_first():
    names = ["background", "z", "m", "a"]
    assert video_clips.choose_labels(
        names, [np.array([1, 0]), np.array([3, 3, 1])]
    ) == ("background", "a", "z")
    assert video_clips.choose_labels(names, [np.array([3, 2])]) == ("a", "m")


def test_unknown_labels(tmp_path):
    folder = table(tmp_path, FRAMES)
    found = read(folder)
    train, valid, _ = found.found
    labels = ("run", "walk")
    known = video_clips.translated(
        train, train.labels.indices(3), found.names, labels
    )
    assert known.tolist() == [1, 0, 0]
    with pytest.raises(DataError) as caught:
        video_clips.translated(
            valid, valid.labels.indices(2), found.names, labels
        )
    assert str(caught.value) == (
        f"{folder / 'labels.csv'}:5: 'sit' in valid is no label of train; "
        "those are run, walk"
    )
