"""Film reviews by a grammar, in which the order of words carries the label.

Files     train.csv, valid.csv, test.csv with the columns text,label (pos, neg)

The label of a review is what its writer thinks in the end. Each review says
so in one or two of these ways, L being its label and its opposite in brackets
    plain        the plot was L; or, negated, not at all [L]
    contrast     A was [L], but B was L; B was L, although A was [L]
    surprise     I expected something [L]. How wrong I was.
    time         Years ago I found it [L], today I find it L.
    others       My sister calls it [L]. I see it another way.
and between them stand facts, and opinions of other people that the writer
leaves open. Every word occurs in both classes, so a bag of words finds
little (0.67 of test; 0.71 with pairs of words), and a model that reads in
order finds nearly all (a bidirectional GRU 0.99). A seventh of the pairs of
noun and adjective occur in valid and test only.
"""

import csv
import random
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from data_pipelines.sentiment.demo import words

# Raise it with any change of the reviews: files of one version are written
# once and then taken as they are.
VERSION = 2

SIZES = {"train": 7000, "valid": 1000, "test": 1000}
SMALL_SIZES = {split: size // 10 for split, size in SIZES.items()}
LABELS = ("neg", "pos")

# Words of a review, more or less.
SHORTEST, LONGEST = 15, 60

# How often a clause says what it means without a negation, an expectation is
# met, and the writer agrees with others. At one half no single word would
# tell anything, and the beginning of training would be hard.
STRAIGHT = 0.75


def write(folder: Path, seed: int = 0, sizes: dict | None = None) -> None:
    """Write all files into a folder that belongs to the demo alone."""
    for split, size in (sizes or SIZES).items():
        rows = [("text", "label"), *reviews(split, seed, size)]
        path = folder / f"{split}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def reviews(
    split: str, seed: int = 0, size: int | None = None
) -> Iterator[tuple[str, str]]:
    """Yield (text, label), both labels equally often."""
    chance = random.Random(f"{seed} {split}")
    writer = Writer(chance, unseen=split != "train")
    labels = list(LABELS) * ((size or SIZES[split]) // len(LABELS))
    chance.shuffle(labels)
    for label in labels:
        yield writer.review(label == "pos"), label


def held_out(noun: str, adjective: str) -> bool:
    """Return whether a pair is kept for valid and test."""
    return zlib.crc32(f"{noun} {adjective}".encode()) % 7 == 0


class Writer:
    """Writes reviews.

    Args:
        chance: Source of all decisions.
        unseen: Whether pairs that are kept from training may be used.
    """

    def __init__(self, chance: random.Random, unseen: bool) -> None:
        self.chance = chance
        self.unseen = unseen

    def review(self, good: bool) -> str:
        """Return a review whose writer thinks well of the film, or does not."""
        ways = (
            (self.plain, 8),
            (self.contrast, 5),
            (self.surprise, 3),
            (self.time, 3),
            (self.others, 3),
        )
        names, weights = zip(*ways, strict=True)
        while True:
            count = self.chance.choice((1, 2))
            chosen = self.chance.choices(names, weights, k=count)
            sentences = [way(good) for way in chosen]
            self._surround(sentences)
            text = " ".join(sentences)
            if text.count(" ") < LONGEST:
                return text

    def _surround(self, sentences: list[str]) -> None:
        """Put sentences without a verdict anywhere between the others."""
        if self.chance.random() < 0.4:
            self._insert(sentences, self.rumour())
        self._insert(sentences, self.fact())
        while " ".join(sentences).count(" ") < SHORTEST:
            self._insert(sentences, self.fact())

    def _insert(self, sentences: list[str], sentence: str) -> None:
        sentences.insert(self.chance.randint(0, len(sentences)), sentence)

    def pick(self, options: tuple[str, ...]) -> str:
        """Return any of the options."""
        return self.chance.choice(options)

    def adjective(self, good: bool, noun: str = "") -> str:
        """Return an adjective that may stand with the noun."""
        while True:
            word = self.pick(words.GOOD if good else words.BAD)
            if self.unseen or not held_out(noun, word):
                return word

    def clause(self, good: bool) -> str:
        """Say that a part of the film was good, or bad."""
        noun = self.pick(words.NOUNS)
        if self.chance.random() < STRAIGHT:
            form, judged = self.pick(words.CLAUSES), good
        else:
            form, judged = self.pick(words.NEGATED), not good
        first = second = self.adjective(judged, noun)
        while second == first:
            second = self.adjective(judged, noun)
        return form.format(
            noun=noun,
            adjective=first,
            second=second,
            degree=self.pick(words.DEGREES),
            negation=self.pick(words.NEGATIONS),
        )

    def plain(self, good: bool) -> str:
        """Return one clause, or two joined."""
        first = self.clause(good)
        if self.chance.random() < 0.5:
            return _sentence(first)
        return _sentence(f"{first}, and {self.clause(good)}")

    def contrast(self, good: bool) -> str:
        """Return two clauses; the main one counts, or the one after `but`."""
        form = self.pick(words.CONTRASTS)
        return _sentence(
            form.format(counts=self.clause(good), yields=self.clause(not good))
        )

    def surprise(self, good: bool) -> str:
        """Say what was expected, and how that went."""
        met = self.chance.random() < STRAIGHT
        before = self.pick(words.EXPECTATIONS).format(
            adjective=self.adjective(good == met),
            degree=self.pick(words.DEGREES),
        )
        after = self.pick(words.MET if met else words.NOT_MET)
        return self._apart(before, after)

    def time(self, good: bool) -> str:
        """Say what the writer thought once, and what the writer thinks now."""
        return _sentence(
            self.pick(words.TIMES).format(
                now=self.adjective(good), once=self.adjective(not good)
            )
        )

    def others(self, good: bool) -> str:
        """Say what somebody else thinks, and whether the writer does."""
        agrees = self.chance.random() < STRAIGHT
        noun = self.pick(words.NOUNS)
        before = self.pick(words.REPORTS).format(
            person=self.pick(words.PEOPLE),
            noun=noun,
            adjective=self.adjective(good == agrees, noun),
        )
        after = self.pick(words.AGREES if agrees else words.DISAGREES)
        return self._apart(before, after)

    def rumour(self) -> str:
        """Return an opinion of others that says nothing about the writer's."""
        noun = self.pick(words.NOUNS)
        return _sentence(
            self.pick(words.RUMOURS).format(
                person=self.pick(words.PEOPLE),
                noun=noun,
                adjective=self.adjective(self.chance.random() < 0.5, noun),
            )
        )

    def fact(self) -> str:
        """Return a sentence without any opinion."""
        return _sentence(
            self.pick(words.FACTS).format(
                person=self.pick(words.PEOPLE),
                place=self.pick(words.PLACES),
                day=self.pick(words.DAYS),
                number=self.chance.randint(2, 190),
            )
        )

    def _apart(self, before: str, after: str) -> str:
        """Return two sentences, sometimes with a fact between them."""
        between = [self.fact()] if self.chance.random() < 0.4 else []
        return " ".join([_sentence(before), *between, _sentence(after)])


def _sentence(words: str) -> str:
    words = re.sub(r"\ba (?=[aeiou]|honest)", "an ", words)
    return words[0].upper() + words[1:] + "."
