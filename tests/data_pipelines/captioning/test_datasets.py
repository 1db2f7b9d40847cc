"""Which captions stand in which batch, and what a batch holds."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from data_pipelines.batching import bucket_widths
from data_pipelines.captioning.datasets import GroupedByPicture
from data_pipelines.captioning.normalize import normalize_caption
from data_pipelines.text.tokenizers import Tokenizer
from tests.data_pipelines.captioning.pictures import (
    ENCODERS,
    arrays,
    captions,
    expected,
    folder,
    known,
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
            assert text in known(data, captions(numbers[row.tobytes()]))


def test_tokens_are_begin_words_end_and_padding(mine, shared_cache):
    data = make(mine, shared_cache, max_length=9)
    actual = []
    for _, tokens in arrays(data.valid.dataset()):
        for row in tokens.tolist():
            (end,) = np.flatnonzero(np.equal(row, Tokenizer.END))
            assert row[0] == Tokenizer.BEGIN
            assert not any(row[end + 1 :])
            assert all(row[1:end])
            assert end <= 9
            actual.append(row[1:end])
    whole = data.tokenizer.encode_batch(
        [
            normalize_caption(text)
            for number in range(60, 69)
            for text in captions(number)
        ]
    )
    assert sorted(actual) == sorted(row[:8].tolist() for row in whole)
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
        actual = [t for _, tokens in batches for t in texts(data, tokens)]
        everything = itertools.chain(*split.references)
        assert sorted(actual) == sorted(known(data, everything))


def passes(data, count):
    steps = data.train.steps_per_pass
    actual = arrays(data.train.dataset(training=True), count * steps)
    return [actual[i * steps : (i + 1) * steps] for i in range(count)]


def test_passes_leave_out_less_than_a_batch_of_short_captions(
    mine, shared_cache
):
    data = make(mine, shared_cache, batch_size=7)
    everything = sorted(itertools.chain(*data.train.references))
    assert data.train.steps_per_pass == 300 // 7
    left_out = []
    for batches in passes(data, 3):
        actual = sorted(t for _, b in batches for t in texts(data, b))
        assert len(actual) == 300 - 300 % 7
        missing = set(everything) - set(actual)
        assert len(missing) == 300 % 7
        assert max(len(text.split()) for text in missing) < 7
        left_out.append(missing)
    assert left_out[0] != left_out[1] != left_out[2]


def test_few_shapes_and_all_of_them_full(mine, shared_cache):
    data = make(mine, shared_cache)
    lengths = data.train.lengths + 1
    actual = {tokens.shape for _, tokens in itertools.chain(*passes(data, 3))}
    widths = bucket_widths.boundaries(lengths, 5)
    assert actual == {(8, int(width)) for width in widths}
    assert len(actual) == 5


def test_padding_is_counted(mine, shared_cache):
    data = make(mine, shared_cache)
    (batches,) = passes(data, 1)
    places = sum(tokens.size for _, tokens in batches)
    real = sum(np.count_nonzero(tokens) for _, tokens in batches)
    assert data.train.padding == pytest.approx(1 - real / places)


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
    names = []

    def batch(some):
        names.extend(some)
        return np.stack([pixels(0)] * len(some))

    monkeypatch.setattr(data.train.inputs, "batch", batch)
    start = 100 * data.train.steps_per_pass + 3
    stream = data.train.dataset(training=True, start_step=start)
    next(stream.as_numpy_iterator())
    assert len(names) < 8 * 10  # the batch, and those made ahead


@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_each_batch(mine, shared_cache, together, processes):
    options = {"captions_per_picture": together, "batch_size": 8}
    train = make(mine, shared_cache, **options).train
    whole = arrays(train.dataset(training=True, start_step=3), 5)
    parts = [
        arrays(train.dataset(True, 3, (process, processes)), 5)
        for process in range(processes)
    ]
    for batch, *shares in zip(whole, *parts, strict=True):
        for array, *pieces in zip(batch, *shares, strict=True):
            np.testing.assert_array_equal(np.concatenate(pieces), array)


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
        owners = []
        for inputs, tokens in batches:
            assert len(inputs) == pictures
            rows = np.reshape(texts(data, tokens), (pictures, count))
            for picture, actual in zip(inputs, rows.tolist(), strict=True):
                number = numbers[picture.tobytes()]
                own = set(map(normalize_caption, captions(number)))
                assert set(actual) <= own
                assert len(set(actual)) == min(count, len(own))
                owners.append(number)
        assert len(set(owners)) == len(owners)
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
        actual = [t for _, tokens in batches for t in texts(data, tokens)]
        assert actual.count(" ".join(["long"] * 15)) == 1


@pytest.mark.parametrize("encoder", ENCODERS)
def test_inputs_are_each_picture_once_in_order(mine, shared_cache, encoder):
    test = make(mine, shared_cache, encoder).test
    numbers = range(69, 76)
    assert [p.name for p in test.pictures] == [f"{n}.png" for n in numbers]
    batches = list(test.each_input(3))
    assert list(map(len, batches)) == [3, 3, 1]
    for row, number in zip(np.concatenate(batches), numbers, strict=True):
        assert np.array_equal(row, expected(number, encoder))
    assert np.array_equal(test.example_input(4), expected(73, encoder))


# Several captions of a picture side by side.

# Captions of each picture: fewer than three, three, and more.
# Captions of each picture: fewer than three, three, and more.
COUNTS = np.array([1, 2, 3, 5, 8, 3, 3, 2, 5, 4, 3, 7, 3])
OWNERS = np.repeat(np.arange(len(COUNTS)), COUNTS)
LENGTHS = np.random.default_rng(0).integers(3, 40, len(OWNERS))


def grouped(captions=3, batch_size=12):
    return GroupedByPicture.of(LENGTHS, OWNERS, captions, batch_size)


def drawn(plan):
    """Yields the rows of each picture, batch by batch."""
    for batch in plan:
        yield from batch.rows


def test_a_batch_has_so_many_captions_of_so_many_pictures():
    planner = grouped()
    assert (planner.pictures.size, planner.size) == (4, 12)
    assert planner.steps_per_pass == len(COUNTS) // 4
    for epoch in range(5):
        plan = planner.plan(0, epoch)
        assert [batch.rows.shape for batch in plan] == [(4, 3)] * 3


def test_a_picture_is_in_a_pass_once_at_most_with_its_own_captions():
    planner = grouped()
    left_out = set()
    for epoch in range(8):
        pictures = []
        for rows in drawn(planner.plan(0, epoch)):
            (picture,) = set(OWNERS[rows].tolist())
            pictures.append(picture)
        assert len(set(pictures)) == len(pictures) == 12
        left_out |= set(range(len(COUNTS))) - set(pictures)
    assert len(left_out) > 1  # not always the same one sits out


def test_all_captions_where_there_are_so_many_or_fewer():
    for epoch in range(5):
        for rows in drawn(grouped().plan(0, epoch)):
            own = np.flatnonzero(OWNERS[rows[0]] == OWNERS)
            if len(own) <= 3:
                assert set(rows.tolist()) == set(own.tolist())
                # None stands twice before each stands once.
                times = np.unique(rows, return_counts=True)[1]
                assert times.max() - times.min() <= 1
            else:
                assert len(set(rows.tolist())) == 3
                assert set(rows.tolist()) < set(own.tolist())


def test_others_each_pass_where_there_are_more():
    chosen = {}
    for epoch in range(40):
        for rows in drawn(grouped().plan(0, epoch)):
            chosen.setdefault(OWNERS[rows[0]], []).append(frozenset(rows))
    for picture in np.flatnonzero(COUNTS > 3):
        assert len(set(chosen[picture])) > 1
        used = frozenset().union(*chosen[picture])
        assert used == set(np.flatnonzero(picture == OWNERS))


def test_a_batch_is_as_wide_as_its_longest_caption_needs():
    widths = bucket_widths.boundaries(LENGTHS, 5)
    for epoch in range(5):
        for rows, width in grouped().plan(0, epoch):
            longest = LENGTHS[rows].max()
            assert width == min(w for w in widths if w >= longest)


@pytest.mark.parametrize(
    ("captions", "batch_size", "pictures"),
    [
        (5, 64, 12),  # as many rows as there is room for
        (5, 3, 1),  # never less than a picture
        (2, 1000, 13),  # never more than there are
    ],
)
def test_pictures_of_a_batch(captions, batch_size, pictures):
    planner = grouped(captions, batch_size)
    assert planner.pictures.size == pictures
    assert planner.size == pictures * captions
    assert planner.steps_per_pass == 13 // pictures
    for rows, _ in planner.plan(0, 0):
        assert rows.shape == (pictures, captions)
        owners = OWNERS[rows]
        assert (owners == owners[:, :1]).all()


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_digest_is_of_pictures_and_captions(tmp_path, encoder):
    place = folder(tmp_path / "a", {"train": 4, "valid": 2, "test": 2})
    before = make(place, tmp_path / "cache", encoder).digest
    kinds = [line.rpartition(" ")[0] for line in before]
    assert kinds == [
        "train 4 pictures 20 captions sha256",
        "valid 2 pictures 10 captions sha256",
        "test 2 pictures 10 captions sha256",
    ]
    table, picture = place / "captions.csv", place / "images" / "7.png"
    raw, text = picture.read_bytes(), table.read_text()
    assert text.count("Picture 7, big small old: a") == 1

    def same():
        after = make(place, tmp_path / "cache", encoder).digest
        return [a == b for a, b in zip(after, before, strict=True)]

    table.write_text(
        text.replace(
            "Picture 7, big small old: a", "Picture 7, small big old: a"
        )
    )
    assert same() == [True, True, False]
    table.write_text(text)
    Image.fromarray(pixels(99)).save(picture)
    assert same() == [True, True, False]
    picture.write_bytes(raw)
    assert same() == [True, True, True]
