"""Sentences of the demo translations about numbers, dates and times."""

import dataclasses

from data_pipelines.translation.demo import grammar, numbers, words
from data_pipelines.translation.demo.grammar import (
    Both,
    Clause,
    Phrase,
    noun_phrase,
)
from data_pipelines.translation.demo.phrases import Phrases

YEARS = (1994, 2001)


class Amounts(Phrases):
    """Writes sentences that count."""

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
            return grammar.statement(
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
            rest=grammar.join(clause.rest, (f"on {english}", french)),
        )
        return grammar.statement(clause)

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
                rest = grammar.join((f"in {place}", f"à {place}"), rest)
            subject = noun_phrase(thing)
            return grammar.statement(Clause(subject, verb, past, rest=rest))
        if kind < 0.75:
            verb = self.pick((words.OPEN, words.CLOSE))
            noun = self.pick(n for n in words.NOUNS if "opens" in n.tags)
            subject = self.phrase(noun=noun, article=words.THE, plural=False)
            rest = (f"at {english}", f"à {french}")
            return grammar.statement(Clause(subject, verb, rest=rest))
        clause = self.moving(self.subject(agreeing=True), when=0.0)
        while clause.verb is words.STAY:
            clause = self.moving(self.subject(agreeing=True), when=0.0)
        clause = dataclasses.replace(
            clause,
            polarity="",
            rest=grammar.join(clause.rest, (f"at {english}", f"à {french}")),
        )
        return grammar.statement(clause)
