"""English sentences and their French translations, by a grammar of both.

Files     train.en, train.fr, valid.en, valid.fr, test.en, test.fr: a sentence
          or two a line, line n of one file translates line n of the other

Ten of them:

    Where are the keys? I do not find them.
        Où sont les clés ? Je ne les trouve pas.
    Here is the women's orange. A man gave it to him.
        Voici l'orange des femmes. Un homme la lui a donnée.
    The man left with our old uncle on the 23rd of March.
        L'homme est parti avec notre vieil oncle le 23 mars.
    Anne took the child's old letter and showed it to us.
        Anne a pris la vieille lettre de l'enfant et nous l'a montrée.
    Our sisters are happy because they see a new teacher.
        Nos sœurs sont heureuses parce qu'elles voient un nouveau professeur.
    A girl does not drink water now.
        Une fille ne boit pas d'eau maintenant.
    How many letters did Luc and Anne write?
        Combien de lettres est-ce que Luc et Anne ont écrites ?
    There are eighty books in the library.
        Il y a quatre-vingts livres dans la bibliothèque.
    The plane leaves at a quarter past one in the afternoon.
        L'avion part à une heure et quart de l'après-midi.
    The teachers who talked to me are young.
        Les professeurs qui m'ont parlé sont jeunes.

Every reference is exact, because English says all that French asks for: it,
they and them take up a noun of the same line; I, we and you, whose gender is
not said, stand with nothing that agrees; you is vous everywhere; his and her
are both son, sa, ses.  The simple past is the passé composé.

No sentence stands twice, in either language, in one split or in two.  A fifth
of the combinations (of adjective and noun, of verb and object, numbers above
20, dates, times) is kept from train, and half the lines of valid and test
have one of these.  The other half are new sentences of known combinations.
Every word of valid and test is in train `KNOWN` times or more.
"""

import collections
import dataclasses
import random
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from data_pipelines.translation.demo.sentences import Writer

# Raise it with any change of the sentences: files of one version are written
# once and then taken as they are.
VERSION = 2

SIZES = {"train": 8000, "valid": 300, "test": 500}
SMALL_SIZES = {split: size // 10 for split, size in SIZES.items()}
LANGUAGES = ("en", "fr")

# How often a word of valid or test stands in train at least.
KNOWN = 5

# The part of valid and test with combinations that train does not have.
NEW = 0.5


@dataclasses.dataclass(frozen=True)
class Pair:
    """A sentence in both languages, and the combinations in it."""

    english: str
    french: str
    combinations: frozenset[str]

    @property
    def new(self) -> bool:
        """Whether it has a combination that is kept from train."""
        return any(map(held_out, self.combinations))


def write(
    folder: str | Path, seed: int = 0, sizes: dict[str, int] | None = None
) -> None:
    """Writes all files.

    Args:
        folder: an existing folder that belongs to the demo alone.
        seed: equal seeds write equal files.
        sizes: Examples of each split; `None`: `SIZES`.
    """
    for split, pairs in splits(seed, sizes).items():
        for language, texts in zip(
            LANGUAGES,
            zip(*((pair.english, pair.french) for pair in pairs), strict=True),
            strict=True,
        ):
            path = Path(folder) / f"{split}.{language}"
            path.write_bytes(("\n".join(texts) + "\n").encode())


def splits(
    seed: int = 0, sizes: dict[str, int] | None = None
) -> dict[str, list[Pair]]:
    """Return the pairs of each split."""
    sizes = sizes or SIZES
    seen = set()
    train = list(_fresh(f"{seed} train", seen, sizes["train"], 0.0))
    counts = collections.Counter(
        word for pair in train for word in tokens(pair)
    )
    known = {word for word, count in counts.items() if count >= KNOWN}
    others = {
        split: list(_fresh(f"{seed} {split}", seen, size, NEW, known))
        for split, size in sizes.items()
        if split != "train"
    }
    return {"train": train} | others


def _fresh(
    seed: str,
    seen: set[str],
    count: int,
    new: float,
    known: set[str] | None = None,
) -> Iterator[Pair]:
    """Yields pairs that nobody has seen.

    Args:
        seed: of all decisions.
        seen: sentences of either language that are taken; is added to.
        count: how many.
        new: the part with combinations that are kept from train.
        known: the words that may be used; None: any.
    """
    writer = Writer(random.Random(seed))
    wanted = {True: round(new * count), False: count - round(new * count)}
    while any(wanted.values()):
        pair = Pair(*writer.sentence(), frozenset(writer.combinations))
        fresh = not seen & {pair.english, pair.french}
        if not fresh or not wanted[pair.new]:
            continue
        if known is not None and not known.issuperset(tokens(pair)):
            continue
        seen |= {pair.english, pair.french}
        wanted[pair.new] -= 1
        yield pair


def tokens(pair: Pair) -> list[str]:
    """Words of both languages as they are written, marked by language."""
    return [
        f"{language} {word}"
        for language, text in zip(
            LANGUAGES, (pair.english, pair.french), strict=True
        )
        for word in re.findall(r"\w+'?|'s?|[^\w\s]", text)
    ]


def held_out(combination: str) -> bool:
    """Whether a combination is kept for valid and test."""
    return zlib.crc32(combination.encode()) % 5 == 0
