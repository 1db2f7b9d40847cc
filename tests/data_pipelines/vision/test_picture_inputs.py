"""Pixels of pictures, and features of an encoder, from their files."""

import io
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_pipelines.files.errors import DataError
from data_pipelines.vision import images, picture_inputs
from data_pipelines.vision.frame_store import FrameStore
from data_pipelines.vision.images import BadFiles, PictureError
from data_pipelines.vision.picture_inputs import extract_features, read_pixels

SIDE = 6


def pixels(number):
    """The picture of a number; no two are equal."""
    random = np.random.default_rng(number)
    return random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def save(path, number):
    Image.fromarray(pixels(number)).save(path, "PNG")
    return path


def pictures(folder, count):
    folder.mkdir(exist_ok=True)
    return [
        (f"{number}.png", save(folder / f"{number}.png", number))
        for number in range(count)
    ]


class Encoder:
    """Means of the upper and the lower half; counts the pictures it gets."""

    key = "halves"
    size = (SIDE, SIDE)

    def __init__(self):
        self.batches = []

    def __call__(self, frames):
        assert frames.dtype == np.uint8
        self.batches.append(frames)
        return halves(frames)

    @property
    def pictures(self):
        # Padding repeats the last one.
        return sum(len(np.unique(batch, axis=0)) for batch in self.batches)


def halves(frames):
    parts = np.split(frames, 2, axis=1)
    means = [part.mean((1, 2), dtype=np.float32) / 255 for part in parts]
    return np.stack(means, 1)  # (B, 2, 3)


def features(number):
    return halves(pixels(number)[None])[0].astype(np.float16)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(FrameStore, "batch_size", 4)


def extract(tmp_path, files, encoder=None, missing=None):
    encoder = encoder or Encoder()
    folder = tmp_path / "store"
    return extract_features(files, encoder, "stretch", folder, missing)


def read(tmp_path, files, missing=None, size=SIDE):
    folder = tmp_path / "known"
    return read_pixels(files, (size, size), "stretch", folder, missing)


BOTH = pytest.mark.parametrize(
    ("inputs", "expected"),
    [(read, pixels), (extract, features)],
    ids=["pixels", "features"],
)


@BOTH
def test_inputs_are_those_of_their_pictures(tmp_path, inputs, expected):
    actual = inputs(tmp_path, pictures(tmp_path / "p", 11))
    assert list(actual.contents) == [f"{n}.png" for n in range(11)]
    for number in range(11):
        np.testing.assert_array_equal(
            actual.get(f"{number}.png"), expected(number)
        )
    some = actual.batch(["9.png", "0.png", "9.png"])
    np.testing.assert_array_equal(some, [expected(n) for n in (9, 0, 9)])
    assert actual.spec.shape[1:] == some.shape[1:]
    assert actual.spec.dtype == some.dtype
    assert not actual.bad


@BOTH
def test_few_bad_pictures_are_left_out_and_listed(tmp_path, inputs, expected):
    files = pictures(tmp_path / "p", 40)
    files[7][1].write_text("text")
    files[39][1].unlink()
    actual = inputs(tmp_path, files)
    assert len(actual.contents) == 38
    assert "7.png" not in actual.contents
    assert list(actual.bad.reasons) == [str(files[n][1]) for n in (7, 39)]
    (listed,) = tmp_path.rglob("bad_pictures.txt")
    assert len(listed.read_text().splitlines()) == 2
    # They are read again, and perhaps they are there now.
    for number in (7, 39):
        save(files[number][1], number)
    actual = inputs(tmp_path, files)
    np.testing.assert_array_equal(actual.get("39.png"), expected(39))
    assert not listed.exists()


@BOTH
def test_many_bad_pictures_are_an_error(tmp_path, inputs, expected):
    files = pictures(tmp_path / "p", 20)
    for _, path in files[:2]:
        path.write_text("text")
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            inputs(tmp_path, files)
        message = str(caught.value)
        assert message.startswith("2 of 20 pictures (10.0%) cannot be read: ")
        listed = message.rpartition("; all are listed in ")[2]
        assert len(Path(listed).read_text().splitlines()) == 2
    assert len(inputs(tmp_path, files[2:]).contents) == 18


@BOTH
def test_missing_pictures_count_among_the_bad_ones(tmp_path, inputs, expected):
    files = pictures(tmp_path / "p", 39)
    files[0][1].write_text("text")
    missing = BadFiles()
    missing.add(PictureError("no.jpg", "there is no such file"))
    actual = inputs(tmp_path, files, missing=missing)
    assert list(actual.bad.reasons) == ["no.jpg", str(files[0][1])]
    assert len(missing) == 1
    with pytest.raises(DataError, match=r"2 of 39 pictures \(5.1%\)"):
        inputs(tmp_path, files[:-1], missing=missing)


# Pixels.


@pytest.fixture
def checked(monkeypatch):
    """Names of the pictures that were decoded, in the order of the calls."""
    names = []
    decode = images.decode

    def noted(content, size, mode="stretch", name=""):
        names.append(Path(name).name)
        return decode(content, size, mode, name)

    monkeypatch.setattr(images, "decode", noted)
    return names


def test_pictures_are_checked_once(tmp_path, checked):
    files = pictures(tmp_path / "p", 30)
    read(tmp_path, files)
    assert sorted(checked) == sorted(name for name, _ in files)
    checked.clear()
    read(tmp_path, files, size=3)
    assert checked == []
    # One that changed, and one that has become bad.
    Image.fromarray(pixels(100)).save(files[9][1], "BMP")
    files[29][1].write_bytes(b"no picture")
    actual = read(tmp_path, files)
    assert sorted(checked) == ["29.png", "9.png"]
    np.testing.assert_array_equal(actual.get("9.png"), pixels(100))
    assert "29.png" not in actual.contents
    # Whatever is wrong may have been repaired without a new time.
    checked.clear()
    read(tmp_path, files)
    assert checked == ["29.png"]


def test_what_was_checked_before_a_kill_is_kept(tmp_path, monkeypatch):
    files = pictures(tmp_path / "p", 76)
    monkeypatch.setattr(picture_inputs, "_SAVED_AT_ONCE", 10)
    decode, names = images.decode, []

    def killed(content, size, mode="stretch", name=""):
        names.append(name)
        if len(names) > 40:
            raise KeyboardInterrupt
        return decode(content, size, mode, name)

    monkeypatch.setattr(images, "decode", killed)
    with pytest.raises(KeyboardInterrupt):
        read(tmp_path, files)
    monkeypatch.setattr(images, "decode", decode)
    names.clear()
    monkeypatch.setattr(
        images,
        "decode",
        lambda content, size, mode="stretch", name="": names.append(name),
    )
    read(tmp_path, files)
    assert 76 - 40 <= len(names) < 76
    assert len(names) % 10 == 6


def test_a_picture_that_turns_bad_during_training_is_grey(tmp_path, capsys):
    files = pictures(tmp_path / "p", 40)
    actual = read(tmp_path, files)
    files[1][1].unlink()
    path = str(files[1][1])
    for _ in range(2):
        grey = np.full((SIDE, SIDE, 3), 127)
        np.testing.assert_array_equal(actual.get("1.png"), grey)
    assert actual.bad.reasons == {path: "there is no such file"}
    assert capsys.readouterr().err == (
        f"{path}: there is no such file; it was good before\n"
    )
    for _, gone in files[2:4]:
        gone.unlink()
    with pytest.raises(DataError, match="3 of 40 pictures"):
        actual.batch([name for name, _ in files])


# Features.


def test_only_what_is_new_is_encoded(tmp_path):
    extract(tmp_path, pictures(tmp_path / "p", 5))
    encoder = Encoder()
    files = pictures(tmp_path / "p", 7)
    actual = extract(tmp_path, reversed(files), encoder)
    assert encoder.pictures == 2
    assert list(actual.contents) == [name for name, _ in reversed(files)]
    for number in range(7):
        np.testing.assert_array_equal(
            actual.get(f"{number}.png"), features(number)
        )


def test_renamed_copied_and_changed_pictures(tmp_path):
    files = pictures(tmp_path / "p", 5)
    extract(tmp_path, files)
    moved = (tmp_path / "p" / "0.png").rename(tmp_path / "p" / "moved.png")
    copied = shutil.copy(tmp_path / "p" / "1.png", tmp_path / "p" / "copy.png")
    files[0] = ("0.png", moved)
    files.append(("copy.png", copied))
    encoder = Encoder()
    actual = extract(tmp_path, files, encoder)
    assert encoder.pictures == 0
    np.testing.assert_array_equal(actual.get("0.png"), features(0))
    np.testing.assert_array_equal(actual.get("copy.png"), features(1))
    # Another content under the same name.
    path = tmp_path / "p" / "2.png"
    save(path, 99)
    actual = extract(tmp_path, files, encoder)
    assert encoder.pictures == 1
    np.testing.assert_array_equal(actual.get("2.png"), features(99))
    save(path, 2)  # whose features are still there
    actual = extract(tmp_path, files, encoder)
    assert encoder.pictures == 1
    np.testing.assert_array_equal(actual.get("2.png"), features(2))


def test_equal_pictures_are_encoded_once(tmp_path, monkeypatch):
    monkeypatch.setattr(FrameStore, "batch_size", 2)
    files = pictures(tmp_path / "p", 3)
    copy = shutil.copy(files[0][1], tmp_path / "p" / "copy.png")
    files += [("copy", copied := Path(copy)), ("same file", files[0][1])]
    encoder = Encoder()
    actual = extract(tmp_path, files, encoder)
    assert copied.exists()
    assert encoder.pictures == 3
    for name in ("0.png", "copy", "same file"):
        np.testing.assert_array_equal(actual.get(name), features(0))


@pytest.mark.parametrize("lost", ["all", "line"])
def test_the_list_of_files_may_be_lost(tmp_path, lost):
    files = pictures(tmp_path / "p", 4)
    extract(tmp_path, files)
    path = tmp_path / "store" / "pictures.jsonl"
    if lost == "all":
        path.unlink()
    else:
        path.write_text('[]\n{"a": 1}\nnull\n7\n\n[1, 2]\n["half a li')
    encoder = Encoder()
    assert len(extract(tmp_path, files, encoder).contents) == 4
    assert not encoder.batches


def test_a_failure_loses_no_whole_shard(tmp_path, monkeypatch):
    class Failing(Encoder):
        def __call__(self, frames):
            if len(self.batches) == 5:
                raise KeyboardInterrupt
            return super().__call__(frames)

    files = pictures(tmp_path / "p", 30)
    monkeypatch.setattr(FrameStore, "shard_bytes", 8 * features(0).nbytes)
    with pytest.raises(KeyboardInterrupt):
        extract(tmp_path, files, Failing())
    encoder = Encoder()
    extract(tmp_path, files, encoder)
    assert encoder.pictures == 30 - 16


def test_no_pictures(tmp_path):
    with pytest.raises(DataError, match="there are no pictures"):
        extract(tmp_path, [])


def test_what_is_said(tmp_path, capsys):
    actual = extract(tmp_path, pictures(tmp_path / "p", 5))
    line = "5 pictures, 2 x 3 float16 each, 60.0B"
    printed = capsys.readouterr().err
    assert printed == f"computing features: {line}, {actual.path}\n"
    first, second = actual.report()
    assert first == f"features: {line}, {actual.path}"
    assert second == f"their values: {actual.statistics}"
    assert second.startswith("their values: mean 0.")
    extract(tmp_path, pictures(tmp_path / "p", 5))
    assert capsys.readouterr().err == ""


def test_many_are_opened_at_once(tmp_path, monkeypatch):
    count = 2000
    content = io.BytesIO()
    Image.new("RGB", (1, 1)).save(content, "PNG")
    files = []
    (tmp_path / "p").mkdir()
    for number in range(count):
        path = tmp_path / "p" / f"{number}.png"
        # What follows the end mark of a PNG is ignored.
        path.write_bytes(content.getvalue() + str(number).encode())
        files.append((str(number), path))

    class Ones(Encoder):
        def __call__(self, frames):
            return np.ones((len(frames), 1, 1), np.float32)

    monkeypatch.setattr(FrameStore, "batch_size", 100)
    extract(tmp_path, files, Ones())
    started = time.process_time()  # others may be at work, too
    actual = extract(tmp_path, files, Ones())
    assert time.process_time() - started < 0.2
    assert len(actual.contents) == count
