from pathlib import Path

import numpy as np
import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.video_labeling import clips
from data_pipelines.video_labeling.clips import Clip, Clips
from data_pipelines.video_labeling.labels_csv import VIDEO_FILES


class Labels:
    """Labels whose first lines are known."""

    def first_line(self, index):
        return f"labels.csv:{10 + index}"


def some(count, group=lambda n: "", split=lambda n: ""):
    return Clips(
        "labels.csv",
        [
            Clip(
                f"{n}.mp4", Path(f"{n}.mp4"), Labels(), split(n),
                str(group(n)), f"labels.csv:{n}",
            )
            for n in range(count)
        ],
        ["background", "x"],
        [],
        VIDEO_FILES,
    )  # fmt: skip


def cut(clips, seed=0, training=True):
    clips.cut(seed, training)
    return {clip.name: clip.split for clip in clips.clips}


def test_missing_splits_are_cut_by_name_alone():
    first = cut(some(200))
    for split in ("valid", "test"):
        assert 8 <= list(first.values()).count(split) <= 32
    # Other videos do not move those that are there.
    more = cut(some(400))
    assert {name: more[name] for name in first} == first
    assert cut(some(200), seed=1) != first


def test_a_cut_keeps_groups_together():
    many = some(200, lambda n: n // 5)
    cut(many)
    splits = {}
    for clip in many.clips:
        splits.setdefault(clip.group, set()).add(clip.split)
    assert all(len(group) == 1 for group in splits.values())
    assert set.union(*splits.values()) == {"train", "valid", "test"}


def test_a_split_that_is_there_stays():
    chosen = cut(some(100, split=lambda n: "train" if n % 4 else "test"))
    for name, split in chosen.items():
        assert (split == "test") == (int(name[:-4]) % 4 == 0)
    assert 1 <= list(chosen.values()).count("valid") <= 20


def test_without_train_an_old_run_needs_no_other_split():
    test = some(1, split=lambda n: "test")
    assert cut(test, training=False) == {"0.mp4": "test"}
    with pytest.raises(DataError, match="no video is in train; found test"):
        cut(test)


def joined(many, contents):
    """Splits of clips whose contents are these, and the notes."""
    many.join_copies(list(zip(many.clips, contents, strict=True)))
    return [clip.split for clip in many.clips], many.notes


def test_copies_of_a_video_are_in_one_split():
    many = some(60)
    before = list(cut(many).values())
    contents = [f"content {n // 2}" for n in range(60)]
    assert any(a != b for a, b in zip(before[::2], before[1::2], strict=True))
    after, notes = joined(many, contents)
    assert after[::2] == after[1::2] == before[::2]
    assert notes == []
    assert set(after) == {"train", "valid", "test"}


def test_copies_stay_where_the_files_say():
    many = some(40, split=lambda n: ["train", "valid", "test"][n % 3])
    before = list(cut(many).values())
    after, notes = joined(many, ["same", "same", *map(str, range(38))])
    assert after == before
    assert notes == [
        "1 videos are copies, byte for byte, of one in another split, such as "
        "1.mp4 in valid of 0.mp4 in train"
    ]


def test_copies_do_not_leave_their_group_or_an_empty_split():
    many = some(3)
    before = list(cut(many).values())
    assert sorted(before) == ["test", "train", "valid"]
    after, (note,) = joined(many, ["same"] * 3)
    assert after == before
    assert note.startswith(
        "2 videos are copies, byte for byte, of one in another split"
    )
    many = some(60, lambda n: n // 5)
    before = list(cut(many).values())
    assert joined(many, ["same"] * 60)[0] == before


def test_labels_are_those_of_train_background_first():
    names = ["background", "z", "m", "a"]
    assert clips.choose_labels(
        names, [np.array([1, 0]), np.array([3, 3, 1])]
    ) == ("background", "a", "z")
    assert clips.choose_labels(names, [np.array([3, 2])]) == ("a", "m")


def test_unknown_labels():
    names = ["background", "walk", "run", "sit"]
    labels = ("run", "walk")
    (clip,) = some(1, split=lambda n: "valid").clips
    known = clips.relabel(clip, np.array([1, 2, 2]), names, labels)
    assert known.tolist() == [1, 0, 0]
    with pytest.raises(DataError) as caught:
        clips.relabel(clip, np.array([1, 3]), names, labels)
    assert str(caught.value) == (
        "labels.csv:13: 'sit' in valid is no label of train; those are run, "
        "walk"
    )
