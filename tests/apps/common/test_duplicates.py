"""What two splits share, beside brute force and what was planted."""

import io
import random

import numpy as np
import pytest
from PIL import Image

from apps.common import duplicates
from data_pipelines.vision import images


def jaccard(one, other):
    """By sets of strings, not of hashes."""

    def grams(text):
        text = duplicates.normalized(text)
        return {text[i : i + 5] for i in range(max(len(text) - 4, 1))}

    return len(grams(one) & grams(other)) / len(grams(one) | grams(other))


def sentence(number, words=24):
    draw = random.Random(number)
    return " ".join(
        "".join(draw.choices("abcdefghij", k=draw.randrange(2, 8)))
        for _ in range(words)
    )


@pytest.fixture(scope="module")
def texts():
    """Texts of each split; of test every fifth is in train, or nearly so."""
    train = [sentence(number) for number in range(150)]
    test = []
    for number in range(50):
        words = sentence(1000 + number).split()
        if number % 5 == 0:
            words = train[3 * number].upper().split()  # the same
        elif number % 5 == 1:
            words = train[3 * number].split()
            words[number % 24] = "new"
        elif number % 5 == 2:
            words = train[3 * number].split()[:12] + words[:12]
        test.append(", ".join(words))
    valid = [sentence(2000 + n) for n in range(40)] + test[5:6]
    return {"train": train, "valid": valid, "test": test}


def test_texts_are_as_similar_as_their_5_grams(texts):
    for one, other in [(0, 0), (3, 1), (6, 2)]:
        pair = texts["train"][one], texts["test"][other]
        mine = duplicates.similarity(
            *(duplicates.shingles(duplicates.normalized(t)) for t in pair)
        )
        assert mine == pytest.approx(jaccard(*pair))


def test_the_same_and_nearly_the_same_texts_are_those_of_brute_force(texts):
    by_pair = {(o.split, o.other): o for o in duplicates.of_texts(texts)}
    assert list(by_pair) == [
        ("valid", "train"),
        ("test", "train"),
        ("test", "valid"),
    ]
    likeness = [
        max(jaccard(text, known) for known in texts["train"])
        for text in texts["test"]
    ]
    overlap = by_pair["test", "train"]
    assert overlap.exact == sum(part == 1 for part in likeness) == 10
    assert overlap.near == sum(0.8 <= part < 1 for part in likeness) == 10
    assert overlap.size == 50
    first, *_, last = overlap.pairs
    assert first[0] == 1
    assert first[1].casefold().replace(", ", " ") == first[2]
    assert last[0] == pytest.approx(jaccard(*last[1:]))
    assert by_pair["test", "valid"].exact == 1
    # What is in train and in valid: the sixth text of test is train's 15th.
    assert by_pair["valid", "train"].exact == 1


def test_texts_of_no_letter_are_no_duplicates():
    splits = {"train": ["...", "yes"], "valid": ["!", ""], "test": ["Yes!"]}
    overlaps = duplicates.of_texts(splits)
    assert [(o.exact, o.near) for o in overlaps] == [(0, 0), (1, 0), (0, 0)]
    assert duplicates.of_texts({"train": [], "valid": [], "test": ["a"]}) == []


def test_repeated_examples_are_counted_but_for_the_first():
    assert duplicates.repeated(["a", "b", "a", "a"]) == 2
    assert duplicates.repeated([]) == 0


def picture(number):
    """Smooth, as photographs are: noise of a few pixels, enlarged."""
    noise = np.random.default_rng(number).integers(0, 256, (7, 7, 3), np.uint8)
    return Image.fromarray(noise).resize((120, 90), Image.Resampling.BICUBIC)


def content(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def of_pictures(*splits):
    names = ("train", "valid", "test")
    return duplicates.of_hashes(
        {
            name: np.array(
                [duplicates.bits(images.read(c, (16, 17))) for c in split]
            ).reshape(-1, 96)
            for name, split in zip(names, splits, strict=True)
        },
        {n: [c.hex() for c in s] for n, s in zip(names, splits, strict=True)},
        {
            n: [f"{n} {i}" for i in range(len(s))]
            for n, s in zip(names, splits, strict=True)
        },
    )


def test_scaled_compressed_and_brighter_pictures_are_nearly_the_same():
    train = [content(picture(number)) for number in range(40)]
    other = [content(picture(100 + number)) for number in range(20)]
    test = [
        train[7],
        content(picture(8).resize((60, 45))),
        content(picture(9), "JPEG", quality=50),
        content(picture(10).point(lambda level: 0.8 * level + 30)),
        *other,
    ]
    overlap = of_pictures(train, [], test)[0]
    assert (overlap.split, overlap.other) == ("test", "train")
    assert (overlap.size, overlap.exact, overlap.near) == (24, 1, 3)
    pairs = {(one, two) for _, one, two in overlap.pairs}
    assert pairs == {(f"test {n}", f"train {7 + n}") for n in range(4)}


def windows_of(test, *series):
    return duplicates.of_windows(
        np.array(test, np.float32),
        [(f"s{n}", np.array(s, np.float32)) for n, s in enumerate(series)],
        "test",
    )


def test_windows_are_the_same_or_scaled(monkeypatch):
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(2, 500))
    test = [
        other[100:112],
        3 * one[7:19] + 5,
        draw.normal(size=12),
        np.full(12, 2.0),
        np.where(np.arange(12) == 3, np.nan, one[20:32]),
    ]
    flat = np.full(40, 2.0)
    monkeypatch.setattr(duplicates, "_WINDOWS_AT_A_TIME", 64)
    overlap = windows_of(test, one, flat, other, one[:3])
    assert (overlap.size, overlap.exact, overlap.near) == (5, 1, 1)
    assert overlap.pairs == [(1.0, "window 1", "s2"), (1.0, "window 2", "s0")]


def test_windows_of_whole_numbers_are_those_of_brute_force():
    draw = np.random.default_rng(0)
    before = draw.integers(0, 30, 60_000)
    test = draw.integers(0, 30, (400, 4))
    known = {tuple(before[i : i + 4]) for i in range(len(before) - 3)}
    same = sum(tuple(row) in known and len(set(row)) > 1 for row in test)
    assert 0 < same == windows_of(test, before).exact


def test_only_so_many_windows_are_looked_at(monkeypatch):
    one = np.random.default_rng(0).normal(size=200)
    test = [one[150:160], one[5:15]]
    monkeypatch.setattr(duplicates, "MOST_WINDOWS", 100)
    assert windows_of(test, one).exact == 1
