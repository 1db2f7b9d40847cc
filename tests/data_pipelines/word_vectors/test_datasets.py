"""Tiles: whose words they are, how far windows reach, what is drawn."""

import collections
import itertools

import numpy as np
import pytest

from data_pipelines.files.ragged import RaggedArray
from data_pipelines.word_vectors import datasets
from data_pipelines.word_vectors.datasets import SEGMENT, TILE, Split, _reach

WINDOW, NEGATIVES, SIZE = 3, 4, 60


def split(texts=400, subsample=0.0, seed=0, unknown=False):
    """Texts of words of which word n is about as frequent as 1 / n."""
    random = np.random.default_rng(1)
    lengths = random.integers(1, 60, texts)
    share = 1 / np.arange(1, SIZE - 1)
    values = random.choice(
        np.arange(2, SIZE), lengths.sum(), p=share / share.sum()
    ).astype(np.int32)
    ids = np.arange(SIZE, dtype=np.int32)
    if unknown:
        ids[2::3] = 1
    counts = np.bincount(ids[values], minlength=SIZE)
    counts[:2] = 0
    return Split(
        RaggedArray.of(values, lengths),
        ids, counts, WINDOW, NEGATIVES, subsample, seed,
    )  # fmt: skip


def tiles_of(batch):
    """The tiles of a batch in the order of the text."""
    used = int(batch["blocks"])
    return [
        batch[name][:used].swapaxes(0, 1).reshape(-1, batch[name].shape[-1])
        for name in ("tokens", "left", "right")
    ]


def windows(batch):
    """Each word of a batch, and the words of its window."""
    for tokens, left, right in zip(*tiles_of(batch), strict=True):
        for place in range(TILE):
            own = place + WINDOW
            first, last = own - left[place], own + right[place]
            around = [*tokens[first:own], *tokens[own + 1 : last + 1]]
            if tokens[own] > 1:
                yield int(tokens[own]), list(map(int, around))


def test_windows_hold_the_words_of_the_same_text():
    """Of all batches of a pass, in any order; none is left out."""
    own = split(unknown=True)
    texts = []
    for start in range(0, len(own), SEGMENT):
        ids, numbers = own.read([start // SEGMENT])
        for _, group in itertools.groupby(
            zip(numbers, ids, strict=True), lambda pair: pair[0]
        ):
            texts.append([int(word) for _, word in group if word > 1])
    expected = collections.Counter(word for text in texts for word in text)
    found = collections.Counter()
    sizes = []
    for step, batch in enumerate(own.planner.plan(0, 0)):
        for word, around in windows(own.fetch(batch, step)):
            found[word] += 1
            sizes.append(len(around))
            assert 0 not in around
            assert 1 not in around
    assert found == expected
    assert max(sizes) == 2 * WINDOW
    # A text is whole in one of its segments, or cut where that ends.
    joined = [int(w) for t in texts for w in t]
    written = own.word_ids[own.texts.values]
    assert joined == [int(word) for word in written if word > 1]


def test_windows_have_every_size_alike():
    random = np.random.default_rng(0)
    text = np.zeros(40_000, int)
    left, right = _reach(text, random.integers(1, 5, 40_000, np.int8))
    shares = np.bincount(left, minlength=5)[1:] / 40_000
    np.testing.assert_allclose(shares, 0.25, atol=0.01)
    assert (left[4:-4] == right[4:-4]).all()


def test_windows_end_with_the_text():
    text = np.repeat([0, 1, 2], [1, 2, 4])
    left, right = _reach(text, np.full(7, 2, np.int8))
    assert left.tolist() == [0, 0, 1, 0, 1, 2, 2]
    assert right.tolist() == [0, 1, 0, 2, 2, 1, 0]


def test_frequent_words_are_left_out_as_in_the_paper():
    own = split(texts=2000, subsample=0.01)
    total = own.counts.sum()
    stayed = np.zeros(SIZE)
    for step in range(3):
        for batch in own.planner.plan(0, step):
            for word, _ in windows(own.fetch(batch, 100 * step + 1)):
                stayed[word] += 1
    for word in (2, 3, 10, 40):
        f = own.counts[word] / total
        expected = min(1, np.sqrt(0.01 / f) + 0.01 / f)
        assert own.keep[word] == pytest.approx(expected, rel=1e-5)
        assert stayed[word] / own.counts[word] / 3 == pytest.approx(
            expected, abs=0.03
        )


def test_negatives_are_drawn_by_the_power_of_their_counts():
    own = split()
    shares = np.bincount(own.table, minlength=SIZE) / len(own.table)
    expected = own.counts**0.75 / (own.counts**0.75).sum()
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    drawn = [
        own.fetch(batch, step)
        for step, batch in enumerate(own.planner.plan(0, 0) * 3)
    ]
    negatives = np.concatenate(
        [tiles_of(batch)[0][:, -NEGATIVES:].ravel() for batch in drawn]
    )
    found = np.bincount(negatives, minlength=SIZE) / len(negatives)
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert negatives.min() > 1


def test_a_batch_depends_on_the_seed_and_its_number():
    own = split()
    (first, *_) = own.planner.plan(0, 0)
    one, same, other = (own.fetch(first, step) for step in (5, 5, 6))
    for name in ("tokens", "left", "right"):
        np.testing.assert_array_equal(one[name], same[name])
    assert (one["left"] != other["left"]).any()
    last = next(iter(own.dataset(True, start_step=5)))
    step_five = own.fetch(own.planner.plan(0, 5 // own.steps_per_pass)[0], 5)
    if own.steps_per_pass == 1:
        np.testing.assert_array_equal(last["tokens"], step_five["tokens"])


def test_no_word_is_too_frequent_in_a_block():
    for own in (split(), split(subsample=0.005), split(unknown=True)):
        stay = own.counts * own.keep
        most = own.tiles * TILE * stay.max() / stay.sum()
        assert most <= datasets._OCCURRENCES or own.tiles == 1
    rare = split(subsample=1e-5)
    assert rare.tiles > split().tiles


def test_passes_have_every_segment_once():
    segments = datasets.Segments(41)
    orders = [
        np.concatenate([b.rows for b in segments.plan(0, epoch)])
        for epoch in (0, 1)
    ]
    assert (orders[0] != orders[1]).any()
    for order in orders:
        assert sorted(order) == list(range(41))
    assert len(segments.plan(0, 0)) == segments.steps_per_pass == 3


def test_a_batch_may_have_no_word_left():
    own = split(texts=1, subsample=1e-12)
    batch = own.fetch(own.planner.plan(0, 0)[0], 0)
    assert batch["blocks"] == 1
    assert not batch["left"].any()
