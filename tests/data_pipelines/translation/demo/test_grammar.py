import pytest

from data_pipelines.translation.demo import grammar
from data_pipelines.translation.demo.grammar import IL, ILS, NOUS, Phrase


@pytest.mark.parametrize(
    ("phrase", "english", "french"),
    [
        (Phrase(), "he", "il"),
        (Phrase(feminine=True), "she", "elle"),
        (Phrase(human=False), "it", "il"),
        (Phrase(feminine=True, human=False), "it", "elle"),
        (Phrase(person=ILS), "they", "ils"),
        (Phrase(feminine=True, person=ILS), "they", "elles"),
    ],
)
def test_pronouns_have_the_gender_of_the_language(phrase, english, french):
    pronouns = grammar.fill(["{he:it}"] * 2, {"it": phrase}.get)
    assert pronouns == (english, french)


@pytest.mark.parametrize(
    ("person", "expected"),
    [(IL, "le a i"), (NOUS, "les b n"), (ILS, "les b s")],
)
def test_number_of_forms_decides_what_agrees(person, expected):
    phrase = Phrase(person=person)
    forms = ("le|la|les", "a|b", "j|i|n|v|s")
    assert [phrase.agree(form, 1) for form in forms] == expected.split()
    assert phrase.agree("always", 1) == "always"


def test_fill():
    slots = {
        "s": Phrase("the girls", "les filles", True, ILS),
        "a": ("tired", "fatigué|fatiguée|fatigués|fatiguées"),
        "none": ("", ""),
    }
    pattern = ("{s} {none} {be:s} {a}", "{s} {none} {be:s} {a:s}")
    assert grammar.fill(pattern, slots.get) == (
        "the girls are tired",
        "les filles sont fatiguées",
    )


@pytest.mark.parametrize(
    ("raw", "finished"),
    [
        ("je aime le ami de le oncle.", "J'aime l'ami de l'oncle."),
        ("il va à les fêtes de les amis.", "Il va aux fêtes des amis."),
        ("le chien de le voisin est à le marché.",
         "Le chien du voisin est au marché."),
        ("ma amie ne a pas de eau.", "Mon amie n'a pas d'eau."),
        ("est-ce que elle voit ce arbre?", "Est-ce qu'elle voit cet arbre ?"),
        ("un° vieux^ hôtel. le vieux^ chat.",
         "Un vieil hôtel. Le vieux chat."),
        ("le beau^ oiseau est beau^.", "Le bel oiseau est beau."),
        ("des° petites clés de les petites filles.",
         "De petites clés des petites filles."),
        ("des° clés rouges.", "Des clés rouges."),
    ],
)  # fmt: skip
def test_french_spelling(raw, finished):
    assert grammar.finish("", raw)[1] == finished


def test_english_spelling():
    assert grammar.finish("a apple. a key?", "")[0] == "An apple. A key?"
