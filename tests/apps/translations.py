"""What the tests of the translation app share: small data, and a way to run."""

import random
import shlex

from tests.apps.tools import file_flags

WORDS = {
    "one": "uno",
    "two": "due",
    "three": "tre",
    "four": "quattro",
    "five": "cinque",
    "six": "sei",
    "seven": "sette",
    "eight": "otto",
    "nine": "nove",
}
SENTENCES = ["One two three.", "Nine.", "Four four six five."]
SMALL = shlex.split(
    "--languages en-it --units 32 --embedding-size 32 --tokens words"
    " --vocabulary-size 40 --batch-tokens 200 --epochs 12 --learning-rate 0.01"
    " --dropout 0.1 --max-length 12"
)


def translation(source):
    """Every word by its own, in the opposite order."""
    words = [WORDS[word] for word in source.lower().rstrip(".").split()]
    return " ".join(reversed(words)).capitalize() + "."


def write_pairs(folder, count=900, seed=0, lengths=range(1, 5)):
    """Pairs whose translation is known: `translation`."""
    words = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    seen = set()
    while len(seen) < count:
        chosen = words.choices(list(WORDS), k=words.choice(lengths))
        seen.add(" ".join(chosen).capitalize() + ".")
    sources = sorted(seen)
    words.shuffle(sources)
    (folder / "train.en").write_text("\n".join(sources) + "\n")
    targets = map(translation, sources)
    (folder / "train.it").write_text("\n".join(targets) + "\n")
    return folder


def flags(folder, *more):
    return file_flags(folder, "pairs", *SMALL, *more)
