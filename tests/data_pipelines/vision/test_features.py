import io
import os
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from data_pipelines.files.errors import DataError
from data_pipelines.vision import features
from data_pipelines.vision.features import Statistics, extract
from data_pipelines.vision.images import BadFiles, PictureError

SIZE, REGIONS, CHANNELS = 6, 4, 3


def save(path, number):
    """Each number is another picture."""
    generator = np.random.default_rng(number)
    pixels = generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(path, "PNG")
    return path


def made(folder, count):
    folder.mkdir(exist_ok=True)
    return [
        (f"key {number}", save(folder / f"{number}.png", number))
        for number in range(count)
    ]


def expected(number):
    """What the encoder gives for a picture, from its pixels."""
    generator = np.random.default_rng(number)
    pixels = generator.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    return regions(pixels[None])[0].astype(np.float16)


def regions(pictures):
    """Means of the four quarters."""
    half = SIZE // 2
    quarters = [
        pictures[:, top : top + half, left : left + half].mean((1, 2))
        for top in (0, half)
        for left in (0, half)
    ]
    return np.stack(quarters, 1) / 255  # (B, 4, 3)


class Encoder:
    """Counts the pictures it gets, padding not among them."""

    def __init__(self, fail_at=None):
        self.batches = []
        self.fail_at = fail_at

    def __call__(self, pictures):
        assert pictures.dtype == np.uint8
        if len(self.batches) == self.fail_at:
            raise RuntimeError("killed")
        self.batches.append(pictures)
        return regions(pictures).astype(np.float32)

    @property
    def pictures(self):
        return sum(len(np.unique(batch, axis=0)) for batch in self.batches)


def run(tmp_path, pictures, encode=None, **options):
    options = {"encoder": "e", "size": SIZE, "batch_size": 4, **options}
    return extract(
        Encoder() if encode is None else encode,
        pictures,
        tmp_path / "store",
        workers=2,
        **options,
    )


def shards(tmp_path):
    return sorted((tmp_path / "store").glob("*/*.npy"))


# Each shard has two batches of four pictures of 24 bytes.
TWO_BATCHES = 8 * REGIONS * CHANNELS * 2


def test_features_are_those_of_their_pictures(tmp_path):
    pictures = made(tmp_path / "p", 11)
    encode = Encoder()
    found = run(tmp_path, pictures, encode, shard_bytes=TWO_BATCHES)
    assert found.shape == (REGIONS, CHANNELS)
    assert list(found) == [key for key, _ in pictures]
    for number in range(11):
        assert np.array_equal(found[f"key {number}"], expected(number))
        assert found[f"key {number}"].dtype == np.float16
    some = found.batch(["key 9", "key 0", "key 9"])
    assert some.dtype == np.float16
    assert np.array_equal(some, np.stack([expected(n) for n in (9, 0, 9)]))
    assert len(shards(tmp_path)) == 2
    # The last batch is as large as the others, for encoders that compile.
    assert [len(batch) for batch in encode.batches] == [4, 4, 4]
    assert encode.pictures == 11
    assert "key 3" in found
    assert "other" not in found


def test_mapped_not_loaded(tmp_path):
    found = run(tmp_path, made(tmp_path / "p", 3))
    row = found["key 1"]
    assert isinstance(row.base, np.memmap) or isinstance(row, np.memmap)
    assert not row.flags.writeable


def test_memory_is_a_shard_and_a_few_pictures(tmp_path):
    pictures = made(tmp_path / "p", 200)
    generator = np.random.default_rng(0)

    def encode(batch):  # 64 KB a picture, 13 MB together
        return generator.random((len(batch), 512, 64), np.float32)

    tracemalloc.start()
    try:
        found = run(tmp_path, pictures, encode, shard_bytes=2**19)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(shards(tmp_path)) == 25
    assert peak < 4_000_000
    assert sum(row.nbytes for row in found.values()) == 200 * 2**16


def test_found_again_without_the_encoder(tmp_path):
    pictures = made(tmp_path / "p", 5)
    first = run(tmp_path, pictures)
    second = run(tmp_path, reversed(pictures), encode=Encoder(fail_at=0))
    assert list(second) == [key for key, _ in reversed(pictures)]
    for key in first:
        assert np.array_equal(first[key], second[key])
    assert str(first.statistics) == str(second.statistics)


def test_only_what_is_new_is_computed(tmp_path):
    run(tmp_path, made(tmp_path / "p", 5))
    encode = Encoder()
    found = run(tmp_path, made(tmp_path / "p", 7), encode)
    assert encode.pictures == 2
    assert [found[f"key {n}"].tolist() for n in range(7)] == [
        expected(n).tolist() for n in range(7)
    ]


def test_renamed_copied_and_changed_pictures(tmp_path):
    pictures = made(tmp_path / "p", 5)
    run(tmp_path, pictures)
    moved = (tmp_path / "p" / "0.png").rename(tmp_path / "p" / "moved.png")
    copied = shutil.copy(tmp_path / "p" / "1.png", tmp_path / "p" / "copy.png")
    pictures[0] = ("key 0", moved)
    pictures.append(("key copy", copied))
    encode = Encoder()
    found = run(tmp_path, pictures, encode)
    assert encode.pictures == 0
    assert np.array_equal(found["key 0"], expected(0))
    assert np.array_equal(found["key copy"], expected(1))
    # Another content under the same name.
    path = tmp_path / "p" / "2.png"
    save(path, 99)
    found = run(tmp_path, pictures, encode)
    assert encode.pictures == 1
    assert np.array_equal(found["key 2"], expected(99))
    save(path, 2)  # whose features are still there
    found = run(tmp_path, pictures, encode)
    assert encode.pictures == 1
    assert np.array_equal(found["key 2"], expected(2))


def test_equal_pictures_are_computed_once(tmp_path):
    pictures = made(tmp_path / "p", 3)
    copy = shutil.copy(pictures[0][1], tmp_path / "p" / "copy.png")
    pictures += [("copy", copy), ("same file", pictures[0][1])]
    encode = Encoder()
    found = run(tmp_path, pictures, encode, batch_size=2)
    assert encode.pictures == 3
    for key in ("key 0", "copy", "same file"):
        assert np.array_equal(found[key], expected(0))
    with pytest.raises(ValueError, match="two pictures have the key 'key 0'"):
        run(tmp_path, [*pictures, ("key 0", pictures[1][1])])


@pytest.mark.parametrize(
    "options",
    [{"encoder": "f"}, {"size": (SIZE, SIZE + 1)}, {"mode": "crop"}],
)
def test_other_settings_are_other_features(tmp_path, options):
    pictures = made(tmp_path / "p", 3)
    run(tmp_path, pictures)
    for count in (3, 0):
        encode = Encoder()
        run(tmp_path, pictures, encode, **options)
        assert encode.pictures == count
    assert len(shards(tmp_path)) == 2
    encode = Encoder()
    run(tmp_path, pictures, encode)
    assert encode.pictures == 0


# Kills.


def test_after_a_failure_whole_shards_are_kept(tmp_path):
    pictures = made(tmp_path / "p", 30)
    with pytest.raises(RuntimeError, match="killed"):
        run(
            tmp_path,
            pictures,
            Encoder(fail_at=5),  # the second batch of the third shard
            shard_bytes=TWO_BATCHES,
        )
    assert len(shards(tmp_path)) == 2
    encode = Encoder()
    found = run(tmp_path, pictures, encode, shard_bytes=TWO_BATCHES)
    assert encode.pictures == 30 - 16
    assert len(shards(tmp_path)) == 4
    for number in range(30):
        assert np.array_equal(found[f"key {number}"], expected(number))


KILLED = """
import sys, time
from tests.data_pipelines.vision.test_features import *

def encode(pictures):
    print("batch", flush=True)
    time.sleep(0.02)
    return regions(pictures).astype(np.float32)

place = Path(sys.argv[1])
pictures = [(f"key {n}", place / "p" / f"{n}.png") for n in range(60)]
run(place, pictures, encode, shard_bytes=TWO_BATCHES)
"""


@pytest.mark.parametrize("batches", [3, 6])
def test_killed_at_any_moment(tmp_path, batches):
    pictures = made(tmp_path / "p", 60)
    process = subprocess.Popen(
        [sys.executable, "-c", "from pathlib import Path" + KILLED, tmp_path],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    for _ in range(batches):
        assert process.stdout.readline() == b"batch\n"
    time.sleep(0.003 * batches)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = len(list((tmp_path / "store").glob("*/0*.json")))
    assert kept >= batches // 2 - 1
    encode = Encoder()
    found = run(tmp_path, pictures, encode, shard_bytes=TWO_BATCHES)
    assert encode.pictures == max(0, 60 - 8 * kept)
    assert len(shards(tmp_path)) == 8  # seven of 8 pictures, one of 4
    for number in range(60):
        assert np.array_equal(found[f"key {number}"], expected(number))


def test_what_a_kill_can_leave_does_no_harm(tmp_path):
    pictures = made(tmp_path / "p", 16)
    run(tmp_path, pictures[:8], shard_bytes=TWO_BATCHES)
    place = shards(tmp_path)[0].parent
    # Killed between the two files of a shard, and inside of others.
    (place / "00001.npy").write_bytes(b"half")
    (place / ".tmp-abc").write_bytes(b"half")
    with (tmp_path / "store" / "pictures.jsonl").open("a") as file:
        file.write('["half a li')
    found = run(tmp_path, pictures, shard_bytes=TWO_BATCHES)
    for number in range(16):
        assert np.array_equal(found[f"key {number}"], expected(number))
    assert not (place / ".tmp-abc").exists()
    encode = Encoder()
    run(tmp_path, pictures, encode)
    assert not encode.batches


@pytest.mark.parametrize("lost", ["all", "line"])
def test_the_list_of_files_may_be_lost(tmp_path, lost):
    pictures = made(tmp_path / "p", 4)
    run(tmp_path, pictures)
    path = tmp_path / "store" / "pictures.jsonl"
    if lost == "all":
        path.unlink()
    else:
        path.write_text('[]\n{"a": 1}\nnull\n7\n\n[1, 2]\n')
    encode = Encoder()
    assert len(run(tmp_path, pictures, encode)) == 4
    assert not encode.batches


def test_two_processes_do_the_work_once(tmp_path, capfd):
    pictures = made(tmp_path / "p", 60)
    command = "from pathlib import Path" + KILLED
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", command, tmp_path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(2)
    ]
    printed = [process.communicate() for process in processes]
    assert all(process.returncode == 0 for process in processes), printed
    assert sum(out.count(b"batch") for out, _ in printed) == 15
    found = run(tmp_path, pictures)
    assert np.array_equal(found["key 59"], expected(59))


# Damage.


def damage_size(path):
    os.truncate(path, path.stat().st_size - 5)
    return f"{path} is damaged: it has "


def damage_bits(path):
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    return f"{path} is damaged: its checksum is wrong"


def damage_index(path):
    path.with_suffix(".json").write_text("{")
    return f"{path.with_suffix('.json')} is damaged"


def damage_missing(path):
    path.unlink()
    return f"{path} is not there"


@pytest.mark.parametrize(
    "damage", [damage_size, damage_bits, damage_index, damage_missing]
)
def test_damaged_shards_are_named_and_computed_again(tmp_path, capsys, damage):
    pictures = made(tmp_path / "p", 24)
    run(tmp_path, pictures, shard_bytes=TWO_BATCHES)
    capsys.readouterr()
    what = damage(shards(tmp_path)[1])
    encode = Encoder()
    found = run(tmp_path, pictures, encode, shard_bytes=TWO_BATCHES)
    message = capsys.readouterr().err
    assert message.startswith(what)
    assert "; its features are computed again\n" in message
    assert encode.pictures == 8
    for number in range(24):
        assert np.array_equal(found[f"key {number}"], expected(number))
    encode = Encoder()
    run(tmp_path, pictures, encode)
    assert not encode.batches
    assert capsys.readouterr().err == ""


def test_damage_that_left_the_time_is_found_if_asked_for(tmp_path, capsys):
    pictures = made(tmp_path / "p", 8)
    run(tmp_path, pictures)
    (path,) = shards(tmp_path)
    old = path.stat()
    damage_bits(path)
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    encode = Encoder()
    run(tmp_path, pictures, encode)
    assert not encode.batches
    run(tmp_path, pictures, encode, verify=True)
    assert encode.pictures == 8
    assert "its checksum is wrong" in capsys.readouterr().err


def test_a_copy_of_the_folder_is_as_good(tmp_path, capsys):
    pictures = made(tmp_path / "p", 8)
    run(tmp_path, pictures)
    (path,) = shards(tmp_path)
    os.utime(path, ns=(1, 1))
    capsys.readouterr()
    encode = Encoder()
    for _ in range(2):
        run(tmp_path, pictures, encode)
    assert not encode.batches
    assert capsys.readouterr().err == ""


# Nonsense.


def nonsense(tmp_path, change, count=8, **options):
    def encode(batch):
        return change(regions(batch).astype(np.float32))

    with pytest.raises(DataError) as caught:
        run(tmp_path, made(tmp_path / "p", count), encode, **options)
    assert not shards(tmp_path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_numbers_that_are_none(tmp_path):
    for wrong in (np.nan, np.inf, -np.inf):

        def change(values, wrong=wrong):
            values[2, 1, 0] = wrong
            return values

        message = nonsense(tmp_path, change)
        assert message.startswith(
            f"{tmp_path / 'p' / '2.png'}: the encoder's features are not "
            "finite numbers (of this batch: mean 0."
        )
        assert message.endswith("zeros 0.0%, not finite 2.1%)")
    message = nonsense(tmp_path, lambda values: values * np.nan)
    assert "(of this batch: no value is finite)" in message


def test_numbers_that_are_too_large(tmp_path):
    def change(values):
        values[1] *= 1e6
        return values

    message = nonsense(tmp_path, change)
    assert "1.png: the encoder's features are too large for float16" in message
    assert "which ends at 65,504; scale the encoder's result" in message
    message = nonsense(tmp_path, lambda values: values.astype(float) * 1e300)
    assert "not finite numbers" in message


def test_the_largest_that_fit(tmp_path):
    def encode(batch):
        return regions(batch) * 0 + 65504 * regions(batch).round()

    found = run(tmp_path, made(tmp_path / "p", 4), encode)
    assert found.statistics.maximum == 65504


def test_all_zero(tmp_path):
    for count in (8, 1):
        message = nonsense(tmp_path, np.zeros_like, count)
        assert "the encoder's features are all zero (of this batch: " in message
        assert "mean 0, std 0, min 0, max 0, zeros 100.0%" in message


def test_the_same_for_all_pictures(tmp_path):
    message = nonsense(tmp_path, lambda values: values * 0 + values[:1])
    assert "are the same for different pictures; see what" in message


def test_the_same_for_equal_pictures_is_right(tmp_path):
    pictures = made(tmp_path / "p", 2)
    for number in (0, 1):  # the same pixels, other bytes
        picture = Image.new("RGB", (SIZE, SIZE), "red")
        picture.save(tmp_path / "p" / f"{number}.png", compress_level=number)
    found = run(tmp_path, pictures)
    assert np.array_equal(found["key 0"], found["key 1"])


def test_a_black_picture_among_others(tmp_path):
    pictures = made(tmp_path / "p", 4)
    run(tmp_path, pictures)
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "p" / "black.png")
    pictures.append(("black", tmp_path / "p" / "black.png"))
    assert not run(tmp_path, pictures)["black"].any()


def test_encoders_of_another_shape(tmp_path):
    pictures = made(tmp_path / "p", 8)
    run(tmp_path, pictures[:4])
    message = r"holds features of \(4, 3\), and the encoder gives \(2, 3\)"
    with pytest.raises(DataError, match=message):
        run(tmp_path, pictures, lambda batch: regions(batch)[:, :2])
    with pytest.raises(ValueError, match=r"\(4, 12\); expected \(4, regions"):
        run(tmp_path, pictures, lambda b: regions(b).reshape(len(b), -1))


def test_no_pictures(tmp_path):
    with pytest.raises(DataError, match="there are no pictures"):
        run(tmp_path, [])


def test_no_room(tmp_path, monkeypatch):
    free = shutil.disk_usage(tmp_path)._replace(free=7)
    monkeypatch.setattr(features.shutil, "disk_usage", lambda place: free)
    with pytest.raises(DataError, match="no room for the features: 4 pictures"):
        run(tmp_path, made(tmp_path / "p", 4))


# Bad pictures, and what is said.


def test_few_bad_pictures_have_no_features(tmp_path):
    pictures = made(tmp_path / "p", 40)
    pictures[7][1].write_text("text")
    pictures[39][1].unlink()
    found = run(tmp_path, pictures)
    assert len(found) == 38
    assert "key 7" not in found
    assert list(found.bad.reasons) == [str(pictures[n][1]) for n in (7, 39)]
    listed = shards(tmp_path)[0].with_name("bad_pictures.txt")
    assert len(listed.read_text().splitlines()) == 2
    assert found.report()[-1].startswith("2 of 40 pictures (5.0%) cannot be")
    # They are read again, and perhaps they are there now.
    for number in (7, 39):
        save(pictures[number][1], number)
    found = run(tmp_path, pictures)
    assert np.array_equal(found["key 39"], expected(39))
    assert not listed.exists()
    assert len(found.report()) == 2


def test_many_bad_pictures_are_an_error_but_lose_nothing(tmp_path):
    pictures = made(tmp_path / "p", 20)
    for _, path in pictures[:2]:
        path.write_text("text")
    with pytest.raises(DataError, match=r"2 of 20 pictures \(10.0%\)"):
        run(tmp_path, pictures)
    encode = Encoder()
    assert len(run(tmp_path, pictures[2:], encode)) == 18
    assert not encode.batches


def test_bad_pictures_that_are_known_already(tmp_path):
    pictures = made(tmp_path / "p", 39)
    pictures[0][1].write_text("text")
    bad = BadFiles()
    bad.add(PictureError("no.jpg", "there is no such file"))
    found = run(tmp_path, pictures, bad=bad)
    assert list(found.bad.reasons) == ["no.jpg", str(pictures[0][1])]
    assert found.report()[-1].startswith("2 of 40 pictures (5.0%)")
    assert len(bad) == 1
    with pytest.raises(DataError, match=r"2 of 39 pictures \(5.1%\)"):
        run(tmp_path, pictures[:-1], bad=bad)


def test_statistics(tmp_path):
    pictures = made(tmp_path / "p", 20)

    def encode(batch):
        return np.maximum(regions(batch) - 0.5, 0)

    found = run(tmp_path, pictures, encode, shard_bytes=TWO_BATCHES)
    values = found.batch(list(found)).astype(np.float64)
    statistics = found.statistics
    assert statistics.pictures == 20
    assert statistics.mean == pytest.approx(values.mean())
    assert statistics.std == pytest.approx(values.std())
    assert statistics.minimum == values.min()
    assert statistics.maximum == values.max()
    assert statistics.zero_share == pytest.approx((values == 0).mean())
    # The mean over shards of 8, 8 and 4 of the variance in each.
    parts = np.split(values, [8, 16])
    variance = sum(len(part) * part.var(0).mean() for part in parts) / 20
    assert statistics.std_over_pictures == pytest.approx(variance**0.5)
    one = Statistics.of(found.batch(["key 0"]))
    assert one.std_over_pictures == pytest.approx(0, abs=1e-6)


def test_what_is_said(tmp_path, capsys):
    found = run(tmp_path, made(tmp_path / "p", 5))
    place = shards(tmp_path)[0].parent
    line = "5 pictures, 4 x 3 float16 each, 0.00012 MB"
    printed = capsys.readouterr().err
    assert printed == f"computing features: {line}, {place}\n"
    first, second = found.report()
    assert first == f"features: {line}, {place}"
    assert second == f"their values: {found.statistics}"
    assert second.startswith("their values: mean 0.")


# Keys.


def test_keys_of_encoders(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    one = features.file_key(path)
    path.write_bytes(b"two")
    assert features.file_key(path) != one
    weights = [np.ones((2, 3)), np.zeros(3)]
    keys = {
        features.weights_key("a", weights),
        features.weights_key("b", weights),
        features.weights_key("a", weights[::-1]),
        features.weights_key("a", [np.ones((3, 2)), np.zeros(3)]),
        features.weights_key("a", [np.ones((2, 3), "f"), np.zeros(3)]),
    }
    assert len(keys) == 5
    assert features.weights_key("a", [w.copy() for w in weights]) in keys


def test_many_are_found_at_once(tmp_path):
    count = 2000
    content = io.BytesIO()
    Image.new("RGB", (1, 1)).save(content, "PNG")
    pictures = []
    (tmp_path / "p").mkdir()
    for number in range(count):
        path = tmp_path / "p" / f"{number}.png"
        # What follows the end mark of a PNG is ignored.
        path.write_bytes(content.getvalue() + str(number).encode())
        pictures.append((str(number), path))

    def encode(batch):
        return np.ones((len(batch), 1, 1), np.float32)

    run(tmp_path, pictures, encode, batch_size=100)
    started = time.process_time()  # others may be at work, too
    found = run(tmp_path, pictures, None)
    assert time.process_time() - started < 0.2
    assert len(found) == count
