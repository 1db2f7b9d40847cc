"""What a demo picture shows, before it has a place in pixels or in words.

A scene is of one of these kinds, a, b and c being its things in order

    place     a at a place of the picture
    corners   a and b in opposite corners
    pair      a left of, above, inside or in front of b
    line      a, b, c from left to right, or from top to bottom
    both      a left of b (or above), both on one side of c
    nested    a inside or in front of b, and b on one side of c

and its facts are short lines such as

    2 small blue square
    red circle above blue square
    green star in top left
"""

import dataclasses
import random
from collections.abc import Iterator

COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "black",
)
SHAPES = (
    "circle",
    "square",
    "triangle",
    "star",
    "heart",
    "ring",
    "cross",
    "moon",
)
# Shapes that are known when another one hides a part, and hide enough.
SOLID = ("circle", "square", "triangle", "star", "heart", "cross")
COUNTS = (1, 2, 3, 4)

DIRECTIONS = ("left of", "right of", "above", "below")
BACK = {
    "left of": "right of",
    "above": "below",
    "inside": "around",
    "in front of": "behind",
}
BACK |= {back: relation for relation, back in BACK.items()}

CORNERS = ("top left", "top right", "bottom left", "bottom right")
EDGES = ("left", "right", "top", "bottom")
CENTER = "center"

# Every kind with the relations, or places, that its scenes may have.
KINDS = {
    "place": tuple((place,) for place in (*CORNERS, *EDGES, CENTER)),
    "corners": tuple(zip(CORNERS, reversed(CORNERS), strict=True)),
    "pair": (("left of",), ("above",), ("inside",), ("in front of",)),
    "line": (("left of",), ("above",)),
    "both": (
        ("left of", "above"),
        ("left of", "below"),
        ("above", "left of"),
        ("above", "right of"),
    ),
    "nested": tuple(
        (closer, direction)
        for closer in ("inside", "in front of")
        for direction in DIRECTIONS
    ),
}
WEIGHTS = {
    "place": 4,
    "corners": 2,
    "pair": 8,
    "line": 2,
    "both": 2,
    "nested": 2,
}
THINGS = {
    "place": 1,
    "corners": 2,
    "pair": 2,
    "line": 3,
    "both": 3,
    "nested": 3,
}


@dataclasses.dataclass(frozen=True)
class Thing:
    """One to four equal shapes that stand together."""

    count: int
    size: str
    colour: str
    shape: str

    @property
    def name(self) -> str:
        """What tells it from the others of its scene."""
        return f"{self.colour} {self.shape}"

    @property
    def fact(self) -> str:
        """All that is to be said of it alone."""
        return f"{self.count} {self.size} {self.name}"


@dataclasses.dataclass(frozen=True)
class Scene:
    """Things and how they stand.

    Args:
        kind: one of `KINDS`.
        relations: one of those of its kind.
        things: as many as its kind asks for, of different names.
    """

    kind: str
    relations: tuple[str, ...]
    things: tuple[Thing, ...]

    @property
    def facts(self) -> frozenset[str]:
        """All that a caption has to say, and nothing else may."""
        return frozenset(
            [
                *(thing.fact for thing in self.things),
                *(f"{a.name} {r} {b.name}" for a, r, b in self.related()),
                *(f"{a.name} in {place}" for a, place in self.places()),
            ]
        )

    @property
    def combinations(self) -> frozenset[str]:
        """(colour, shape) and (shape, relation, shape), implied ones too."""
        related = [*self.related(), *self.implied()]
        return frozenset(
            [
                *(thing.name for thing in self.things),
                *(f"{a.shape} {r} {b.shape}" for a, r, b in related),
            ]
        )

    def places(self) -> Iterator[tuple[Thing, str]]:
        """Every thing that has a place in the picture."""
        if self.kind in ("place", "corners"):
            yield from zip(self.things, self.relations, strict=True)

    def related(self) -> Iterator[tuple[Thing, str, Thing]]:
        """Relations that captions state: never right of, never below."""
        relations = self.relations
        if self.kind == "pair":
            yield one_way(self.things[0], relations[0], self.things[1])
        elif self.kind == "line":
            first, second, third = self.things
            yield one_way(first, relations[0], second)
            yield one_way(second, relations[0], third)
        elif self.kind == "both":
            first, second, third = self.things
            yield one_way(first, relations[0], second)
            yield one_way(first, relations[1], third)
            yield one_way(second, relations[1], third)
        elif self.kind == "nested":
            first, second, third = self.things
            yield one_way(first, relations[0], second)
            yield one_way(second, relations[1], third)

    def implied(self) -> Iterator[tuple[Thing, str, Thing]]:
        """Relations that follow from the stated ones."""
        if self.kind in ("line", "nested"):
            yield one_way(self.things[0], self.relations[-1], self.things[2])


def one_way(first: Thing, relation: str, second: Thing) -> tuple:
    """The same relation, as left of or above where it is the contrary."""
    if relation in ("right of", "below"):
        return second, BACK[relation], first
    return first, relation, second


def random_scene(chance: random.Random, kind: str) -> Scene:
    """Any scene of a kind."""
    relations = chance.choice(KINDS[kind])
    while True:
        things = tuple(_thing(chance) for _ in range(THINGS[kind]))
        if "inside" in relations:
            # Only a ring shows that something is inside, and not before it.
            ring = dataclasses.replace(things[1], shape="ring")
            things = (things[0], ring, *things[2:])
        scene = Scene(kind, relations, things)
        if _is_clear(scene):
            return scene


def _thing(chance: random.Random) -> Thing:
    """Large ones are mostly alone, for they need room."""
    size = chance.choice(("small", "large"))
    weights = (4, 2, 2, 2) if size == "small" else (6, 2, 1, 1)
    return Thing(
        chance.choices(COUNTS, weights)[0],
        size,
        chance.choice(COLOURS),
        chance.choice(SHAPES),
    )


def _is_clear(scene: Scene) -> bool:
    """Whether there is room for all, and everybody sees the same."""
    things, relations = scene.things, scene.relations
    if len({thing.name for thing in things}) < len(things):
        return False
    most = 2
    if scene.kind == "place":
        most = {CENTER: 4}.get(relations[0], 2)
        most = 1 if relations[0] in CORNERS else most
    elif scene.kind == "corners":
        most = 1
    if any(thing.size == "large" and thing.count > most for thing in things):
        return False
    if scene.kind == "both":
        return all(t.size == "small" or t.count == 1 for t in things[:2])
    if "inside" in relations:
        inner, ring, *others = things
        most = 1 if others else 4
        whole = (ring.size, ring.count) == ("large", 1)
        return whole and inner.size == "small" and inner.count <= most
    if "in front of" in relations:
        return things[0].colour != things[1].colour and all(
            thing.shape in SOLID and (thing.size, thing.count) == ("large", 1)
            for thing in things[:2]
        )
    return True
