import itertools
import re
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipelines.batching import bucket_widths
from data_pipelines.captioning import captions, picture_inputs
from data_pipelines.captioning import pipeline as captioning
from data_pipelines.captioning.demo import generator as demo
from data_pipelines.captioning.pipeline import normalize_caption
from data_pipelines.files.errors import DataError
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.vision import images

SIDE = 6
SIZES = {"train": 60, "valid": 9, "test": 7}
ADJECTIVES = ("big", "small", "old", "red", "wet")


class Encoder:
    """Means of the upper and the lower half, twice each channel."""

    key = "halves"
    size = (SIDE, SIDE)

    def __init__(self):
        self.pictures = 0

    def __call__(self, pictures):
        assert pictures.shape[1:] == (SIDE, SIDE, 3)
        self.pictures += len(pictures)
        return halves(pictures)


def halves(pictures):
    half = SIDE // 2
    parts = [pictures[:, :half], pictures[:, half:]]
    means = [part.mean((1, 2), dtype=np.float32) / 255 for part in parts]
    return np.concatenate([np.stack(means, 1)] * 2, -1)  # (B, 2, 6)


ENCODERS = [
    pytest.param(None, id="pixels"),
    pytest.param(Encoder, id="regions"),
]


def pixels(number):
    """The picture of a number; no two are equal."""
    generator = np.random.default_rng(number)
    return generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def said(number):
    """Five captions, of 3 to 12 words, that say which picture it is."""
    for count in range(5):
        words = ADJECTIVES[: 1 + (number + 2 * count) % 5] * (1 + count % 2)
        yield f"Picture {number}, {' '.join(words)}: {'abcde'[count]}."


def folder(path, sizes=SIZES):
    """Writes pictures and captions, the splits in turns."""
    (path / "images").mkdir(parents=True)
    lines = ["image,caption,split"]
    number = 0
    for split, size in sizes.items():
        for _ in range(size):
            name = f"{number}.png"
            Image.fromarray(pixels(number)).save(path / "images" / name)
            lines += [f'{name},"{text}",{split}' for text in said(number)]
            number += 1
    (path / "captions.csv").write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("mine") / "a")


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def make(path, cache, encoder=None, dataset="files", **changes):
    options = {
        "picture_size": SIDE, "vocabulary_size": 1000, "max_length": 20,
        "batch_size": 8, "seed": 0, **changes,
    }  # fmt: skip
    return captioning.make_datasets(
        dataset,
        path,
        cache_path=cache,
        encoder=encoder and encoder(),
        **options,
    )


def fails(path, cache, **changes):
    with pytest.raises(DataError) as caught:
        make(path, cache, **changes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def expected(number, encoder):
    found = pixels(number)
    return (
        found if encoder is None else halves(found[None])[0].astype("float16")
    )


def arrays(dataset, count=None):
    found = itertools.islice(dataset.as_numpy_iterator(), count)
    return list(found)


def texts(data, tokens):
    return [data.tokenizer.decode(row[1:].tolist()) for row in tokens]


def known(data, captions):
    """Captions with what the vocabulary does not know as unknown."""
    ids = data.tokenizer.encode_batch(list(map(normalize_caption, captions)))
    return list(map(data.tokenizer.decode, ids))


# Plain captions.

HINDI = "\u0915\u0941\u0924\u094d\u0924\u093e"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two men's T-shirts, drying.", "two men 's t-shirts drying"),
        ("a dog .", "a dog"),
        ("  A\tdog\u00a0runs -- fast ! ", "a dog runs fast"),
        ("the boys\u2019 dog\u2019s \u201cbone\u201d", "the boys dog 's bone"),
        ("no. 12, at 3:45", "no 12 at 3 45"),
        ("It isn't 5 o'clock -- they're late", "it is n't 5 o'clock they 're"
         " late"),
        ("-a- 'b' rock'n'roll", "a b rock'n'roll"),
        ("Cafe\u0301 \u00c9T\u00c9", "caf\u00e9 \u00e9t\u00e9"),
        ("ein Stra\u00dfen\u00adhund", "ein stra\u00dfenhund"),
        # A word of Hindi with its marks, and a full stop.
        (f"{HINDI}\u0964", HINDI),
        ("a_b\u2581c \U0001f600", "a b c"),
        ("?!", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_plain(text, words):
    assert normalize_caption(text) == words
    assert normalize_caption(words) == words


def test_plain_words_come_back_from_their_tokens():
    text = normalize_caption(
        "It's 5 o'clock: Caf\u00e9-owner, na\u00efve; \u4e24\u53ea\u72d7."
    )
    tokenizer = Tokenizer.learn([text], "words", 100)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_facts_of_plain_captions():
    for example in demo.splits(0, {"valid": 20})["valid"]:
        for caption in example.captions:
            assert captioning.facts(caption) == example.scene.facts
            assert (
                captioning.facts(normalize_caption(caption))
                == example.scene.facts
            )
    assert captioning.facts("a dog on a beach") is None


# Batches.


@pytest.mark.parametrize("encoder", ENCODERS)
def test_rows_are_pictures_with_one_of_their_captions(
    mine, shared_cache, encoder
):
    data = make(mine, shared_cache, encoder)
    numbers = {expected(n, encoder).tobytes(): n for n in range(76)}
    assert len(numbers) == 76
    batches = arrays(data.train.dataset(training=True), 10)
    batches += arrays(data.valid.dataset())
    for inputs, tokens in batches:
        assert inputs.dtype == (np.uint8 if encoder is None else np.float16)
        assert tokens.dtype == np.int32
        for row, text in zip(inputs, texts(data, tokens), strict=True):
            assert text in known(data, said(numbers[row.tobytes()]))


def test_tokens_are_begin_words_end_and_padding(mine, shared_cache):
    data = make(mine, shared_cache, max_length=9)
    found = []
    for _, tokens in arrays(data.valid.dataset()):
        for row in tokens.tolist():
            (end,) = np.flatnonzero(np.equal(row, Tokenizer.END))
            assert row[0] == Tokenizer.BEGIN
            assert not any(row[end + 1 :])
            assert all(row[1:end])
            assert end <= 9
            found.append(row[1:end])
    whole = data.tokenizer.encode_batch(
        [
            normalize_caption(text)
            for number in range(60, 69)
            for text in said(number)
        ]
    )
    assert sorted(found) == sorted(row[:8].tolist() for row in whole)
    longer = sum(len(row) > 8 for row in whole)
    assert longer > 0
    note = f"note     valid: {longer} captions cut after 8 tokens"
    assert note in data.report()


def test_one_pass_has_every_pair_once(mine, shared_cache):
    for split in (data := make(mine, shared_cache)).valid, data.test:
        dataset = split.dataset()
        batches = arrays(dataset)
        assert len(batches) == dataset.cardinality() == -(-split.pairs // 8)
        assert [len(tokens) for _, tokens in batches[:-1]] == [8] * (
            len(batches) - 1
        )
        found = [t for _, tokens in batches for t in texts(data, tokens)]
        everything = itertools.chain(*split.references)
        assert sorted(found) == sorted(known(data, everything))


def passes(data, count):
    steps = data.train.steps_per_pass
    found = arrays(data.train.dataset(training=True), count * steps)
    return [found[i * steps : (i + 1) * steps] for i in range(count)]


def test_passes_leave_out_less_than_a_batch_of_short_captions(
    mine, shared_cache
):
    data = make(mine, shared_cache, batch_size=7)
    everything = sorted(itertools.chain(*data.train.references))
    assert data.train.steps_per_pass == 300 // 7
    left_out = []
    for batches in passes(data, 3):
        found = sorted(t for _, b in batches for t in texts(data, b))
        assert len(found) == 300 - 300 % 7
        missing = set(everything) - set(found)
        assert len(missing) == 300 % 7
        assert max(len(text.split()) for text in missing) < 7
        left_out.append(missing)
    assert left_out[0] != left_out[1] != left_out[2]


def test_few_shapes_and_all_of_them_full(mine, shared_cache):
    data = make(mine, shared_cache)
    lengths = data.train.lengths + 1
    found = {tokens.shape for _, tokens in itertools.chain(*passes(data, 3))}
    widths = bucket_widths.boundaries(lengths, 5)
    assert found == {(8, int(width)) for width in widths}
    assert len(found) == 5


def test_padding_is_counted(mine, shared_cache):
    data = make(mine, shared_cache)
    (batches,) = passes(data, 1)
    places = sum(tokens.size for _, tokens in batches)
    real = sum(np.count_nonzero(tokens) for _, tokens in batches)
    assert data.train.padding == pytest.approx(1 - real / places)
    begins = sum(len(tokens) for _, tokens in batches)
    assert data.train.tokens_per_pass == real - begins


def same(first, second):
    return len(first) == len(second) and all(
        np.array_equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_order_is_a_function_of_seed_and_pass(mine, shared_cache):
    data = make(mine, shared_cache)
    first, second = passes(data, 2)
    assert same(first, passes(make(mine, shared_cache), 1)[0])
    assert not same(first, second)
    assert not same(first, passes(make(mine, shared_cache, seed=1), 1)[0])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_any_step_can_be_entered(mine, shared_cache, encoder):
    data = make(mine, shared_cache, encoder)
    steps = data.train.steps_per_pass
    whole = arrays(data.train.dataset(training=True), 2 * steps + 6)
    for start in (1, steps - 1, steps, 2 * steps + 2):
        stream = data.train.dataset(training=True, start_step=start)
        assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
        assert same(arrays(stream, 4), whole[start : start + 4])


def test_a_step_is_entered_without_reading_what_comes_before(
    mine, shared_cache, monkeypatch
):
    data = make(mine, shared_cache)
    read = []
    monkeypatch.setattr(
        data.train.seen, "_kept", lambda name: (read.append(name), pixels(0))[1]
    )
    stream = data.train._batches(100 * data.train.steps_per_pass + 3)
    next(stream)
    stream.close()
    assert len(read) < 8 + 100


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("count", [3, 5, 7])
def test_captions_of_a_picture_together(mine, shared_cache, encoder, count):
    data = make(
        mine, shared_cache, encoder, captions_per_picture=count, batch_size=22
    )
    pictures = 22 // count
    numbers = {expected(n, encoder).tobytes(): n for n in range(60)}
    for batches in passes(data, 2):
        assert len(batches) == 60 // pictures
        seen_numbers = []
        for inputs, tokens in batches:
            assert len(inputs) == pictures
            rows = np.reshape(texts(data, tokens), (pictures, count))
            for picture, found in zip(inputs, rows.tolist(), strict=True):
                number = numbers[picture.tobytes()]
                own = set(map(normalize_caption, said(number)))
                assert set(found) <= own
                assert len(set(found)) == min(count, len(own))
                seen_numbers.append(number)
        assert len(set(seen_numbers)) == len(seen_numbers)
    # All pairs once, as ever, where it is not training.
    tokens = [t for _, b in arrays(data.valid.dataset()) for t in b]
    assert len(tokens) == data.valid.pairs


def test_batches_of_captions_together(mine, shared_cache):
    options = {"captions_per_picture": 5, "batch_size": 20}
    data = make(mine, shared_cache, **options)
    first, second = passes(data, 2)
    assert same(first, passes(make(mine, shared_cache, **options), 1)[0])
    assert not same(first, second)
    for start in (1, 14, 15, 17):
        stream = data.train.dataset(training=True, start_step=start)
        assert same(arrays(stream, 3), (first + second)[start : start + 3])
    # The longest caption of a picture says in which width it can be.
    longest = data.train.lengths.reshape(60, 5).max(1) + 1
    widths = bucket_widths.boundaries(longest, 5)
    for _, tokens in first:
        assert tokens.shape[1] in widths
    places = sum(tokens.size for _, tokens in first)
    real = sum(np.count_nonzero(tokens) for _, tokens in first)
    assert data.train.padding == pytest.approx(1 - real / places)


def test_frequencies(mine, shared_cache):
    data = make(mine, shared_cache, max_length=7)
    counts = np.zeros(len(data.tokenizer), int)
    everything = list(itertools.chain(*data.train.references))
    for ids in data.tokenizer.encode_batch(everything):
        for token in [*ids[:6], Tokenizer.END]:
            counts[token] += 1
    assert np.array_equal(data.frequencies, counts)


def test_fewer_pairs_than_a_batch(tmp_path):
    small = folder(tmp_path / "a", {"train": 2, "valid": 1, "test": 1})
    data = make(small, tmp_path / "cache", batch_size=64)
    assert data.train.steps_per_pass == 1
    first, second = arrays(data.train.dataset(training=True), 2)
    assert first[1].shape == second[1].shape
    assert first[1].shape[0] == 10


def test_a_long_caption_alone_is_in_every_pass(tmp_path):
    path = folder(tmp_path / "a", {"train": 20, "valid": 1, "test": 1})
    with (path / "captions.csv").open("a") as file:
        file.write(f"3.png,{'long ' * 15},train\n")
    data = make(path, tmp_path / "cache")
    for batches in passes(data, 4):
        found = [t for _, tokens in batches for t in texts(data, tokens)]
        assert found.count(" ".join(["long"] * 15)) == 1


# Splits.


@pytest.mark.parametrize("encoder", ENCODERS)
def test_inputs_are_each_picture_once_in_order(mine, shared_cache, encoder):
    test = make(mine, shared_cache, encoder).test
    numbers = range(69, 76)
    assert [p.name for p in test.pictures] == [f"{n}.png" for n in numbers]
    batches = list(test.inputs(3))
    assert list(map(len, batches)) == [3, 3, 1]
    for row, number in zip(np.concatenate(batches), numbers, strict=True):
        assert np.array_equal(row, expected(number, encoder))
    assert np.array_equal(test.example_input(4), expected(73, encoder))


@pytest.mark.parametrize("normalized", [True, False])
def test_references(mine, shared_cache, normalized):
    data = make(mine, shared_cache, normalize_captions=normalized)
    change = normalize_caption if normalized else str
    for split, first in (("train", 0), ("valid", 60), ("test", 69)):
        part = getattr(data, split)
        assert part.references == [
            tuple(map(change, said(first + n))) for n in range(SIZES[split])
        ]
        assert len(part) == SIZES[split]
        assert part.pairs == len(part.lengths) == 5 * SIZES[split]
        assert part.facts == [None] * len(part)
        for picture, number in zip(part.pictures, itertools.count(first)):
            assert picture.captions == tuple(said(number))
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
    assert every.unknown_rate["train"] == 0
    assert every.unknown_rate["test"] > 0
    frequent = make(mine, shared_cache, minimum_count=6)
    assert "▁59" not in frequent.tokenizer.pieces
    assert "▁picture" in frequent.tokenizer.pieces
    few = make(mine, shared_cache, vocabulary_size=8)
    assert len(few.tokenizer) == 8
    assert few.unknown_rate["train"] > frequent.unknown_rate["train"] > 0


def test_tokenizer_of_an_old_run(mine, shared_cache, tmp_path):
    old = make(mine, shared_cache).tokenizer
    path = folder(tmp_path / "a", {"test": 4})
    assert fails(path, tmp_path / "cache") == (
        f"{path / 'captions.csv'}: no picture is in train; found test"
    )
    data = make(path, tmp_path / "cache", tokenizer=old, minimum_count=50)
    assert data.tokenizer is old
    assert data.examples == {"train": 0, "valid": 0, "test": 20}
    assert list(data.train.inputs(4)) == []
    assert data.report()[:2] == ["train    no pictures", "valid    no pictures"]
    with pytest.raises(ValueError, match="no captions to make batches of"):
        data.train.dataset()
    found = [t for _, b in arrays(data.test.dataset()) for t in texts(data, b)]
    assert sorted(found) == sorted(itertools.chain(*data.test.references))


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
        f"{table}: no caption of train has a word"
    )


# Bad pictures.


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
        for found, number in zip(
            np.concatenate(list(data.test.inputs(4))), numbers, strict=True
        ):
            assert np.array_equal(found, expected(number, encoder))
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


def test_pictures_are_checked_once(tmp_path, monkeypatch):
    path = folder(tmp_path / "a")
    checked = []
    whole = picture_inputs._whole

    def noted(place):
        checked.append(place.name)
        whole(place)

    monkeypatch.setattr(picture_inputs, "_whole", noted)
    make(path, tmp_path / "cache")
    assert sorted(checked) == sorted(f"{n}.png" for n in range(76))
    checked.clear()
    make(path, tmp_path / "cache", normalize_captions=False, picture_size=3)
    assert checked == []
    # A new one, one that changed, and one that has become bad.
    Image.fromarray(pixels(100)).save(path / "images" / "9.png", "BMP")
    (path / "images" / "75.png").write_bytes(b"no picture")
    data = make(path, tmp_path / "cache")
    assert sorted(checked) == ["75.png", "9.png"]
    assert np.array_equal(data.train.example_input(9), pixels(100))
    assert data.test.pictures[-1].name == "74.png"
    # Whatever is wrong may have been repaired without a new time.
    checked.clear()
    make(path, tmp_path / "cache")
    assert checked == ["75.png"]


def test_what_was_checked_before_a_kill_is_kept(tmp_path, monkeypatch):
    path = folder(tmp_path / "a")
    monkeypatch.setattr(picture_inputs, "_CHECKED_AT_ONCE", 10)
    whole, checked = picture_inputs._whole, []

    def killed(place):
        checked.append(place.name)
        if len(checked) > 40:
            raise KeyboardInterrupt
        whole(place)

    monkeypatch.setattr(picture_inputs, "_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        make(path, tmp_path / "cache")
    monkeypatch.setattr(
        picture_inputs, "_whole", lambda p: checked.append(p.name)
    )
    checked.clear()
    make(path, tmp_path / "cache")
    assert 76 - 40 <= len(checked) < 76
    assert len(checked) % 10 == 6


def test_a_picture_that_turns_bad_during_training_is_grey(tmp_path, capsys):
    path = folder(tmp_path / "a")
    data = make(path, tmp_path / "cache")
    (path / "images" / "70.png").unlink()
    place = str(path / "images" / "70.png")
    for _ in range(2):
        grey = np.full((SIDE, SIDE, 3), 127)
        assert np.array_equal(data.test.example_input(1), grey)
    assert data.bad.reasons == {place: "there is no such file"}
    assert capsys.readouterr().err == (
        f"{place}: there is no such file; it was good before\n"
    )
    for number in (71, 72, 73):
        (path / "images" / f"{number}.png").unlink()
    with pytest.raises(DataError, match="4 of 76 pictures"):
        list(data.test.inputs(2))


# Caches.


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
        (captions._Reader, "read"),
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
    assert first.features.shape == (2, 6)
    assert first.features["5.png"].dtype == np.float16
    assert make(mine, tmp_path).features is None


def test_report(mine, shared_cache):
    data = make(mine, shared_cache)
    words = [
        len(normalize_caption(t).split()) for n in range(60) for t in said(n)
    ]
    assert data.report() == [
        f"train    60 pictures, 300 captions of {np.mean(words):.1f} tokens "
        "(0.00% unknown)",
        f"valid    9 pictures, 45 captions of "
        f"{data.valid.side.tokens.lengths.mean():.1f} tokens "
        f"({data.valid.unknown_rate:.2%} unknown)",
        f"test     7 pictures, 35 captions of "
        f"{data.test.side.tokens.lengths.mean():.1f} tokens "
        f"({data.test.unknown_rate:.2%} unknown)",
        f"pieces   {4 + 60 + 5 + 5 + 1} (words)",
        f"batches  37 a pass of 8 rows, 5 different widths, "
        f"{data.train.padding:.1%} padding",
        "pictures 76, read as 6 x 6",
    ]
    lines = make(mine, shared_cache, Encoder).report()
    assert lines[5].startswith("features: 76 pictures, 2 x 6 float16 each, ")
    assert lines[6].startswith("their values: mean ")


# Sources.


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
            assert {captioning.facts(text) for text in references} == {facts}
    assert data.train.example_input(0).shape == (32, 32, 3)
    assert fails(tmp_path, tmp_path, dataset="demo").startswith(
        "demo: takes no --data-path FOLDER; "
    )
    forbid(monkeypatch, (demo, "write"))
    make(None, tmp_path, dataset="demo")


# COCO of TFDS.

COCO = {"train": 6, "restval": 2, "val": 3, "test": 2}


def jpeg(number):
    picture = np.full((5, 4, 3), 20 * number, np.uint8)
    return tf.io.encode_jpeg(picture).numpy()


def as_dataset(self, split=None, decoders=None, **_):
    """Examples with the features that the set declares; five captions each."""
    assert list(decoders or {}) in (["image"], [])

    def examples():
        for part in split.split("+"):
            for number in range(COCO[part]):
                yield {
                    "image": jpeg(number),
                    "image/filename": f"{part}_{number}.jpg",
                    "image/id": number,
                    "captions": {
                        "id": [1, 2, 3],
                        "text": [f"A {part}, {number}", "two\nlines", " "],
                    },
                }

    specs = {
        "image": tf.TensorSpec((), tf.string),
        "image/filename": tf.TensorSpec((), tf.string),
        "image/id": tf.TensorSpec((), tf.int64),
        "captions": {
            "id": tf.TensorSpec((None,), tf.int64),
            "text": tf.TensorSpec((None,), tf.string),
        },
    }
    return tf.data.Dataset.from_generator(examples, output_signature=specs)


def test_coco(tmp_path, capsys):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = make(tmp_path, tmp_path / "cache", dataset="coco_captions")
        assert "its pictures are written to" in capsys.readouterr().err
        make(tmp_path, tmp_path / "cache", dataset="coco_captions")
        assert "written" not in capsys.readouterr().err
    assert data.examples == {"train": 16, "valid": 6, "test": 4}
    assert data.train.references[6] == ("a restval 0", "two lines")
    picture = data.valid.pictures[1]
    assert picture.path.read_bytes() == jpeg(1)
    assert picture.captions == ("A val, 1", "two lines")
    assert np.array_equal(
        data.valid.example_input(2), images.decode(jpeg(2), SIDE)
    )


def test_coco_is_not_downloaded_unasked(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    begin = time.monotonic()
    message = fails(tmp_path, tmp_path / "cache", dataset="coco_captions")
    assert time.monotonic() - begin < 20
    assert re.fullmatch(
        r"coco_captions: not found in .*; add --download to fetch it", message
    )
    assert not (tmp_path / "cache").exists()


def test_coco_without_room(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setattr(
        tfds.core.DatasetInfo, "dataset_size", property(lambda _: 10**18)
    )
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        message = fails(tmp_path, tmp_path / "cache", dataset="coco_captions")
    assert message.startswith("coco_captions: its pictures are written to ")
    assert re.search(r"1e\+09 GB; free are [\d.e+]+ GB$", message)
