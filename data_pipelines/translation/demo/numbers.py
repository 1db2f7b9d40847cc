"""Numbers, dates and times of day, in English and in French words.

French counts as in France and hyphenates as it did before 1990: soixante et
onze, quatre-vingts, quatre-vingt-un, deux cents, deux cent un, mille.
"""

import re

ENGLISH_UNITS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
ENGLISH_TENS = (
    "",
    "",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
)
FRENCH_UNITS = (
    "zéro",
    "un",
    "deux",
    "trois",
    "quatre",
    "cinq",
    "six",
    "sept",
    "huit",
    "neuf",
    "dix",
    "onze",
    "douze",
    "treize",
    "quatorze",
    "quinze",
    "seize",
    "dix-sept",
    "dix-huit",
    "dix-neuf",
)
FRENCH_TENS = (
    "",
    "",
    "vingt",
    "trente",
    "quarante",
    "cinquante",
    "soixante",
)

MONTHS = (
    ("January", "janvier"),
    ("February", "février"),
    ("March", "mars"),
    ("April", "avril"),
    ("May", "mai"),
    ("June", "juin"),
    ("July", "juillet"),
    ("August", "août"),
    ("September", "septembre"),
    ("October", "octobre"),
    ("November", "novembre"),
    ("December", "décembre"),
)
LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

WEEKDAYS = (
    ("Monday", "lundi"),
    ("Tuesday", "mardi"),
    ("Wednesday", "mercredi"),
    ("Thursday", "jeudi"),
    ("Friday", "vendredi"),
    ("Saturday", "samedi"),
    ("Sunday", "dimanche"),
)

# Parts of the day, with the first and the last hour that is said with them.
PARTS = (
    ("in the morning", "du matin", 1, 11),
    ("in the afternoon", "de l'après-midi", 1, 5),
    ("in the evening", "du soir", 6, 11),
)
NOON, MIDNIGHT = 12, 0


def english_number(number: int) -> str:
    """A number below a million, as in `two thousand and one`."""
    if number < 20:
        return ENGLISH_UNITS[number]
    if number < 100:
        tens, units = divmod(number, 10)
        unit = f"-{ENGLISH_UNITS[units]}" if units else ""
        return ENGLISH_TENS[tens] + unit
    size, word = (1000, "thousand") if number >= 1000 else (100, "hundred")
    many, rest = divmod(number, size)
    words = f"{english_number(many)} {word}"
    if not rest:
        return words
    link = " and " if rest < 100 else " "
    return words + link + english_number(rest)


def french_number(
    number: int, feminine: bool = False, before_mille: bool = False
) -> str:
    """A number below a million, as in `deux mille un`.

    Args:
        number: 0 to 999,999.
        feminine: whether it counts a feminine noun; a final `un` agrees.
        before_mille: whether it counts thousands, which takes the `s` of
            `cents` and `quatre-vingts` away.
    """
    if number >= 1000:
        thousands, rest = divmod(number, 1000)
        words = "mille"
        if thousands > 1:
            words = f"{french_number(thousands, before_mille=True)} mille"
        return f"{words} {french_number(rest, feminine)}" if rest else words
    if number >= 100:
        hundreds, rest = divmod(number, 100)
        words = "cent" if hundreds == 1 else f"{FRENCH_UNITS[hundreds]} cent"
        if rest:
            return f"{words} {french_number(rest, feminine, before_mille)}"
        return words if hundreds == 1 or before_mille else f"{words}s"
    words = _below_hundred(number)
    if words == "quatre-vingt" and not before_mille:
        words = "quatre-vingts"
    return re.sub(r"\bun$", "une", words) if feminine else words


def _below_hundred(number: int) -> str:
    """Without the `s` of `quatre-vingts`."""
    if number < 20:
        return FRENCH_UNITS[number]
    if number >= 80:
        rest = number - 80
        return "quatre-vingt" + (f"-{FRENCH_UNITS[rest]}" if rest else "")
    # There is no word for seventy: sixty goes on to seventy-nine.
    tens = min(number // 10, 6)
    rest = number - 10 * tens
    if rest in (1, 11):
        return f"{FRENCH_TENS[tens]} et {FRENCH_UNITS[rest]}"
    return FRENCH_TENS[tens] + (f"-{FRENCH_UNITS[rest]}" if rest else "")


def english_ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, ..."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else endings.get(number % 10, 'th')}"


def date(day: int, month: int, year: int | None = None) -> tuple[str, str]:
    """`the 1st of May 1998`, `1er mai 1998`; months count from 1."""
    english, french = MONTHS[month - 1]
    years = "" if year is None else f" {year}"
    first = "1er" if day == 1 else str(day)
    return (
        f"the {english_ordinal(day)} of {english}{years}",
        f"{first} {french}{years}",
    )


def clock(hour: int, minutes: int) -> tuple[str, str]:
    """`a quarter to four`, `quatre heures moins le quart`.

    Args:
        hour: the hour that is named, 1 to 11, `NOON` or `MIDNIGHT`.
        minutes: -25 to 30, a multiple of 5; negative before the hour.
    """
    whole = hour in (NOON, MIDNIGHT)
    if whole:
        english = "noon" if hour == NOON else "midnight"
        french = "midi" if hour == NOON else "minuit"
    else:
        english = ENGLISH_UNITS[hour]
        french = f"{french_number(hour, feminine=True)} heure"
        french += "s" if hour > 1 else ""
    if not minutes:
        return english + ("" if whole else " o'clock"), french
    link = "past" if minutes > 0 else "to"
    amount = english_number(abs(minutes))
    amount = {15: "a quarter", 30: "half"}.get(abs(minutes), amount)
    passed = f"moins {french_number(-minutes)}" if minutes < 0 else ""
    passed = passed or french_number(minutes)
    # An hour is feminine, noon and midnight are not.
    half = "et demi" if whole else "et demie"
    special = {15: "et quart", -15: "moins le quart", 30: half}
    return (
        f"{amount} {link} {english}",
        f"{french} {special.get(minutes, passed)}",
    )
