"""Captions of the demo's scenes, and what a caption says of its picture.

One grammar, `grammar.ini`, serves both ways. A form has blanks: `a`, `b`, `c`
are things, `the_a` names one again, and what ends in a letter agrees with its
thing, as in `is_a`. `relation`, `side`, `way` are the scene's first relation,
`back`, `far`, `yaw` the same turned round, and `place` is its first place;
what ends in `_2` is the second one.
"""

import functools
import itertools
import random
import re
from collections.abc import Iterator

from data_pipelines.captioning.demo import scenes
from data_pipelines.captioning.demo.scenes import Scene, Thing

OPTIONS = {
    section: {name: tuple(text.split("|")) for name, text in entries.items()}
    for section, entries in scenes.GRAMMAR.items()
}
TURNED = {"back": "relation", "far": "side", "yaw": "way"}
# (kind, relations, form): some are of a first relation alone.
FORMS = [
    (kind, relations, form)
    for kind, possible in scenes.KINDS.items()
    for relations in possible
    for name in (kind, f"{kind} {relations[0]}")
    for form in scenes.GRAMMAR.get("forms", name, fallback="").split("\n")
    if form
]


def write(scene: Scene, chance: random.Random, count: int) -> list[str]:
    """Return different captions of a scene, true and with nothing left out."""
    forms = [form for *rest, form in FORMS if (*rest,) == scene[:2]]
    chance.shuffle(forms)
    captions: dict[str, None] = {}
    for form in itertools.cycle(forms):
        text = re.sub(
            r"{(\w+)}",
            lambda blank: chance.choice(options(blank[1], scene)),
            form,
        )
        captions[f"{text[0].upper()}{text[1:]}."] = None
        if len(captions) == count:
            break
    return list(captions)


def facts(sentence: str) -> frozenset[str] | None:
    """Return what a caption says; None if it is not of the grammar."""
    return next((scene.facts for scene in readings(sentence)), None)


def readings(sentence: str) -> Iterator[Scene]:
    """Yield what a sentence may be about; case and points do not count."""
    text = " ".join(re.sub("[.,]", " ", sentence.lower()).split())
    phrase = r"\b(?:a|one|two|three|four) (?:small|little|large|big) \w+ \w+"
    things = [_things().get(words) for words in re.findall(phrase, text)]
    for kind, relations, form in FORMS:
        if scenes.THINGS[kind] == len(things) and None not in things:
            letters = re.findall("{([abc])}", form)
            ordered = tuple(things[letters.index(a)] for a in sorted(letters))
            scene = Scene(kind, relations, ordered)
            if _fits(re.split(r"{(\w+)}", form.replace(",", "")), scene, text):
                yield scene


def _fits(parts: list[str], scene: Scene, text: str) -> bool:
    """Return whether a text is that literal, an option of that blank, ..."""
    literal, *rest = parts
    if not text.startswith(literal):
        return False
    text = text.removeprefix(literal)
    if not rest:
        return not text
    return any(
        _fits(rest[1:], scene, text.removeprefix(option))
        for option in {*options(rest[0], scene)}
        if text.startswith(option)
    )


def options(blank: str, scene: Scene) -> tuple[str, ...]:
    """Return everything that may stand in a blank."""
    name, _, which = blank.partition("_")
    if (which or name) in ("a", "b", "c"):
        thing = scene.things["abc".index(which or name)]
        if not which:
            return _phrases(thing)
        if name == "the":
            return (f"the {thing.colour} {_noun(thing)}",)
        words = OPTIONS[name]["1" if thing.count == 1 else "2"]
        if name == "see":
            return tuple(f"{word} ".lstrip() for word in words)
        return words
    relation = scene.relations[1 if which else 0]
    if name in TURNED:
        name, relation = TURNED[name], scenes.BACK[relation]
    return OPTIONS[name][relation]


def _phrases(thing: Thing) -> tuple[str, ...]:
    return tuple(
        f"{number} {size} {thing.colour} {_noun(thing)}"
        for number in OPTIONS["numbers"][str(thing.count)]
        for size in OPTIONS["sizes"][thing.size]
    )


def _noun(thing: Thing) -> str:
    plural = scenes.GRAMMAR["shapes"][thing.shape]
    return thing.shape if thing.count == 1 else plural


@functools.cache
def _things() -> dict[str, Thing]:
    """Return the thing of every phrase for one."""
    sizes, colours, shapes = OPTIONS["sizes"], scenes.COLOURS, scenes.SHAPES
    every = itertools.product((1, 2, 3, 4), sizes, colours, shapes)
    return {
        phrase: thing
        for thing in itertools.starmap(Thing, every)
        for phrase in _phrases(thing)
    }
