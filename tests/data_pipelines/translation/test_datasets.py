import itertools
import re

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.text.tokenizers import Tokenizer
from tests.data_pipelines.translation.tools import (
    batches,
    make,
    sentences,
    texts_of,
    write,
    written,
)


def test_batches_hold_the_sentences(folder):
    data = make(folder)
    actual = []
    for source, target in batches(data.test.dataset()):
        assert source.dtype == target.dtype == np.int32
        assert (target[:, 0] == Tokenizer.BEGIN).all()
        for rows in (source, target):
            lengths = (rows != Tokenizer.PADDING).sum(axis=1)
            last = rows[np.arange(len(rows)), lengths - 1]
            assert (last == Tokenizer.END).all()
            assert (rows == Tokenizer.END).sum() == len(rows)
            for row, length in zip(rows, lengths, strict=True):
                assert not row[length:].any()
        actual += texts_of(data, source, target)
    assert sorted(actual) == sorted(written(data.test))


def test_spec_and_cardinality(folder):
    split = make(folder).train
    stream, once = split.dataset(training=True), split.dataset()
    spec = tf.TensorSpec((None, None), tf.int32)
    assert stream.element_spec == once.element_spec == (spec, spec)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    assert once.cardinality() == len(batches(once))


def test_evaluation_is_by_length_in_few_shapes(folder):
    split = make(folder).train
    actual = batches(split.dataset())
    longest = [int((t > 0).sum(axis=1).max()) for _, t in actual]
    widths = [t.shape[1] for _, t in actual]
    assert widths == sorted(widths)
    assert max(longest) == widths[-1]
    assert len({(s.shape[1], t.shape[1]) for s, t in actual}) <= 15


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_the_budget_of_tokens_is_held_in_few_shapes(folder, dropout):
    split = make(folder, subword_dropout=dropout).train
    steps = split.steps_per_pass
    actual = batches(split.dataset(training=True), 3 * steps)
    shapes = {(s.shape, t.shape) for s, t in actual}
    assert len(shapes) <= 15
    assert shapes == {
        ((b.size, b.widths[0]), (b.size, b.widths[1]))
        for b in split.training_planner.buckets
    }
    for source, target in actual:
        assert source.size <= 200
        assert target.size <= 200


def test_every_pair_once_a_pass_and_nearly_all(folder):
    data = make(folder)
    split = data.train
    steps = split.steps_per_pass
    actual = batches(split.dataset(training=True), 4 * steps)
    left = []
    for first in range(0, 4 * steps, steps):
        rows = [
            pair
            for b in actual[first : first + steps]
            for pair in texts_of(data, *b)
        ]
        assert len(set(rows)) == len(rows)
        assert len(rows) >= 0.95 * 600
        left.append(set(written(split)) - set(rows))
    assert set.intersection(*left) == set()


def test_lengths(folder):
    data = make(folder, max_length=9)
    expected = [
        min(len(data.target_tokenizer.encode(text)) + 1, 9)
        for text in data.train.target_texts
    ]
    assert data.train.lengths.tolist() == expected


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_stream_can_start_at_any_step(folder, dropout):
    options = dict(subword_dropout=dropout, batch_tokens=600)
    split = make(folder, **options).train
    steps = split.steps_per_pass
    whole = batches(split.dataset(training=True), 2 * steps + 3)
    again = make(folder, **options).train
    for start in (0, 1, steps - 1, steps, steps + 1, 2 * steps + 1):
        resumed = batches(again.dataset(training=True, start_step=start), 2)
        for batch, expected in zip(
            resumed, whole[start : start + 2], strict=True
        ):
            np.testing.assert_array_equal(batch[0], expected[0])
            np.testing.assert_array_equal(batch[1], expected[1])
    assert len(batches(split.dataset(True, start_step=10**12), 1)) == 1


def test_the_order_is_by_seed_and_pass(folder):
    def order(seed, epoch):
        split = make(folder, seed=seed).train
        plan = split.training_planner.plan(seed, epoch)
        return [row for batch in plan for row in batch.rows.tolist()]

    orders = [order(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert order(1, 1) == orders[3]
    for first, second in itertools.combinations(orders, 2):
        assert first != second


def test_dropout_cuts_anew_in_each_pass(folder):
    data = make(folder, subword_dropout=0.2)
    split = data.train
    steps = split.steps_per_pass
    actual = batches(split.dataset(training=True), 2 * steps)
    passes = []
    for part in (actual[:steps], actual[steps:]):
        rows = {}
        for source, target in part:
            for pair, ids in zip(
                texts_of(data, source, target), target.tolist(), strict=True
            ):
                rows[pair] = [i for i in ids if i]
        assert set(rows) <= set(written(split))
        passes.append(rows)
    both = set(passes[0]) & set(passes[1])
    differ = sum(passes[0][pair] != passes[1][pair] for pair in both)
    assert differ > 0.5 * len(both)
    # Valid and test are cut as ever.
    for source, target in batches(data.valid.dataset()):
        for (text, _), ids in zip(
            texts_of(data, source, target), source.tolist(), strict=True
        ):
            assert [i for i in ids if i > 3] == data.source_tokenizer.encode(
                text
            )


@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("longest", [2, 14])
def test_few_pairs(folder, count, longest):
    write(folder, "train", sentences(count, longest=longest))
    data = make(folder, batch_tokens=2000)
    assert data.train.steps_per_pass == 1
    for batch in batches(data.train.dataset(training=True), 3):
        assert sorted(texts_of(data, *batch)) == sorted(written(data.train))
    assert data.report()


def test_long_sentences_are_cut_and_counted(folder):
    rows = sentences(50, 2)
    rows[3] = ("the " * 40, rows[3][1])
    write(folder, "test", rows)
    data = make(folder, tokens="words", max_length=20)
    actual = [row for s, _ in batches(data.test.dataset()) for row in s]
    longest = max(actual, key=np.count_nonzero)
    the = data.source_tokenizer.encode("the")
    assert longest.tolist() == [*the * 19, Tokenizer.END]
    assert "note     test: 1 en sentences cut after 19 tokens" in data.report()


def test_padding_is_measured(folder):
    split = make(folder, batch_tokens=800).train
    assert split.steps_per_pass < 20
    actual = batches(split.dataset(training=True), split.steps_per_pass)
    real = sum((s > 0).sum() + (t > 0).sum() for s, t in actual)
    size = sum(s.size + t.size for s, t in actual)
    assert split.padding == pytest.approx(1 - real / size)


def test_sources_are_sorted_and_come_back_in_order(folder):
    data = make(folder)
    actual = list(data.train.sources(64))
    assert [len(rows) for rows in actual] == [64] * 9 + [24]
    lengths = np.concatenate([(rows > 0).sum(axis=1) for rows in actual])
    assert (np.diff(lengths) >= 0).all()
    assert len({rows.shape[1] for rows in actual}) <= 8
    decoded = [
        data.source_tokenizer.decode(row) for rows in actual for row in rows
    ]
    assert data.train.in_order(decoded) == list(data.train.source_texts)
    back = data.train.in_order(lengths)
    assert isinstance(back, np.ndarray)
    assert (
        back[5]
        == len(data.source_tokenizer.encode(data.train.source_texts[5])) + 1
    )


def test_report(folder):
    rows = sentences(40, 2) + sentences(600)[:10]
    write(folder, "test", rows)
    again = len({s for s, _ in rows} & {s for s, _ in sentences(600)})
    lines = make(folder).report()
    assert re.fullmatch(
        r"train    600 pairs; tokens a sentence: [\d.]+ en \(0\.00% unknown\), "
        r"[\d.]+ de \(0\.00% unknown\)",
        lines[0],
    )
    assert re.fullmatch(
        r"pieces   \d+ en \(subwords\), \d+ de \(subwords\)", lines[3]
    )
    assert re.fullmatch(
        r"batches  \d+ a pass, \d+ different shapes, \d+\.\d% padding",
        lines[4],
    )
    assert lines[5:] == [
        f"note     {again} source sentences of test are in train"
    ]


def test_processes_share_a_batch_of_sampled_sentences(folder):
    write(folder, "train", sentences(64, longest=3))
    split = make(folder, batch_tokens=2000, subword_dropout=0.3).train
    whole = batches(split.dataset(training=True, start_step=2), 3)
    shards = [
        batches(split.dataset(True, 2, shard=(process, 2)), 3)
        for process in (0, 1)
    ]
    for batch, *parts in zip(whole, *shards, strict=True):
        for side, array in enumerate(batch):
            together = np.concatenate([part[side] for part in parts])
            np.testing.assert_array_equal(together, array)


def test_the_digest_is_of_both_sides(folder):
    before = make(folder).digest
    kinds = [line.rpartition(" ")[0] for line in before]
    assert kinds == [
        "train 600 pairs sha256",
        "valid 40 pairs sha256",
        "test 50 pairs sha256",
    ]
    rows = sentences(50, 2)
    (source, target), *rest = rows
    for changed in (
        [(source + " a", target), *rest],
        [(source, target + " ein"), *rest],
        [*rest, (source, target)],
        rest,
    ):
        write(folder, "test", changed)
        after = make(folder).digest
        same = [a == b for a, b in zip(after, before, strict=True)]
        assert same == [True, True, False]
    write(folder, "test", rows)
    assert make(folder).digest == before
