"""Outlines of simple shapes as polygons, and where shapes stand."""

import functools
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

# Corners of a whole circle.
ROUND = 48

# Radii, in parts of half the diameter: of a ring's hole, and of the corners
# that are farthest out, those of a triangle.
HOLE = 0.64
REACH = 1.24


@functools.cache
def outlines(shape: str) -> tuple[np.ndarray, ...]:
    """Return closed paths about 0, radius 1 (x and y); a second is a hole."""
    paths = {
        "circle": lambda: [0.97 * _arc(0, 360)],
        "square": lambda: [_points((-1, -1), (1, -1), (1, 1), (-1, 1)) * 0.86],
        "triangle": lambda: [_points((0, -0.95), (0.98, 0.75), (-0.98, 0.75))],
        "star": _star,
        "heart": _heart,
        "ring": lambda: [_arc(0, 360), HOLE * _arc(0, 360)],
        "cross": _cross,
        "moon": _moon,
    }
    return tuple(paths[shape]())


def paths(
    shape: str, x: float, y: float, diameter: float, degrees: float = 0.0
) -> list[np.ndarray]:
    """Return the outlines of a shape somewhere, turned a little."""
    angle = math.radians(degrees)
    turn = np.array(
        [
            [math.cos(angle), math.sin(angle)],
            [-math.sin(angle), math.cos(angle)],
        ]
    )
    return [
        path @ turn * (diameter / 2) + np.array([x, y])
        for path in outlines(shape)
    ]


def filled(outline: list[np.ndarray]) -> list[float]:
    """One polygon, x and y in turn, that leaves the hole out."""
    closed = [np.concatenate([path, path[:1]]) for path in outline]
    # There and back along a line between the two paths.
    backwards = [path[::-1] for path in closed[1:]]
    return np.concatenate([closed[0], *backwards]).ravel().tolist()


def mask(
    shape: str, x: float, y: float, diameter: float, side: int
) -> np.ndarray:
    """Which pixels of a square picture a shape covers."""
    image = Image.new("1", (side, side))
    polygon = filled(paths(shape, x, y, diameter))
    ImageDraw.Draw(image).polygon(polygon, fill=1)
    return np.asarray(image)


class Item(NamedTuple):
    """A shape of a thing, in pixels; x goes to the right, y down."""

    thing: Any
    x: float
    y: float
    diameter: float


def box(items: Iterable[Item]) -> tuple[float, ...]:
    """Return left, top, right, bottom."""
    corners = [
        (x - size / 2, y - size / 2, x + size / 2, y + size / 2)
        for _, x, y, size in items
    ]
    left, top, right, bottom = zip(*corners, strict=True)
    return min(left), min(top), max(right), max(bottom)


def extent(items: Iterable[Item]) -> tuple[float, float]:
    """Return width and height."""
    left, top, right, bottom = box(items)
    return right - left, bottom - top


def centered(items: list[Item], x: float, y: float) -> list[Item]:
    """Return the same with their middle at a point."""
    left, top, right, bottom = box(items)
    dx, dy = x - (left + right) / 2, y - (top + bottom) / 2
    return [item._replace(x=item.x + dx, y=item.y + dy) for item in items]


def hidden(behind: Item, front: Item, side: int) -> float:
    """Return the part of a shape that another one covers.

    Args:
        behind: The one.
        front: The other; its `thing` has a `shape`, too.
        side: Of the square picture that the first is in the middle of.
    """
    first, second = (
        mask(
            item.thing.shape,
            item.x - behind.x + side / 2,
            item.y - behind.y + side / 2,
            item.diameter,
            side,
        )
        for item in (behind, front)
    )
    return (first & second).sum() / first.sum()


def _points(*corners: tuple[float, float]) -> np.ndarray:
    return np.array(corners, dtype=float)


def _arc(begin: float, end: float) -> np.ndarray:
    """Points of the unit circle; degrees, 0 is to the right, 90 down."""
    count = max(2, round(ROUND * abs(end - begin) / 360))
    angles = np.radians(np.linspace(begin, end, count))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _star() -> list[np.ndarray]:
    angles = np.radians(np.arange(10) * 36 - 90)
    radius = np.where(np.arange(10) % 2, 0.47, 1.12)
    star = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return [star * radius[:, None] + [0, 0.08]]


def _heart() -> list[np.ndarray]:
    angles = np.linspace(0, 2 * math.pi, ROUND, endpoint=False)
    x = 16 * np.sin(angles) ** 3
    y = -(
        13 * np.cos(angles)
        - 5 * np.cos(2 * angles)
        - 2 * np.cos(3 * angles)
        - np.cos(4 * angles)
    )
    return [np.stack([x / 16.2, (y - 2.5) / 15], axis=1)]


def _cross() -> list[np.ndarray]:
    quarter = _points((0.33, -1), (0.33, -0.33), (1, -0.33))
    turn = np.array([[0, 1], [-1, 0]])
    parts = [quarter]
    for _ in range(3):
        parts.append(parts[-1] @ turn)
    return [np.concatenate(parts)]


def _moon() -> list[np.ndarray]:
    """Return a circle without another one, which lies to its right."""
    distance, radius = 0.62, 0.8
    x = (1 - radius**2 + distance**2) / (2 * distance)
    outer = math.degrees(math.acos(x))
    inner = math.degrees(math.acos((x - distance) / radius))
    bite = radius * _arc(360 - inner, inner) + [distance, 0]
    moon = np.concatenate([_arc(outer, 360 - outer), bite])
    return [moon + np.array([0.2, 0])]
