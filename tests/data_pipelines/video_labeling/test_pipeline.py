import collections
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import SPLITS
from data_pipelines.video_labeling import pipeline as video_labeling
from data_pipelines.vision import video
from data_pipelines.vision.frame_store import BATCH

# Video -> (split, label of each of its frames); 10 frames a second.
CLIPS = {
    "a.mp4": ("train", "wwwwrrrr--"),
    "b.mp4": ("train", "wwr"),
    "c.mp4": ("valid", "rrrrw"),
    "d.mp4": ("test", "w" * 12),
}
WORDS = {"w": "walk", "r": "run", "-": "background"}


def shade(name, number):
    return 20 + 15 * number + sorted(CLIPS).index(name)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name, (_, marks) in CLIPS.items():
        frames = [
            np.full((16, 16, 3), shade(name, n), np.uint8)
            for n in range(len(marks))
        ]
        video.write(folder / name, frames, 10, {"qp": "1"})
    return folder


def per_frame(clips=CLIPS):
    lines = ["video,frame,label,split"]
    for name, (split, marks) in clips.items():
        lines += [f"{name},{n},{WORDS[m]},{split}" for n, m in enumerate(marks)]
    return "\n".join(lines) + "\n"


def segments(clips=CLIPS):
    lines = ["video,start,end,label,split"]
    for name, (split, marks) in clips.items():
        for actual in re.finditer(r"(\w)\1*", marks):
            label = WORDS[actual[1]]
            lines.append(
                f"{name},{actual.start()},{actual.end()},{label},{split}"
            )
    return "\n".join(lines) + "\n"


def folder(tmp_path, videos, content):
    place = tmp_path / "data"
    place.mkdir(parents=True)
    (place / "videos").symlink_to(videos)
    (place / "labels.csv").write_text(content)
    return place


def make(place, tmp_path, dataset="files", **changes):
    options = {
        "cache_path": tmp_path / "cache", "frame_size": (8, 6), "chunk": 4,
        "batch_size": 2, "seed": 0,
    }  # fmt: skip
    return video_labeling.make_datasets(dataset, place, **(options | changes))


def fails(place, tmp_path, **changes):
    with pytest.raises(DataError) as caught:
        make(place, tmp_path, **changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def words(data, one):
    return [data.labels[index] for index in one.labels]


@pytest.mark.parametrize("content", [per_frame(), segments()])
def test_files(tmp_path, videos, content):
    data = make(folder(tmp_path, videos, content), tmp_path)
    assert data.labels == ("background", "run", "walk")
    assert data.examples == {"train": 2, "valid": 1, "test": 1}
    assert data.shape == (8, 6, 3)
    actual = {
        one.name: one
        for split in (data.train, data.valid, data.test)
        for one in split.videos
    }
    assert list(actual) == list(CLIPS)
    for name, (_, marks) in CLIPS.items():
        one = actual[name]
        assert len(one) == len(marks)
        assert one.labels.dtype == np.int32
        assert words(data, one) == [WORDS[mark] for mark in marks]
        assert one.path == tmp_path / "data" / "videos" / name
        assert one.fps == 10
        np.testing.assert_allclose(one.times, np.arange(len(marks)) / 10)
        expected = [shade(name, n) for n in range(len(marks))]
        assert np.abs(one.frames.mean((1, 2, 3)) - expected).max() < 4
        chunks = list(one.chunks(4))
        assert [len(chunk) for chunk in chunks[:-1]] == [4] * (len(chunks) - 1)
        np.testing.assert_array_equal(np.concatenate(chunks), one.frames)
    np.testing.assert_array_equal(data.train.lengths, [10, 3])
    counts = collections.Counter(CLIPS["a.mp4"][1] + CLIPS["b.mp4"][1])
    np.testing.assert_allclose(
        data.frequencies, [counts[mark] / 13 for mark in "-rw"]
    )


def test_batches_hold_the_frames_of_their_labels(tmp_path, videos):
    data = make(folder(tmp_path, videos, per_frame()), tmp_path)
    assert data.train.steps_per_pass == 2  # 3 chunks and 1, in 2 rows
    seen = collections.Counter()
    dataset = data.train.dataset(training=True).take(2)
    for x, y, w in dataset.as_numpy_iterator():
        assert x["frames"].shape == (2, 4, 8, 6, 3)
        assert x["frames"].dtype == np.uint8
        for row, place in zip(*np.nonzero(w), strict=True):
            # Frame n of either video has nearly the same shade.
            shades = x["frames"][row, place].mean()
            number = round((shades - shade("a.mp4", 0)) / 15)
            seen[number] += 1
            assert data.labels[y[row, place]] in {
                WORDS[CLIPS[n][1][number]]
                for n in ("a.mp4", "b.mp4")
                if number < len(CLIPS[n][1])
            }
    assert seen == collections.Counter([*range(10), *range(3)])


def test_labels_are_resampled_like_their_frames(tmp_path, videos):
    data = make(folder(tmp_path, videos, per_frame()), tmp_path, fps=5)
    a, b = data.train.videos
    assert words(data, a) == [WORDS[m] for m in CLIPS["a.mp4"][1][::2]]
    assert words(data, b) == [WORDS[m] for m in CLIPS["b.mp4"][1][::2]]
    np.testing.assert_allclose(a.times, np.arange(5) / 5)
    assert a.fps == 5
    twice = make(tmp_path / "data", tmp_path, fps=20)
    marks = [mark for mark in CLIPS["a.mp4"][1] for _ in (0, 1)]
    assert words(twice, twice.train.videos[0]) == [WORDS[m] for m in marks]


class Encoder:
    key = "mean of all"
    size = (4, 4)

    def __call__(self, frames):
        means = frames.reshape(BATCH, 1, -1).mean(-1, keepdims=True)
        return np.concatenate([means, means + 1], -1).astype(np.float32)


def test_features(tmp_path, videos):
    place = folder(tmp_path, videos, per_frame())
    data = make(place, tmp_path, encoder=Encoder())
    assert data.shape == (1, 2)
    (one,) = data.valid.videos
    assert one.frames.dtype == np.float16
    expected = [shade("c.mp4", n) for n in range(5)]
    assert np.abs(one.frames[:, 0, 0] - expected).max() < 4
    x, _, _ = next(data.valid.dataset().as_numpy_iterator())
    assert x["frames"].shape == (2, 4, 1, 2)
    assert x["frames"].dtype == np.float16


def test_report(tmp_path, videos):
    data = make(folder(tmp_path, videos, per_frame()), tmp_path)
    assert data.report() == [
        f"labels   {tmp_path / 'data' / 'labels.csv'}",
        "train    2 videos of 3 to 10 frames, 13 in all, 0:00:01 (background "
        "15.4%, run 38.5%, walk 46.2%)",
        "valid    1 videos of 5 to 5 frames, 5 in all, 0:00:00 (background "
        "0.0%, run 80.0%, walk 20.0%)",
        "test     1 videos of 12 to 12 frames, 12 in all, 0:00:01 (background "
        "0.0%, run 0.0%, walk 100.0%)",
        "batches  2 x 4 frames, 2 a pass, 81.2% of their positions are frames",
    ]


def test_videos_shorter_than_a_chunk_and_whole_ones(tmp_path, videos):
    place = folder(tmp_path, videos, per_frame())
    data = make(place, tmp_path, chunk=100)
    (batch,) = data.train.dataset().as_numpy_iterator()
    assert batch[2].sum(1).tolist() == [10, 3]
    assert batch[1].shape == (2, 100)
    data = make(place, tmp_path, chunk=0)
    (batch,) = data.train.dataset().as_numpy_iterator()
    assert sorted(batch[2].sum(1).tolist()) == [3, 10]
    assert batch[1].shape == (2, 10)
    assert data.train.steps_per_pass == 1
    with pytest.raises(ValueError, match="chunk must be 0 or more"):
        make(place, tmp_path, chunk=-1)


# Frames are read once.


def test_a_second_time_no_video_is_read(tmp_path, videos, monkeypatch, capsys):
    place = folder(tmp_path, videos, per_frame())
    first = make(place, tmp_path)
    printed = capsys.readouterr().err
    assert printed.startswith("reading videos: 4 videos, about 30 frames, ")
    assert "8 x 6 x 3 uint8 each, 4.32kB, " in printed
    # Neither frames nor files are opened again.
    monkeypatch.setattr(video.Reader, "__iter__", None)
    monkeypatch.setattr(video.Reader, "expected", None)
    monkeypatch.setattr("hashlib.file_digest", None)
    again = make(place, tmp_path)
    assert capsys.readouterr().err == ""
    for one, other in zip(first.test.videos, again.test.videos, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)


def test_a_video_is_known_by_its_content(tmp_path, videos):
    copies = tmp_path / "copies"
    shutil.copytree(videos, copies)
    for name in ("x.mp4", "y.mp4"):
        shutil.copy(videos / "a.mp4", copies / name)
    clips = CLIPS | {name: CLIPS["a.mp4"] for name in ("x.mp4", "y.mp4")}
    place = folder(tmp_path, copies, per_frame(clips))
    data = make(place, tmp_path)
    contents = {v.name: v.stored.content for v in data.train.videos}
    assert contents["a.mp4"] == contents["x.mp4"] == contents["y.mp4"]
    assert contents["b.mp4"] != contents["a.mp4"]
    assert len(list((tmp_path / "cache" / "videos").glob("*/*.bin"))) == 4


def test_a_folder_of_pictures_is_its_pictures(tmp_path, videos):
    copies = tmp_path / "copies"
    shutil.copytree(videos, copies)
    (copies / "e").mkdir()
    for n in range(3):
        picture = Image.new("RGB", (8, 8), (20 * n, 0, 0))
        picture.save(copies / "e" / f"{n}.png")
    clips = CLIPS | {"e": ("train", "wwr")}
    place = folder(tmp_path, copies, per_frame(clips))
    first = make(place, tmp_path).train.videos[-1]
    assert first.frames[:, 0, 0, 0].tolist() == [0, 20, 40]
    assert first.fps == 25
    Image.new("RGB", (8, 8), (0, 0, 99)).save(copies / "e" / "1.png", "PNG")
    again = make(place, tmp_path).train.videos[-1]
    assert again.stored.content != first.stored.content
    assert again.frames[1, 0, 0].tolist() == [0, 0, 99]


def test_labels_are_checked_before_the_next_video_is_read(
    tmp_path, videos, monkeypatch
):
    clips = CLIPS | {"a.mp4": ("train", "w" * 11)}
    place = folder(tmp_path, videos, per_frame(clips))
    paths, read = [], video.Reader.__iter__

    def noted(reader):
        paths.append(reader.path.name)
        return read(reader)

    monkeypatch.setattr(video.Reader, "__iter__", noted)
    assert "a.mp4 has 10 frames, but labels for 11" in fails(place, tmp_path)
    assert paths == ["a.mp4"]


# What is wrong.


def test_more_labels_than_frames(tmp_path, videos):
    clips = CLIPS | {"c.mp4": ("valid", "rrrrww")}
    place = folder(tmp_path, videos, per_frame(clips))
    assert fails(place, tmp_path) == (
        f"{place / 'labels.csv'}:20: c.mp4 has 5 frames, but labels for 6; "
        "expected one for each"
    )


def test_a_label_that_train_has_not(tmp_path, videos):
    clips = CLIPS | {"a.mp4": ("train", "w" * 10), "b.mp4": ("train", "www")}
    place = folder(tmp_path, videos, segments(clips))
    assert fails(place, tmp_path) == (
        f"{place / 'labels.csv'}:4: 'run' in valid is no label of train; "
        "those are walk"
    )


def broken(tmp_path, videos, count=30, split=""):
    """Many videos of which one, perhaps the only one of a split, is broken."""
    place = tmp_path / "data"
    place.mkdir()
    names = [f"{number}.mp4" for number in range(count)]
    content = (videos / "b.mp4").read_bytes()
    for name in names:  # What stands behind a video is not read.
        (place / name).write_bytes(content + bytes(4) + name.encode())
    (place / "no.mp4").write_text("not a video")
    others = [other for other in SPLITS if other != split]
    parts = {n: others[min(i, 1)] for i, n in enumerate(names)}
    parts["no.mp4"] = split
    lines = ["video,start,end,label" + (",split" if split else "")]
    for name, part in parts.items():
        end = f",{part}" if split else ""
        lines += [f"{name},0,2,walk{end}", f"{name},2,3,run{end}"]
    (place / "labels.csv").write_text("\n".join(lines) + "\n")
    return place


@pytest.mark.parametrize("split", SPLITS)
def test_the_only_video_of_a_split_is_broken(tmp_path, videos, split):
    place = broken(tmp_path, videos, split=split)
    assert fails(place, tmp_path) == (
        f"{place / 'labels.csv'}: no video of {split} can be read; "
        f"{place / 'no.mp4'}: is not a video"
    )
    # To evaluate an old run others will do.
    data = make(place, tmp_path, labels=("run", "walk"))
    assert data.examples[split] == 0


def test_the_only_video_of_a_split_is_missing(tmp_path, videos):
    place = broken(tmp_path, videos, split="valid")
    (place / "no.mp4").unlink()
    assert fails(place, tmp_path) == (
        f"{place / 'labels.csv'}: no video of valid can be read; "
        f"{place / 'videos' / 'no.mp4'}: there is no such file"
    )


def test_a_copy_of_a_video_in_another_split_is_noted(tmp_path, videos):
    copies = tmp_path / "copies"
    shutil.copytree(videos, copies)
    shutil.copy(copies / "b.mp4", copies / "c.mp4")
    clips = {**CLIPS, "c.mp4": ("valid", CLIPS["b.mp4"][1])}
    place = folder(tmp_path, copies, segments(clips))
    assert make(place, tmp_path).notes == [
        "1 videos are copies, byte for byte, of one in another split, such as "
        "c.mp4 in valid of b.mp4 in train"
    ]


@pytest.mark.parametrize("fps", [0.0, 5.0, 20.0])
def test_labels_by_time(tmp_path, videos, fps):
    lines = ["video,start_ms,end_time,label,split"]
    assert fails(
        folder(tmp_path / "bad", videos, f"{lines[0]}\na.mp4,0,1,x,train\n"),
        tmp_path,
    ).endswith(
        "the columns are 'video', 'start_ms', 'end_time', 'label', 'split'"
    )
    lines = ["video,start_time,end_time,label,split"]
    for name, (split, marks) in CLIPS.items():
        for part in re.finditer(r"(\w)\1*", marks):
            start, end = (f"00:00:{t / 10:06.3f}" for t in part.span())
            lines.append(f"{name},{start},{end},{WORDS[part[1]]},{split}")
    place = folder(tmp_path, videos, "\n".join(lines) + "\n")
    data = make(place, tmp_path, fps=fps)
    for one in (v for s in SPLITS for v in getattr(data, s).videos):
        marks = CLIPS[one.name][1]
        numbers = np.floor(np.round(one.times * 10, 6)).astype(int)
        assert words(data, one) == [WORDS[marks[n]] for n in numbers]


def test_names_leave_the_folder_if_that_is_allowed(tmp_path, videos):
    content = per_frame().replace("c.mp4", f"{videos}/c.mp4")
    place = folder(tmp_path, videos, content)
    (place / "videos").unlink()
    (place / "videos").mkdir()
    for name in ("a.mp4", "b.mp4", "d.mp4"):
        shutil.copy(videos / name, place)
    assert "c.mp4 is not in" in fails(place, tmp_path)
    data = make(place, tmp_path, allow_outside=True)
    assert data.examples == {"train": 2, "valid": 1, "test": 1}


def test_pictures_have_no_frames_first(tmp_path, videos):
    place = folder(tmp_path, videos, per_frame())
    assert fails(place, tmp_path, frames_first=True) == (
        f"{place / 'labels.csv'}: holds no features, whose axes --frames-first "
        "is about; leave it out"
    )


def test_one_label_is_too_few(tmp_path, videos):
    clips = {n: (split, "w" * len(m)) for n, (split, m) in CLIPS.items()}
    place = folder(tmp_path, videos, segments(clips))
    assert fails(place, tmp_path) == (
        f"{place / 'labels.csv'}: all frames of train have one label, 'walk'; "
        "expected at least two labels"
    )
    # What no segment covers has a label, too.
    clips["b.mp4"] = ("train", "ww-")
    data = make(folder(tmp_path / "b", videos, segments(clips)), tmp_path)
    assert data.labels == ("background", "walk")


# Changes between two starts of a run.


def changed(place, tmp_path, old, new):
    """Which lines of the digest are others after a change of the table."""
    before = make(place, tmp_path).digest
    table = place / "labels.csv"
    content = table.read_text()
    assert old in content
    table.write_text(content.replace(old, new))
    after = make(place, tmp_path).digest
    table.write_text(content)
    assert make(place, tmp_path).digest == before
    return [a.split()[0] for a, b in zip(before, after, strict=True) if a != b]


def test_digest_says_how_much_there_is(tmp_path, videos):
    data = make(folder(tmp_path, videos, per_frame()), tmp_path)
    lines = [line.rpartition(" ") for line in data.digest]
    assert [start for start, _, _ in lines] == [
        "train 2 videos 13 frames sha256",
        "valid 1 videos 5 frames sha256",
        "test 1 videos 12 frames sha256",
    ]
    assert all(re.fullmatch("[0-9a-f]{64}", end) for _, _, end in lines)
    # Frames that are only read in another way are the same data.
    again = make(tmp_path / "data", tmp_path, chunk=2, batch_size=1)
    assert again.digest == data.digest


def test_digest_changes_with_the_data(tmp_path, videos):
    place = folder(tmp_path, videos, per_frame())
    for old, new, expected in (
        ("a.mp4,4,run", "a.mp4,4,walk", ["train"]),
        ("c.mp4,0,run", "c.mp4,0,walk", ["valid"]),
        ("\nb.mp4,0,walk,train\nb.mp4,1,walk,train\nb.mp4,2,run,train", "",
         ["train"]),
        ("train\nb.mp4,0,walk,train\nb.mp4,1,walk,train\nb.mp4,2,run,train",
         "train\nb.mp4,0,walk,test\nb.mp4,1,walk,test\nb.mp4,2,run,test",
         ["train", "test"]),
    ):  # fmt: skip
        assert changed(place, tmp_path, old, new) == expected


def test_digest_changes_with_names_order_and_content(tmp_path, videos):
    copies = tmp_path / "copies"
    shutil.copytree(videos, copies)
    content = per_frame()
    place = folder(tmp_path, copies, content)
    first = make(place, tmp_path).digest
    frames = [np.full((16, 16, 3), 90, np.uint8)] * 5
    video.write(copies / "c.mp4", frames, 10)
    content_changed = make(place, tmp_path).digest
    assert content_changed[0] == first[0]
    assert content_changed[1] != first[1]
    assert content_changed[2] == first[2]
    header, *rows = content.splitlines(keepends=True)
    others = [row for row in rows if not row.startswith("b.mp4")]
    b = [row for row in rows if row.startswith("b.mp4")]
    (place / "labels.csv").write_text("".join([header, *b, *others]))
    assert make(place, tmp_path).digest[0] != first[0]
    (copies / "b.mp4").rename(copies / "e.mp4")
    (place / "labels.csv").write_text(content.replace("b.mp4", "e.mp4"))
    assert make(place, tmp_path).digest[0] != first[0]


def test_a_broken_video_is_left_out(tmp_path, videos):
    place = broken(tmp_path, videos)
    data = make(place, tmp_path)
    assert sum(data.examples.values()) == 30
    assert data.bad.reasons == {str(place / "no.mp4"): "is not a video"}
    assert data.report()[-1] == (
        f"note     1 of 31 videos (3.2%) cannot be read: {place / 'no.mp4'}: "
        "is not a video"
    )


def test_many_broken_videos(tmp_path, videos):
    place = broken(tmp_path, videos, 5)
    message = fails(place, tmp_path)
    assert message.startswith("1 of 6 videos (16.7%) cannot be read: ")
    assert "expected at most 5%; all are listed in " in message


@pytest.mark.parametrize(
    ("dataset", "path", "expected"),
    [
        ("files", None, "--data-path FOLDER is needed to read files"),
        ("files", "nowhere", "nowhere: there is no such folder"),
        (
            "files",
            ".",
            ".: has no labels.csv; expected one with the columns video, "
            "frame, label or video, start, end, label, or mapping.txt, "
            "groundTruth, features and splits",
        ),
        (
            "demo",
            "here",
            "demo: takes no --data-path FOLDER; to read your own files add "
            "--dataset files",
        ),
    ],
)
def test_wrong_places(tmp_path, monkeypatch, dataset, path, expected):
    monkeypatch.chdir(tmp_path)
    assert fails(path, tmp_path, dataset=dataset) == expected


# Labels of an old run.


def test_new_data_for_an_old_run(tmp_path, videos):
    clips = {"d.mp4": CLIPS["d.mp4"]}
    place = folder(tmp_path, videos, per_frame(clips))
    data = make(place, tmp_path, labels=("background", "run", "walk"))
    assert data.examples == {"train": 0, "valid": 0, "test": 1}
    assert words(data, data.test.videos[0]) == ["walk"] * 12
    assert data.report()[1] == "train    no videos"
    assert data.shape == (8, 6, 3)
    message = fails(place, tmp_path, labels=("run",))
    assert message == (
        f"{place / 'labels.csv'}:2: 'walk' in test is no label of train; "
        "those are run"
    )
