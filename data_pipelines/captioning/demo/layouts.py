"""Where the things of a demo scene stand in its picture, in pixels.

Things are put together to clusters, and these beside or above one another;
x goes to the right, y down.  What is said to be left of something ends before
it begins, at about the same height, so no two people see it differently.
"""

import dataclasses
import math
import random
from collections.abc import Sequence

from data_pipelines.captioning.demo.scenes import CENTER, Scene, Thing
from data_pipelines.vision import shapes

SIDE = 96

# Between everything and the edge of the picture.
MARGIN = 3.0

# Diameters: the more things a scene has, the less room has each.
SMALL = (12.0, 14.5)
LARGE = {1: (26.5, 31.0), 2: (26.0, 31.0), 3: (24.5, 26.0)}
# A ring with one, two, three, four small shapes in it.
AROUND = {1: (36, 41), 2: (48, 52), 3: (58, 62), 4: (62, 66)}
AROUND_OF_THREE = (34, 36)
FRONT = {2: (34, 42), 3: (29, 31)}

# The part of a shape that another one in front of it may hide.
HIDDEN = (0.15, 0.35)

# How several equal shapes stand together, in steps.
FORMS = {
    1: (((0, 0),),),
    2: (((0, 0), (1, 0)), ((0, 0), (0, 1))),
    3: (
        ((0, 0), (1, 0), (2, 0)),
        ((0, 0), (0, 1), (0, 2)),
        ((0, 0), (1, 0), (0.5, 0.9)),
        ((0, 0.9), (1, 0.9), (0.5, 0)),
    ),
    4: (
        ((0, 0), (1, 0), (2, 0), (3, 0)),
        ((0, 0), (0, 1), (0, 2), (0, 3)),
        ((0, 0), (1, 0), (0, 1), (1, 1)),
    ),
}


@dataclasses.dataclass(frozen=True)
class Item:
    """One shape of a thing."""

    thing: Thing
    x: float
    y: float
    diameter: float

    def moved(self, x: float, y: float) -> "Item":
        """The same elsewhere."""
        return dataclasses.replace(self, x=self.x + x, y=self.y + y)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Items that keep their places to one another, from back to front."""

    items: tuple[Item, ...]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return (
            min(item.x - item.diameter / 2 for item in self.items),
            min(item.y - item.diameter / 2 for item in self.items),
            max(item.x + item.diameter / 2 for item in self.items),
            max(item.y + item.diameter / 2 for item in self.items),
        )

    @property
    def width(self) -> float:
        """From left to right."""
        left, _, right, _ = self.box
        return right - left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.turned().width

    def turned(self) -> "Cluster":
        """With x and y exchanged."""
        return Cluster(
            tuple(
                dataclasses.replace(item, x=item.y, y=item.x)
                for item in self.items
            )
        )

    def centered(self, x: float, y: float) -> "Cluster":
        """The same with its middle at a point."""
        left, top, right, bottom = self.box
        dx, dy = x - (left + right) / 2, y - (top + bottom) / 2
        return Cluster(tuple(item.moved(dx, dy) for item in self.items))


class Layout:
    """Finds places.

    Args:
        chance: source of all decisions.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def items(self, scene: Scene) -> tuple[Item, ...]:
        """Every shape of a scene, from back to front."""
        room = SIDE - 2 * MARGIN
        while True:
            cluster = getattr(self, f"_{scene.kind}")(scene)
            if scene.kind in ("place", "corners"):
                return cluster.items
            if max(cluster.width, cluster.height) <= room:
                return self._in_the_middle(cluster, 6.0).items

    def _in_the_middle(self, cluster: Cluster, most: float) -> Cluster:
        """More or less, and whole."""
        moves = []
        for length in (cluster.width, cluster.height):
            free = min(most, (SIDE - length) / 2 - MARGIN)
            moves.append(SIDE / 2 + self.chance.uniform(-free, free))
        return cluster.centered(*moves)

    def _group(
        self, thing: Thing, things: int, width: float, height: float
    ) -> Cluster:
        """Equal shapes together.

        Args:
            thing: what they are.
            things: how many the scene has.
            width: the most there is.
            height: the most there is.
        """
        sizes = SMALL if thing.size == "small" else LARGE[things]
        for _ in range(1000):
            diameter = self.chance.uniform(*sizes)
            step = diameter + self.chance.uniform(2.5, 4)
            form = self.chance.choice(FORMS[thing.count])
            items = (Item(thing, x * step, y * step, diameter) for x, y in form)
            cluster = Cluster(tuple(items)).centered(0, 0)
            if cluster.width <= width and cluster.height <= height:
                return cluster
        raise ValueError(f"{thing}: no room in {width} x {height} pixels")

    def _beside(
        self, clusters: Sequence[Cluster], least: float, most: float
    ) -> Cluster:
        """From left to right, at the same height, more or less."""
        gap, edge = self.chance.uniform(least, most), 0.0
        items: list[Item] = []
        for cluster in clusters:
            middle = edge + cluster.width / 2
            placed = cluster.centered(middle, self.chance.uniform(-2, 2))
            items.extend(placed.items)
            edge += cluster.width + gap
        return Cluster(tuple(items)).centered(0, 0)

    def _row(
        self,
        clusters: Sequence[Cluster],
        relation: str,
        least: float,
        most: float,
    ) -> Cluster:
        """Each one in the relation to the next.

        Args:
            clusters: turned, if the relation is above or below.
            relation: one of the four directions.
            least: the gap between two.
            most: the same.
        """
        if relation in ("right of", "below"):
            clusters = clusters[::-1]
        row = self._beside(clusters, least, most)
        return row.turned() if relation in ("above", "below") else row

    def _place(self, scene: Scene) -> Cluster:
        (thing,), (place,) = scene.things, scene.relations
        if place == CENTER:
            return self._in_the_middle(self._group(thing, 1, 86, 86), 3.0)
        width, height = 34.0, 34.0
        if place in ("top", "bottom"):
            width = 70.0
        elif place in ("left", "right"):
            height = 70.0
        return self._at(self._group(thing, 1, width, height), place)

    def _at(self, cluster: Cluster, place: str) -> Cluster:
        """At an edge or in a corner."""
        words = place.split()
        x, y = (SIDE / 2 + self.chance.uniform(-3, 3) for _ in "xy")
        margin = self.chance.uniform(4, 8)
        if "left" in words:
            x = margin + cluster.width / 2
        elif "right" in words:
            x = SIDE - margin - cluster.width / 2
        if "top" in words:
            y = margin + cluster.height / 2
        elif "bottom" in words:
            y = SIDE - margin - cluster.height / 2
        return cluster.centered(x, y)

    def _corners(self, scene: Scene) -> Cluster:
        return Cluster(
            tuple(
                item
                for thing, place in scene.places()
                for item in self._at(self._group(thing, 2, 34, 34), place).items
            )
        )

    def _pair(self, scene: Scene) -> Cluster:
        (relation,) = scene.relations
        if relation in ("inside", "in front of"):
            return self._close(*scene.things, relation, 2)
        groups = [self._group(thing, 2, 38, 72) for thing in scene.things]
        return self._row(groups, relation, 9, 16)

    def _line(self, scene: Scene) -> Cluster:
        groups = [self._group(thing, 3, 26, 80) for thing in scene.things]
        return self._row(groups, scene.relations[0], 6, 9)

    def _both(self, scene: Scene) -> Cluster:
        first, second, third = scene.things
        groups = [self._group(thing, 3, 34, 34) for thing in (first, second)]
        other = self._group(third, 3, 34, 72)
        # The pair lies across the row that it makes with the other one.
        pair = self._beside(groups, 7, 10).turned()
        return self._row((pair, other), scene.relations[1], 13, 18)

    def _nested(self, scene: Scene) -> Cluster:
        first, second, third = scene.things
        closer, direction = scene.relations
        close = self._close(first, second, closer, 3)
        if direction in ("above", "below"):
            close = close.turned()
        return self._row(
            (close, self._group(third, 3, 28, 70)), direction, 7, 12
        )

    def _close(
        self, first: Thing, second: Thing, relation: str, things: int
    ) -> Cluster:
        """The first one inside or in front of the second."""
        if relation == "inside":
            return self._inside(first, second, things)
        return self._in_front(first, second, things)

    def _inside(self, first: Thing, second: Thing, things: int) -> Cluster:
        """In the hole of a ring, without touching it."""
        sizes = AROUND_OF_THREE if things == 3 else AROUND[first.count]
        while True:
            ring = Item(second, 0, 0, self.chance.uniform(*sizes))
            hole = shapes.HOLE * ring.diameter / 2 - 1
            inner = self._group(first, things, 40, 40)
            if all(
                math.hypot(item.x, item.y) + shapes.REACH * item.diameter / 2
                < hole
                for item in inner.items
            ):
                return Cluster((ring, *inner.items))

    def _in_front(self, first: Thing, second: Thing, things: int) -> Cluster:
        """Hides a good part of the other one, and not more."""
        while True:
            sizes = [self.chance.uniform(*FRONT[things]) for _ in range(2)]
            x, y = (self.chance.uniform(-1, 1) * sizes[0] for _ in "xy")
            behind = Item(second, 0, 0, sizes[0])
            front = Item(first, x, y, sizes[1])
            least, most = HIDDEN
            if least <= hidden(behind, front) <= most:
                return Cluster((behind, front)).centered(0, 0)


def hidden(behind: Item, front: Item) -> float:
    """The part of one shape that another one covers."""
    first, second = (
        shapes.mask(
            item.thing.shape,
            item.x - behind.x + SIDE / 2,
            item.y - behind.y + SIDE / 2,
            item.diameter,
            SIDE,
        )
        for item in (behind, front)
    )
    return (first & second).sum() / first.sum()
