"""English sentences by an automaton, whose entropy is known exactly.

Files     train.txt, valid.txt, test.txt: a sentence a line

    the old clocks near the small garden open the window while the same clocks
    turn while the same clocks leave .

What can come next, and how probable it is, depends on the place in the sentence
and on the subject: `follow` says it. So the probability of every word of a text
is known, and the mean of its logarithm is the least that any model can reach.

A model of five words does not reach it. The verb agrees with the subject, not
with the noun that stands before it, and `the same` is followed by the subject,
however far back that is.
"""

import functools
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Files of one version are written once: raise it with any change of them.
VERSION = 1
SIZES = {"train": 12_000, "valid": 600, "test": 1200}
SMALL_SIZES = {split: size // 10 for split, size in SIZES.items()}

NOUNS = (
    *("bird", "boat", "clock", "cloud", "dog", "door", "farmer", "garden"),
    *("girl", "horse", "lamp", "river", "sailor", "teacher", "tree", "window"),
)
ADJECTIVES = ("old", "small", "red", "quiet", "tall", "new", "dark", "bright")
PREPOSITIONS = ("near", "behind", "above", "below")
VERBS = (
    *("see", "follow", "move", "watch", "hear", "open"),
    *("turn", "find", "paint", "leave", "hold", "remember"),
)

# How often a noun has one more adjective, a subject one more noun behind it,
# and a sentence one more clause with the same subject.
ADJECTIVE, BEHIND, CLAUSE = 0.3, 0.5, 0.5
REFLEXIVE = 0.5

END = "\n"


class Place(NamedTuple):
    """Where a sentence stands: what comes next, and its subject, if any."""

    name: str
    subject: str = ""


BEGIN = Place("begin")


@functools.cache
def follow(place: Place) -> dict[str, tuple[float, Place]]:
    """Return each word that can come next: its probability, and the place."""
    name, subject = place
    to = {
        "begin": Place("subject"),
        "subject": Place("behind"),  # with the noun as its subject
        "inner": Place("behind", subject),
        "object": Place("after", subject),
    }
    if name == "begin":
        return {"the": (1.0, to[name])}
    if name in ("subject", "inner", "object"):
        stays = _shared(ADJECTIVES, ADJECTIVE, place)
        nouns = _even([*NOUNS, *map(plural, NOUNS)], 1 - ADJECTIVE, to[name])
        if name == "subject":
            nouns = {n: (p, Place("behind", n)) for n, (p, _) in nouns.items()}
        return stays | nouns
    verbs = [plural(verb) if subject in NOUNS else verb for verb in VERBS]
    if name == "behind":
        inner = _even(PREPOSITIONS, BEHIND, Place("the inner", subject))
        return inner | _shared(verbs, 1 - BEHIND, Place("verb", subject))
    if name == "verb":
        own = "itself" if subject in NOUNS else "themselves"
        return {
            own: (REFLEXIVE, Place("after", subject)),
            "the": (1 - REFLEXIVE, Place("object", subject)),
        }
    if name == "after":
        return {
            "while": (CLAUSE, Place("the same", subject)),
            ".": (1 - CLAUSE, Place("end")),
        }
    if name == "again":
        return _shared(verbs, 1.0, Place("after", subject))
    word, following = {
        "the inner": ("the", Place("inner", subject)),
        "the same": ("the", Place("same", subject)),
        "same": ("same", Place("same noun", subject)),
        "same noun": (subject, Place("again", subject)),
        "end": (END, BEGIN),
    }[name]
    return {word: (1.0, following)}


def plural(noun: str) -> str:
    """Return the plural of a noun, or the third person of a verb."""
    return noun + ("es" if noun.endswith(("ch", "s")) else "s")


def _even(words, share, place):
    return {word: (share / len(words), place) for word in words}


def _shared(words, share, place):
    """Return words of which the k-th is as frequent as 1 / k."""
    total = sum(1 / rank for rank in range(1, len(words) + 1))
    return {
        word: (share / rank / total, place)
        for rank, word in enumerate(words, 1)
    }


def write(folder: str | Path, seed: int = 0, sizes: dict = SIZES) -> None:
    """Write all files into a folder that belongs to the demo alone."""
    for split, count in sizes.items():
        chance = random.Random(f"{seed} {split}")
        text = "".join(" ".join(sentence(chance)) for _ in range(count))
        text = text.replace(f" {END}", END)
        (Path(folder) / f"{split}.txt").write_text(text, "utf-8")


def sentence(chance: random.Random) -> Iterator[str]:
    """Yield the words of a sentence, the end of its line at last."""
    place, word = BEGIN, ""
    while word != END:
        options = follow(place)
        weights = [probability for probability, _ in options.values()]
        (word,) = chance.choices(list(options), weights)
        place = options[word][1]
        yield word


def log_probabilities(lines: list[str]) -> list[float]:
    """Return the logarithm of the probability of every token of a text.

    Args:
        lines: Of the demo, each with its end.
    """
    place, logs = BEGIN, []
    for line in lines:
        for word in [*line.split(), END]:
            probability, place = follow(place)[word]
            logs.append(math.log(probability))
    return logs


def entropy() -> float:
    """Return the entropy of a token in nats, in the long run.

    Sentences are drawn independently: it is the entropy of a sentence by its
    mean length. Both are sums over the places of how often a sentence is
    there, which is what the others send.
    """
    visits, flow = {}, {BEGIN: 1.0}
    while max(flow.values(), default=0) > 1e-12:
        new = {}
        for place, mass in flow.items():
            visits[place] = visits.get(place, 0) + mass
            for probability, following in follow(place).values():
                if following != BEGIN:
                    new[following] = new.get(following, 0) + mass * probability
        flow = new
    bits = sum(
        -mass * probability * math.log(probability)
        for place, mass in visits.items()
        for probability, _ in follow(place).values()
    )
    return bits / sum(visits.values())
