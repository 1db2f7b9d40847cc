import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from data_pipelines.vision import shapes

SHAPES = ("circle", "square", "triangle", "star", "heart", "ring", "cross")
SHAPES = (*SHAPES, "moon")


def test_shapes_are_different():
    """Even small ones; the nearest are a circle and a square."""
    masks = {shape: shapes.mask(shape, 8, 8, 12, 16) for shape in SHAPES}
    for a, b in itertools.combinations(masks.values(), 2):
        assert (a ^ b).sum() > 0.12 * (a | b).sum()


def test_ring_has_a_hole():
    ring = shapes.mask("ring", 48, 48, 60, 96)
    assert not ring[48, 48]
    expected = np.pi * 30**2 * (1 - shapes.HOLE**2)
    assert ring.sum() == pytest.approx(expected, rel=0.06)


def test_shapes_reach_no_farther_than_said():
    for shape in SHAPES:
        for outline in shapes.outlines(shape):
            assert np.linalg.norm(outline, axis=1).max() <= shapes.REACH


def test_hidden_part_of_a_square():
    thing = SimpleNamespace(shape="square")
    behind = shapes.Item(thing, 0, 0, 40)
    side = 0.86 * 40
    for share in (0.0, 0.25, 0.5, 1.0):
        front = shapes.Item(thing, side * (1 - share), 0, 40)
        assert shapes.hidden(behind, front, 96) == pytest.approx(
            share, abs=0.05
        )


def test_items_are_moved_together():
    items = [shapes.Item(None, 0, 0, 4), shapes.Item(None, 10, 1, 2)]
    assert shapes.box(items) == (-2, -2, 11, 2)
    assert shapes.extent(items) == (13, 4)
    placed = shapes.centered(items, 50, 60)
    left, top, right, bottom = shapes.box(placed)
    assert ((left + right) / 2, (top + bottom) / 2) == (50, 60)
    assert placed[1].x - placed[0].x == 10
