import pytest

from data_pipelines.translation.demo import words


def test_french_plurals_follow_the_rules():
    for noun in words.NOUNS:
        single, plural = noun.french.split("|")
        expected = f"{single}s"
        if single.endswith("eau"):
            expected = f"{single}x"
        elif single.endswith("al"):
            expected = f"{single[:-1]}ux"
        assert plural == expected or "mass" in noun.tags


def test_adjectives_follow_the_rules():
    irregular = {"beau": "belle", "nouveau": "nouvelle", "vieux": "vieille",
                 "bon": "bonne", "blanc": "blanche", "cher": "chère",
                 "heureux": "heureuse", "gentil": "gentille"}  # fmt: skip
    for adjective in words.ADJECTIVES:
        masculine, feminine, *plurals = adjective.french.split("|")
        masculine = masculine.strip("^")
        regular = f"{masculine.removesuffix('e')}e"
        assert feminine == irregular.get(masculine, regular)
        ending = "" if masculine[-1] == "x" else "s"
        ending = "x" if masculine.endswith("eau") else ending
        assert plurals == [masculine + ending, f"{feminine}s"]


def test_verbs_have_all_forms():
    for verb in words.VERBS:
        base, third, *rest = verb["present"][0].split("|")
        assert rest == [base] * 3
        assert third.partition(" ")[0][-1] == "s"
        je, il, nous, vous, ils = verb["present"][1].split("|")
        assert je[-1] in "esx"
        assert il[-1] in "etda"
        assert (nous[-3:], vous[-2:], ils[-2:]) == ("ons", "ez", "nt")
        # nous and vous share their stem, but for the e of mangeons.
        assert nous.removesuffix("ons").removesuffix("e") == vous[:-2]
        done = verb["past"][1].split("|")
        assert done[1] == f"{done[0]}e"
        assert done[2] == done[0].removesuffix("s") + "s"
        assert done[3] == f"{done[1]}s"


def test_the_past_tells_itself_from_the_present():
    for verb in words.VERBS:
        assert verb["past"][0] not in verb["present"][0].split("|")


@pytest.mark.parametrize(
    "rows", [words.NOUNS, words.ADJECTIVES, words.PREPOSITIONS, words.NUMBERS]
)
def test_no_word_stands_twice(rows):
    names = [row[0] for row in rows]
    assert len(set(names)) == len(names)


def test_every_verb_and_adjective_has_nouns():
    tags = set().union(*(noun.tags for noun in words.NOUNS))
    prepositions = {row[0]: row[2] for row in words.PREPOSITIONS}
    assert set(prepositions.values()) <= tags
    for verb in words.VERBS:
        assert verb["tags"] <= tags | prepositions.keys()
    for adjective in words.ADJECTIVES:
        assert adjective.tags <= tags | {"ahead"}
