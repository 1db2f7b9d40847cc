"""What a demo picture shows, before it has a place in pixels or in words."""

import configparser
import random
from pathlib import Path
from typing import NamedTuple

GRAMMAR = configparser.ConfigParser(interpolation=None)
GRAMMAR.read(Path(__file__).parent / "grammar.ini", "utf-8")
COLOURS, BACK = dict(GRAMMAR["colours"]), GRAMMAR["back"]
SHAPES = tuple(GRAMMAR["shapes"])
# Every kind of scene with the relations, or places, that it may have.
KINDS = {
    kind: [tuple(relations.split(", ")) for relations in text.split("|")]
    for kind, text in GRAMMAR["kinds"].items()
}
WEIGHTS = dict(zip(KINDS, (4, 2, 8, 2, 2, 2), strict=True))
THINGS = dict(zip(KINDS, (1, 2, 2, 3, 3, 3), strict=True))
# Thing, relation, thing, by their numbers: as captions state them; implied.
STATED = {
    "pair": [(0, 0, 1)],
    "line": [(0, 0, 1), (1, 0, 2)],
    "both": [(0, 0, 1), (0, 1, 2), (1, 1, 2)],
    "nested": [(0, 0, 1), (1, 1, 2)],
}
IMPLIED = {"line": [(0, 0, 2)], "nested": [(0, 1, 2)]}


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
    """A kind, relations or places of this kind, and as many things."""

    kind: str
    relations: tuple[str, ...]
    things: tuple[Thing, ...]

    def related(self, table: dict = STATED) -> list[tuple[Thing, str, Thing]]:
        """Return its relations, turned round where right of or below."""
        rows = []
        for a, relation, b in table.get(self.kind, ()):
            row = self.things[a], self.relations[relation], self.things[b]
            turn = row[1] in ("right of", "below")
            rows.append((row[2], BACK[row[1]], row[0]) if turn else row)
        return rows

    @property
    def facts(self) -> frozenset[str]:
        """All that a caption has to say, and nothing else may."""
        facts = [f"{t.count} {t.size} {t.name}" for t in self.things]
        facts += [f"{a.name} {r} {b.name}" for a, r, b in self.related()]
        if self.kind in ("place", "corners"):
            places = zip(self.things, self.relations, strict=True)
            facts += [f"{thing.name} in {place}" for thing, place in places]
        return frozenset(facts)

    @property
    def combinations(self) -> frozenset[str]:
        """(colour, shape) and (shape, relation, shape), implied ones too."""
        rows = self.related() + self.related(IMPLIED)
        names = {thing.name for thing in self.things}
        return frozenset(
            {f"{a.shape} {r} {b.shape}" for a, r, b in rows} | names
        )


def random_scene(chance: random.Random, kind: str) -> Scene:
    """Return any scene of a kind."""
    relations = chance.choice(KINDS[kind])
    while True:
        things = [_thing(chance) for _ in range(THINGS[kind])]
        if "inside" in relations:
            # Only a ring shows that something is inside, and not before it.
            things[1] = things[1]._replace(shape="ring")
        if _is_clear(kind, relations, things):
            return Scene(kind, relations, tuple(things))


def _thing(chance: random.Random) -> Thing:
    size = chance.choice(("small", "large"))
    # Large ones are mostly alone, for they need room.
    weights = (4, 2, 2, 2) if size == "small" else (6, 2, 1, 1)
    (count,) = chance.choices((1, 2, 3, 4), weights)
    return Thing(count, size, chance.choice([*COLOURS]), chance.choice(SHAPES))


def _is_clear(kind: str, relations: tuple, things: list[Thing]) -> bool:
    """Return whether there is room for all, and everybody sees the same."""
    most = 4 if "center" in relations else 2
    most = 1 if relations[0].startswith(("top ", "bottom ")) else most
    large = [thing.count * (thing.size == "large") for thing in things]
    names = {thing.name for thing in things}
    if len(names) < len(things) or max(large) > most:
        return False
    if kind == "both":
        return max(large[:2]) <= 1
    if "inside" in relations:
        inner = 1 if kind == "nested" else 4
        return large[:2] == [0, 1] and things[0].count <= inner
    if "in front of" in relations:
        first, second, *_ = things
        # Half hidden, a ring or a moon is not known.
        solid = {"ring", "moon"}.isdisjoint((first.shape, second.shape))
        differ = first.colour != second.colour
        return large[:2] == [1, 1] and solid and differ
    return True
