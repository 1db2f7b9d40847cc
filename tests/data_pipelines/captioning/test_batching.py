"""Several captions of a picture side by side."""

import itertools

import numpy as np
import pytest

from data_pipelines.batching import bucket_widths
from data_pipelines.captioning import batching

# Captions of each picture: fewer than three, three, and more.
COUNTS = np.array([1, 2, 3, 5, 8, 3, 3, 2, 5, 4, 3, 7, 3])
OWNERS = np.repeat(np.arange(len(COUNTS)), COUNTS)
LENGTHS = np.random.default_rng(0).integers(3, 40, len(OWNERS))


def made(captions=3, batch_size=12, lengths=LENGTHS, owners=OWNERS):
    return batching.group_by_picture(lengths, owners, captions, batch_size)


def drawn(plan, captions=3):
    """Yields the rows of each picture, batch by batch."""
    for _, rows in plan:
        yield from rows.reshape(-1, captions)


def test_a_batch_has_so_many_captions_of_so_many_pictures():
    passes = made()
    assert (passes.groups.size, passes.size) == (4, 12)
    assert passes.steps_per_pass == len(COUNTS) // 4
    for epoch in range(5):
        plan = passes.plan(0, epoch)
        assert [len(rows) for _, rows in plan] == [12] * 3


def test_a_picture_is_in_a_pass_once_at_most_with_its_own_captions():
    passes = made()
    seen = set()
    for epoch in range(8):
        pictures = []
        for rows in drawn(passes.plan(0, epoch)):
            (picture,) = set(OWNERS[rows].tolist())
            pictures.append(picture)
        assert len(set(pictures)) == len(pictures) == 12
        seen |= set(range(len(COUNTS))) - set(pictures)
    assert len(seen) > 1  # not always the same one sits out


def test_all_captions_where_there_are_so_many_or_fewer():
    for epoch in range(5):
        for rows in drawn(made().plan(0, epoch)):
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
        for rows in drawn(made().plan(0, epoch)):
            chosen.setdefault(OWNERS[rows[0]], []).append(frozenset(rows))
    for picture in np.flatnonzero(COUNTS > 3):
        assert len(set(chosen[picture])) > 1
        used = frozenset().union(*chosen[picture])
        assert used == set(np.flatnonzero(picture == OWNERS))


def test_a_batch_is_as_wide_as_its_longest_caption_needs():
    widths = bucket_widths.boundaries(LENGTHS, 5)
    for epoch in range(5):
        for width, rows in made().plan(0, epoch):
            longest = LENGTHS[rows].max()
            assert width == min(w for w in widths if w >= longest)


def same(first, second):
    return all(
        one[0] == other[0] and np.array_equal(one[1], other[1])
        for one, other in zip(first, second, strict=True)
    )


def test_the_order_is_a_function_of_seed_and_pass():
    first = made().plan(3, 7)
    assert same(first, made().plan(3, 7))
    assert not same(first, made().plan(3, 8))
    assert not same(first, made().plan(4, 7))


def test_any_step_can_be_entered():
    passes = made()
    whole = list(itertools.islice(batching.endless(passes, 1, 0), 9))
    assert same(whole, [b for e in range(3) for b in passes.plan(1, e)])
    for start in range(7):
        later = batching.endless(passes, 1, start)
        assert same(list(itertools.islice(later, 2)), whole[start : start + 2])


@pytest.mark.parametrize(
    ("captions", "batch_size", "pictures"),
    [
        (5, 64, 12),  # as many rows as there is room for
        (5, 3, 1),  # never less than a picture
        (2, 1000, 13),  # never more than there are
    ],
)
def test_pictures_of_a_batch(captions, batch_size, pictures):
    passes = made(captions, batch_size)
    assert passes.groups.size == pictures
    assert passes.size == pictures * captions
    assert passes.steps_per_pass == 13 // pictures
    for _, rows in passes.plan(0, 0):
        owners = OWNERS[rows].reshape(pictures, captions)
        assert (owners == owners[:, :1]).all()
