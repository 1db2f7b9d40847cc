"""Sentences of the demo translations, each in English and in French."""

import dataclasses
import random
import re

from data_pipelines.translation.demo import grammar, words
from data_pipelines.translation.demo.amounts import Amounts
from data_pipelines.translation.demo.grammar import (
    Both,
    Clause,
    Phrase,
    Quality,
    noun_phrase,
)

# Names, singulars and plurals, with the singulars.
NAMED = (
    {name: name for name, _ in words.NAMES}
    | {noun.english: noun.english for noun in words.NOUNS}
    | {noun.english_plural: noun.english for noun in words.NOUNS}
)


class Writer(Amounts):
    """Writes pairs of sentences.

    Args:
        chance: source of all decisions.
    """

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
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

    def action(self) -> Both:
        """As in: Paul does not buy the red car."""
        clause = self.verb_and_object(self.subject())
        manner = {"polarity": clause.polarity, "often": clause.often}
        manner["past"] = clause.past
        timeless = clause.rest[0] or clause.verb in (words.LIKE, words.HAVE)
        english, french = self.perhaps_time(manner, 0.0 if timeless else 0.2)
        if not english:
            return grammar.statement(clause)
        return (
            f"{english}, {clause.english()}.",
            f"{french}, {clause.french()}.",
        )

    def asked_action(self) -> Both:
        """As in: Does she often sleep?"""
        kind = self.pick((self.verb_and_object, self.alone, self.moving))
        subject = self.other(agreeing=kind == self.moving)
        clause = kind(subject, when=0.25)
        return grammar.question(dataclasses.replace(clause, polarity=""))

    def place(self) -> Both:
        """As in: He works in the garden."""
        return grammar.statement(self.alone(self.subject()))

    def movement(self) -> Both:
        """As in: The girls arrived at the station."""
        return grammar.statement(self.moving(self.subject(agreeing=True)))

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
            return grammar.question(dataclasses.replace(said, polarity=""))
        return grammar.statement(said)

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
        return grammar.statement(said)

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
            return grammar.question(dataclasses.replace(clause, polarity=""))
        return grammar.statement(clause)

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
        verb = self.pick(v for v in verbs if v not in (words.HAVE, words.SEE))
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
        return grammar.statement(
            Quality(extended, self.adjective_after_be(noun))
        )

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
            return grammar.question(dataclasses.replace(clause, polarity=""))
        return grammar.statement(clause)

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
        large = self.maybe(0.5)
        place = self.beside() if large else self.where()
        if self.maybe(0.15):
            food = self.pick(words.FOOD)
            english, french = place
            return (
                f"there is no {food.english} {english}.",
                f"il n'y a pas de {food.french} {french}.",
            )
        tag = "thing" if large else "hand"
        thing = self.phrase("animal", tag, article=words.A, plain=0.3)
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


def _repeats(english: str) -> bool:
    """Whether it names somebody or something twice, as people seldom do."""
    found = [NAMED[w] for w in re.findall(r"\w+", english) if w in NAMED]
    return len(found) > len(set(found))
