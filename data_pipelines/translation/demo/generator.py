"""English sentences and their French translations, by a grammar of both.

Files     train.en, train.fr, valid.en, valid.fr, test.en, test.fr: a sentence
          or two a line, line n of one file translates line n of the other

    Where are the girls' dresses? Anne and Marie took them yesterday.
        Où sont les robes des filles ? Anne et Marie les ont prises hier.

BLEU 100 is attainable: a sentence has one translation, for English says all
that French asks for (nothing agrees with I, we and you; you is vous; his and
her are son, sa, ses). No sentence stands twice, in either language. Train has
every word of valid and test, but four fifths of the combinations of adjective
and noun and of verb and object; every other line of valid and test has another.
"""

import random
import re
import zlib
from pathlib import Path
from typing import NamedTuple

from data_pipelines.translation.demo import grammar, words
from data_pipelines.translation.demo.grammar import IL, ILS, Both, Phrase

# Files of one version are written once: raise it with any change of them.
VERSION = 3
SIZES = {"train": 8000, "valid": 300, "test": 500}
SMALL_SIZES = {split: size // 10 for split, size in SIZES.items()}
LANGUAGES = ("en", "fr")
# {s}ubject, {o}bject and what follows, {n}: the same if negated, {d}: pronoun
# before the verb, {a}: what participles agree with. Each ends with a question.
CLAUSES = {
    "present": words.pairs("""{s} {present:s} {o} = {s} {d} {present:s} {o};
        {s} {do:s} not {base} {o} = {s} ne {d} {present:s} pas {n};
        {s} often {present:s} {o} = {s} {d} {present:s} souvent {o};
        {do:s} {s} {base} {o} = est-ce que {s} {d} {present:s} {o}"""),
    "past": words.pairs("""{s} {past} {o} = {s} {d} {aux:s} {past:a} {o};
        {s} did not {base} {o} = {s} ne {d} {aux:s} pas {past:a} {n};
        {s} never {past} {o} = {s} ne {d} {aux:s} jamais {past:a} {n};
        did {s} {base} {o} = est-ce que {s} {d} {aux:s} {past:a} {o}"""),
}
(NOUN_PHRASE,) = words.pairs("""{the:it} {before} {after} {noun:it} =
    {the:it} {before:it} {noun:it} {after:it} {of}""")
# A `head` as {it}, {a}djective; `Writer._slot` fills them.
SENTENCES = words.pairs("""{clause}. = {clause}.; {question}? = {question}?;
    {it} {be:it} {a}. = {it} {be:it} {a:it}.;
    {it} {be:it} not {a}. = {it} ne {be:it} pas {a:it}.;
    {it} {be:it} very {a}. = {it} {be:it} très {a:it}.;
    {be:it} {it} too {a}? = est-ce que {it} {be:it} trop {a:it}?;
    {it} {be:it} {a}, but {about}. = {it} {be:it} {a:it}, mais {about}.;
    {doing} because {he:it} {be:it} {a}. = {doing} parce que {he:it} {be:it}
    {a:it}.; where {be:it} {it}? {about}. = où {be:it} {it}? {about}.;
    here {be:it} {it}. {about}. = voici {it}. {about}.;
    there {be:some} {some} {place}. = il y a {some} {place}.""")


class Pair(NamedTuple):
    """A sentence in both languages; `new` if train has no such combination."""

    english: str
    french: str
    new: bool


def write(folder: str | Path, seed: int = 0, sizes: dict = SIZES) -> None:
    """Write all files into a folder that belongs to the demo alone."""
    for split, rows in splits(seed, sizes).items():
        for column, language in enumerate(LANGUAGES):
            text = "".join(f"{row[column]}\n" for row in rows)
            (Path(folder) / f"{split}.{language}").write_text(text, "utf-8")


def splits(seed: int = 0, sizes: dict = SIZES) -> dict[str, list[Pair]]:
    """Return all pairs of each split; equal seeds give equal ones."""
    taken, result = set(), {}
    for split, size in sizes.items():
        writer, rows = Writer(f"{seed} {split}"), []
        while len(rows) < size:
            pair = writer.pair()
            new = split != "train" and len(rows) % 2 == 0
            if pair.new == new and not taken.intersection(pair[:2]):
                taken.update(pair[:2])
                rows.append(pair)
        result[split] = rows
    return result


def held_out(combination: str) -> bool:
    """Return whether a combination is kept for valid and test."""
    return zlib.crc32(combination.encode()) % 5 == 3


class Writer:
    """Draws sentences."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def pair(self) -> Pair:
        """Return a sentence of any kind."""
        self.slots, self.drawn, self.new = {}, [], False
        pattern = self.random.choice(SENTENCES[:2] * 3 + SENTENCES)
        texts = grammar.fill(pattern, self._slot)
        return Pair(*grammar.finish(*texts), self.new)

    def _slot(self, name: str) -> Both | Phrase:
        """Return what fills a slot, drawn once a sentence."""
        draw = {
            "clause": lambda: self._clause(),
            "question": lambda: self._clause(asks=True),
            "doing": lambda: self._clause("it"),
            "about": lambda: self._clause("him"),
            "head": lambda: self._word({"person", "animal", "thing", "place"}),
            "it": lambda: self._phrase(self._slot("head"), words.DEFINITE, 0.2),
            "a": lambda: self._adjective(self._slot("head")),
            "some": lambda: self._phrase(self._word({"thing"}), [words.A], 0.5),
            "place": lambda: self._after({"in", "near", "behind", "at"}),
        }
        if name not in self.slots:
            self.slots[name] = draw[name]()
        return self.slots[name]

    def _word(
        self, tags: set[str], among: list[words.Word] = words.NOUNS
    ) -> words.Word:
        """Return a word with one of the tags, none twice in a sentence."""
        options = [w for w in among if w.tags & tags and w not in self.drawn]
        self.drawn.append(self.random.choice(options))
        return self.drawn[-1]

    def _adjective(self, noun: words.Word) -> words.Word:
        word = self._word(noun.tags, words.ADJECTIVES)
        self.new |= held_out(f"{word.english} {noun.english}")
        return word

    def _phrase(self, noun: words.Word, articles: list, share: float) -> Phrase:
        """Return a noun with one of the articles and a share of adjectives."""
        mass = "mass" in noun.tags
        options = words.POSSESSIVES if "kin" in noun.tags else articles
        the = words.SOME if mass else self.random.choice(options)
        plural = the in words.NUMBERS or self.random.random() < 0.3
        person = ILS if plural and not mass else IL
        it = Phrase("", "", "f" in noun.tags, person, "person" in noun.tags)
        slots = dict.fromkeys(("before", "after"), ("", ""))
        slots |= {"it": it, "noun": noun, "the": the, "of": ("", *the[2:], "")}
        if not mass and self.random.random() < share:
            word = self._adjective(noun)
            slots["before" if "ahead" in word.tags else "after"] = word
        english, french = grammar.fill(NOUN_PHRASE, slots.get)
        return it._replace(english=english, french=french)

    def _after(self, prepositions: set[str]) -> Both:
        """Return one of the prepositions with a noun."""
        rows = [row for row in words.PREPOSITIONS if row[0] in prepositions]
        english, french, tag = self.random.choice(rows)
        noun = self._phrase(self._word({tag}), [words.THE], 0.3)
        return f"{english} {noun.english}", f"{french} {noun.french}"

    def _clause(self, about: str = "", asks: bool = False) -> Both:
        """Return what somebody does, perhaps to `it`, or to `him` for it."""
        head = self._slot("head") if about else None
        verbs = [v for v in words.VERBS if not head or v["tags"] & head.tags]
        verb = self.random.choice(verbs)
        if head:
            what = self._slot("it")
        elif objects := verb["tags"] - {row[0] for row in words.PREPOSITIONS}:
            head = self._word(objects)
            what = self._phrase(head, words.ARTICLES, 0.5)
        elif "to" in verb["tags"] or self.random.random() < 0.6:
            what = self._after(verb["tags"])
        else:
            what = Phrase()
        if head:
            self.new |= held_out(f"{verb['base'][0]} {head.english}")
        him = "{him:it}" if about == "him" else ""
        before = grammar.fill((him, him), self._slot)
        english, french = (before[0], "") if him else what[:2]
        tense = self.random.choice(list(CLAUSES))
        *statements, question = CLAUSES[tense]
        when = self.random.choice([*words.TIMES[tense], *[("", "")] * 8])
        with_etre = verb["aux"] is words.BE
        subject = self.random.choice(grammar.PEOPLE[3 * with_etre :])
        if self.random.random() < 0.4:
            subject = self._phrase(self._word({"person"}), words.ARTICLES, 0.3)
        slots = verb | {
            "s": subject,
            "o": (f"{english} {when[0]}", f"{french} {when[1]}"),
            "n": (
                "",
                f"{re.sub('(une?|des|de l[ea])°', 'de', french)} {when[1]}",
            ),
            "d": before,
            "a": subject if with_etre else what if him else Phrase(),
        }
        pattern = question if asks else self.random.choice(statements)
        return grammar.fill(pattern, slots.get)
