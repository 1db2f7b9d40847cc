"""English and French phrases and clauses, side by side.

French is put together without elision and contraction ("de le ami"), and
`finish_french` does both at the end ("de l'ami"), where neighbours are known.
"""

import dataclasses
import re

from data_pipelines.translation.demo import words
from data_pipelines.translation.demo.words import Adjective, Determiner, Noun

# Every h of ours is mute but the one of huit, which asks for "le huit".
VOWEL = re.compile(r"(?i:(?!huit|onze)[aeiouhàâéèêîôûœ])")

# English, French.
Both = tuple[str, str]

# Forms of a verb: je, il, nous, vous, ils.
JE, IL, NOUS, VOUS, ILS = range(5)


@dataclasses.dataclass(frozen=True)
class Phrase:
    """Somebody or something.

    Args:
        english: as subject or object.
        french: the same.
        feminine: gender in French.
        form: which form of a verb goes with it, `JE` to `ILS`.
        person: whether it is he or she, and not it.
        after_not: French as a direct object after a negation.
        pronoun: whether `english` is a pronoun.
    """

    english: str
    french: str
    feminine: bool = False
    form: int = IL
    person: bool = True
    after_not: str = ""
    pronoun: bool = False

    @property
    def plural(self) -> bool:
        """Whether participles and adjectives take an s."""
        return self.form in (NOUS, ILS)


HE = Phrase("he", "il", pronoun=True)
SHE = Phrase("she", "elle", feminine=True, pronoun=True)
# Their gender, or the number of vous, is not said, so nothing that agrees
# goes with them.  You is vous everywhere.
SPEAKERS = (
    Phrase("I", "je", form=JE, pronoun=True),
    Phrase("we", "nous", form=NOUS, pronoun=True),
    Phrase("you", "vous", form=VOUS, pronoun=True),
)


def agreeing(forms: tuple[str, ...], feminine: bool, plural: bool) -> str:
    """One of masculine, feminine, masculine plural, feminine plural."""
    return forms[2 * plural + feminine]


def participle(verb: words.Verb, feminine: bool, plural: bool) -> str:
    """A past participle that agrees."""
    ending = "e" if feminine else ""
    if plural and not (verb.participle + ending).endswith("s"):
        ending += "s"
    return verb.participle + ending


def noun_phrase(
    noun: Noun,
    determiner: Determiner = words.THE,
    plural: bool = False,
    adjectives: tuple[Adjective, ...] = (),
    owner: Phrase | None = None,
) -> Phrase:
    """A noun with what belongs to it.

    Args:
        noun: the noun.
        determiner: its article or possessive; not used where `owner` is.
        plural: its number.
        adjectives: in the order of English, one at most before the noun.
        owner: whose it is, as in `Anne's old car`.
    """
    core = _french_noun(noun, plural, adjectives)
    article = determiner.french[2 if plural else int(noun.feminine)]
    if owner:
        article = words.THE.french[2 if plural else int(noun.feminine)]
    if article == "ce" and VOWEL.match(core):
        article = "cet"
    first = determiner.english[plural]
    if owner:
        plural_s = owner.form == ILS and owner.english.endswith("s")
        first = owner.english + ("'" if plural_s else "'s")
        core = f"{core} de {owner.french}"
    # "des maisons", but "de petites maisons".
    if article == "des" and any(adjective.before for adjective in adjectives):
        article = "de"
    indefinite = determiner is words.A and not owner
    english = [first, *(adjective.english for adjective in adjectives)]
    english.append(noun.english_plural if plural else noun.english)
    french = f"{article} {core}"
    return Phrase(
        " ".join(filter(None, english)),
        french,
        noun.feminine,
        ILS if plural else IL,
        "person" in noun.tags,
        after_not=f"de {core}" if indefinite else french,
    )


def _french_noun(
    noun: Noun, plural: bool, adjectives: tuple[Adjective, ...]
) -> str:
    """The noun between its adjectives, without an article."""
    french = noun.french_plural if plural else noun.french
    found = [french]
    for adjective in adjectives:
        form = agreeing(adjective.french, noun.feminine, plural)
        if not adjective.before:
            found.append(form)
            continue
        masculine = not noun.feminine and not plural
        if masculine and adjective.before_vowel and VOWEL.match(french):
            form = adjective.before_vowel
        found.insert(0, form)
    return " ".join(found)


def some(food: Noun) -> Phrase:
    """Food without a number: `bread`, `du pain`."""
    article = words.THE.french[food.feminine]
    return Phrase(
        food.english,
        f"de {article} {food.french}",
        food.feminine,
        person=False,
        after_not=f"de {food.french}",
    )


def together(first: Phrase, second: Phrase) -> Phrase:
    """Two with `and`: masculine unless both are feminine."""
    return Phrase(
        f"{first.english} and {second.english}",
        f"{first.french} et {second.french}",
        first.feminine and second.feminine,
        ILS,
        first.person,
    )


def as_pronoun(phrase: Phrase) -> Phrase:
    """Takes a phrase up as the subject of the next clause."""
    french = "elle" if phrase.feminine else "il"
    if phrase.form == ILS:
        english, french = "they", french + "s"
    elif phrase.person:
        english = "she" if phrase.feminine else "he"
    else:
        english = "it"
    return dataclasses.replace(
        phrase, english=english, french=french, pronoun=True
    )


def as_object(phrase: Phrase) -> Phrase:
    """Takes a phrase up as the object of the next clause."""
    subject = as_pronoun(phrase).english
    english = {"he": "him", "she": "her", "they": "them", "it": "it"}[subject]
    french = "la" if phrase.feminine else "le"
    if phrase.form == ILS:
        french = "les"
    return dataclasses.replace(
        phrase, english=english, french=french, pronoun=True
    )


@dataclasses.dataclass(frozen=True)
class Clause:
    """A subject, a verb and what goes with it.

    Args:
        subject: who.
        verb: does.
        past: in the simple past, passé composé.
        polarity: "", "not" or "never".
        direct: what, or whom.
        to: to whom, as (English, French); French before the verb if it is
            one of the pronouns me, nous, vous, lui, leur.
        rest: what follows, as (English, French).
        often: an adverb beside the verb, as (English, French).
        earlier: what a question asks for, if it is a direct object.
    """

    subject: Phrase
    verb: words.Verb
    past: bool = False
    polarity: str = ""
    direct: Phrase | None = None
    to: Both = ("", "")
    rest: Both = ("", "")
    often: Both = ("", "")
    earlier: Phrase | None = None

    def english(self) -> str:
        """A statement."""
        return f"{self.subject.english} {self.english_predicate()}"

    def english_predicate(self) -> str:
        """A statement without its subject."""
        base, third, past = self.verb.english
        single = self.subject.form == IL
        if self.polarity == "not":
            auxiliary = "did" if self.past else "does" if single else "do"
            verb = f"{auxiliary} not {base}"
        else:
            verb = past if self.past else third if single else base
            if self.polarity == "never":
                verb = f"never {verb}"
        return _join(self.often[0], verb, self._english_rest())

    def english_question(self) -> str:
        """`does she sleep`."""
        single = self.subject.form == IL
        auxiliary = "did" if self.past else "does" if single else "do"
        return _join(
            auxiliary,
            self.subject.english,
            self.often[0],
            self.verb.english[0],
            self._english_rest(),
        )

    def _english_rest(self) -> str:
        direct = self.direct.english if self.direct else ""
        return _join(direct, self.to[0], self.rest[0])

    def french(self) -> str:
        """A statement."""
        return f"{self.subject.french} {self.french_predicate()}"

    def french_question(self) -> str:
        """`est-ce que elle dort`."""
        return f"est-ce que {self.french()}"

    def french_predicate(self) -> str:
        """A statement without its subject."""
        pas = {"": "", "not": "pas", "never": "jamais"}[self.polarity]
        ne = "ne" if pas else ""
        main = ""
        if self.past:
            forms = words.BE[1] if self.verb.etre else words.AVOIR
            verb, main = forms[self.subject.form], self._participle()
        else:
            verb = self.verb.present[self.subject.form]
        before, after = self._french_objects()
        return _join(
            ne, before, verb, pas, self.often[1], main, after, self.rest[1]
        )

    def _participle(self) -> str:
        """Agrees with the subject after être, else with what stands before."""
        if self.verb.etre:
            agree = self.subject
        elif self.earlier or (self.direct and self.direct.pronoun):
            agree = self.earlier or self.direct
        else:
            return self.verb.participle
        return participle(self.verb, agree.feminine, agree.plural)

    def _french_objects(self) -> tuple[str, str]:
        """What stands before the verb, and what after it."""
        direct, to = self.direct, self.to[1]
        whom = to in {french for _, french, _ in words.TO_WHOM}
        before, after = [], []
        if direct and direct.pronoun:
            before.append(direct.french)
        elif direct:
            after.append(direct.after_not if self.polarity else direct.french)
        if whom:
            # "me le", "nous le", "vous le", but "le lui", "le leur".
            before.insert(len(before) if to in ("lui", "leur") else 0, to)
        else:
            after.append(to)
        return _join(*before), _join(*after)


@dataclasses.dataclass(frozen=True)
class Quality:
    """A subject that is something.

    Args:
        subject: who; of known gender and number.
        adjective: how.
        polarity: "" or "not".
        degree: words before the adjective, as (English, French).
        rest: what follows, as (English, French).
    """

    subject: Phrase
    adjective: Adjective
    polarity: str = ""
    degree: Both = ("", "")
    rest: Both = ("", "")

    def english(self) -> str:
        """A statement."""
        return _join(
            self.subject.english,
            english_be(self.subject),
            self.polarity,
            self.english_adjective(),
        )

    def english_question(self) -> str:
        """`is she tired`."""
        return _join(
            english_be(self.subject),
            self.subject.english,
            self.english_adjective(),
        )

    def english_adjective(self) -> str:
        """What the subject is."""
        return _join(self.degree[0], self.adjective.english, self.rest[0])

    def french(self) -> str:
        """A statement."""
        return _join(
            self.subject.french,
            "ne" if self.polarity else "",
            french_be(self.subject),
            "pas" if self.polarity else "",
            self.degree[1],
            agreeing(
                self.adjective.french,
                self.subject.feminine,
                self.subject.plural,
            ),
            self.rest[1],
        )

    def french_question(self) -> str:
        """`est-ce que elle est fatiguée`."""
        return f"est-ce que {self.french()}"


def statement(said: Clause | Quality) -> Both:
    """With a full stop."""
    return f"{said.english()}.", f"{said.french()}."


def question(said: Clause | Quality) -> Both:
    """With a question mark."""
    return f"{said.english_question()}?", f"{said.french_question()}?"


def join(first: Both, second: Both) -> Both:
    """One after the other, in both languages."""
    return _join(first[0], second[0]), _join(first[1], second[1])


def english_be(subject: Phrase) -> str:
    """`am`, `is` or `are`."""
    return words.BE[0][{JE: 0, IL: 1}.get(subject.form, 2)]


def french_be(subject: Phrase) -> str:
    """`suis`, `est`, ..."""
    return words.BE[1][subject.form]


def _join(*parts: str) -> str:
    return " ".join(filter(None, parts))


def finish_english(text: str) -> str:
    """`an` before a vowel, and capital letters."""
    return _capitals(re.sub(r"\ba (?=[aeiou])", "an ", text))


def finish_french(text: str) -> str:
    """Elision, contraction, spaces and capital letters."""
    vowel = f"(?={VOWEL.pattern})"
    # "sa amie" is "son amie".
    text = re.sub(rf"\b([msMS])a {vowel}", r"\1on ", text)
    text = re.sub(
        rf"\b(je|ne|le|la|de|que|me) {vowel}",
        lambda found: found[1][:-1] + "'",
        text,
    )
    for full, short in (
        ("de le", "du"),
        ("de les", "des"),
        ("à le", "au"),
        ("à les", "aux"),
    ):
        text = re.sub(rf"\b{full}\b", short, text)
    return _capitals(re.sub(r"(?=[?!])", " ", text))


def _capitals(text: str) -> str:
    return re.sub(
        r"(^|[.?!] )(\w)", lambda found: found[1] + found[2].upper(), text
    )
