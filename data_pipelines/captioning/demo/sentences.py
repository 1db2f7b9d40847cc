"""Captions of the demo's scenes, and what a caption says of its picture.

A sentence is read by writing: it says what a scene is if it is a caption of
this scene, whichever of two words of the same meaning it uses.
"""

import itertools
import re

from data_pipelines.captioning.demo import scenes
from data_pipelines.captioning.demo.scenes import GRAMMAR, Scene, Thing

NUMBERS = ("a", "two", "three", "four")
PARTS = (NUMBERS, scenes.SIZES, scenes.COLOURS, scenes.SHAPES)
PHRASE = re.compile(" ".join(f"\\b({'|'.join(words)})" for words in PARTS))


def write(scene: Scene) -> list[str]:
    """Return captions of a scene, true and with nothing left out."""
    captions = []
    for number, text in enumerate(_plain(scene)):
        for word, other in GRAMMAR["synonyms"].items() if number % 2 else ():
            text = re.sub(rf"\b{word}\b", other, text)
        captions.append(f"{text[0].upper()}{text[1:]}.")
    return captions


def facts(sentence: str) -> frozenset[str] | None:
    """Return what a caption says, in any case; None if it is none."""
    text = _bare(sentence)
    for word, other in GRAMMAR["synonyms"].items():
        text = re.sub(rf"\b{other}\b", word, text)
    things = [
        Thing(NUMBERS.index(number) + 1, *rest)
        for number, *rest in PHRASE.findall(text)
    ]
    for kind, (count, relations) in scenes.KINDS.items():
        for order in itertools.permutations(things, count):
            for relation in relations:
                scene = Scene(kind, relation, order)
                if text in map(_bare, _plain(scene)):
                    return scene.facts
    return None


def _bare(text: str) -> str:
    return " ".join(re.sub("[.,]", " ", text.lower()).split())


def _plain(scene: Scene) -> list[str]:
    """Return its captions without synonyms, capitals and full stops."""
    kind, relation, things = scene
    words = {"relation": relation}
    for section in ("back", "place"):
        words[section] = GRAMMAR[section].get(relation)
    for letter, thing in zip("ab", things, strict=False):
        several = thing.count > 1
        noun = GRAMMAR["shapes"][thing.shape] if several else thing.shape
        number = NUMBERS[thing.count - 1]
        words[letter] = f"{number} {thing.size} {thing.colour} {noun}"
        words[f"is_{letter}"] = "are" if several else "is"
        words[f"it_{letter}"] = "them" if several else "it"
    forms = GRAMMAR["forms"][kind].strip().splitlines()
    return [form.format_map(words) for form in forms]
