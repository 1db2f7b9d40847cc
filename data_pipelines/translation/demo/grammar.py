"""Agreement and spelling of English and French."""

import re
from collections.abc import Callable
from typing import NamedTuple

from data_pipelines.translation.demo.words import BE, pairs

Both = tuple[str, str]
IL, NOUS, ILS = 1, 2, 4  # Persons are je, il, nous, vous, ils.
COMMON = {
    "be": BE,
    "do": ("do|does|do|do|do", ""),
    "he": ("he|she|it|they", "il|elle|ils|elles"),
    "him": ("him|her|it|them", "le|la|les"),
}
VOWEL = "(?=[aeiouhàâéèêîôûœA])"
# A ° marks an indefinite article, a ^ an adjective that changes before a vowel.
SPELLING = (
    ("des° (?=petit|grand|bea|bel|nouv|vie|jeune|bon)", "de "),
    (rf"eau\^ {VOWEL}", "el "),
    (rf"eux\^ {VOWEL}", "eil "),
    ("[°^]", ""),
    (rf"\b([ms])a {VOWEL}", r"\1on "),
    (rf"\bce {VOWEL}", "cet "),
    (rf"\b(qu|[jnld])[ea] {VOWEL}", r"\1'"),
    (r"\bde le\b", "du"),
    (r"\bde les\b", "des"),
    (r"\bà le\b", "au"),
    (r"\bà les\b", "aux"),
    ("([?!])", r" \1"),
)


class Phrase(NamedTuple):
    """Somebody or something: English, French, and what agrees with it."""

    english: str = ""
    french: str = ""
    feminine: bool = False
    person: int = IL
    human: bool = True

    def agree(self, forms: str, language: int) -> str:
        """Return the form that agrees with it.

        Of 2 forms singular or plural; of 3 masculine, feminine or plural; of 4
        he, she, it or they, in French il, elle, ils or elles; of 5 a person's.
        """
        options = forms.split("|")
        plural = self.person in (NOUS, ILS)
        english = 3 if plural else self.feminine if self.human else 2
        four = 2 * plural + self.feminine if language else english
        three = 2 if plural else self.feminine
        return options[(0, 0, plural, three, four, self.person)[len(options)]]


PEOPLE = [
    Phrase(english, french, feminine == "f", int(person))
    for english, french, feminine, person in pairs("""I = je = m = 0; we = nous
    = m = 2; you = vous = m = 3; he = il = m = 1; she = elle = f = 1; Luc = Luc
    = m = 1; Anne and Marie = Anne et Marie = f = 4""")
]


def fill(pattern: Both, slot: Callable[[str], Both | Phrase]) -> Both:
    """Return English and French with their slots filled.

    `{name}` takes the text of a slot, `{name:phrase}` the form in it that
    agrees with the phrase in another one.
    """

    def filled(language: int) -> str:
        def form(match: re.Match) -> str:
            name, phrase = match.groups()
            forms = (COMMON.get(name) or slot(name))[language]
            return slot(phrase).agree(forms, language) if phrase else forms

        text = re.sub(r"\{(\w+):?(\w*)\}", form, pattern[language])
        return " ".join(text.split())

    return filled(0), filled(1)


def finish(english: str, french: str) -> Both:
    """Return sentences with elision, contraction and capital letters."""
    english = re.sub(r"\ba (?=[aeiou])", "an ", english)
    for spoken, written in SPELLING:
        french = re.sub(spoken, written, french)
    start = r"(^|[.?!] )\w"
    english = re.sub(start, lambda match: match[0].upper(), english)
    return english, re.sub(start, lambda match: match[0].upper(), french)
