import collections
import inspect
import itertools
import re
import time
import zlib

import pytest
import sacrebleu

from data_pipelines.translation.demo import generator as demo
from data_pipelines.translation.demo import grammar, numbers, words

VOWELS = "aeiouàâéèêîôûœ"


@pytest.fixture(scope="module")
def splits():
    return demo.splits()


@pytest.fixture(scope="module")
def pairs(splits):
    return [pair for found in splits.values() for pair in found]


@pytest.fixture(scope="module")
def french(pairs):
    return "\n".join(pair.french for pair in pairs)


def written_words(pair):
    """Words as they are written, by language."""
    for language, text in (("en", pair.english), ("fr", pair.french)):
        for word in re.findall(r"[\w'-]+|[.,?!]", text.replace("'", "' ")):
            yield from ((language, part) for part in word.split("-"))


def named(name):
    return next(noun for noun in words.NOUNS if noun.english == name)


# Files.


def test_files(tmp_path, splits):
    demo.write(tmp_path)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == [
        "test.en", "test.fr", "train.en", "train.fr", "valid.en", "valid.fr"
    ]  # fmt: skip
    for split, expected in splits.items():
        for language in ("english", "french"):
            path = tmp_path / f"{split}.{language[:2]}"
            text = path.read_bytes().decode("utf-8")
            assert text.endswith("\n")
            lines = text[:-1].split("\n")
            assert lines == [getattr(pair, language) for pair in expected]


def test_deterministic(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        demo.write(tmp_path / name, seed)
    for path in (tmp_path / "a").iterdir():
        b, c = (tmp_path / name / path.name for name in "bc")
        assert path.read_bytes() == b.read_bytes() != c.read_bytes()


def test_other_sentences_have_another_version(pairs):
    written = "\n".join(f"{pair.english}\t{pair.french}" for pair in pairs)
    # After a change of the grammar raise `VERSION` and put both in here.
    assert (demo.VERSION, zlib.crc32(written.encode())) == (2, 4189031847)


def test_written_in_a_moment():
    begin = time.monotonic()
    demo.splits()
    assert time.monotonic() - begin < 10


# Splits.


def test_sizes(splits):
    assert {name: len(found) for name, found in splits.items()} == demo.SIZES


@pytest.mark.parametrize("language", ["english", "french"])
def test_no_sentence_twice(pairs, language):
    texts = [getattr(pair, language) for pair in pairs]
    assert len(set(texts)) == len(texts)


def test_half_of_test_combines_what_train_does_not(splits):
    seen = {c for pair in splits["train"] for c in pair.combinations}
    for split in ("valid", "test"):
        new = [bool(pair.combinations - seen) for pair in splits[split]]
        assert 0.5 <= sum(new) / len(new) < 0.65


def test_held_out_adjectives_are_not_beside_their_nouns_in_train(splits):
    texts = {
        split: "\n".join(pair.english for pair in found).lower()
        for split, found in splits.items()
    }
    in_test = 0
    for noun in words.NOUNS:
        for adjective in noun.adjectives:
            if not demo.held_out(f"{adjective} {noun.english}"):
                continue
            forms = f"({noun.english}|{noun.english_plural})"
            together = rf"\b{adjective} {forms}\b"
            assert not re.search(together, texts["train"])
            in_test += bool(re.search(together, texts["test"]))
    assert in_test > 20


def test_held_out_numbers_and_dates_are_not_in_train(splits):
    texts = {
        split: "\n".join(pair.english for pair in found).lower()
        for split, found in splits.items()
    }
    ages = {
        split: set(re.findall(r"is ([a-z -]+) years old", text))
        for split, text in texts.items()
    }
    new = {
        numbers.english_number(number)
        for number in range(21, 100)
        if demo.held_out(f"number {number}")
    }
    assert not ages["train"] & new
    assert ages["test"] & new
    for day, month in itertools.product(range(1, 29), range(1, 13)):
        if demo.held_out(f"day {day} {month}"):
            date, _ = numbers.date(day, month)
            assert f"on {date}".lower() not in texts["train"]


def test_words_of_test_are_known(splits):
    counts = collections.Counter(
        word for pair in splits["train"] for word in written_words(pair)
    )
    for split in ("valid", "test"):
        for pair in splits[split]:
            assert min(counts[word] for word in written_words(pair)) >= 5


def test_vocabulary_is_modest(splits):
    found = {(a, b.lower()) for p in splits["train"] for a, b in
             written_words(p)}  # fmt: skip
    sizes = collections.Counter(language for language, _ in found)
    assert 250 < sizes["en"] < 450
    assert 250 < sizes["fr"] < 560


def test_every_verb_is_in_train_in_every_tense(splits):
    text = "\n".join(pair.english for pair in splits["train"])
    for verb in words.VERBS:
        past = set() if verb in words.ONLY_PRESENT else {verb.english[2]}
        for form in {*verb.english[:2]} | past:
            assert re.search(rf"\b{form}\b", text), form


def test_trivial_answers_score_next_to_nothing(splits):
    references = [[pair.french for pair in splits["test"]]]
    copied = [pair.english for pair in splits["test"]]
    assert sacrebleu.corpus_bleu(copied, references).score < 5
    # No sentence is frequent, so each of some short ones may answer always.
    for pair in sorted(splits["train"], key=lambda p: len(p.french))[::400]:
        always = [pair.french] * len(copied)
        assert sacrebleu.corpus_bleu(always, references).score < 5


# How sentences look.


def test_sentences_are_whole(pairs):
    for pair in pairs:
        for text in (pair.english, pair.french):
            assert text[0].isupper()
            assert text[-1] in ".?!"
            assert "  " not in text
            assert not re.search(r"[{}_]", text)
            for after in re.findall(r"[.?!] (\w)", text):
                assert after.isupper()
        assert not re.search(r" [.,]|\w[?!]", pair.french)
        assert not re.search(r" [.,?!]", pair.english)
        for mark in ".?!":
            assert pair.english.count(mark) == pair.french.count(mark)


def test_examples_of_the_docstring_are_in_the_files(pairs):
    rows = re.findall(r"^    (\S.*[.?!])\n        (\S.*[.?!])$",
                      inspect.getdoc(demo), re.MULTILINE)  # fmt: skip
    assert len(rows) == 10
    assert set(rows) <= {(pair.english, pair.french) for pair in pairs}


def test_english_articles(pairs):
    for pair in pairs:
        assert not re.search(r"\b[Aa] [aeiou]", pair.english)
        assert not re.search(r"\b[Aa]n [^aeiou]", pair.english)


# French.


def test_elision(french):
    short = "le|la|de|je|ne|que|me|ma|sa|ce"
    following = rf"(h(?!uit)|[{VOWELS}])"
    assert not re.search(rf"\b({short}) {following}", french, re.IGNORECASE)
    assert not re.search(rf"\b(l|d|j|n|qu|m)'[^hy{VOWELS}A]", french)
    for form in ("l'", "d'", "j'", "n'", "qu'", "m'", "c'"):
        assert form in french.lower()


def test_contraction(french):
    for form in ("de le", "de les", "à le", "à les"):
        assert not re.search(rf"\b{form}\b", french, re.IGNORECASE)
    for form in ("du", "des", "au", "à l'", "à la", "aux", "de l'", "de la"):
        assert re.search(rf"\b{form}", french)


def french_nouns():
    """(form, noun, plural) of all nouns that are not verbs as well."""
    verbs = {form for verb in words.VERBS for form in verb.present}
    for noun in words.NOUNS:
        if noun.french in verbs:
            continue
        yield noun.french, noun, False
        yield noun.french_plural, noun, True


def test_determiners_fit_their_nouns(french):
    """Gender by another way: words that stand right before a noun."""
    masculine = {"un", "du", "le", "ce", "au", "quel"}
    masculine |= {"vieil", "bel", "nouvel", "petit", "grand", "beau", "cet"}
    masculine |= {"nouveau", "bon"}
    feminine = {"une", "la", "cette", "quelle", "belle", "petite", "grande"}
    feminine |= {"vieille", "nouvelle", "bonne", "ma", "sa"}
    plural = {"les", "des", "ces", "mes", "ses", "nos", "vos", "leurs", "aux"}
    plural |= {"petits", "petites", "belles", "beaux", "bons", "bonnes"}
    for form, noun, many in french_nouns():
        before = {
            word.lower() for word in re.findall(rf"\b(\w+) {form}\b", french)
        }
        wrong = masculine if noun.feminine else feminine
        if many:
            # "vingt et une maisons" is no singular.
            single = (masculine | feminine) - {"un", "une"}
            assert not before & single, form
        else:
            assert not before & (wrong | plural), form


def test_adjectives_fit_the_nouns_before_them(french):
    after = {
        form: adjective
        for adjective in words.ADJECTIVES.values()
        if not adjective.before
        for form in adjective.french
    }
    found = 0
    for form, noun, many in french_nouns():
        for word in set(re.findall(rf"\b{form} (\w+)", french)) & set(after):
            right = after[word].french[2 * many + noun.feminine]
            assert word == right, (form, word)
            found += 1
    assert found > 100


def test_adjectives_before_a_vowel(french):
    assert re.search(r"\bvieil (oncle|arbre|hôtel|homme)\b", french)
    assert not re.search(rf"\b(vieux|beau|nouveau) (?!et)[h{VOWELS}]\w+\b",
                         without_plurals(french))  # fmt: skip
    assert not re.search(rf"\b(vieil|bel|nouvel|cet) [^h{VOWELS}]", french)


def without_plurals(french):
    """Without `vieux arbres`, which is right, and `est beau aux ...`."""
    return re.sub(r"\bvieux \w+[sx]\b", "", french)


def test_participles_with_etre_agree(french):
    stems = {v.participle for v in words.VERBS if v.etre} | {"né"}
    either = "|".join(stems)
    right = {"il": "", "elle": "e", "ils": "s", "elles": "es"}
    right |= {"Paul": "", "Luc": "", "Marie": "e", "Anne": "e"}
    for subject, ending in right.items():
        be = "sont" if subject.endswith("s") else "est"
        found = re.findall(
            rf"^{subject} {be} (?:{either})(e?s?)\b",
            french,
            re.IGNORECASE | re.MULTILINE,
        )
        expected = set() if subject.endswith("s") else {ending}
        assert set(found) == expected, subject
        found = re.findall(
            rf"(?:que |qu'|, ){subject} {be} (?:{either})(e?s?)\b", french
        )
        assert set(found) == {ending}, subject
    coordinated = re.findall(
        rf"\b(\w+) et (\w+) (?:ne )?sont (?:pas |jamais )?"
        rf"(?:{either})(e?s?)\b",
        french,
    )
    names = dict(words.NAMES)
    for first, second, ending in coordinated:
        both = names.get(first) and names.get(second)
        assert ending == ("es" if both else "s")


def test_participles_with_avoir_agree_with_what_stands_before(french):
    stems = "|".join(verb.participle for verb in words.VERBS if not verb.etre)
    avoir = "ai|as?|avons|avez|ont"
    # Nothing before, then "les".
    found = re.findall(
        rf"^(?:Il|Elle|Nous|Vous) (?:{avoir}) (?:{stems})(e?s?)\b",
        french,
        re.MULTILINE,
    )
    assert set(found) == {""}
    found = re.findall(rf"\bles (?:lui |leur )?(?:{avoir}) (\w+)", french)
    assert all(word.endswith("s") for word in found)
    for noun in words.NOUNS:
        many = re.findall(
            rf"ombien (?:de |d'){noun.french_plural} .*?(?:{avoir}) "
            rf"({stems})(e?s?)\b",
            french,
        )
        for stem, ending in many:
            plural = "" if stem == "pris" else "s"
            assert ending == ("es" if noun.feminine else plural)


def test_negation(pairs):
    for pair in pairs:
        not_ = len(re.findall(r"\bnot\b|\bnever\b|\bno\b", pair.english))
        ne = len(re.findall(r"\b[Nn]e\b|\b[Nn]'", pair.french))
        assert not_ == ne
        assert ne == len(re.findall(r"\bpas\b|\bjamais\b", pair.french))
        if "n'est" not in pair.french and "ne sont" not in pair.french:
            assert not re.search(r"pas (un|une|des|du) ", pair.french)


def test_pronouns_take_up_the_right_gender(splits):
    found = collections.Counter()
    for pair in splits["train"]:
        match = re.fullmatch(
            r"Où (est|sont) (.*) \? .*\b(le|la|les|l') ?(?:ai|a|avons|avez|ont|"
            r"\w+(?:e|ons|ez|ent))( \w+)?\.",
            pair.french,
        )
        if match:
            be, phrase, pronoun, _ = match.groups()
            found[pronoun] += 1
            assert (be == "sont") == (pronoun == "les")
            gender = {
                noun.feminine
                for noun in words.NOUNS
                if re.search(rf"\b{noun.french}\b", phrase)
            }
            if pronoun == "la":
                assert True in gender
            if pronoun == "le":
                assert False in gender
    assert min(found[p] for p in ("le", "la", "les", "l'")) > 5


def test_nothing_agrees_with_speakers(french):
    """Their gender is not said, and neither is whether vous is one."""
    found = set(
        re.findall(
            r"\b(?:je|nous|vous) (?:ne )?(?:suis|sommes|êtes) (\w+)",
            french,
            re.IGNORECASE,
        )
    )
    assert found == {"le"}  # today's date


def test_order_of_pronouns():
    phrase = grammar.noun_phrase(named("letter"))

    def said(to):
        return grammar.finish_french(
            grammar.Clause(
                grammar.HE,
                words.GIVE,
                past=True,
                polarity="not",
                direct=grammar.as_object(phrase),
                to=to,
            ).french()
        )

    assert said(("to me", "me")) == "Il ne me l'a pas donnée"
    assert said(("to her", "lui")) == "Il ne la lui a pas donnée"
    assert said(("to them", "leur")) == "Il ne la leur a pas donnée"
    assert said(("to Anne", "à Anne")) == "Il ne l'a pas donnée à Anne"


@pytest.mark.parametrize(
    ("english", "expected"),
    [
        ("car", "la vieille voiture du professeur"),
        ("tree", "le vieil arbre du professeur"),
        ("horse", "le vieux cheval du professeur"),
    ],
)
def test_owners(english, expected):
    owner = grammar.noun_phrase(named("teacher"))
    found = grammar.noun_phrase(
        named(english),
        adjectives=(words.ADJECTIVES["old"],),
        owner=owner,
    )
    assert found.english == f"the teacher's old {english}"
    assert grammar.finish_french(found.french).lower() == expected


@pytest.mark.parametrize(
    ("raw", "finished"),
    [
        ("je aime le ami de le oncle.", "J'aime l'ami de l'oncle."),
        ("il parle à les enfants de le homme.",
         "Il parle aux enfants de l'homme."),
        ("ma amie ne a pas de eau.", "Mon amie n'a pas d'eau."),
        ("que est-ce que elle voit?", "Qu'est-ce qu'elle voit ?"),
        ("près de le huit.", "Près du huit."),
    ],
)  # fmt: skip
def test_finish_french(raw, finished):
    assert grammar.finish_french(raw) == finished


# Words.


def test_regular_verbs_follow_their_rule():
    """All that end in -er but go, with the spelling of eat and buy."""
    for verb in (*words.VERBS,):
        if verb.participle[-1] != "é" or verb is words.GO:
            continue
        stem = verb.participle[:-1]
        strong = stem.replace("achet", "achèt")
        link = "e" if stem.endswith("g") else ""
        assert verb.present == (
            f"{strong}e", f"{strong}e", f"{stem}{link}ons", f"{stem}ez",
            f"{strong}ent",
        )  # fmt: skip


def test_forms_of_irregular_verbs_end_as_they_should():
    for verb in words.VERBS:
        je, il, nous, vous, ils = verb.present
        if verb not in (words.HAVE, words.GO):
            assert je[-1] in "esx"
            assert il[-1] in "etd"
        assert nous.endswith("ons")
        assert vous.endswith("ez")
        assert ils.endswith("nt")
        # nous and vous share their stem.
        assert nous.removesuffix("ons").removesuffix(
            "e" if nous.endswith("geons") else ""
        ) == vous.removesuffix("ez")


def test_past_tells_itself_from_the_present():
    for verb in words.VERBS:
        if verb not in words.ONLY_PRESENT:
            assert len(set(verb.english)) == 3


def test_plurals_follow_the_rules():
    for noun in words.NOUNS:
        form = noun.french
        expected = form + "s"
        if form.endswith("eau"):
            expected = form + "x"
        elif form.endswith("al"):
            expected = form[:-1] + "ux"
        assert noun.french_plural == expected


def test_feminine_and_plural_adjectives_follow_the_rules():
    irregular = {"beau": "belle", "nouveau": "nouvelle", "vieux": "vieille",
                 "bon": "bonne", "blanc": "blanche", "cher": "chère",
                 "heureux": "heureuse", "gentil": "gentille"}  # fmt: skip
    for adjective in words.ADJECTIVES.values():
        masculine, feminine, *plurals = adjective.french
        regular = masculine if masculine[-1] == "e" else masculine + "e"
        assert feminine == irregular.get(masculine, regular)
        several = masculine + "s"
        if masculine.endswith("eau"):
            several = masculine + "x"
        if masculine.endswith("x"):
            several = masculine
        assert plurals == [several, feminine + "s"]


# Numbers, dates, times.


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "zéro"),
        (16, "seize"),
        (17, "dix-sept"),
        (21, "vingt et un"),
        (22, "vingt-deux"),
        (61, "soixante et un"),
        (70, "soixante-dix"),
        (71, "soixante et onze"),
        (77, "soixante-dix-sept"),
        (80, "quatre-vingts"),
        (81, "quatre-vingt-un"),
        (90, "quatre-vingt-dix"),
        (91, "quatre-vingt-onze"),
        (99, "quatre-vingt-dix-neuf"),
        (100, "cent"),
        (101, "cent un"),
        (180, "cent quatre-vingts"),
        (200, "deux cents"),
        (201, "deux cent un"),
        (1000, "mille"),
        (1001, "mille un"),
        (1100, "mille cent"),
        (2000, "deux mille"),
        (2200, "deux mille deux cents"),
        (21_000, "vingt et un mille"),
        (80_000, "quatre-vingt mille"),
        (80_080, "quatre-vingt mille quatre-vingts"),
        (200_000, "deux cent mille"),
        (280_000, "deux cent quatre-vingt mille"),
        (
            999_999,
            "neuf cent quatre-vingt-dix-neuf mille neuf cent "
            "quatre-vingt-dix-neuf",
        ),
    ],
)
def test_french_numbers(number, expected):
    assert numbers.french_number(number) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, "une"),
        (11, "onze"),
        (21, "vingt et une"),
        (71, "soixante et onze"),
        (81, "quatre-vingt-une"),
        (91, "quatre-vingt-onze"),
        (201, "deux cent une"),
        (21_021, "vingt et un mille vingt et une"),
    ],
)
def test_feminine_numbers(number, expected):
    assert numbers.french_number(number, feminine=True) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (21, "twenty-one"),
        (90, "ninety"),
        (100, "one hundred"),
        (101, "one hundred and one"),
        (342, "three hundred and forty-two"),
        (1000, "one thousand"),
        (2001, "two thousand and one"),
        (2300, "two thousand three hundred"),
        (999_999, "nine hundred and ninety-nine thousand nine hundred and "
                  "ninety-nine"),
    ],
)  # fmt: skip
def test_english_numbers(number, expected):
    assert numbers.english_number(number) == expected


def value(written, units, tens, hundred, thousand):
    """Reads a number: words add up, larger ones multiply."""
    worth = {word: n for n, word in enumerate(units)}
    worth |= {word: 10 * n for n, word in enumerate(tens) if word}
    total = below = 0
    for word in re.findall(r"\w+", written):
        if word == thousand:
            total, below = 1000 * (below or 1), 0
        elif word.removesuffix("s") == hundred:
            below = 100 * (below or 1)
        elif word.removesuffix("s") == "vingt" and below % 100 == 4:
            below += 80 - 4
        elif word not in ("et", "and"):
            below += worth[word]
    return total + below


TESTED = [*range(10_000), *range(10_007, 1_000_000, 997)]


def test_numbers_can_be_read_back():
    for number in TESTED:
        assert number == value(
            numbers.english_number(number),
            numbers.ENGLISH_UNITS, numbers.ENGLISH_TENS,
            "hundred", "thousand",
        )  # fmt: skip
        assert number == value(
            numbers.french_number(number),
            numbers.FRENCH_UNITS, numbers.FRENCH_TENS, "cent", "mille",
        )  # fmt: skip


def test_numbers_are_distinct():
    for write in (numbers.english_number, numbers.french_number):
        assert len({write(number) for number in TESTED}) == len(TESTED)


def test_s_of_cents_and_vingts_stands_last():
    for number in TESTED:
        written = numbers.french_number(number)
        assert not re.search(r"(cents|vingts)[ -]", written)
        if number % 100 == 80:
            assert written.endswith("quatre-vingts")
        if number % 100 == 0 and number % 1000 > 100:
            assert written.endswith(" cents")


def test_dates():
    assert numbers.date(1, 5, 1998) == ("the 1st of May 1998", "1er mai 1998")
    assert numbers.date(22, 8) == ("the 22nd of August", "22 août")
    endings = {
        numbers.english_ordinal(n)[len(str(n)) :]: n for n in range(31, 0, -1)
    }
    assert endings == {"st": 1, "nd": 2, "rd": 3, "th": 4}
    ordinals = " ".join(numbers.english_ordinal(n) for n in (11, 12, 13, 31))
    assert ordinals == "11th 12th 13th 31st"


@pytest.mark.parametrize(
    ("hour", "minutes", "english", "french"),
    [
        (3, 0, "three o'clock", "trois heures"),
        (1, 15, "a quarter past one", "une heure et quart"),
        (3, 30, "half past three", "trois heures et demie"),
        (4, -15, "a quarter to four", "quatre heures moins le quart"),
        (6, -20, "twenty to six", "six heures moins vingt"),
        (9, 25, "twenty-five past nine", "neuf heures vingt-cinq"),
        (12, 0, "noon", "midi"),
        (12, 30, "half past noon", "midi et demi"),
        (0, -5, "five to midnight", "minuit moins cinq"),
    ],
)
def test_times(hour, minutes, english, french):
    assert numbers.clock(hour, minutes) == (english, french)


def test_the_small_demo_is_a_tenth():
    small = demo.splits(0, demo.SMALL_SIZES)
    assert {name: len(part) for name, part in small.items()} == {
        name: size // 10 for name, size in demo.SIZES.items()
    }
