import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.vision import frame_store
from data_pipelines.vision.frame_store import BATCH, FrameStore
from data_pipelines.vision.video import Frame, VideoError

SIDE, REGIONS, CHANNELS = 6, 4, 3
# A shard of eight pictures.
EIGHT = 8 * REGIONS * CHANNELS * 2


class Means:
    """Means of the four quarters, between 0 and 1."""

    key = "means"
    size = (SIDE, SIDE)

    def __init__(self, fail_at=None):
        self.batches = []
        self.fail_at = fail_at

    def __call__(self, frames):
        assert frames.dtype == np.uint8
        if len(self.batches) == self.fail_at:
            raise KeyboardInterrupt
        self.batches.append(frames)
        return regions(frames)


def regions(frames):
    half = SIDE // 2
    quarters = [
        frames[:, top : top + half, left : left + half].mean((1, 2))
        for top in (0, half)
        for left in (0, half)
    ]
    return (np.stack(quarters, 1) / 255).astype(np.float32)  # (B, 4, 3)


def pixels(number):
    """The picture of a number; no two are equal."""
    random = np.random.default_rng(number)
    return random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def features(number):
    return regions(pixels(number)[None])[0].astype(np.float16)


def opened(folder, encoder=None, about=None, shard_bytes=EIGHT):
    about = {"size": [SIDE, SIDE]} if about is None else about
    store = FrameStore(folder, about, encoder)
    store.batch_size, store.shard_bytes = 4, shard_bytes
    return store


def encoded(store, numbers):
    """Yields content and features of pictures, a batch at a time."""
    numbers = iter(numbers)
    while some := list(itertools.islice(numbers, store.batch_size)):
        frames = np.stack(list(map(pixels, some)))
        names = [f"{number}.png" for number in some]
        yield from zip(map(str, some), store.encode(frames, names), strict=True)


def fill(folder, count, encoder=None):
    """Opens a store, and computes what it does not have of some pictures."""
    with opened(folder, encoder or Means()) as store:
        new = [n for n in range(count) if str(n) not in store]
        store.add_pictures(encoded(store, new))
    for number in range(count):
        (row,) = store[str(number)].values
        np.testing.assert_array_equal(row, features(number))
    return store


def shards(folder):
    return sorted(folder.glob("*/*.bin"))


class Clip:
    """A source of so many frames at 10 frames a second."""

    def __init__(self, count, first=0, reason=None):
        self.length = count
        self.first = first
        self.reason = reason
        self.count = 0
        self.fps = 5.0

    def expected(self):
        return self.length

    def __iter__(self):
        for number in range(self.length):
            yield Frame(pixels(self.first + number), 2 * number, number / 5)
        if self.reason:
            raise VideoError("a.mp4", self.reason)
        self.count = 2 * self.length


# Pictures.


def test_pictures_are_in_shards(tmp_path):
    encoder = Means()
    store = fill(tmp_path, 20, encoder)
    # The last batch is as large as the others, for encoders that compile.
    assert [len(batch) for batch in encoder.batches] == [4] * 5
    assert [path.stat().st_size for path in shards(tmp_path)] == [
        EIGHT, EIGHT, EIGHT // 2,
    ]  # fmt: skip
    assert store.statistics().pictures == 20
    row = store["3"].values
    assert row.dtype == np.float16
    assert not row.flags.writeable
    assert "3" in store
    assert "20" not in store


def test_memory_is_a_shard_and_a_batch(tmp_path):
    class Large(Means):
        def __call__(self, frames):  # 64 KB a picture, 13 MB together
            random = np.random.default_rng(len(self.batches))
            return random.random((len(frames), 512, 64), np.float32)

    tracemalloc.start()
    try:
        with opened(tmp_path, Large(), shard_bytes=2**19) as store:
            store.add_pictures(encoded(store, range(200)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(shards(tmp_path)) == 25
    assert peak < 4_000_000


def test_what_is_stored_is_there_again(tmp_path):
    first = fill(tmp_path, 11)
    encoder = Means()
    second = fill(tmp_path, 11, encoder)
    assert not encoder.batches
    assert str(first.statistics()) == str(second.statistics())
    fill(tmp_path, 13, encoder)
    assert len(encoder.batches) == 1


def test_other_settings_are_other_frames(tmp_path):
    class Other(Means):
        key = "other"

    paths = {
        opened(tmp_path, encoder, about).path
        for encoder in (Means(), Other(), None)
        for about in ({"size": 1}, {"size": 2})
    }
    assert len(paths) == 6


def test_an_encoder_that_has_changed(tmp_path):
    class Changed(Means):
        def __call__(self, frames):
            return regions(frames)[:, :2]

    class Flat(Means):
        def __call__(self, frames):
            return regions(frames).reshape(len(frames), -1)

    fill(tmp_path, 4)
    message = r"holds features of \(4, 3\), and the encoder gives \(2, 3\)"
    with pytest.raises(DataError, match=message):
        fill(tmp_path, 8, Changed())
    with pytest.raises(ValueError, match=r"\(4, 12\); expected \(4, regions"):
        fill(tmp_path, 8, Flat())


def test_the_first_features_may_not_be_zero_later_ones_may(tmp_path):
    with opened(tmp_path, Means()) as store:
        black = np.zeros((1, SIDE, SIDE, 3), np.uint8)
        with pytest.raises(DataError, match=r"a\.png: .* are all zero"):
            store.encode(black, ["a.png"])
        store.encode(pixels(0)[None], ["b.png"])
        assert not store.encode(black, ["a.png"]).any()


# Videos.


def test_a_video_is_its_frames(tmp_path):
    counts = {"a": 5, "b": 11, "c": 1}
    with opened(tmp_path) as store:
        for content, count in counts.items():
            store.add_video(content, Clip(count, 3 * count), "a.mp4")
    assert len(shards(tmp_path)) == 3
    with opened(tmp_path) as again:
        for some, (content, count) in itertools.product(
            (store, again), counts.items()
        ):
            stored = some[content]
            assert (stored.content, stored.size) == (content, count)
            expected = [pixels(3 * count + n) for n in range(count)]
            np.testing.assert_array_equal(stored.values, expected)
            assert stored.numbers.tolist() == [2 * n for n in range(count)]
            assert stored.times.tolist() == [n / 5 for n in range(count)]
            assert (stored.frames, stored.fps) == (2 * count, 5.0)


def test_features_of_a_video(tmp_path):
    encoder = Means()
    with opened(tmp_path, encoder) as store:
        store.add_video("a", Clip(9), "a.mp4")
    assert len(encoder.batches) == 3
    expected = [features(n) for n in range(9)]
    np.testing.assert_array_equal(store["a"].values, expected)


def test_memory_is_a_batch_of_a_video(tmp_path):
    class Large(Clip):
        def __iter__(self):
            for number in range(self.length):
                pixels = np.full((64, 64, 3), number % 256, np.uint8)
                yield Frame(pixels, number, number / 10)

    tracemalloc.start()
    try:
        with opened(tmp_path) as store:
            store.add_video("a", Large(1000), "a.mp4")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert store["a"].values.nbytes > 12_000_000
    assert peak < 4_000_000


def test_of_a_broken_video_nothing_is_left(tmp_path):
    with opened(tmp_path) as store:
        with pytest.raises(VideoError, match="is cut off"):
            store.add_video("a", Clip(9, reason="is cut off"), "a.mp4")
        assert "a" not in store
        store.add_video("b", Clip(2), "b.mp4")
    names = {path.name for path in store.path.iterdir()}
    assert names == {".lock", "00000.bin", "00000.json"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "a.mp4, frame 0: the encoder's features are not finite"),
        (1e6, "a.mp4, frame 0: the encoder's features are too large"),
        (0.0, "a.mp4, frame 0: the encoder's features are all zero"),
    ],
)
def test_nonsense_is_said_of_its_frame(tmp_path, value, message):
    class Nonsense(Means):
        def __call__(self, frames):
            return np.full((len(frames), 2, 2), value)

    with (
        opened(tmp_path, Nonsense()) as store,
        pytest.raises(DataError, match=message),
    ):
        store.add_video("a", Clip(9), "a.mp4")
    assert not shards(tmp_path)


# Kills.


def test_after_a_failure_whole_shards_are_kept(tmp_path):
    # The second batch of the third shard.
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, 30, Means(fail_at=5))
    assert len(shards(tmp_path)) == 2
    encoder = Means()
    fill(tmp_path, 30, encoder)
    assert len(encoder.batches) == 4  # of the other 14 pictures
    with opened(tmp_path / "b", Means(fail_at=4)) as store:
        store.add_video("a", Clip(5), "a.mp4")
        with pytest.raises(KeyboardInterrupt):
            store.add_video("b", Clip(12), "b.mp4")
    with opened(tmp_path / "b", Means()) as store:
        assert "a" in store
        assert "b" not in store


KILLED = """
import sys, time
from pathlib import Path
from tests.data_pipelines.vision.test_frame_store import *

class Slow(Means):
    def __call__(self, frames):
        print("batch", flush=True)
        time.sleep(0.02)
        return regions(frames)

fill(Path(sys.argv[1]), 60, Slow())
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


@pytest.mark.parametrize("batches", [3, 6])
def test_killed_at_any_moment(tmp_path, batches):
    process = start(tmp_path)
    for _ in range(batches):
        assert process.stdout.readline() == b"batch\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    whole = len(list(tmp_path.glob("*/0*.json")))
    assert whole >= batches // 2 - 1
    encoder = Means()
    fill(tmp_path, 60, encoder)
    assert len(encoder.batches) == 15 - 2 * whole
    assert len(shards(tmp_path)) == 8  # seven of 8 pictures, one of 4


def test_what_a_kill_can_leave_does_no_harm(tmp_path):
    folder = fill(tmp_path, 8).path
    # Killed between the two files of a shard, and inside of others.
    (folder / "00001.bin").write_bytes(b"half")
    (folder / ".tmp-abc").write_bytes(b"half")
    fill(tmp_path, 16)
    assert not (folder / ".tmp-abc").exists()
    encoder = Means()
    fill(tmp_path, 16, encoder)
    assert not encoder.batches


def test_two_processes_do_the_work_once(tmp_path):
    processes = [start(tmp_path) for _ in range(2)]
    printed = [process.communicate() for process in processes]
    assert all(process.returncode == 0 for process in processes), printed
    assert sum(out.count(b"batch") for out, _ in printed) == 15


# Damage.


def damage_size(path):
    os.truncate(path, path.stat().st_size - 5)


def damage_bits(path):
    content = bytearray(path.read_bytes())
    times = path.stat()
    content[-7] ^= 1
    path.write_bytes(content)
    # The time stays, as when a disk loses a bit.
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def damage_json_bits(path):
    damage_bits(path.with_suffix(".json"))


def damage_index(path):
    path.with_suffix(".json").write_text("{")


def damage_missing(path):
    path.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        damage_size,
        damage_bits,
        damage_json_bits,
        damage_index,
        damage_missing,
    ],
)
def test_damaged_shards_are_named_and_computed_again(tmp_path, capsys, damage):
    fill(tmp_path, 24)
    capsys.readouterr()
    path = shards(tmp_path)[1]
    damage(path)
    encoder = Means()
    fill(tmp_path, 24, encoder)
    assert re.fullmatch(
        f"{path.with_suffix('')}.(bin|json): damaged: it .*; its frames are "
        r"computed again\n",
        capsys.readouterr().err,
    )
    assert len(encoder.batches) == 2
    encoder = Means()
    fill(tmp_path, 24, encoder)
    assert not encoder.batches
    assert capsys.readouterr().err == ""


def test_a_copy_of_the_folder_is_as_good(tmp_path, capsys):
    fill(tmp_path, 8)
    (path,) = shards(tmp_path)
    os.utime(path, ns=(1, 1))
    encoder = Means()
    for _ in range(2):
        fill(tmp_path, 8, encoder)
    assert not encoder.batches
    assert capsys.readouterr().err == ""


# Sizes.


def test_the_size_is_said_once_before_it_is_written(tmp_path, capsys):
    with opened(tmp_path) as store:
        store.expect("reading videos", "2 videos, about 7 frames", 7)
        assert capsys.readouterr().err == ""
        store.add_video("a", Clip(3), "a.mp4")
        store.add_video("b", Clip(4), "b.mp4")
    assert capsys.readouterr().err == (
        "reading videos: 2 videos, about 7 frames, 6 x 6 x 3 uint8 each, "
        f"756B, {store.path}\n"
    )
    size = frame_store.described("1 picture", 10**6, (2, 960), "float16")
    assert size == "1 picture, 2 x 960 float16 each, 3.84GB"


def test_no_room(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with opened(tmp_path) as store:
        store.expect("reading videos", "1 videos, about 9 frames", 10)
        with pytest.raises(DataError) as caught:
            store.add_video("a", Clip(10), "a.mp4")
    assert str(caught.value) == (
        f"{store.path}: no room for 1 videos, about 9 frames, 6 x 6 x 3 uint8 "
        "each, 1.08kB; free are 1.00kB"
    )
    assert not shards(tmp_path)


# Keys.


def test_keys_of_encoders():
    weights = [np.ones((2, 3)), np.zeros(3)]
    keys = {
        frame_store.weights_key("a", weights),
        frame_store.weights_key("b", weights),
        frame_store.weights_key("a", weights[::-1]),
        frame_store.weights_key("a", [np.ones((3, 2)), np.zeros(3)]),
        frame_store.weights_key("a", [np.ones((2, 3), "f"), np.zeros(3)]),
    }
    assert len(keys) == 5
    assert frame_store.weights_key("a", [w.copy() for w in weights]) in keys


def test_encoders_take_batches_of_one_size(tmp_path):
    encoder = Means()
    with FrameStore(tmp_path, {}, encoder) as store:
        store.add_video("a", Clip(BATCH + 1), "a.mp4")
    assert [len(batch) for batch in encoder.batches] == [BATCH] * 2
