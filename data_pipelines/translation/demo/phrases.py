"""Phrases and clauses of the demo translations, drawn by chance."""

import random
from collections.abc import Iterable
from typing import Any

from data_pipelines.translation.demo import grammar, numbers, words
from data_pipelines.translation.demo.grammar import (
    Both,
    Clause,
    Phrase,
    noun_phrase,
)


class Phrases:
    """Draws phrases and clauses.

    Args:
        chance: source of all decisions.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        # What stands together in the sentence that is being written.
        self.combinations: set[str] = set()

    # Choices.

    def pick(self, options: Iterable[Any]) -> Any:
        """One of the options, any of them."""
        return self.chance.choice(tuple(options))

    def maybe(self, share: float) -> bool:
        """True, that often."""
        return self.chance.random() < share

    def noun(self, *tags: str) -> words.Noun:
        """One that has any of the tags."""
        return self.pick(n for n in words.NOUNS if n.tags & set(tags))

    def phrase(
        self,
        *tags: str,
        noun: words.Noun | None = None,
        article: words.Determiner | None = None,
        plural: bool | None = None,
        plain: float = 0.5,
    ) -> Phrase:
        """A noun with an article and perhaps an adjective.

        Args:
            tags: what it may be.
            noun: the noun itself.
            article: its determiner; else one that fits.
            plural: its number; None: either.
            plain: how often it goes without an adjective.
        """
        noun = noun or self.noun(*tags)
        plural = self.maybe(0.3) if plural is None else plural
        adjectives = () if self.maybe(plain) else self.adjectives(noun)
        owner = None
        if article is None:
            article = self.determiner(noun)
            owned = "kin" in noun.tags or noun.tags & {"thing", "animal"}
            if owned and self.maybe(0.25):
                owner = self.owner()
        return noun_phrase(noun, article, plural, adjectives, owner)

    def determiner(self, noun: words.Noun) -> words.Determiner:
        """An article or possessive that fits."""
        if "kin" in noun.tags:
            return self.pick(words.POSSESSIVES)
        options = [words.THE, words.THE, words.A, words.A, words.THIS]
        if noun.tags & {"thing", "animal", "role"}:
            options += [self.pick(words.POSSESSIVES)] * 2
        return self.pick(options)

    def adjectives(self, noun: words.Noun) -> tuple[words.Adjective, ...]:
        """One adjective, or one before a colour."""
        first = self.pick(noun.adjectives)
        found = [first]
        colours = [name for name in words.COLOURS if name in noun.adjectives]
        if words.ADJECTIVES[first].before and colours and self.maybe(0.2):
            found.append(self.pick(colours))
        self.combinations |= {f"{name} {noun.english}" for name in found}
        return tuple(words.ADJECTIVES[name] for name in found)

    def owner(self) -> Phrase:
        """Somebody who owns things."""
        if self.maybe(0.4):
            return self.name()
        noun = self.noun("person")
        kin = "kin" in noun.tags
        article = self.pick(words.POSSESSIVES) if kin else words.THE
        return self.phrase(noun=noun, article=article, plain=1.0)

    def name(self) -> Phrase:
        """Somebody by name."""
        name, feminine = self.pick(words.NAMES)
        return Phrase(name, name, feminine)

    def subject(self, agreeing: bool = False) -> Phrase:
        """Somebody.

        Args:
            agreeing: whether gender and number must be known.
        """
        kind = self.chance.random()
        if kind < 0.35:
            return self.pick(
                (grammar.HE, grammar.SHE)
                + (() if agreeing else grammar.SPEAKERS)
            )
        if kind < 0.55:
            return self.name()
        if kind < 0.63:
            first, second = self.name(), self.name()
            while first == second:
                second = self.name()
            return grammar.together(first, second)
        return self.person()

    def other(self, agreeing: bool = False) -> Phrase:
        """Somebody to ask about, which is not I."""
        found = self.subject(agreeing)
        while found.form == grammar.JE:
            found = self.subject(agreeing)
        return found

    def person(self) -> Phrase:
        """Somebody with a noun."""
        return self.phrase("person", plain=0.75)

    def time(self, past: bool) -> Both:
        """When."""
        if not past:
            every, chaque = self.pick(numbers.WEEKDAYS)
            return self.pick(
                (*words.PRESENT_TIMES, (f"every {every}", f"chaque {chaque}"))
            )
        on, le = self.pick(numbers.WEEKDAYS)
        many = self.chance.randint(2, 12)
        ago = numbers.english_number(many), numbers.french_number(many)
        return self.pick(
            (
                *words.PAST_TIMES,
                (f"on {on}", le),
                (f"{ago[0]} days ago", f"il y a {ago[1]} jours"),
            )
        )

    def perhaps_time(self, manner: dict[str, Any], share: float) -> Both:
        """When, that often, and not beside never, often or always."""
        if manner["polarity"] == "never" or manner["often"][0]:
            return "", ""
        return self.time(manner["past"]) if self.maybe(share) else ("", "")

    def where(self) -> Both:
        """Where something happens."""
        kind = self.chance.random()
        if kind < 0.35:
            noun = self.phrase("in", article=words.THE, plural=False, plain=0.7)
            return f"in {noun.english}", f"dans {noun.french}"
        if kind < 0.65:
            return self.at("at")
        if kind < 0.75:
            city = self.pick(words.CITIES)
            return f"in {city}", f"à {city}"
        return self.beside()

    def beside(self) -> Both:
        """Where something stands."""
        english, french = self.pick(words.PREPOSITIONS)
        noun = self.phrase(
            "house", "in", article=words.THE, plural=False, plain=0.6
        )
        return f"{english} {noun.english}", f"{french} {noun.french}"

    def at(self, preposition: str) -> Both:
        """At, or to, a place."""
        noun = self.phrase("at", article=words.THE, plural=False, plain=0.6)
        return f"{preposition} {noun.english}", f"à {noun.french}"

    def to_whom(self, subject: Phrase) -> Both:
        """To somebody who is not the subject."""
        if self.maybe(0.5):
            whom = self.person() if self.maybe(0.7) else self.name()
            while whom.english == subject.english:
                whom = self.person()
            return f"to {whom.english}", f"à {whom.french}"
        english, french, person = self.pick(words.TO_WHOM)
        speakers = {"I": 1, "we": 1, "you": 2}
        while person == speakers.get(subject.english):
            english, french, person = self.pick(words.TO_WHOM)
        return english, french

    # Clauses.

    def tense_and_polarity(self, verb: words.Verb) -> dict[str, Any]:
        """How a clause is said."""
        past = verb not in words.ONLY_PRESENT and self.maybe(0.5)
        kind = self.chance.random()
        polarity = "not" if kind < 0.2 else "never" if kind < 0.27 else ""
        often = ("", "")
        if not past and not polarity and self.maybe(0.15):
            often = self.pick(words.OFTEN)
        return {"past": past, "polarity": polarity, "often": often}

    def object_of(self, verb: words.Verb) -> Phrase:
        """Something or somebody that the verb takes."""
        noun = self.noun(*verb.objects)
        self.combinations.add(f"{verb.english[0]} {noun.english}")
        article = None
        # One likes what is known, and not any apple.
        if verb is words.LIKE and "kin" not in noun.tags:
            article = self.pick((words.THE, words.THIS))
        return self.phrase(noun=noun, article=article)

    def verb_and_object(self, subject: Phrase, when: float = 0.35) -> Clause:
        """A clause with an object, and perhaps a time."""
        verb = self.pick(words.TRANSITIVE)
        manner = self.tense_and_polarity(verb)
        direct = self.object_of(verb)
        timeless = verb in (words.LIKE, words.HAVE)
        rest = self.perhaps_time(manner, 0.0 if timeless else when)
        return Clause(subject, verb, direct=direct, rest=rest, **manner)

    def alone(self, subject: Phrase, when: float = 0.4) -> Clause:
        """A clause with a place rather than an object."""
        verb = self.pick((*words.ALONE, words.TALK))
        manner = self.tense_and_polarity(verb)
        to = self.to_whom(subject) if verb is words.TALK else ("", "")
        rest = self.where() if self.maybe(0.5) else ("", "")
        rest = grammar.join(rest, self.perhaps_time(manner, when))
        return Clause(subject, verb, to=to, rest=rest, **manner)

    def moving(self, subject: Phrase, when: float = 0.5) -> Clause:
        """A clause about coming and going; its subject agrees."""
        verb = self.pick(words.MOVING)
        manner = self.tense_and_polarity(verb)
        rest = ("", "")
        if verb in (words.GO, words.COME):
            rest = self.at("to")
        elif verb in (words.ARRIVE, words.STAY):
            rest = self.at("at")
        elif self.maybe(0.6):
            person = self.person()
            rest = (f"with {person.english}", f"avec {person.french}")
        rest = grammar.join(rest, self.perhaps_time(manner, when))
        return Clause(subject, verb, rest=rest, **manner)
