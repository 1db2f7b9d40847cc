"""What a demo picture shows, before it has a place in pixels or in words."""

import configparser
import random
from pathlib import Path
from typing import NamedTuple

GRAMMAR = configparser.ConfigParser(interpolation=None)
GRAMMAR.read(Path(__file__).parent / "grammar.ini", "utf-8")
COLOURS = GRAMMAR["colours"]
SHAPES, SIZES = tuple(GRAMMAR["shapes"]), ("small", "large")
# Kind of a scene -> its number of things, and their relation, or place: a is
# at a place, or left of b, ...
KINDS = {
    "place": (1, tuple(GRAMMAR["place"])),
    "pair": (2, tuple(GRAMMAR["back"])),
}
WEIGHTS = (3, 5)


class Thing(NamedTuple):
    """One to four equal shapes that stand together."""

    count: int
    size: str
    colour: str
    shape: str

    @property
    def name(self) -> str:
        """What tells it from the others of its scene."""
        return f"{self.colour} {self.shape}"


class Scene(NamedTuple):
    """A kind, a relation or place of this kind, and as many things."""

    kind: str
    relation: str
    things: tuple[Thing, ...]

    @property
    def facts(self) -> frozenset[str]:
        """All that a caption has to say, and nothing else may."""
        names = [thing.name for thing in self.things]
        facts = [f"{t.count} {t.size} {t.name}" for t in self.things]
        if self.kind == "place":
            return frozenset([*facts, f"{names[0]} in {self.relation}"])
        return frozenset([*facts, f" {self.relation} ".join(names)])

    @property
    def combinations(self) -> set[str]:
        """(colour, shape) and (shape, relation, shape)."""
        combinations = {thing.name for thing in self.things}
        if self.kind == "pair":
            shapes = [thing.shape for thing in self.things]
            combinations.add(f" {self.relation} ".join(shapes))
        return combinations


def random_scene(chance: random.Random, kind: str, relation: str) -> Scene:
    """Return a scene of a kind in which everybody sees the same."""
    while True:
        things = [_thing(chance) for _ in range(KINDS[kind][0])]
        if relation == "inside":
            # Only a ring shows that something is inside it, and not before it.
            things[0] = things[0]._replace(size="small")
            things[1] = Thing(1, "large", things[1].colour, "ring")
        if relation == "in front of":
            things = [t._replace(count=1, size="large") for t in things]
            # Half hidden, a ring is not known.
            if "ring" in {thing.shape for thing in things}:
                continue
        unlike = "colour" if relation == "in front of" else "name"
        if len({getattr(thing, unlike) for thing in things}) == len(things):
            return Scene(kind, relation, tuple(things))


def _thing(chance: random.Random) -> Thing:
    size, colour = chance.choice(SIZES), chance.choice([*COLOURS])
    return Thing(chance.randint(1, 4), size, colour, chance.choice(SHAPES))
