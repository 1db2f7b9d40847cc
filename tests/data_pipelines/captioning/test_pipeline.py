import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_pipelines.captioning import pipeline
from data_pipelines.captioning.demo import generator as demo
from data_pipelines.captioning.normalize import normalize_caption
from data_pipelines.files.errors import DataError
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.vision import images
from tests.data_pipelines.captioning.pictures import (
    ENCODERS,
    SIDE,
    SIZES,
    Encoder,
    arrays,
    captions,
    expected,
    folder,
    make,
    pixels,
    texts,
)


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("mine") / "a")


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def fails(path, cache, **changes):
    with pytest.raises(DataError) as caught:
        make(path, cache, **changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_facts_of_captions():
    for example in demo.splits(0, {"valid": 20})["valid"]:
        for caption in example.captions:
            assert pipeline.facts(caption) == example.scene.facts
            assert (
                pipeline.facts(normalize_caption(caption))
                == example.scene.facts
            )
    assert pipeline.facts("a dog on a beach") is None


@pytest.mark.parametrize("encoder", ENCODERS)
def test_copies_of_pictures_are_told(tmp_path, encoder):
    path = folder(tmp_path / "a", {"train": 6, "valid": 2, "test": 2})
    place = path / "images"
    (place / "9.png").write_bytes((place / "2.png").read_bytes())
    for _ in range(2):  # from the cache as well
        data = make(path, tmp_path / "cache", encoder)
        assert data.report()[-1] == (
            "note     1 pictures are copies, byte for byte, of one in another "
            f"split, such as {place / '9.png'} in test of {place / '2.png'} in "
            "train"
        )


@pytest.mark.parametrize("normalized", [True, False])
def test_references(mine, shared_cache, normalized):
    data = make(mine, shared_cache, normalize_captions=normalized)
    change = normalize_caption if normalized else str
    for split, first in (("train", 0), ("valid", 60), ("test", 69)):
        part = getattr(data, split)
        assert part.references == [
            tuple(map(change, captions(first + n))) for n in range(SIZES[split])
        ]
        assert len(part) == SIZES[split]
        assert part.pairs == len(part.lengths) == 5 * SIZES[split]
        assert part.facts == [None] * len(part)
        for picture, number in zip(part.pictures, itertools.count(first)):
            assert picture.captions == tuple(captions(number))
        tokens = [t for r in part.references for t in r]
        ids = data.tokenizer.encode_batch(tokens)
        assert part.lengths.tolist() == [len(row) + 1 for row in ids]
    assert data.examples == {split: 5 * n for split, n in SIZES.items()}


def test_vocabulary_is_of_train_and_of_frequent_words(mine, shared_cache):
    every = make(mine, shared_cache)
    # Numbers of pictures stand five times each in train, and nowhere else.
    known = {piece.removeprefix("▁") for piece in every.tokenizer.pieces}
    assert "0" in known
    assert "59" in known
    assert not known & {str(number) for number in range(60, 76)}
    assert every.train.tokens.unknown_rate == 0
    assert every.test.tokens.unknown_rate > 0
    frequent = make(mine, shared_cache, minimum_count=6)
    assert "▁59" not in frequent.tokenizer.pieces
    assert "▁picture" in frequent.tokenizer.pieces
    few = make(mine, shared_cache, vocabulary_size=8)
    assert len(few.tokenizer) == 8
    assert (
        few.train.tokens.unknown_rate > frequent.train.tokens.unknown_rate > 0
    )


def test_tokenizer_of_an_old_run(mine, shared_cache, tmp_path):
    old = make(mine, shared_cache).tokenizer
    path = folder(tmp_path / "a", {"test": 4})
    assert fails(path, tmp_path / "cache") == (
        f"{path / 'captions.csv'}: no picture is in train; found test"
    )
    data = make(path, tmp_path / "cache", tokenizer=old, minimum_count=50)
    assert data.tokenizer is old
    assert data.examples == {"train": 0, "valid": 0, "test": 20}
    assert list(data.train.each_input(4)) == []
    assert data.report()[:2] == ["train    no pictures", "valid    no pictures"]
    with pytest.raises(ValueError, match="no captions to make batches of"):
        data.train.dataset()
    actual = [t for _, b in arrays(data.test.dataset()) for t in texts(data, b)]
    assert sorted(actual) == sorted(itertools.chain(*data.test.references))


def test_captions_without_a_word_are_left_out_and_counted(tmp_path):
    path = folder(tmp_path / "a")
    table = path / "captions.csv"
    content = table.read_text() + '0.png,"?!",train\n'
    content = re.sub(r"(69\.png),.*,test\n", "", content) + "69.png,...,test\n"
    table.write_text(content)
    data = make(path, tmp_path / "cache")
    assert "note     2 captions without a word left out" in data.report()
    assert data.test.pictures[0].name == "70.png"
    assert len(data.train.references[0]) == 5
    written = make(path, tmp_path / "cache", normalize_captions=False)
    assert written.train.references[0][-1] == "?!"
    assert len(written.test) == 7


def test_train_without_a_word(tmp_path):
    path = folder(tmp_path / "a", {"train": 1, "valid": 1, "test": 1})
    table = path / "captions.csv"
    table.write_text(
        "image,caption,split\n0.png,?,train\n1.png,a,valid\n2.png,b,test\n"
    )
    assert fails(path, tmp_path / "cache") == (
        f"{table}: no picture of train can be read and has a caption with a "
        "word"
    )


def break_some(path, animated=True):
    """Breaks four of 76 pictures, each in its own way."""
    place = path / "images"
    (place / "3.png").unlink()
    (place / "61.png").write_bytes((place / "61.png").read_bytes()[:60])
    frames = [Image.fromarray(pixels(n)) for n in (1, 2)]
    frames[0].save(place / "a.gif", save_all=True, append_images=frames[1:])
    (place / "a.gif").rename(place / "70.png")
    return {"3.png": "no such file", "61.png": "cut off", "70.png": "animated"}


@pytest.mark.parametrize("encoder", ENCODERS)
def test_bad_pictures_are_left_out_and_listed(tmp_path, encoder, monkeypatch):
    path = folder(tmp_path / "a")
    broken = break_some(path)
    # Of a header alone, as Pillow sees it: 7 x 7 is too large here.
    monkeypatch.setattr(images, "MOST_PIXELS", SIDE * SIDE)
    for _ in range(2):
        data = make(path, tmp_path / "cache", encoder)
        assert [len(getattr(data, s)) for s in SIZES] == [59, 8, 6]
        for name, why in broken.items():
            assert why in data.bad.reasons[str(path / "images" / name)]
        assert len(data.bad) == 3
        assert data.report()[-1].startswith(
            "note     3 of 76 pictures (3.9%) cannot be read: "
        )
        numbers = [int(p.name[:-4]) for p in data.test.pictures]
        assert numbers == [69, 71, 72, 73, 74, 75]
        for actual, number in zip(
            np.concatenate(list(data.test.each_input(4))), numbers, strict=True
        ):
            assert np.array_equal(actual, expected(number, encoder))
        seen_of = [t for _, b in arrays(data.valid.dataset()) for t in b]
        assert len(seen_of) == 40


@pytest.mark.parametrize("encoder", ENCODERS)
def test_many_bad_pictures_are_an_error(tmp_path, encoder):
    path = folder(tmp_path / "a")
    break_some(path)
    large = np.zeros((10_000, 10_000), np.uint8)
    Image.fromarray(large).convert("1").save(path / "images" / "5.png")
    for _ in range(2):
        message = fails(path, tmp_path / "cache", encoder=encoder)
        assert message.startswith("4 of 76 pictures (5.3%) cannot be read: ")
        assert "expected at most 5%; all are listed in " in message
        listed = message.rpartition(" in ")[2]
        lines = Path(listed).read_text().splitlines()
        assert len(lines) == 4
        assert any("10,000 x 10,000 pixels" in line for line in lines)


def forbid(monkeypatch, *places):
    for place, name in places:

        def fail(*_, name=name, **__):
            raise AssertionError(f"{name} was called")

        monkeypatch.setattr(place, name, fail)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_second_start_reads_caches(mine, tmp_path, encoder, monkeypatch):
    first = make(mine, tmp_path, encoder)
    forbid(
        monkeypatch,
        (Tokenizer, "learn"),
        (Tokenizer, "encode_batch"),
        (images, "decode"),
        (Encoder, "__call__"),
    )
    second = make(mine, tmp_path, encoder, batch_size=4, max_length=15)
    assert second.tokenizer.pieces == first.tokenizer.pieces
    assert second.test.references == first.test.references
    assert second.test.pictures == first.test.pictures


def test_the_size_of_features_is_said_before(mine, tmp_path, capsys):
    first = make(mine, tmp_path, Encoder)
    said_first = capsys.readouterr().err
    assert "computing features: 76 pictures, 2 x 6 float16 each" in said_first
    make(mine, tmp_path, Encoder)
    assert "computing" not in capsys.readouterr().err
    assert first.inputs.shape == (2, 6)
    assert first.inputs.get("5.png").dtype == np.float16


def test_report(mine, shared_cache):
    data = make(mine, shared_cache)
    words = [
        len(normalize_caption(t).split())
        for n in range(60)
        for t in captions(n)
    ]
    assert data.report() == [
        f"train    60 pictures, 300 captions of {np.mean(words):.1f} tokens "
        "(0.00% unknown)",
        f"valid    9 pictures, 45 captions of "
        f"{data.valid.tokens.tokens.lengths.mean():.1f} tokens "
        f"({data.valid.tokens.unknown_rate:.2%} unknown)",
        f"test     7 pictures, 35 captions of "
        f"{data.test.tokens.tokens.lengths.mean():.1f} tokens "
        f"({data.test.tokens.unknown_rate:.2%} unknown)",
        f"pieces   {4 + 60 + 5 + 5 + 1} (words)",
        f"batches  37 a pass of 8 rows, 5 different widths, "
        f"{data.train.padding:.1%} padding",
        "pictures 76, read as 6 x 6",
    ]
    lines = make(mine, shared_cache, Encoder).report()
    assert lines[5].startswith("features: 76 pictures, 2 x 6 float16 each, ")
    assert lines[6].startswith("their values: mean ")


def test_wrong_arguments(mine, shared_cache):
    with pytest.raises(ValueError, match="max_length must be at least 2"):
        make(mine, shared_cache, max_length=1)
    with pytest.raises(ValueError, match=r"mode must be one of .*'fit'"):
        make(mine, shared_cache, mode="fit")


def test_files_needs_a_folder(tmp_path):
    message = "--data-path FOLDER is needed to read files"
    assert fails(None, tmp_path) == message


def test_modes_and_sizes(tmp_path):
    path = folder(tmp_path / "a", {"train": 3, "valid": 1, "test": 1})
    wide = np.tile(pixels(0), (1, 2, 1))
    Image.fromarray(wide).save(path / "images" / "0.png")
    for mode in images.MODES:
        data = make(path, tmp_path / "cache", mode=mode, picture_size=(4, 5))
        right = images.read(path / "images" / "0.png", (4, 5), mode)
        assert np.array_equal(data.train.example_input(0), right)


def test_demo(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "SIZES", {"train": 30, "valid": 4, "test": 6})
    data = make(None, tmp_path, dataset="demo", picture_size=32)
    assert data.examples == {"train": 150, "valid": 20, "test": 30}
    for split in ("train", "valid", "test"):
        part = getattr(data, split)
        for references, facts in zip(part.references, part.facts, strict=True):
            assert {pipeline.facts(text) for text in references} == {facts}
    assert data.train.example_input(0).shape == (32, 32, 3)
    assert fails(tmp_path, tmp_path, dataset="demo").startswith(
        "demo: takes no --data-path FOLDER; "
    )
    forbid(monkeypatch, (demo, "write"))
    make(None, tmp_path, dataset="demo")
