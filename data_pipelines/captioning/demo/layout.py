"""Where the things of a scene stand in its picture.

x goes to the right, y down. What is said to be left of something ends before
it begins, at about the same height, so no two people see it differently.
"""

import itertools
import math
import random

from data_pipelines.captioning.demo.scenes import Scene
from data_pipelines.vision import shapes
from data_pipelines.vision.shapes import Item, centered, extent, turned

SIDE, MARGIN = 96, 3.0  # Pixels; of the picture, and all around it
# Diameters: the more things a scene has, the less room has each.
SMALL = (12.0, 14.5)
LARGE = {1: (26.5, 31.0), 2: (26.0, 31.0), 3: (24.5, 26.0)}
# A ring around so many small shapes; 0: around one, beside a third thing.
AROUND = {0: (34, 36), 1: (36, 41), 2: (48, 52), 3: (58, 62), 4: (62, 66)}
FRONT = {2: (34, 42), 3: (29, 31)}
HIDDEN = (0.15, 0.35)  # The part of a shape that one in front of it hides
# How equal shapes stand together, in steps to the right and, times j, down.
FORMS = {
    1: [[0j]],
    2: [[0j, 1], [0j, 1j]],
    3: [[0j, 1, 2], [0j, 1j, 2j], [0j, 1, 0.5 + 0.9j], [0.9j, 1 + 0.9j, 0.5]],
    4: [[0j, 1, 2, 3], [0j, 1j, 2j, 3j], [0j, 1, 1j, 1 + 1j]],
}


class Layout:
    """Finds places; its lists are from back to front."""

    def __init__(self, chance: random.Random) -> None:
        self.uniform, self.choice = chance.uniform, chance.choice

    def items(self, scene: Scene) -> list[Item]:
        """Return every shape of a scene."""
        kind, relations, things = scene
        if kind in ("place", "corners"):
            places = zip(things, relations, strict=True)
            placed = [self._at(*pair, len(things)) for pair in places]
            return list(itertools.chain(*placed))
        while True:
            items = self._together(*scene)
            if max(extent(items)) <= SIDE - 2 * MARGIN:
                return self._in_the_middle(items, 6.0)

    def _together(self, kind, relations, things) -> list[Item]:
        count, relation = len(things), relations[-1]
        if relations[0] in ("inside", "in front of"):
            inside = relations[0] == "inside"
            close = (self._inside if inside else self._in_front)(*things)
            if count == 2:
                return close
            close = turned(close) if relation in ("above", "below") else close
            other = self._group(things[2], 3, 28, 70)
            return self._row([close, other], relation, 7, 12)
        if kind == "both":
            pair = [self._group(thing, 3, 34, 34) for thing in things[:2]]
            other = self._group(things[2], 3, 34, 72)
            # The pair lies across the row that it makes with the other one.
            pair = turned(self._row(pair, "left of", 7, 10))
            return self._row([pair, other], relation, 13, 18)
        width, height, *gap = (38, 72, 9, 16) if count == 2 else (26, 80, 6, 9)
        groups = [self._group(thing, count, width, height) for thing in things]
        return self._row(groups, relation, *gap)

    def _in_the_middle(self, items, most) -> list[Item]:
        """Return the same more or less in the middle, and whole."""
        free = [min(most, (SIDE - s) / 2 - MARGIN) for s in extent(items)]
        return centered(items, *(SIDE / 2 + self.uniform(-f, f) for f in free))

    def _group(self, thing, things, width, height) -> list[Item]:
        """Return equal shapes together, in so much room."""
        while True:
            sizes = SMALL if thing.size == "small" else LARGE[things]
            diameter = self.uniform(*sizes)
            step = diameter + self.uniform(2.5, 4)
            form = self.choice(FORMS[thing.count])
            steps = [(step * z.real, step * z.imag) for z in form]
            items = [Item(thing, *point, diameter) for point in steps]
            items = centered(items, 0, 0)
            wide, high = extent(items)
            if wide <= width and high <= height:
                return items

    def _row(self, groups, relation, least, most) -> list[Item]:
        """Return groups, each in the relation to the next; turned, if above."""
        gap, edge, items = self.uniform(least, most), 0.0, []
        for group in groups[:: -1 if relation in ("right of", "below") else 1]:
            width, _ = extent(group)
            items += centered(group, edge + width / 2, self.uniform(-2, 2))
            edge += width + gap
        items = centered(items, 0, 0)
        return turned(items) if relation in ("above", "below") else items

    def _at(self, thing, place, things) -> list[Item]:
        """Return a thing at an edge, in a corner or in the center."""
        if place == "center":
            return self._in_the_middle(self._group(thing, 1, 86, 86), 3.0)
        width = 70 if place in ("top", "bottom") else 34
        height = 70 if place in ("left", "right") else 34
        items = self._group(thing, things, width, height)
        point = [SIDE / 2 + self.uniform(-3, 3) for _ in "xy"]
        margin = self.uniform(4, 8)
        for word in place.split():
            axis = word in ("top", "bottom")
            near = margin + extent(items)[axis] / 2
            far = SIDE - margin - extent(items)[axis] / 2
            point[axis] = near if word in ("left", "top") else far
        return centered(items, *point)

    def _inside(self, first, second, *third) -> list[Item]:
        """Return the first in the hole of a ring, without touching it."""
        while True:
            sizes = AROUND[0 if third else first.count]
            ring = Item(second, 0, 0, self.uniform(*sizes))
            hole = shapes.HOLE * ring.diameter / 2 - 1
            inner = self._group(first, 2 + len(third), 40, 40)
            reach = shapes.REACH * inner[0].diameter / 2
            if all(math.hypot(i.x, i.y) + reach < hole for i in inner):
                return [ring, *inner]

    def _in_front(self, first, second, *third) -> list[Item]:
        """Return the first as it hides a good part of the other, not more."""
        while True:
            sizes = FRONT[2 + len(third)]
            behind = Item(second, 0, 0, self.uniform(*sizes))
            size = self.uniform(*sizes)
            x, y = (self.uniform(-1, 1) * behind.diameter for _ in "xy")
            front = Item(first, x, y, size)
            if HIDDEN[0] <= shapes.hidden(behind, front, SIDE) <= HIDDEN[1]:
                return centered([behind, front], 0, 0)
