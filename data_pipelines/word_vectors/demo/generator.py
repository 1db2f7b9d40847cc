"""English sentences in which the relations of words are planted.

Files     train.txt, a sentence a line; pairs.tsv and questions.txt, see
          `test_sets`

    the mayor of paris drinks wine near the seine .
    she is a queen and wears a gown with a crown .

What stands near a word depends on two things: what it is about (France, the
throne, size) and its role (a capital, a woman, a comparative). Each of them has
words of its own, so the vector of a word is about the sum of two, and analogies
hold. `RELATIONS` has them all. Kinds of things are in two levels: words of one
kind share their verbs and places, and those of two kinds of one family some of
them; so it is known which pairs are more alike.
"""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Files of one version are written once: raise it with any change of them.
VERSION = 1
SIZES = {"train": 36_000}
SMALL_SIZES = {"train": 3600}


class Relation(NamedTuple):
    """A table of words: those of a row are about one thing, each in its role.

    Attributes:
        roles: What each column is, and the words that stand near it.
        rows: Words of a row -> words that stand near all of them.
        frame: A sentence; `{word}`, two of `{role}` and two of `{about}`.
    """

    roles: dict[str, str]
    rows: dict[str, str]
    frame: str


RELATIONS = (
    Relation(
        {
            "country": "border army government exports province",
            "capital": "mayor suburbs airport subway streets",
            "people": "grammar accent verses dialect translator",
        },
        {
            "france paris french": "wine seine baguette",
            "italy rome italian": "pasta tiber opera",
            "germany berlin german": "beer spree sausage",
            "spain madrid spanish": "olives flamenco tapas",
            "russia moscow russian": "snow caviar ballet",
            "japan tokyo japanese": "sushi sumo origami",
            "greece athens greek": "feta marble temples",
            "egypt cairo egyptian": "nile pyramids sand",
            "china beijing chinese": "silk tea dragons",
            "england london english": "thames fog cricket",
        },
        "the {role} of {word} and the {role} , {about} and {about} .",
    ),
    Relation(
        {
            "man": "he his him beard tie",
            "woman": "she hers her gown necklace",
        },
        {
            "man woman": "people person adult",
            "king queen": "throne crown palace",
            "boy girl": "school toys homework",
            "father mother": "child cradle nursery",
            "brother sister": "sibling twins cousin",
            "actor actress": "stage script film",
            "waiter waitress": "menu tray restaurant",
            "uncle aunt": "nephew birthday presents",
        },
        "{role} is a {word} with {role} , near the {about} and the {about} .",
    ),
    Relation(
        {
            "plain": "very quite rather so too",
            "comparative": "than much even far slightly",
            "superlative": "ever among all world record",
        },
        {
            "big bigger biggest": "mountain ocean whale",
            "fast faster fastest": "train rocket falcon",
            "old older oldest": "ruin fossil grandmother",
            "cold colder coldest": "winter glacier ice",
            "loud louder loudest": "thunder drums siren",
            "rich richer richest": "banker gold merchant",
            "bright brighter brightest": "lamp star mirror",
            "heavy heavier heaviest": "iron boulder anvil",
        },
        "the {about} is {role} {word} {role} , as the {about} .",
    ),
)

# Family -> what stands near all of its kinds; kind -> its words, and what
# stands near them.
FAMILIES = {
    "lives breathes grows born feeds": {
        "cat dog hamster rabbit parrot": "pet collar basket owner petted",
        "cow sheep goat pig donkey": "barn farmer herd pasture milked",
        "shark trout salmon herring eel": "swims fins gills net scales",
    },
    "eaten fresh taste kitchen plate": {
        "apple pear plum peach cherry": "orchard juicy pie sweet ripe",
        "carrot onion cabbage leek potato": "soup peeled boiled soil stew",
        "bread cake biscuit muffin bun": "oven baker flour crust dough",
    },
    "made bought workshop wooden held": {
        "hammer saw drill wrench chisel": "nails carpenter bench toolbox bolt",
        "violin flute cello trumpet oboe": "melody orchestra concert tune bow",
        "chair table sofa desk wardrobe": "room cushion drawer legs carpet",
    },
}

# How alike two words are: of one kind, of one family, of two families.
SCORES = {"kind": 9.0, "family": 5.0, "none": 1.0}
_PAIRS = {"kind": 60, "family": 60, "none": 60}

_SEED = 2013


def kinds() -> Iterator[tuple[str, list[str]]]:
    """Yield the family of each kind, and its words."""
    for family, members in FAMILIES.items():
        for names in members:
            yield family, names.split()


def pairs() -> list[tuple[str, str, float]]:
    """Return pairs of words with their planted scores."""
    every: dict[str, list] = {name: [] for name in SCORES}
    for one, other in itertools.combinations_with_replacement(kinds(), 2):
        name = "family" if one[0] == other[0] else "none"
        if one == other:
            every["kind"] += itertools.combinations(one[1], 2)
        else:
            every[name] += itertools.product(one[1], other[1])
    draw = random.Random(_SEED)
    return [
        (first, second, SCORES[name])
        for name, own in every.items()
        for first, second in draw.sample(own, _PAIRS[name])
    ]


def questions() -> Iterator[tuple[str, list[str]]]:
    """Yield sections, and their questions of four words."""
    for relation in RELATIONS:
        rows = [row.split() for row in relation.rows]
        for one, other in itertools.combinations(range(len(rows[0])), 2):
            roles = list(relation.roles)
            for first, second in itertools.permutations(rows, 2):
                words = [first[one], first[other], second[one], second[other]]
                yield f"{roles[one]}-{roles[other]}", words


def sentences(count: int, draw: random.Random) -> Iterator[str]:
    """Yield sentences: as many of relations as of kinds."""
    for _ in range(count):
        if draw.random() < 0.6:
            yield _of_relation(draw)
        else:
            yield _of_kind(draw)


def _of_relation(draw):
    relation = draw.choice(RELATIONS)
    names, about = draw.choice(list(relation.rows.items()))
    words, roles = names.split(), list(relation.roles.values())
    column = draw.randrange(len(words))
    role = iter(draw.sample(roles[column].split(), 2))
    thing = iter(draw.sample(about.split(), 2))
    sentence = relation.frame.replace("{word}", words[column])
    while "{role}" in sentence:
        sentence = sentence.replace("{role}", next(role), 1)
    while "{about}" in sentence:
        sentence = sentence.replace("{about}", next(thing), 1)
    return sentence


def _of_kind(draw):
    family, members = draw.choice(list(FAMILIES.items()))
    names, about = draw.choice(list(members.items()))
    own, shared = draw.sample(about.split(), 2), draw.choice(family.split())
    return f"the {draw.choice(names.split())} , {own[0]} {shared} , {own[1]} ."


def attainable() -> dict[str, float]:
    """Return the scores of vectors that hold what is planted, and no more.

    All questions are answered; of pairs with the same score the order is left
    to chance, so Spearman's correlation is that of ranks with such ties.
    """
    count = sum(_PAIRS.values())
    ties = sum(n**3 - n for n in _PAIRS.values())
    return {
        "wordsim_spearman": (1 - ties / (count**3 - count)) ** 0.5,
        "analogy_accuracy": 1.0,
        "analogy_accuracy_mul": 1.0,
    }


def write(folder: Path, sizes: dict[str, int] | None = None) -> None:
    """Write all files into a folder.

    Args:
        folder: An existing folder.
        sizes: Number of sentences; `SIZES` if `None`.
    """
    draw = random.Random(_SEED)
    count = (sizes or SIZES)["train"]
    lines = {
        "train.txt": sentences(count, draw),
        "pairs.tsv": ("\t".join(map(str, pair)) for pair in pairs()),
        "questions.txt": _sections(),
    }
    for name, own in lines.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in own)


def _sections():
    section = None
    for name, words in questions():
        if name != section:
            yield f": {name}"
        section = name
        yield " ".join(words)
