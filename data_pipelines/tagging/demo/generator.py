"""Requests to a house that plays music, in which labels depend on each other.

Files     train.txt, valid.txt, test.txt: a word a line, with its tag, its head
          and its relation, tabs between; train.intents and so on, one a line

A word alone tells little: `kitchen` is where music plays, where it comes from
or where it goes, `june` a person or a month, by the words around it. And three
words behind `play` can be read in three ways that nothing in the text decides:

    0.4   slow  [blue river]artist     slowly, something by Blue River
    0.3   slow  [blue river]song       slowly, the song Blue River
    0.3   [slow blue river]song        the song Slow Blue River

Word by word the most probable labels are O, B-artist, I-song, which is none of
them: a model that chooses each label alone is wrong about all of these spans,
one that chooses them together is right about 0.4. With everything else right
that is an F1 of 0.74 in place of 0.89 (`attainable`).
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Raise it with any change of the sentences: files of one version are written
# once and then taken as they are.
VERSION = 1

SIZES = {"train": 4000, "valid": 500, "test": 1000}
SMALL_SIZES = {split: size // 10 for split, size in SIZES.items()}

COLUMNS = "word,tag,head,relation"

READINGS = {"artist": 0.4, "song": 0.3, "long song": 0.3}

_MANNERS = (
    *("slow", "sweet", "wild", "quiet", "bright"),
    *("deep", "soft", "loud", "cold", "warm"),
)
_NAMES = (
    *("blue", "river", "stone", "moon", "night", "fire", "silver", "paper"),
    *("rain", "wolf", "glass", "desert", "harbour", "summer", "velvet"),
)
_ROOMS = (
    *("kitchen", "hall", "garden", "attic", "garage", "office"),
    *("living room", "guest room", "dining room", "bath room"),
)
_PEOPLE = ("june", "april", "may", "rose", "art", "grace", "mark", "victor")
_MONTHS = ("june", "april", "may", "march")
_HOURS = ("six", "seven", "eight", "nine", "ten")


class Word(NamedTuple):
    """A word of a request.

    Attributes:
        text: The word.
        tag: Its label.
        head: The word it depends on, counted from itself; 0 for the verb, the
            root of the request.
        relation: To its head.
    """

    text: str
    tag: str
    head: int
    relation: str


class Request(NamedTuple):
    """A request: its words, what is wanted, and how it was meant."""

    words: list[Word]
    intent: str
    reading: str


def write(folder: Path, seed: int = 0, sizes: dict | None = None) -> None:
    """Write all files into a folder that belongs to the demo alone."""
    for split, size in (sizes or SIZES).items():
        requests = list(generate(split, seed, size))
        lines = [
            "".join(
                f"{word}\t{tag}\t{head}\t{relation}\n"
                for word, tag, head, relation in rows(request)
            )
            for request in requests
        ]
        (folder / f"{split}.txt").write_text("\n".join(lines), "utf-8")
        intents = "".join(f"{request.intent}\n" for request in requests)
        (folder / f"{split}.intents").write_text(intents, "utf-8")


def rows(request: Request) -> Iterator[tuple[str, str, int, str]]:
    """Yield word, tag, number of the head and relation of each word."""
    verb = next(
        place
        for place, word in enumerate(request.words)
        if word.relation == "root"
    )
    for place, word in enumerate(request.words):
        head = place + word.head if word.head else verb
        is_root = word.relation == "root"
        yield word.text, word.tag, 0 if is_root else head + 1, word.relation


def generate(split: str, seed: int, size: int) -> Iterator[Request]:
    """Yield requests."""
    chance = random.Random(f"{seed} {split}")
    for _ in range(size):
        yield _request(chance)


def attainable(requests: list[Request]) -> float:
    """Return the F1 of who takes every unclear name for an artist's.

    Whatever is said of such a name, no more than 0.4 of them are right, and
    everything else can be told: no model is better, but for luck.
    """
    spans = sum(
        word.tag.startswith("B")
        for request in requests
        for word in request.words
    )
    wrong = sum(r.reading not in ("", "artist") for r in requests)
    return (spans - wrong) / spans


def _request(chance: random.Random) -> Request:
    kind = chance.choices(("play", "move", "stop", "ask"), (6, 3, 2, 1))[0]
    parts: list[list[Word]] = []
    reading = ""
    if kind == "play":
        reading = chance.choices([*READINGS], [*READINGS.values()])[0]
        verb = [Word("play", "O", 0, "root")]
        if chance.random() < 0.2:
            verb.insert(0, Word("never", "O", 0, "advmod"))
            kind = "stop"
        first = [*verb, *_name(chance, reading)]
        parts += [_place(chance, "in", "place"), _person(chance), _time(chance)]
    elif kind == "move":
        first = [Word("move", "O", 0, "root"), Word("it", "O", 0, "obj")]
        ways = [_place(chance, "from", "from"), _place(chance, "to", "to")]
        chance.shuffle(ways)
        first += [word for way in ways for word in way]
        parts += [_person(chance), _time(chance)]
    elif kind == "stop":
        first = [Word("stop", "O", 0, "root"), Word("music", "O", 0, "obj")]
        way = chance.choice([("in", "place"), ("from", "from")])
        first += _place(chance, *way)
        parts += [_time(chance)]
    else:
        first = [Word("what", "O", 0, "obj"), Word("plays", "O", 0, "root")]
        first += _place(chance, "in", "place")
        parts += [_person(chance), _time(chance)]
    more = [part for part in parts if chance.random() < 0.6]
    chance.shuffle(more)
    words = first + [word for part in more for word in part]
    if chance.random() < 0.3:
        words.insert(0, Word("please", "O", 0, "discourse"))
    return Request(words, kind, reading)


def _name(chance: random.Random, reading: str) -> list[Word]:
    """Return three words that can be read in three ways."""
    first, second = chance.sample(_NAMES, 2)
    manner = chance.choice(_MANNERS)
    if reading == "long song":
        return [
            Word(manner, "B-song", 2, "amod"),
            Word(first, "I-song", 1, "compound"),
            Word(second, "I-song", 0, "obj"),
        ]
    return [
        Word(manner, "O", 0, "advmod"),
        Word(first, f"B-{reading}", 1, "compound"),
        Word(second, f"I-{reading}", 0, "obj"),
    ]


def _place(chance: random.Random, preposition: str, kind: str) -> list[Word]:
    room = chance.choice(_ROOMS).split()
    words = [
        Word(preposition, "O", len(room) + 1, "case"),
        Word("the", "O", len(room), "det"),
        Word(room[0], f"B-{kind}", 1, "compound"),
        Word(room[-1], f"I-{kind}", 0, "obl"),
    ]
    if len(room) == 1:
        words[2:] = [Word(room[0], f"B-{kind}", 0, "obl")]
    return words


def _person(chance: random.Random) -> list[Word]:
    name = chance.choice(_PEOPLE)
    return [Word("for", "O", 1, "case"), Word(name, "B-person", 0, "obl")]


def _time(chance: random.Random) -> list[Word]:
    preposition, choices = chance.choice([("in", _MONTHS), ("at", _HOURS)])
    word = chance.choice(choices)
    return [Word(preposition, "O", 1, "case"), Word(word, "B-time", 0, "obl")]
