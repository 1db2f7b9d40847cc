import itertools

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.batching import bucket_widths, by_length
from data_pipelines.batching.by_length import make_dataset, plan, steps_per_pass
from data_pipelines.text import word_tokenizer


def encoded(sizes, max_length=1000, keep="ends", count=16):
    """Texts whose words are all different; even rows have label 1."""
    sizes = np.asarray(sizes, np.int32)
    ends = np.cumsum(sizes, dtype=np.int64)
    numbers = int(ends[-1]) if len(ends) else 0
    lengths = np.minimum(sizes, max_length)
    return by_length.Encoded(
        tokens=np.arange(numbers, dtype=np.int32),
        starts=ends - sizes,
        sizes=sizes,
        labels=(np.arange(len(sizes)) % 2 == 0).astype(np.int32),
        mapping=np.arange(2, numbers + 2, dtype=np.int32),
        max_length=max_length,
        keep=keep,
        widths=bucket_widths.boundaries(lengths, count) if numbers else None,
    )


def imdb_like(count, seed=0):
    """Log-normal lengths with the median and spread of film reviews."""
    random = np.random.default_rng(seed)
    return np.clip(random.lognormal(5.35, 0.6, count), 10, 2500).astype(int)


def batches(dataset, count):
    return [
        (ids.numpy(), labels.numpy()) for ids, labels in dataset.take(count)
    ]


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("max_length", [3, 4, 7, 1000])
@pytest.mark.parametrize("keep", word_tokenizer.KEEP)
def test_rows_are_cropped_as_prediction_crops_them(max_length, keep):
    data = encoded([5, 1, 9, 3, 4, 2], max_length, keep)
    rows = np.array([2, 0, 3, 1])
    ids, labels = data.batch(rows)
    ragged = tf.ragged.constant([data.ids(row) for row in rows], tf.int32)
    expected = word_tokenizer.crop(ragged, max_length, keep).to_tensor(0)
    np.testing.assert_array_equal(ids[:, : expected.shape[1]], expected)
    assert not ids[:, expected.shape[1] :].any()
    np.testing.assert_array_equal(labels, data.labels[rows])
    assert ids.dtype == labels.dtype == np.int32


def test_spec():
    data = encoded([3, 4, 5])
    for training in (True, False):
        dataset = make_dataset(data, batch_size=2, seed=0, training=training)
        assert dataset.element_spec == by_length.SPEC


def test_a_pass_holds_every_example_once():
    lengths = imdb_like(1003)
    rows = plan(lengths, 8, 3, 5, drop_remainder=False)
    assert sorted(np.concatenate(rows).tolist()) == list(range(1003))
    assert sorted(map(len, rows)) == [3] + [8] * 125
    assert len(rows) == steps_per_pass(1003, 8, False) == 126


def test_dropped_examples_differ_from_pass_to_pass():
    lengths = imdb_like(103)
    seen = []
    for epoch in range(20):
        rows = plan(lengths, 10, 0, epoch, drop_remainder=True)
        assert [len(row) for row in rows] == [10] * 10
        seen.append(set(np.concatenate(rows).tolist()))
    assert steps_per_pass(103, 10, True) == 10
    assert len(set.union(*seen)) == 103
    assert len(set.intersection(*seen)) < 100


def test_a_split_smaller_than_a_batch_is_one_batch():
    assert steps_per_pass(3, 10, True) == 1
    assert [len(r) for r in plan(np.ones(3, int), 10, 0, 0, True)] == [3]
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        steps_per_pass(3, 0, True)


def test_the_order_is_a_function_of_seed_and_pass():
    lengths = imdb_like(500)
    orders = {
        (seed, epoch): np.concatenate(plan(lengths, 16, seed, epoch, True))
        for seed in (0, 1)
        for epoch in (0, 1)
    }
    again = np.concatenate(plan(lengths, 16, 1, 1, True))
    np.testing.assert_array_equal(again, orders[1, 1])
    for first, second in itertools.combinations(orders.values(), 2):
        assert not np.array_equal(first, second)


def test_batches_are_not_in_order_of_length():
    lengths = imdb_like(4000)
    longest = [lengths[rows].max() for rows in plan(lengths, 16, 0, 0, True)]
    assert abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.2


@pytest.mark.parametrize("drop_remainder", [True, False])
def test_the_stream_can_start_at_any_step(drop_remainder):
    data = encoded(np.random.default_rng(0).integers(1, 30, 43))
    options = dict(
        batch_size=8, seed=7, training=True, drop_remainder=drop_remainder
    )
    steps = steps_per_pass(43, 8, drop_remainder)
    whole = batches(make_dataset(data, **options), 3 * steps + 2)
    for start in range(3 * steps):
        resumed = make_dataset(data, start_step=start, **options)
        for batch, expected in zip(
            batches(resumed, 2), whole[start : start + 2], strict=True
        ):
            assert same(batch, expected)


def test_starting_late_makes_no_earlier_batches():
    data = encoded(np.full(100, 3))
    far = make_dataset(
        data, batch_size=2, seed=0, training=True, start_step=10**12
    )
    assert len(batches(far, 1)) == 1


def test_the_stream_is_endless_and_evaluation_is_one_pass():
    data = encoded(imdb_like(50))
    stream = make_dataset(data, batch_size=8, seed=0, training=True)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    once = make_dataset(data, batch_size=8, seed=0, training=False)
    assert once.cardinality() == 7
    found = batches(once, 100)
    assert [len(labels) for _, labels in found] == [8] * 6 + [2]
    lengths = np.concatenate([(ids > 0).sum(axis=1) for ids, _ in found])
    assert (np.diff(lengths) >= 0).all()
    labels = np.empty(50, int)
    labels[data.order] = np.concatenate([labels for _, labels in found])
    np.testing.assert_array_equal(labels, data.labels)


def test_shapes_are_bounded():
    data = encoded(imdb_like(3000), 400, count=8)
    stream = make_dataset(data, batch_size=16, seed=0, training=True)
    shapes = {ids.shape for ids, _ in batches(stream, 2 * 187)}
    assert len(shapes) <= 8
    assert {width for _, width in shapes} <= set(data.widths.tolist())


def test_longer_texts_than_in_train_have_one_more_width():
    data = encoded([5, 8, 3])
    assert [data.width(n) for n in (1, 4, 8, 9, 500)] == [3, 5, 8, 1000, 1000]


@pytest.mark.parametrize(
    ("max_length", "at_least"), [(400, 0.95), (1000, 0.90)]
)
def test_nine_of_ten_positions_are_words(max_length, at_least):
    data = encoded(imdb_like(20_000), max_length)
    assert len(data.widths) <= 16
    assert by_length.efficiency(data, 64, 0) >= at_least


def test_efficiency_is_what_batches_hold():
    data = encoded(imdb_like(200), 300, count=3)
    stream = make_dataset(data, batch_size=16, seed=4, training=True)
    found = batches(stream, steps_per_pass(200, 16, True))
    real = sum((ids > 0).sum() for ids, _ in found)
    computed = sum(ids.size for ids, _ in found)
    assert by_length.efficiency(data, 16, 4) == pytest.approx(real / computed)


def test_no_examples():
    with pytest.raises(ValueError, match="there are no examples"):
        make_dataset(encoded([]), batch_size=2, seed=0, training=True)
