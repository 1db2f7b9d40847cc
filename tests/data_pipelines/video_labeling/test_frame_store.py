import json
import shutil

import numpy as np
import pytest
from PIL import Image

from data_pipelines.files.errors import DataError
from data_pipelines.video_labeling.frame_sources import Files
from data_pipelines.video_labeling.frame_store import BATCH, Store
from data_pipelines.vision import feature_shards, video
from data_pipelines.vision.images import BadFiles


def clip(path, count, seed):
    """Writes grey frames of different shades."""
    shades = np.random.default_rng(seed).permutation(200)[:count]
    frames = [np.full((16, 16, 3), 20 + s, np.uint8) for s in shades]
    video.write(path, frames, 10, {"qp": "5"})
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    counts = {"a.mp4": 5, "b.mp4": 2 * BATCH + 3, "c.mp4": 1}
    return {n: clip(folder / n, c, c) for n, c in counts.items()}


class Means:
    """Two regions: top and bottom; two channels: mean, and a constant."""

    key = "means"
    size = (8, 6)

    def __init__(self):
        self.calls = 0

    def __call__(self, frames):
        self.calls += 1
        assert frames.shape == (BATCH, 8, 6, 3)
        assert frames.dtype == np.uint8
        halves = frames.reshape(BATCH, 2, -1).astype(np.float32)
        mean = halves.mean(-1, keepdims=True)
        return np.concatenate([mean, np.ones_like(mean)], -1)


def open_store(folder, **changes):
    options = {"size": (8, 6), "mode": "stretch", "fps": 0.0, "encoder": None}
    return Store(folder, Files(), **(options | changes))


def read(store, clips, bad=None):
    return store.read(
        clips.items(),
        BadFiles("videos") if bad is None else bad,
        lambda *_: None,
    )


def test_frames_are_those_of_the_video(tmp_path, clips):
    found = read(open_store(tmp_path), clips)
    assert list(found) == list(clips)
    for name, stored in found.items():
        expected = np.stack(list(video.frames(clips[name], (8, 6))))
        assert isinstance(stored.values, np.memmap)
        np.testing.assert_array_equal(stored.values, expected)
        assert (stored.shape, stored.dtype) == (expected.shape, "uint8")
        assert stored.frames == len(expected)
        assert stored.fps == 10
        np.testing.assert_array_equal(stored.numbers, range(len(expected)))
        np.testing.assert_allclose(stored.times, np.arange(len(expected)) / 10)


def test_features_are_those_of_the_frames(tmp_path, clips):
    encoder = Means()
    store = open_store(tmp_path, size=(99, 99), encoder=encoder)
    for name, stored in read(store, clips).items():
        frames = np.stack(list(video.frames(clips[name], (8, 6))))
        halves = frames.reshape(len(frames), 2, -1).mean(-1, dtype=np.float32)
        assert stored.values.dtype == np.float16
        np.testing.assert_array_equal(
            stored.values[..., 0], halves.astype(np.float16)
        )
        assert (stored.values[..., 1] == 1).all()
    # One to learn the shape, then all batches.
    assert encoder.calls == 1 + 1 + 3 + 1
    read(store, clips)
    assert encoder.calls == 6


def test_resampled(tmp_path, clips):
    stored = read(open_store(tmp_path, fps=4.0), clips)["b.mp4"]
    assert stored.frames == 2 * BATCH + 3
    assert stored.fps == 4
    expected = list(video.Reader(clips["b.mp4"], (8, 6), 4.0))
    assert stored.numbers.tolist() == [f.number for f in expected]
    assert stored.times.tolist() == [f.seconds for f in expected]


def test_a_second_time_nothing_is_read(tmp_path, clips, monkeypatch, capsys):
    read(open_store(tmp_path), clips)
    said = capsys.readouterr().err
    assert said.startswith("reading videos: 3 videos, about 73 frames, ")
    assert "8 x 6 x 3 uint8 each, 0.0105 MB, " in said
    # Neither frames nor files are opened again.
    monkeypatch.setattr(video.Reader, "__iter__", None)
    monkeypatch.setattr(
        "data_pipelines.video_labeling.frame_sources.hashlib", None
    )
    read(open_store(tmp_path), clips)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"size": (6, 8)},
        {"mode": "crop"},
        {"fps": 5.0},
        {"encoder": Means()},
    ],
)
def test_what_frames_depend_on(tmp_path, clips, changes):
    one, other = open_store(tmp_path), open_store(tmp_path, **changes)
    assert one.place != other.place


def test_a_video_is_found_by_its_content(tmp_path, clips):
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(clips["a.mp4"], folder / "x.mp4")
    shutil.copy(clips["a.mp4"], folder / "y.mp4")
    store = open_store(tmp_path / "cache")
    names = {n: folder / n for n in ("x.mp4", "y.mp4")}
    found = read(store, names)
    assert found["x.mp4"].folder == found["y.mp4"].folder
    old = np.array(found["x.mp4"].values)
    shutil.copy(clips["b.mp4"], folder / "x.mp4")
    found = read(open_store(tmp_path / "cache"), names)
    assert len(found["x.mp4"].values) == 2 * BATCH + 3
    np.testing.assert_array_equal(found["y.mp4"].values, old)


def test_after_a_kill_whole_videos_are_there(tmp_path, clips):
    class Killed(Means):
        def __call__(self, frames):
            if self.calls == 4:
                raise KeyboardInterrupt
            return super().__call__(frames)

    store = open_store(tmp_path, encoder=Killed())
    with pytest.raises(KeyboardInterrupt):
        read(store, clips)
    # The first one is there, nothing of the second one is.
    assert sum(p.is_dir() for p in store.place.iterdir()) == 1
    encoder = Means()
    read(open_store(tmp_path, encoder=encoder), clips)
    assert encoder.calls == 1 + 3 + 1


def test_a_damaged_one_is_read_again(tmp_path, clips, capsys):
    found = read(open_store(tmp_path), clips)["a.mp4"]
    expected = np.array(found.values)
    for name, content in (("values.bin", b"short"), ("about.json", b"{")):
        (found.folder / name).write_bytes(content)
        capsys.readouterr()
        again = read(open_store(tmp_path), clips)["a.mp4"]
        np.testing.assert_array_equal(again.values, expected)
        assert f"{found.folder}: is damaged" in capsys.readouterr().err


def broken(clips, folder, count):
    made = dict(clips)
    for number in range(count):
        path = folder / f"broken{number}.mp4"
        path.write_bytes(clips["a.mp4"].read_bytes()[: 300 + number])
        made[path.name] = path
    return made


def test_bad_videos_are_left_out_and_listed(tmp_path, clips, monkeypatch):
    videos = broken(clips, tmp_path, 1)
    monkeypatch.setattr("data_pipelines.vision.images.MOST_BAD", 0.25)
    bad, store = BadFiles("videos"), open_store(tmp_path / "cache")
    assert list(read(store, videos, bad)) == list(clips)
    listed = (store.place / "bad_videos.txt").read_text()
    path = videos["broken0.mp4"]
    assert listed.startswith(f"{path}: is cut off")
    assert bad.report(4).startswith(
        f"1 of 4 videos (25.0%) cannot be read: {path}: is cut off"
    )


def test_too_many_bad_videos(tmp_path, clips):
    videos = broken(clips, tmp_path, 2)
    store = open_store(tmp_path / "cache")
    with pytest.raises(DataError) as caught:
        read(store, videos)
    assert str(caught.value).startswith("2 of 5 videos (40.0%) cannot be read")
    listed = store.place / "bad_videos.txt"
    assert str(caught.value).endswith(
        f"; expected at most 5%; all are listed in {listed}"
    )


def test_labels_are_checked_video_by_video(tmp_path, clips):
    def check(name, stored):
        raise DataError(f"{name} has {stored.frames} frames")

    store = open_store(tmp_path)
    with pytest.raises(DataError, match=r"a\.mp4 has 5 frames"):
        store.read(clips.items(), BadFiles("videos"), check)


class Whole(Means):
    """Like float16: what differs by less than it can say is the same."""

    key = "whole"

    def __call__(self, frames):
        return super().__call__(frames).round()


def scene(path, change):
    """40 pictures of which the last 20 are a little different."""
    path.mkdir()
    still = np.full((8, 6, 3), 100, np.uint8)
    for number in range(40):
        frame = still + change if number >= 20 else still
        Image.fromarray(frame).save(path / f"{number}.png")
    return {"still": path}


def test_a_scene_where_next_to_nothing_moves(tmp_path):
    change = np.zeros((8, 6, 3), np.uint8)
    change[2, 3] = 2  # one pixel, two levels brighter
    store = open_store(tmp_path / "cache", encoder=Whole())
    found = read(store, scene(tmp_path / "still", change))["still"]
    assert found.shape == (40, 2, 2)
    assert (found.values == found.values[0]).all()


def test_pictures_that_differ_have_features_that_do(tmp_path):
    class Constant(Means):
        key = "constant"

        def __call__(self, frames):
            return super().__call__(frames) * 0 + 7

    change = np.full((8, 6, 3), 2, np.uint8)
    store = open_store(tmp_path / "cache", encoder=Constant())
    with pytest.raises(DataError, match="are the same for different pictures"):
        read(store, scene(tmp_path / "still", change))


def test_black_pictures_with_a_spot_may_have_features_of_zero():
    pictures = np.zeros((4, 8, 6, 3), np.uint8)
    pictures[3, 2, 3] = 1
    zeros = np.zeros((4, 1, 2), np.float32)
    names = ["a", "b", "c", "d"]
    half = feature_shards.checked(zeros, pictures, names, first=False)
    assert not half.any()
    for first, most in ((True, 1), (False, 100)):
        pictures[3] = most
        with pytest.raises(DataError, match="are all zero"):
            feature_shards.checked(zeros, pictures, names, first)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "a.mp4, frame 0: the encoder's features are not finite"),
        (1e6, "a.mp4, frame 0: the encoder's features are too large"),
        (0.0, "a.mp4, frame 0: the encoder's features are all zero"),
    ],
)
def test_nonsense_features(tmp_path, clips, value, message):
    class Nonsense(Means):
        def __call__(self, frames):
            return np.full((BATCH, 2, 2), value)

    with pytest.raises(DataError, match=message):
        read(open_store(tmp_path, encoder=Nonsense()), clips)


def test_an_encoder_of_another_shape(tmp_path, clips):
    class Flat(Means):
        def __call__(self, frames):
            return np.ones((BATCH, 4))

    with pytest.raises(ValueError, match=r"expected \(32, regions, channels\)"):
        read(open_store(tmp_path, encoder=Flat()), clips)


def test_no_room(tmp_path, clips, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError) as caught:
        read(open_store(tmp_path), clips)
    assert "no room for the videos: 3 videos, about 73 frames" in str(
        caught.value
    )
    assert str(caught.value).endswith("free are 0.001 MB")


def test_a_folder_of_pictures_is_its_pictures(tmp_path):
    place = tmp_path / "clip"
    place.mkdir()
    for n in range(3):
        picture = Image.new("RGB", (8, 8), (20 * n, 0, 0))
        picture.save(place / f"{n}.png")
    first = read(open_store(tmp_path / "cache"), {"clip": place})["clip"]
    assert len(first.values) == 3
    Image.new("RGB", (8, 8), (0, 0, 99)).save(place / "1.png", "PNG")
    again = read(open_store(tmp_path / "cache"), {"clip": place})["clip"]
    assert again.folder != first.folder
    assert again.values[1, 0, 0].tolist() == [0, 0, 99]
    about = json.loads((again.folder / "about.json").read_text())
    assert about == {
        "shape": [3, 8, 6, 3], "dtype": "uint8", "frames": 3, "fps": 25.0,
    }  # fmt: skip
