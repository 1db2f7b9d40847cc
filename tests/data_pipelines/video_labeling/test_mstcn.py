import os

import numpy as np
import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.video_labeling import mstcn
from data_pipelines.video_labeling import pipeline as video_labeling
from data_pipelines.vision.video import VideoError

C = 5
WORDS = ("cut", "background", "pour")
LENGTHS = {f"v{n}": 6 + n for n in range(8)}
LISTS = {
    "train.split1": ["v0", "v1", "v2", "v3", "v4"],
    "test.split1": ["v5", "v6", "v7"],
    "train.split2": ["v3", "v4", "v5", "v6", "v7"],
    "test.split2": ["v0", "v1", "v2"],
}


def truth(name):
    length = LENGTHS[name]
    return [WORDS[n * 3 // length] for n in range(length)]


def features(name):
    chance = np.random.default_rng(int(name[1:]))
    return chance.normal(size=(C, LENGTHS[name])).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "data"
    for name in ("features", "groundTruth", "splits"):
        (place / name).mkdir(parents=True)
    for name in LENGTHS:
        np.save(place / "features" / f"{name}.npy", features(name))
        text = "".join(f"{label}\n" for label in truth(name))
        (place / "groundTruth" / f"{name}.txt").write_text(text)
    lines = [f"{n} {label}\n" for n, label in enumerate(WORDS)]
    (place / "mapping.txt").write_text("".join(lines))
    for name, actual in LISTS.items():
        text = "".join(f"{one}.txt\n" for one in actual)
        (place / "splits" / f"{name}.bundle").write_text(text)
    return place


def make(place, **changes):
    options = {"frame_size": 8, "chunk": 4, "batch_size": 2, "seed": 0}
    cache = place.parent / "cache"
    return video_labeling.make_datasets(
        "files", place, cache_path=cache, **(options | changes)
    )


def fails(place, **changes):
    with pytest.raises(DataError) as caught:
        make(place, **changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("bundle", "number"), [("", 1), ("train.split2", 2)])
def test_features_and_labels(folder, bundle, number):
    place = folder / "splits" / f"{bundle}.bundle" if bundle else folder
    data = make(place, fps=15)
    assert data.labels == ("background", "cut", "pour")
    assert data.shape == (1, C)
    train = [*data.train.videos, *data.valid.videos]
    assert sorted(v.name for v in train) == LISTS[f"train.split{number}"]
    actual = [video.name for video in data.test.videos]
    assert actual == LISTS[f"test.split{number}"]
    for video in [*train, *data.test.videos]:
        assert [data.labels[n] for n in video.labels] == truth(video.name)
        expected = features(video.name).T[:, None].astype(np.float16)
        np.testing.assert_array_equal(video.frames, expected)
        np.testing.assert_allclose(video.times, np.arange(len(video)) / 15)
    assert f"split{number} of several; there are also" in data.report()[-1]


def test_more_labels_than_frames(folder):
    path = folder / "groundTruth" / "v1.txt"
    path.write_text(path.read_text() + "cut\n\n")
    assert fails(folder) == (
        f"{path}: has 8 labels, and {folder / 'features' / 'v1.npy'} 7 frames "
        "(the second axis of the array); expected one for each"
    )


def turn(folder):
    """Saves the features as (T, C)."""
    for path in (folder / "features").iterdir():
        np.save(path, np.load(path).T)


def test_frames_first(folder):
    before = make(folder)
    assert fails(folder, frames_first=True) == (
        f"{folder / 'groundTruth' / 'v0.txt'}: has 6 labels, and "
        f"{folder / 'features' / 'v0.npy'} 5 frames (the first axis of the "
        "array; the second one has as many as there are labels, and is read "
        "without --frames-first); expected one for each"
    )
    turn(folder)
    assert fails(folder) == (
        f"{folder / 'groundTruth' / 'v0.txt'}: has 6 labels, and "
        f"{folder / 'features' / 'v0.npy'} 5 frames (the second axis of the "
        "array; the first one has as many as there are labels, and is read "
        "with --frames-first); expected one for each"
    )
    after = make(folder, frames_first=True)
    for split in ("train", "valid", "test"):
        videos = (getattr(data, split).videos for data in (before, after))
        for one, other in zip(*videos, strict=True):
            np.testing.assert_array_equal(one.frames, other.frames)
            np.testing.assert_array_equal(one.labels, other.labels)
    path = folder / "features" / "v0.npy"
    with pytest.raises(VideoError, match=r"expected an array of \(frames, 6\)"):
        mstcn.FeatureSource(path, 25.0, 6, frames_first=True).expected()


def test_features_of_two_sizes(folder):
    np.save(folder / "features" / "v1.npy", features("v1")[[0, *range(C)]])
    first, other = (folder / "features" / f"v{n}.npy" for n in (0, 1))
    assert fails(folder) == (
        f"{other}: has 6 features a frame, and {first} 5; expected as many in "
        "all files"
    )


def test_a_label_that_is_not_in_the_mapping(folder):
    path = folder / "groundTruth" / "v1.txt"
    path.write_text(path.read_text().replace("pour", "poor"))
    place = truth("v1").index("pour") + 1
    assert fails(folder) == (
        f"{path}:{place}: the label 'poor' is not in {folder / 'mapping.txt'}"
    )


def test_a_label_that_train_has_not(folder):
    path = folder / "groundTruth" / "v6.txt"
    lines = (folder / "mapping.txt").read_text() + "3 stir\n"
    (folder / "mapping.txt").write_text(lines)
    path.write_text(path.read_text().replace("pour", "stir"))
    place = truth("v6").index("pour") + 1
    assert fails(folder) == (
        f"{path}:{place}: 'stir' in test is no label of train; those are "
        "background, cut, pour"
    )


def test_no_labels_for_a_video(folder):
    path = folder / "groundTruth" / "v1.txt"
    path.unlink()
    assert fails(folder) == (
        f"{folder / 'splits' / 'train.split1.bundle'}:2: {path} is missing; "
        "expected a label for each frame in it"
    )


def test_no_features_for_a_video(folder):
    path = folder / "features" / "v1.npy"
    path.unlink()
    assert fails(folder).startswith(
        f"1 of 8 videos (12.5%) cannot be read: {path}: there is no such file"
    )


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (
            np.zeros((2, 3, 4), np.float32),
            "is an array of float32 (2, 3, 4); expected floats (channels, "
            "frames)",
        ),
        (
            np.zeros((5, 0), np.float32),
            "is an array of float32 (5, 0); expected floats (channels, frames)",
        ),
        (
            np.zeros((5, 7), np.int64),
            "is an array of int64 (5, 7); expected floats (channels, frames)",
        ),
        (None, "is no .npy file"),
        (b"shape", "is no .npy file"),
    ],
)
def test_bad_features(folder, array, reason):
    path = folder / "features" / "v1.npy"
    if array is None:
        path.write_bytes(path.read_bytes()[:30])
    elif isinstance(array, bytes):  # a shape beyond all bounds
        content = path.read_bytes()
        start = content.index(b"'shape': (")
        head = b"'shape': (%s, 5), }" % (b"9" * 40)
        path.write_bytes(content[:start] + head + content[start + len(head) :])
    else:
        np.save(path, array)
    assert f"{path}: {reason}" in fails(folder)


def test_a_pipe_of_features(folder):
    path = folder / "features" / "v1.npy"
    path.unlink()
    os.mkfifo(path)
    assert f"{path}: is a pipe; expected a file" in fails(folder)
    with pytest.raises(VideoError, match="is a pipe; expected a file"):
        mstcn.FeatureSource(path, 25.0).expected()


def test_features_that_are_no_numbers(folder):
    array = features("v1")
    array[2, 3] = np.nan
    np.save(folder / "features" / "v1.npy", array)
    assert "v1.npy, frame 3: the encoder's features are not finite" in fails(
        folder
    )


def test_lists(folder):
    path = folder / "splits" / "test.split1.bundle"
    path.write_text("v6.txt\nv1.txt\n")
    other = path.with_name("train.split1.bundle")
    assert fails(folder) == f"{path}:2: v1 is in {other}:2 already"
    path.write_text("v6.txt\n./v1.txt\n")
    assert fails(folder) == (f"{path}:2: ./v1 is in {other}:2 already, as v1")
    for name in ("../../v1", str(folder.parent / "v1"), "a/../../../v1"):
        path.write_text(f"v6.txt\n{name}.txt\n")
        assert fails(folder) == (
            f"{path}:2: {name}.npy is not in {folder}; expected the name of a "
            "file in it, or --allow-outside"
        )
    missing = folder / "splits" / "train.split9.bundle"
    assert fails(missing) == (
        f"{missing}: expected a list such as train.split1.bundle"
    )
    for path in (folder / "splits").iterdir():
        path.unlink()
    assert fails(folder) == (
        f"{folder / 'splits'}: has no lists such as train.split1.bundle and "
        "test.split1.bundle"
    )


def test_mapping(folder):
    path = folder / "mapping.txt"
    path.write_text("0 cut\none pour\n")
    assert fails(folder) == (
        f"{path}:2: expected a number, a space and a label"
    )
    path.write_text("0 cut\n1 cut\n")
    assert fails(folder) == f"{path}:2: the label 'cut' is there twice"


def test_nothing_but_features(folder):
    class Encoder:
        key, size = "any", (8, 8)

    assert fails(folder, encoder=Encoder()) == (
        f"{folder}: holds features, which no encoder can read; train without "
        "one"
    )
    (folder / "labels.csv").write_text("video,frame,label\n")
    assert fails(folder) == (
        f"{folder}: holds labels.csv and groundTruth; expected one of them"
    )


def test_features_that_float16_makes_the_same(folder):
    near = 1000 + np.arange(LENGTHS["v0"]) / 100
    features = np.broadcast_to(near, (C, len(near))).astype(np.float32)
    assert len(np.unique(features.astype(np.float16))) == 1
    np.save(folder / "features" / "v0.npy", features)
    assert "are the same for different pictures" in fails(folder)
