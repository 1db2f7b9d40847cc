"""The words of the demo translations, forms between bars, regular ones added.

Tags say what a noun is, what an adjective suits and what a verb takes.
"""

from collections import namedtuple

BE = ("am|is|are|are|are", "suis|est|sommes|êtes|sont")
HAVE = ("", "ai|a|avons|avez|ont")
Word = namedtuple("Word", "english french tags")


def pairs(text: str) -> list[list[str]]:
    """Return [English, French] of each row `English = French; ...`."""
    return [" ".join(row.split()).split(" = ") for row in text.split(";")]


def _words(text: str) -> list[Word]:
    """Return the words of rows `tags: english french [f], ...; ...`."""
    return [
        Word(english.replace("_", " "), french, {*tags.split(), *gender})
        for tags, entries in (row.split(":") for row in text.split(";"))
        for english, french, *gender in map(str.split, entries.split(","))
    ]


def _verb(english: str, french: str, tags: set[str]) -> dict:
    """Return the slots of a verb."""
    base, past, *third = english.split("|")
    third = third[0] if third else f"{base}s"
    stem = french.removesuffix("er")
    regular = [stem + end for end in ("e", "e", "ons", "ez", "ent", "é")]
    *persons, done = stem.split("|") if "|" in stem else regular
    return {
        "base": (base, ""),
        "present": (f"{base}|{third}|{base}|{base}|{base}", "|".join(persons)),
        "past": (past, f"{done}|{done}e|{done.rstrip('s')}s|{done}es"),
        "aux": BE if "être" in tags else HAVE,
        "tags": tags - {"être"},
    }


NOUNS = [
    Word(*(w if "|" in w else f"{w}|{w}s" for w in (english, french)), tags)
    for english, french, tags in _words("""person: man|men homme, woman|women
    femme f, child|children enfant, friend ami, neighbour voisin,
    actress|actresses actrice f, teacher professeur; person kin: brother frère,
    sister sœur f, uncle oncle, aunt tante f; animal black: dog chien, cat
    chat, horse cheval|chevaux, bird oiseau|oiseaux; thing trade black red: car
    voiture f, house maison f, boat bateau|bateaux; thing trade hand black red:
    coat manteau|manteaux, hat chapeau|chapeaux, dress|dresses robe f; thing
    trade hand open read: book livre, letter lettre f, newspaper
    journal|journaux; thing hand: key clé f; thing hand eat: apple pomme f,
    orange orange f, egg œuf; mass eat: bread pain, meat viande f; mass drink:
    water eau f, milk lait; place public: hotel hôtel, school école f, museum
    musée, station gare f, market marché; place inside: garden jardin,
    church|churches église f, kitchen cuisine f, town ville f""")
]
# Those with `ahead` precede the noun; one with `^` changes before a vowel.
ADJECTIVES = _words("""ahead animal thing place: small
    petit|petite|petits|petites, big grand|grande|grands|grandes; ahead animal
    trade place: beautiful beau^|belle|beaux|belles; ahead thing place: new
    nouveau^|nouvelle|nouveaux|nouvelles; ahead person animal thing place: old
    vieux^|vieille|vieux|vieilles; ahead person: young
    jeune|jeune|jeunes|jeunes; ahead read eat: good bon|bonne|bons|bonnes; red:
    red rouge|rouge|rouges|rouges, green vert|verte|verts|vertes; black: white
    blanc|blanche|blancs|blanches, black noir|noire|noirs|noires; trade:
    expensive cher|chère|chers|chères; person: tired
    fatigué|fatiguée|fatigués|fatiguées, happy
    heureux|heureuse|heureux|heureuses, kind gentil|gentille|gentils|gentilles;
    person animal: sick malade|malade|malades|malades; person place: famous
    célèbre|célèbre|célèbres|célèbres""")
VERBS = [
    _verb(*verb)
    for verb in _words("""thing animal person place: see|saw
    vois|voit|voyons|voyez|voient|vu, like|liked aimer; hand animal person:
    look_for|looked_for|looks_for chercher; hand animal: find|found trouver,
    lose|lost perds|perd|perdons|perdez|perdent|perdu; trade: buy|bought
    achète|achète|achetons|achetez|achètent|acheté; hand: take|took
    prends|prend|prenons|prenez|prennent|pris; open: open|opened
    ouvre|ouvre|ouvrons|ouvrez|ouvrent|ouvert; eat: eat|ate
    mange|mange|mangeons|mangez|mangent|mangé; drink: drink|drank
    bois|boit|buvons|buvez|boivent|bu; at in near behind with: work|worked
    travailler, sleep|slept dors|dort|dormons|dormez|dorment|dormi; être at in
    near: arrive|arrived arriver, stay|stayed rester; être to: come|came
    viens|vient|venons|venez|viennent|venu, go|went|goes
    vais|va|allons|allez|vont|allé; être with: leave|left
    pars|part|partons|partez|partent|parti""")
]
THE, A, THIS, *POSSESSIVES = pairs("""the = le|la|les; a| = un°|une°|des°;
    this|these = ce|cette|ces; my = mon|ma|mes; his = son|sa|ses; her =
    son|sa|ses; our = notre|notre|nos; your = votre|votre|vos; their =
    leur|leur|leurs""")
SOME = ("", "de le°|de la°|")
OWNERS = pairs("""Luc's = le|la|les = de Luc; Anne's = le|la|les = de Anne;
    the teacher's = le|la|les = de le professeur; the girls' = le|la|les = de
    les filles; my uncle's = le|la|les = de mon oncle""")
DEFINITE = [*(THE, THIS) * 5, *OWNERS]
NUMBERS = pairs("""two = deux; three = trois; seven = sept; fourteen = quatorze;
    seventy = soixante-dix; eighty = quatre-vingts; a hundred = cent""")
ARTICLES = [*(THE, A, THIS) * 4, *NUMBERS, *POSSESSIVES, *OWNERS]
# With the tag of the nouns that follow.
PREPOSITIONS = pairs("""at = à = public; to = à = public; in = dans = inside;
    near = près de = place; behind = derrière = place; with = avec = person""")
TIMES = {
    "present": pairs("""today = aujourd'hui; now = maintenant; every day = tous
    les jours; in the morning = le matin; in the evening = le soir"""),
    "past": pairs("""yesterday = hier; this morning = ce matin; last week = la
    semaine dernière; last year = l'année dernière"""),
}
