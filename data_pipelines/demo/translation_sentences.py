"""Sentences of the demo translations, each in English and in French."""

import dataclasses
import random
import re
from collections.abc import Iterable
from typing import Any

from data_pipelines.demo import translation_grammar as grammar
from data_pipelines.demo import translation_numbers as numbers
from data_pipelines.demo import translation_words as words
from data_pipelines.demo.translation_grammar import (
    Clause,
    Phrase,
    Quality,
    noun_phrase,
)

Both = tuple[str, str]

YEARS = (1994, 2001)

# Names, singulars and plurals, with the singulars.
NAMED = (
    {name: name for name, _ in words.NAMES}
    | {noun.english: noun.english for noun in words.NOUNS}
    | {noun.english_plural: noun.english for noun in words.NOUNS}
)


class Writer:
    """Writes pairs of sentences.

    Args:
        chance: source of all decisions.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.combinations = set()
        self.ways = {
            self.action: 14,
            self.asked_action: 6,
            self.place: 6,
            self.movement: 8,
            self.quality: 8,
            self.likeness: 3,
            self.giving: 6,
            self.taken_up: 10,
            self.handed_on: 5,
            self.reason: 5,
            self.relative: 3,
            self.food: 5,
            self.asked: 7,
            self.there_is: 3,
            self.this_is: 3,
            self.exclamation: 2,
            self.amount: 10,
            self.price: 5,
            self.date: 9,
            self.clock: 9,
        }

    def sentence(self) -> Both:
        """One of any kind; leaves what it combines in `combinations`."""
        ways, weights = list(self.ways), list(self.ways.values())
        while True:
            self.combinations = set()
            (way,) = self.chance.choices(ways, weights)
            english, french = way()
            if not _repeats(english):
                break
        return grammar.finish_english(english), grammar.finish_french(french)

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

    def object_of(self, verb: words.Verb, **choices) -> Phrase:
        """Something or somebody that the verb takes."""
        noun = self.noun(*verb.objects)
        self.combinations.add(f"{verb.english[0]} {noun.english}")
        # One likes this, mine or the one that is known.
        if verb is words.LIKE and "kin" not in noun.tags:
            choices["article"] = self.pick((words.THE, words.THIS))
        return self.phrase(noun=noun, **choices)

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
        rest = _join(rest, self.perhaps_time(manner, when))
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
        rest = _join(rest, self.perhaps_time(manner, when))
        return Clause(subject, verb, rest=rest, **manner)

    # Sentences.

    def action(self) -> Both:
        """As in: Paul does not buy the red car."""
        clause = self.verb_and_object(self.subject())
        manner = {"polarity": clause.polarity, "often": clause.often}
        manner["past"] = clause.past
        timeless = clause.rest[0] or clause.verb in (words.LIKE, words.HAVE)
        english, french = self.perhaps_time(manner, 0.0 if timeless else 0.2)
        if not english:
            return _statement(clause)
        return (
            f"{english}, {clause.english()}.",
            f"{french}, {clause.french()}.",
        )

    def asked_action(self) -> Both:
        """As in: Does she often sleep?"""
        kind = self.pick((self.verb_and_object, self.alone, self.moving))
        subject = self.other(agreeing=kind == self.moving)
        clause = kind(subject, when=0.25)
        return _question(dataclasses.replace(clause, polarity=""))

    def place(self) -> Both:
        """As in: He works in the garden."""
        return _statement(self.alone(self.subject()))

    def movement(self) -> Both:
        """As in: The girls arrived at the station."""
        return _statement(self.moving(self.subject(agreeing=True)))

    def quality(self) -> Both:
        """As in: The old houses are not very expensive."""
        if self.maybe(0.25):
            subject = self.pick((grammar.HE, grammar.SHE, self.name()))
            adjective = words.ADJECTIVES[self.pick(words.MOODS)]
        else:
            subject, adjective = self.describable()
        said = Quality(
            subject,
            adjective,
            "not" if self.maybe(0.25) else "",
            ("", "")
            if adjective.english in words.COLOURS
            else self.pick((("", ""), *words.DEGREES)),
        )
        if self.maybe(0.25):
            return _question(dataclasses.replace(said, polarity=""))
        return _statement(said)

    def describable(self, *tags: str) -> tuple[Phrase, words.Adjective]:
        """A subject with an adjective for it."""
        noun = self.noun(*tags or ("person", "animal", "thing", "place"))
        subject = self.definite(noun)
        return subject, self.adjective_after_be(noun)

    def definite(self, noun: words.Noun) -> Phrase:
        """A subject without an adjective."""
        kin = "kin" in noun.tags
        article = None if kin else self.pick((words.THE, words.THIS))
        return self.phrase(noun=noun, article=article, plain=1.0)

    def adjective_after_be(self, noun: words.Noun) -> words.Adjective:
        """One that makes sense with the noun."""
        name = self.pick(
            name for name in noun.adjectives if name not in words.NOT_AFTER_BE
        )
        self.combinations.add(f"{name} {noun.english}")
        return words.ADJECTIVES[name]

    def likeness(self) -> Both:
        """As in: The car is as old as the boat."""
        (tag,) = self.chance.choices(
            ("person", "animal", "thing", "place"), (3, 1, 4, 2)
        )
        subject, adjective = self.describable(tag)
        other = self.noun(tag)
        while adjective.english not in other.adjectives:
            other = self.noun(tag)
        self.combinations.add(f"{adjective.english} {other.english}")
        second = self.definite(other)
        if second.english == subject.english:
            return self.likeness()
        said = Quality(
            subject,
            adjective,
            "not" if self.maybe(0.2) else "",
            ("as", "aussi"),
            (f"as {second.english}", f"que {second.french}"),
        )
        return _statement(said)

    def giving(self) -> Both:
        """As in: Anne gives the book to me."""
        verb = self.pick(words.GIVING)
        asks = self.maybe(0.15)
        subject = self.other() if asks else self.subject()
        manner = self.tense_and_polarity(verb)
        rest = self.perhaps_time(manner, 0.25)
        clause = Clause(
            subject,
            verb,
            direct=self.object_of(verb),
            to=self.to_whom(subject),
            rest=rest,
            **manner,
        )
        if asks:
            return _question(dataclasses.replace(clause, polarity=""))
        return _statement(clause)

    def taken_up(self) -> Both:
        """A second clause about what the first one names."""
        return self.pick(
            (self.and_it, self.and_it, self.but_it, self.where_it, self.whom)
        )()

    def and_it(self) -> Both:
        """As in: Paul buys the car and washes it."""
        first, second = self.pick(words.FIRST_AND_SECOND)
        noun = self.pick(
            noun
            for noun in words.NOUNS
            if noun.tags & first.objects and noun.tags & second.objects
        )
        subject, past = self.subject(), self.maybe(0.5)
        direct = self.phrase(noun=noun)
        self.combine(first, noun)
        before = Clause(subject, first, past, direct=direct)
        return self.joined(before, self.about(second, noun, before))

    def about(
        self, verb: words.Verb, noun: words.Noun, before: Clause
    ) -> Clause:
        """What the subject of a clause does to its object next."""
        self.combine(verb, noun)
        return Clause(
            before.subject,
            verb,
            before.past,
            direct=grammar.as_object(before.direct),
        )

    def combine(self, verb: words.Verb, noun: words.Noun) -> None:
        """Remembers that they stand together."""
        self.combinations.add(f"{verb.english[0]} {noun.english}")

    def joined(self, first: Clause, second: Clause) -> Both:
        """Two clauses of one subject, which only I, we and you repeat."""
        if first.subject.form == grammar.IL or not first.subject.pronoun:
            english, french = (
                second.english_predicate(),
                second.french_predicate(),
            )
        else:
            english, french = second.english(), second.french()
        return (
            f"{first.english()} and {english}.",
            f"{first.french()} et {french}.",
        )

    def but_it(self) -> Both:
        """As in: The car is old, but I like it."""
        noun = self.noun("animal", "thing", "place")
        first = Quality(self.definite(noun), self.adjective_after_be(noun))
        verbs = [v for v in words.TRANSITIVE if v.objects & noun.tags]
        verb = self.pick(v for v in verbs if v is not words.HAVE)
        self.combine(verb, noun)
        second = Clause(
            self.subject(),
            verb,
            direct=grammar.as_object(first.subject),
            polarity=self.pick(("", "not")),
        )
        return (
            f"{first.english()}, but {second.english()}.",
            f"{first.french()}, mais {second.french()}.",
        )

    def where_it(self) -> Both:
        """As in: Where are the keys? Anne looks for them."""
        noun = self.noun("hand", "animal", "kin")
        verb = self.pick((words.SEEK, words.LOSE, words.FIND))
        if not noun.tags & verb.objects:
            verb = words.SEEK
        self.combine(verb, noun)
        lost = self.definite(noun)
        polarity = "not" if verb is words.FIND else ""
        second = Clause(
            self.subject(),
            verb,
            past=verb is words.LOSE,
            direct=grammar.as_object(lost),
            polarity=polarity,
        )
        be, french = grammar.english_be(lost), grammar.french_be(lost)
        return (
            f"where {be} {lost.english}? {second.english()}.",
            f"où {french} {lost.french}? {second.french()}.",
        )

    def whom(self) -> Both:
        """As in: My sister is at the market and I wait for her."""
        someone = self.name() if self.maybe(0.3) else self.person()
        verb = self.pick((words.AWAIT, words.SEE, words.SEEK))
        subject = self.pick(grammar.SPEAKERS)
        second = Clause(subject, verb, direct=grammar.as_object(someone))
        place = self.where()
        return (
            f"{someone.english} {grammar.english_be(someone)} {place[0]} "
            f"and {second.english()}.",
            f"{someone.french} {grammar.french_be(someone)} {place[1]} "
            f"et {second.french()}.",
        )

    def handed_on(self) -> Both:
        """As in: Here is the letter. I give it to her."""
        verb = self.pick(words.GIVING)
        noun = self.noun("hand")
        thing = self.phrase(noun=noun)
        subject, past = self.subject(), self.maybe(0.4)
        to = self.to_whom(subject)
        self.combine(verb, noun)
        second = Clause(
            subject, verb, past, direct=grammar.as_object(thing), to=to
        )
        if self.maybe(0.5):
            be = grammar.english_be(thing)
            return (
                f"here {be} {thing.english}. {second.english()}.",
                f"voici {thing.french}. {second.french()}.",
            )
        taking = self.pick((words.TAKE, words.FIND))
        self.combine(taking, noun)
        return self.joined(Clause(subject, taking, past, direct=thing), second)

    def reason(self) -> Both:
        """As in: I like this car because it is beautiful."""
        if self.maybe(0.5):
            verb = self.pick((words.LIKE, words.BUY, words.TAKE))
            noun = self.noun(*verb.objects)
            liked = self.definite(noun)
            self.combine(verb, noun)
            first = Clause(self.pick(grammar.SPEAKERS), verb, direct=liked)
            name = self.pick(
                name
                for name in noun.adjectives
                if name in words.PRAISE and name not in words.NOT_AFTER_BE
            )
            self.combinations.add(f"{name} {noun.english}")
            why = Quality(grammar.as_pronoun(liked), words.ADJECTIVES[name])
        else:
            someone = self.person()
            mood = words.ADJECTIVES[self.pick(words.MOODS)]
            first = Quality(someone, mood, "not" if self.maybe(0.2) else "")
            kind = self.pick((self.verb_and_object, self.alone, self.moving))
            why = kind(grammar.as_pronoun(someone), when=0.2)
        return (
            f"{first.english()} because {why.english()}.",
            f"{first.french()} parce que {why.french()}.",
        )

    def relative(self) -> Both:
        """As in: The man who works in the garden is tired."""
        noun = self.pick(n for n in words.NOUNS if "person" in n.tags)
        someone = self.definite(noun)
        kind = self.pick((self.verb_and_object, self.alone, self.moving))
        clause = kind(someone, when=0.0)
        extended = dataclasses.replace(
            someone,
            english=f"{someone.english} who {clause.english_predicate()}",
            french=f"{someone.french} qui {clause.french_predicate()}",
        )
        return _statement(Quality(extended, self.adjective_after_be(noun)))

    def food(self) -> Both:
        """As in: She does not drink coffee in the morning."""
        verb = self.pick((words.EAT, words.DRINK))
        options = [food for food in words.FOOD if food.tags & verb.objects]
        manner = self.tense_and_polarity(verb)
        count = 2 if not manner["polarity"] and self.maybe(0.35) else 1
        chosen = self.chance.sample(options, count)
        for food in chosen:
            self.combine(verb, food)
        what = grammar.some(chosen[0])
        if count == 2:
            what = grammar.together(what, grammar.some(chosen[1]))
        rest = self.perhaps_time(manner, 0.4)
        asks = self.maybe(0.2)
        subject = self.other() if asks else self.subject()
        clause = Clause(subject, verb, direct=what, rest=rest, **manner)
        if asks:
            return _question(dataclasses.replace(clause, polarity=""))
        return _statement(clause)

    def asked(self) -> Both:
        """What, who, where, when, why, how many."""
        return self.pick(
            (self.what, self.who, self.where_is, self.why, self.how_many)
        )()

    def what(self) -> Both:
        """As in: What did Paul buy?"""
        verb = self.pick((*words.ASKED_FOR, words.DRINK))
        past = self.maybe(0.5)
        rest = self.time(past) if self.maybe(0.5) else ("", "")
        clause = Clause(self.other(), verb, past, rest=rest)
        return (
            f"what {clause.english_question()}?",
            f"que {clause.french_question()}?",
        )

    def who(self) -> Both:
        """As in: Who arrived yesterday?"""
        kind = self.pick((self.verb_and_object, self.alone, self.moving))
        clause = kind(Phrase("who", "qui"))
        english, french = clause.english(), clause.french()
        return f"{english}?", f"{french}?"

    def where_is(self) -> Both:
        """As in: Where is the green car?"""
        noun = self.noun("hand", "trade", "animal", "kin", "at")
        article = self.pick((words.THE, words.THIS))
        if noun.tags & {"hand", "kin"}:
            article = self.pick(words.POSSESSIVES)
        thing = self.phrase(noun=noun, article=article, plain=0.4)
        be, french = grammar.english_be(thing), grammar.french_be(thing)
        return f"where {be} {thing.english}?", f"où {french} {thing.french}?"

    def why(self) -> Both:
        """As in: Why does she come?"""
        word = self.pick(
            (("where", "où"), ("when", "quand"), ("why", "pourquoi"))
        )
        verb = self.pick((*words.ALONE, words.ARRIVE, words.LEAVE, words.STAY))
        subject = self.other(agreeing=True)
        where = self.where() if word[0] != "where" and self.maybe(0.5) else None
        if verb is words.LEAVE or where is None:
            where = ("", "")
        clause = Clause(subject, verb, self.maybe(0.5), rest=where)
        return (
            f"{word[0]} {clause.english_question()}?",
            f"{word[1]} {clause.french_question()}?",
        )

    def how_many(self) -> Both:
        """As in: How many apples did he sell?"""
        verb = self.pick(words.ASKED_FOR)
        noun = self.noun(*verb.objects)
        self.combine(verb, noun)
        asked = noun_phrase(noun, plural=True)
        past = self.maybe(0.5)
        rest = self.time(past) if self.maybe(0.3) else ("", "")
        clause = Clause(self.other(), verb, past, rest=rest, earlier=asked)
        return (
            f"how many {noun.english_plural} {clause.english_question()}?",
            f"combien de {noun.french_plural} {clause.french_question()}?",
        )

    def there_is(self) -> Both:
        """As in: There are small birds in front of the church."""
        place = self.beside() if self.maybe(0.5) else self.where()
        if self.maybe(0.15):
            food = self.pick(words.FOOD)
            english, french = place
            return (
                f"there is no {food.english} {english}.",
                f"il n'y a pas de {food.french} {french}.",
            )
        thing = self.phrase("animal", "thing", article=words.A, plain=0.3)
        return (
            f"there {grammar.english_be(thing)} {thing.english} {place[0]}.",
            f"il y a {thing.french} {place[1]}.",
        )

    def this_is(self) -> Both:
        """As in: These are not my keys."""
        noun = self.noun("thing", "animal", "kin")
        article = self.pick((words.THE, words.A, *words.POSSESSIVES))
        owner = self.maybe(0.3)
        if "kin" in noun.tags and article in (words.THE, words.A):
            article = words.POSSESSIVES[0]
        thing = self.phrase(
            noun=noun, article=article, plain=1.0 if owner else 0.3
        )
        if owner:
            thing = noun_phrase(noun, plural=thing.plural, owner=self.owner())
        not_, pas = (" not", "pas ") if self.maybe(0.25) else ("", "")
        this = "these are" if thing.plural else "this is"
        be = "sont" if thing.plural else "est"
        ce = "ce ne" if pas else "ce" if thing.plural else "c'"
        french = f"{ce} {be} {pas}{thing.french}."
        french = french.replace("c' ", "c'").replace("ne est", "n'est")
        return f"{this}{not_} {thing.english}.", french

    def exclamation(self) -> Both:
        """As in: What a beautiful house!"""
        noun = self.noun("thing", "animal", "place", "role")
        many = "quelles" if noun.feminine else "quels"
        what = words.Determiner(("what a", "what"), ("quel", "quelle", many))
        thing = self.phrase(noun=noun, article=what, plain=0.0)
        return f"{thing.english}!", f"{thing.french}!"

    # Numbers.

    def number(self, least: int, most: int) -> int:
        """Small ones as often as large ones."""
        digits = self.chance.randint(len(str(least)), len(str(most)))
        low, high = max(least, 10 ** (digits - 1)), min(most, 10**digits - 1)
        number = self.chance.randint(low, high)
        if number > 1000 and self.maybe(0.4):
            number -= number % self.pick((10, 100, 1000))
        if number > 20:
            self.combinations.add(f"number {number}")
        return number

    def counted(self, number: int, noun: words.Noun) -> Both:
        """A number, two or more, of something."""
        return (
            f"{numbers.english_number(number)} {noun.english_plural}",
            f"{numbers.french_number(number, noun.feminine)} "
            f"{noun.french_plural}",
        )

    def amount(self) -> Both:
        """As in: The book has three hundred and twenty-one pages."""
        kind = self.chance.random()
        if kind < 0.3:
            return self.age()
        if kind < 0.55:
            verb = self.pick(words.ASKED_FOR)
            noun = self.noun(*verb.objects)
            self.combine(verb, noun)
            # Nobody eats ninety-three cakes.
            most = 999 if verb in (words.BUY, words.SELL) else 20
            english, french = self.counted(self.number(2, most), noun)
            what = Phrase(english, french, noun.feminine, grammar.ILS)
            return _statement(
                Clause(self.subject(), verb, self.maybe(0.5), direct=what)
            )
        name, part, *limits = self.pick(words.PARTS)
        english, french = self.counted(self.number(*limits), part)
        noun = next(n for n in words.NOUNS if n.english == name)
        if noun.english != "book" and self.maybe(0.5):
            whole = noun_phrase(noun)
            return (
                f"there are {english} in {whole.english}.",
                f"il y a {french} dans {whole.french}.",
            )
        article = self.pick((words.THE, words.THIS))
        whole = self.phrase(noun=noun, article=article, plural=False)
        return (
            f"{whole.english} has {english}.",
            f"{whole.french} a {french}.",
        )

    def age(self) -> Both:
        """As in: My uncle is seventy-one years old."""
        if self.maybe(0.5):
            someone = self.pick((grammar.HE, grammar.SHE, self.name()))
            number = self.number(2, 99)
        else:
            noun = self.noun("person")
            young = {"boy", "girl", "child"} & {noun.english}
            number = self.number(*((2, 15) if young else (21, 99)))
            article = None if "kin" in noun.tags else words.THE
            someone = self.phrase(
                noun=noun, article=article, plural=False, plain=1.0
            )
        return (
            f"{someone.english} is {numbers.english_number(number)} years old.",
            f"{someone.french} a {numbers.french_number(number)} ans.",
        )

    def price(self) -> Both:
        """As in: These tables cost eighty euros."""
        noun = self.noun("trade")
        article = self.pick((words.THE, words.THIS))
        thing = self.phrase(noun=noun, article=article, plain=0.3)
        dear = noun.english in words.DEAR
        number = self.number(*((1000, 999_999) if dear else (2, 999)))
        costs, coute = ("cost", "coûtent")
        if not thing.plural:
            costs, coute = ("costs", "coûte")
        return (
            f"{thing.english} {costs} {numbers.english_number(number)} euros.",
            f"{thing.french} {coute} {numbers.french_number(number)} euros.",
        )

    def day(self, year: bool) -> Both:
        """A date after a preposition, with a year or perhaps a weekday."""
        month = self.chance.randint(1, 12)
        day = self.chance.randint(1, numbers.LENGTHS[month - 1])
        self.combinations.add(f"day {day} {month}")
        if year:
            known = self.chance.randint(*YEARS)
            # Not all years have a 29th of February.
            day -= (month, day) == (2, 29)
            english, french = numbers.date(day, month, known)
            return english, f"le {french}"
        english, french = numbers.date(day, month)
        if self.maybe(0.4):
            return english, f"le {french}"
        weekday, jour = self.pick(numbers.WEEKDAYS)
        return f"{weekday} {english}", f"le {jour} {french}"

    def date(self) -> Both:
        """As in: Marie was born on the 1st of May 1998."""
        kind = self.chance.random()
        english, french = self.day(year=kind < 0.3 or self.maybe(0.2))
        if kind < 0.3:
            someone = self.subject(agreeing=True)
            ne = grammar.participle(
                words.BORN, someone.feminine, someone.plural
            )
            was = "were" if someone.plural else "was"
            return (
                f"{someone.english} {was} born on {english}.",
                f"{someone.french} {grammar.french_be(someone)} {ne} {french}.",
            )
        if kind < 0.4:
            return f"today is {english}.", f"nous sommes {french}."
        if kind < 0.65:
            event, begin = self.pick(words.EVENTS), self.pick(words.BEGINNINGS)
            return (
                f"the {event[0]} {begin[0]} on {english}.",
                f"{event[1]} {begin[1]} {french}.",
            )
        make = self.pick((self.moving, self.verb_and_object))
        clause = make(self.subject(agreeing=True), when=0.0)
        while clause.verb in (words.LIKE, words.HAVE):
            clause = self.moving(self.subject(agreeing=True), when=0.0)
        clause = dataclasses.replace(
            clause,
            past=True,
            often=("", ""),
            polarity="not" if clause.polarity else "",
            rest=_join(clause.rest, (f"on {english}", french)),
        )
        return _statement(clause)

    def hour(self) -> Both:
        """A time of day."""
        minutes = self.pick((0, 0, 15, 30, -15, *range(-25, 35, 5)))
        if self.maybe(0.15):
            hour = self.pick((numbers.NOON, numbers.MIDNIGHT))
            self.combinations.add(f"hour {hour} {minutes}")
            return numbers.clock(hour, minutes)
        part, moment, first, last = self.pick(numbers.PARTS)
        hour = self.chance.randint(first, last)
        self.combinations.add(f"hour {hour} {minutes} {part}")
        english, french = numbers.clock(hour, minutes)
        return f"{english} {part}", f"{french} {moment}"

    def clock(self) -> Both:
        """As in: The train leaves at a quarter to four in the morning."""
        english, french = self.hour()
        kind = self.chance.random()
        if kind < 0.2:
            return f"it is {english}.", f"il est {french}."
        if kind < 0.6:
            thing = self.pick(words.TRAINS)
            verb = self.pick((words.LEAVE, words.ARRIVE))
            place = self.pick(words.CITIES)
            rest = (f"at {english}", f"à {french}")
            past = self.maybe(0.4)
            if verb is words.ARRIVE and self.maybe(0.5):
                rest = _join((f"in {place}", f"à {place}"), rest)
            subject = noun_phrase(thing)
            return _statement(Clause(subject, verb, past, rest=rest))
        if kind < 0.75:
            verb = self.pick((words.OPEN, words.CLOSE))
            noun = self.pick(n for n in words.NOUNS if "opens" in n.tags)
            subject = self.phrase(noun=noun, article=words.THE, plural=False)
            rest = (f"at {english}", f"à {french}")
            return _statement(Clause(subject, verb, rest=rest))
        clause = self.moving(self.subject(agreeing=True), when=0.0)
        while clause.verb is words.STAY:
            clause = self.moving(self.subject(agreeing=True), when=0.0)
        clause = dataclasses.replace(
            clause,
            polarity="",
            rest=_join(clause.rest, (f"at {english}", f"à {french}")),
        )
        return _statement(clause)


def _repeats(english: str) -> bool:
    """Whether it names somebody or something twice, as people seldom do."""
    found = [NAMED[w] for w in re.findall(r"\w+", english) if w in NAMED]
    return len(found) > len(set(found))


def _join(first: Both, second: Both) -> Both:
    return f"{first[0]} {second[0]}".strip(), f"{first[1]} {second[1]}".strip()


def _statement(said: Clause | Quality) -> Both:
    return f"{said.english()}.", f"{said.french()}."


def _question(said: Clause | Quality) -> Both:
    return f"{said.english_question()}?", f"{said.french_question()}?"
