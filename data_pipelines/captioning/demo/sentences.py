"""Captions of the demo's scenes, and what a caption says of its picture.

One grammar serves both ways.  `write` fills the blanks of a form, such as

    {see_a}{a} {relation} {b}
    You can see a large red circle above two small blue squares.

and `read` finds the forms that a sentence fits.  A blank is filled with one of
its `options`, which the scene decides, so that articles, numbers and verbs of
a sentence that is read are right, or it is not read at all.
"""

import functools
import itertools
import random
import re
from collections.abc import Iterable

from data_pipelines.captioning.demo import forms
from data_pipelines.captioning.demo.scenes import (
    BACK,
    COLOURS,
    COUNTS,
    KINDS,
    SHAPES,
    THINGS,
    Scene,
    Thing,
)

_BLANK = re.compile(r"{(\w+)}")

# Blanks for the things of a scene.
LETTERS = ("a", "b", "c")


def write(scene: Scene, chance: random.Random, count: int) -> list[str]:
    """Different captions of a scene, all true and none with anything left out.

    Args:
        scene: what the picture shows.
        chance: source of all decisions.
        count: how many.
    """
    shuffled = _forms(scene.kind, scene.relations)
    chance.shuffle(shuffled)
    found: dict[str, None] = {}
    for form in itertools.cycle(shuffled):
        words = _BLANK.sub(
            lambda blank: chance.choice(options(blank[1], scene)), form
        )
        found[f"{words[0].upper()}{words[1:]}."] = None
        if len(found) == count:
            break
    return list(found)


def facts(sentence: str) -> frozenset[str] | None:
    """What a caption says.

    A caption is right if these are the facts of the scene, or of another
    caption of the picture.  Case, commas and full stops do not count.

    Returns:
        The facts as `Scene.facts` writes them; None for a sentence, or words
        that are none, of another grammar than that of `write`.
    """
    scene = read(sentence)
    return None if scene is None else scene.facts


def read(sentence: str) -> Scene | None:
    """A scene that a sentence is about; None if it is no sentence of ours."""
    text = normalize(sentence)
    count = len(_thing().findall(text))
    for pattern, blanks, kind, relations in _patterns(count):
        match = pattern.fullmatch(text)
        if match is None:
            continue
        filled = dict(zip(blanks, match.groups(), strict=True))
        things = [_things().get(filled[k]) for k in LETTERS[:count]]
        if None in things:
            return None
        scene = Scene(kind, relations, tuple(things))
        if all(w in options(blank, scene) for blank, w in filled.items()):
            return scene
    return None


def normalize(sentence: str) -> str:
    """Small letters, one space between words, and no points."""
    return " ".join(re.sub(r"[.,]", " ", sentence.lower()).split())


def options(blank: str, scene: Scene) -> tuple[str, ...]:
    """Everything that may stand in a blank.

    Args:
        blank: `a`, `b`, `c`: a thing; `the_a` names it again, and what ends in
            its letter agrees with it, as in `is_a`.  `relation`, `side`,
            `way`: the scene's first relation, `back`, `far`, `yaw` the same
            turned round, `place` its first place; `relation_2` its second.
        scene: what the sentence is about.
    """
    name, _, which = blank.partition("_")
    letter = which or name
    if letter in LETTERS:
        thing = scene.things[LETTERS.index(letter)]
        if name == letter:
            return _phrases(thing)
        if name == "the":
            return (f"the {thing.colour} {_noun(thing)}",)
        return forms.AGREEING[name][thing.count > 1]
    return _related(name, scene.relations[1 if which else 0])


def _related(name: str, relation: str) -> tuple[str, ...]:
    """What stands in a blank for a relation or a place."""
    if name == "place":
        return forms.PLACE[relation]
    if name in ("back", "far", "yaw"):
        relation = BACK[relation]
    if name in ("relation", "back"):
        return forms.RELATION[relation]
    return (forms.SIDE if name in ("side", "far") else forms.WAY)[relation]


def _phrases(thing: Thing) -> tuple[str, ...]:
    return tuple(
        f"{number} {size} {thing.colour} {_noun(thing)}"
        for number in forms.NUMBERS[thing.count]
        for size in forms.SIZES[thing.size]
    )


def _noun(thing: Thing) -> str:
    return thing.shape if thing.count == 1 else forms.PLURALS[thing.shape]


def _forms(kind: str, relations: tuple[str, ...]) -> list[str]:
    return [*forms.FORMS[kind], *forms.MORE.get((kind, relations[0]), ())]


@functools.cache
def _things() -> dict[str, Thing]:
    """Every phrase for a thing, and the thing."""
    every = itertools.starmap(
        Thing, itertools.product(COUNTS, forms.SIZES, COLOURS, SHAPES)
    )
    return {words: thing for thing in every for words in _phrases(thing)}


def _either(words: Iterable[str]) -> str:
    return f"(?:{'|'.join(words)})"


@functools.cache
def _thing() -> re.Pattern:
    """Matches what may be a phrase for a thing."""
    parts = (
        itertools.chain(*forms.NUMBERS.values()),
        itertools.chain(*forms.SIZES.values()),
        COLOURS,
        (*forms.PLURALS.values(), *SHAPES),
    )
    return re.compile(rf"\b{' '.join(map(_either, parts))}\b")


@functools.cache
def _patterns(things: int) -> list[tuple]:
    """(pattern, blanks, kind, relations) of forms with so many things."""
    return [
        (_pattern(form, relations), _BLANK.findall(form), kind, relations)
        for kind, possible in KINDS.items()
        if THINGS[kind] == things
        for relations in possible
        for form in _forms(kind, relations)
    ]


def _pattern(form: str, relations: tuple[str, ...]) -> re.Pattern:
    """Matches the sentences of a form, and some whose words do not agree."""

    def fill(blank: re.Match) -> str:
        name, _, which = blank[1].partition("_")
        if name in LETTERS:
            return f"({_thing().pattern})"
        if name == "the":
            return r"(the \w+ \w+)"
        if which in LETTERS:
            return f"({_either(itertools.chain(*forms.AGREEING[name]))})"
        return f"({_either(_related(name, relations[1 if which else 0]))})"

    return re.compile(_BLANK.sub(fill, form.replace(",", "")))
