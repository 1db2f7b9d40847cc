"""Words of the demo translations: what English says, and all French forms."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Noun:
    """A noun.

    Args:
        english: its singular.
        english_plural: its plural.
        french: its singular.
        french_plural: its plural.
        feminine: its gender in French.
        tags: what it is, and what can be done with it.
        adjectives: English adjectives that make sense with it.
    """

    english: str
    english_plural: str
    french: str
    french_plural: str
    feminine: bool
    tags: frozenset[str]
    adjectives: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Adjective:
    """An adjective.

    Args:
        english: its only form.
        french: masculine, feminine, masculine plural, feminine plural.
        before: whether it stands before the noun in French.
        before_vowel: its masculine before a noun that begins with a vowel.
    """

    english: str
    french: tuple[str, str, str, str]
    before: bool = False
    before_vowel: str = ""


@dataclasses.dataclass(frozen=True)
class Verb:
    """A verb.

    Args:
        english: base form, third person of the present, past.
        present: the French forms of je, il, nous, vous, ils.
        participle: its masculine singular.
        objects: tags of nouns that it takes as a direct object.
        etre: whether its passé composé is formed with être.
    """

    english: tuple[str, str, str]
    present: tuple[str, ...]
    participle: str
    objects: frozenset[str] = frozenset()
    etre: bool = False


@dataclasses.dataclass(frozen=True)
class Determiner:
    """An article, a possessive or a demonstrative.

    Args:
        english: singular, plural.
        french: masculine, feminine, plural.
    """

    english: tuple[str, str]
    french: tuple[str, str, str]


def _adjective(english: str, forms: str, vowel: str = "") -> Adjective:
    """Forms that begin with `+` stand before the noun."""
    found = tuple(forms.removeprefix("+").split())
    return Adjective(english, found, forms.startswith("+"), vowel)


ADJECTIVES = {
    adjective.english: adjective
    for adjective in (
        _adjective("small", "+petit petite petits petites"),
        _adjective("big", "+grand grande grands grandes"),
        _adjective("beautiful", "+beau belle beaux belles", "bel"),
        _adjective("new", "+nouveau nouvelle nouveaux nouvelles", "nouvel"),
        _adjective("old", "+vieux vieille vieux vieilles", "vieil"),
        _adjective("young", "+jeune jeune jeunes jeunes"),
        _adjective("good", "+bon bonne bons bonnes"),
        _adjective("red", "rouge rouge rouges rouges"),
        _adjective("white", "blanc blanche blancs blanches"),
        _adjective("green", "vert verte verts vertes"),
        _adjective("black", "noir noire noirs noires"),
        _adjective("expensive", "cher chère chers chères"),
        _adjective("clean", "propre propre propres propres"),
        _adjective(
            "interesting",
            "intéressant intéressante intéressants intéressantes",
        ),
        _adjective("tired", "fatigué fatiguée fatigués fatiguées"),
        _adjective("happy", "heureux heureuse heureux heureuses"),
        _adjective("sick", "malade malade malades malades"),
        _adjective("rich", "riche riche riches riches"),
        _adjective("famous", "célèbre célèbre célèbres célèbres"),
        _adjective("kind", "gentil gentille gentils gentilles"),
    )
}
COLOURS = ("red", "white", "green", "black")

# A thing is new when it comes instead of another, and that is said before
# the noun; `est nouveau` would be something else.
NOT_AFTER_BE = ("new",)

_HUE = "red white green black"
_OBJECT = f"small beautiful new old expensive {_HUE}"
_BEING = "happy tired sick kind"


def _noun(english: str, french: str, tags: str, adjectives: str = "") -> Noun:
    """From `singular/plural`, `singular/plural m` and words in a row.

    A plural that is left out ends in `s`.
    """
    singular, _, plural = english.partition("/")
    forms, gender = french.split()
    form, _, forms = forms.partition("/")
    return Noun(
        singular,
        plural or f"{singular}s",
        form,
        forms or f"{form}s",
        gender == "f",
        frozenset(tags.split()),
        tuple(adjectives.split()),
    )


NOUNS = (
    # People.  No small friends, no beautiful sisters and no old boys: in
    # French these are lovers, sisters-in-law and bachelors.
    _noun("man/men", "homme m", "person", f"young old rich famous {_BEING}"),
    _noun(
        "woman/women", "femme f", "person", f"young old rich famous {_BEING}"
    ),
    _noun("boy", "garçon m", "person", f"small {_BEING}"),
    _noun("girl", "fille f", "person", f"small {_BEING}"),
    _noun("child/children", "enfant m", "person", f"small {_BEING}"),
    _noun("brother", "frère m", "person kin", f"rich famous {_BEING}"),
    _noun("sister", "sœur f", "person kin", f"rich famous {_BEING}"),
    _noun("uncle", "oncle m", "person kin", f"old rich famous {_BEING}"),
    _noun("aunt", "tante f", "person kin", f"old rich famous {_BEING}"),
    _noun(
        "teacher", "professeur m", "person role", f"new young old good {_BEING}"
    ),
    _noun("doctor", "médecin m", "person role", f"new young old good {_BEING}"),
    _noun(
        "actress/actresses",
        "actrice f",
        "person",
        f"new young old good rich famous beautiful {_BEING}",
    ),
    # Animals.
    _noun("dog", "chien m", "animal", "small big beautiful old black white"),
    _noun("cat", "chat m", "animal", "small big beautiful old black white"),
    _noun(
        "horse", "cheval/chevaux m", "animal", "big beautiful old black white"
    ),
    _noun("bird", "oiseau/oiseaux m", "animal", f"small big beautiful {_HUE}"),
    # Things.
    _noun("car", "voiture f", "thing trade", f"big clean {_OBJECT}"),
    _noun("house", "maison f", "thing trade", f"big clean {_OBJECT}"),
    _noun("boat", "bateau/bateaux m", "thing trade", f"big {_OBJECT}"),
    _noun("table", "table f", "thing trade", f"big clean {_OBJECT}"),
    _noun(
        "coat",
        "manteau/manteaux m",
        "thing trade hand wear",
        f"clean {_OBJECT}",
    ),
    _noun(
        "hat", "chapeau/chapeaux m", "thing trade hand wear", f"big {_OBJECT}"
    ),
    _noun("dress/dresses", "robe f", "thing trade hand wear", f"{_OBJECT}"),
    _noun("key", "clé f", "thing hand", "small new old"),
    _noun(
        "book",
        "livre m",
        "thing trade hand open write",
        "small big beautiful new old good expensive interesting",
    ),
    _noun(
        "letter",
        "lettre f",
        "thing hand open write",
        "beautiful new old interesting",
    ),
    _noun(
        "story/stories",
        "histoire f",
        "thing write",
        "beautiful new old good interesting",
    ),
    _noun("door", "porte f", "thing open", f"small big old {_HUE}"),
    _noun("window", "fenêtre f", "thing open", "small big clean old"),
    _noun("tree", "arbre m", "thing", "small big beautiful old green"),
    _noun("apple", "pomme f", "thing trade hand eat", "small big red green"),
    _noun("orange", "orange f", "thing trade hand eat", "small big good"),
    _noun(
        "cake", "gâteau/gâteaux m", "thing trade eat", "small big good white"
    ),
    # Places.
    _noun("market", "marché m", "place at", "small big new old"),
    _noun("station", "gare f", "place at", "small big beautiful new old"),
    _noun(
        "hotel",
        "hôtel m",
        "place at house opens",
        "small big beautiful new old clean famous",
    ),
    _noun(
        "school", "école f", "place at house opens", "small big new old good"
    ),
    _noun(
        "museum",
        "musée m",
        "place at house opens",
        "small big beautiful new old interesting famous",
    ),
    _noun("office", "bureau/bureaux m", "place at", "small big new old clean"),
    _noun("church/churches", "église f", "place at", "small big new old white"),
    _noun("garden", "jardin m", "place in", "small big beautiful new old"),
    _noun("kitchen", "cuisine f", "place in", "small big new old clean white"),
    _noun(
        "library/libraries", "bibliothèque f", "place in house opens", "big old"
    ),
    _noun(
        "town", "ville f", "place in", "small big beautiful old clean famous"
    ),
)

# What is eaten and drunk without being counted.
FOOD = (
    _noun("bread", "pain m", "eat"),
    _noun("meat", "viande f", "eat"),
    _noun("soup", "soupe f", "eat"),
    _noun("cheese", "fromage m", "eat"),
    _noun("water", "eau f", "drink"),
    _noun("milk", "lait m", "drink"),
    _noun("coffee", "café m", "drink"),
)

NAMES = (("Paul", False), ("Luc", False), ("Marie", True), ("Anne", True))
CITIES = ("Paris", "Lyon")

THE = Determiner(("the", "the"), ("le", "la", "les"))
A = Determiner(("a", ""), ("un", "une", "des"))
THIS = Determiner(("this", "these"), ("ce", "cette", "ces"))
POSSESSIVES = tuple(
    Determiner((english, english), tuple(french.split()))
    for english, french in (
        ("my", "mon ma mes"),
        ("his", "son sa ses"),
        ("her", "son sa ses"),
        ("our", "notre notre nos"),
        ("your", "votre votre vos"),
        ("their", "leur leur leurs"),
    )
)


def _verb(
    english: str, present: str, participle: str, objects: str = ""
) -> Verb:
    """From `base/third/past` and words in a row; `+` marks être."""
    return Verb(
        tuple(english.split("/")),
        tuple(present.split()),
        participle.removeprefix("+"),
        frozenset(objects.split()),
        participle.startswith("+"),
    )


_ANY = "thing animal person place"

SEE = _verb("see/sees/saw", "vois voit voyons voyez voient", "vu", _ANY)
SEEK = _verb(
    "look for/looks for/looked for",
    "cherche cherche cherchons cherchez cherchent",
    "cherché",
    "hand animal person",
)
FIND = _verb(
    "find/finds/found",
    "trouve trouve trouvons trouvez trouvent",
    "trouvé",
    "hand animal",
)
BUY = _verb(
    "buy/buys/bought",
    "achète achète achetons achetez achètent",
    "acheté",
    "trade",
)
SELL = _verb(
    "sell/sells/sold", "vends vend vendons vendez vendent", "vendu", "trade"
)
LIKE = _verb("like/likes/liked", "aime aime aimons aimez aiment", "aimé", _ANY)
TAKE = _verb(
    "take/takes/took", "prends prend prenons prenez prennent", "pris", "hand"
)
LOSE = _verb(
    "lose/loses/lost", "perds perd perdons perdez perdent", "perdu", "hand"
)
GIVE = _verb(
    "give/gives/gave", "donne donne donnons donnez donnent", "donné", "hand"
)
SHOW = _verb(
    "show/shows/showed",
    "montre montre montrons montrez montrent",
    "montré",
    "trade hand animal",
)
OPEN = _verb(
    "open/opens/opened", "ouvre ouvre ouvrons ouvrez ouvrent", "ouvert", "open"
)
CLOSE = _verb(
    "close/closes/closed", "ferme ferme fermons fermez ferment", "fermé", "open"
)
WRITE = _verb(
    "write/writes/wrote",
    "écris écrit écrivons écrivez écrivent",
    "écrit",
    "write",
)
EAT = _verb(
    "eat/eats/ate", "mange mange mangeons mangez mangent", "mangé", "eat"
)
DRINK = _verb(
    "drink/drinks/drank", "bois boit buvons buvez boivent", "bu", "drink"
)
WEAR = _verb(
    "wear/wears/wore", "porte porte portons portez portent", "porté", "wear"
)
AWAIT = _verb(
    "wait for/waits for/waited for",
    "attends attend attendons attendez attendent",
    "attendu",
    "person",
)
HAVE = _verb("have/has/had", "ai a avons avez ont", "eu", "trade animal hand")
TALK = _verb("talk/talks/talked", "parle parle parlons parlez parlent", "parlé")
SLEEP = _verb("sleep/sleeps/slept", "dors dort dormons dormez dorment", "dormi")
WORK = _verb(
    "work/works/worked",
    "travaille travaille travaillons travaillez travaillent",
    "travaillé",
)
SING = _verb(
    "sing/sings/sang", "chante chante chantons chantez chantent", "chanté"
)
ARRIVE = _verb(
    "arrive/arrives/arrived",
    "arrive arrive arrivons arrivez arrivent",
    "+arrivé",
)
LEAVE = _verb("leave/leaves/left", "pars part partons partez partent", "+parti")
COME = _verb("come/comes/came", "viens vient venons venez viennent", "+venu")
GO = _verb("go/goes/went", "vais va allons allez vont", "+allé")
STAY = _verb(
    "stay/stays/stayed", "reste reste restons restez restent", "+resté"
)

# Verbs with an object, with another one for whom, and alone.
TRANSITIVE = (
    SEE,
    SEEK,
    FIND,
    BUY,
    SELL,
    LIKE,
    TAKE,
    LOSE,
    OPEN,
    CLOSE,
    WRITE,
    EAT,
    WEAR,
    AWAIT,
    HAVE,
)
GIVING = (GIVE, SHOW)
ALONE = (SLEEP, WORK, SING)
MOVING = (ARRIVE, LEAVE, COME, GO, STAY)
VERBS = (*TRANSITIVE, DRINK, TALK, *GIVING, *ALONE, *MOVING)

# `had` may be the imparfait as well, so it stays in the present.
ONLY_PRESENT = (HAVE,)

BE = (("am", "is", "are"), ("suis", "est", "sommes", "êtes", "sont"))
AVOIR = HAVE.present

PRESENT_TIMES = (
    ("today", "aujourd'hui"),
    ("now", "maintenant"),
    ("every day", "tous les jours"),
    ("in the morning", "le matin"),
    ("in the evening", "le soir"),
)
PAST_TIMES = (
    ("yesterday", "hier"),
    ("this morning", "ce matin"),
    ("last week", "la semaine dernière"),
    ("last year", "l'année dernière"),
)
OFTEN = (("often", "souvent"), ("always", "toujours"))

PREPOSITIONS = (
    ("in front of", "devant"),
    ("behind", "derrière"),
    ("near", "près de"),
)

# For whom, as a pronoun: who it is decides which subjects go with it.
TO_WHOM = (
    ("to me", "me", 1),
    ("to us", "nous", 1),
    ("to you", "vous", 2),
    ("to him", "lui", 3),
    ("to her", "lui", 3),
    ("to them", "leur", 3),
)

DEGREES = (("very", "très"), ("too", "trop"))
# Why somebody likes, buys or takes something.
PRAISE = frozenset(
    [
        "small",
        "big",
        "beautiful",
        "old",
        "young",
        "good",
        "clean",
        "interesting",
        "kind",
    ]
).union(COLOURS)
MOODS = ("tired", "happy", "sick", "kind")

# What one does to a thing first, and then.
FIRST_AND_SECOND = tuple(
    (first, second)
    for first, seconds in (
        (BUY, (SELL, EAT, WEAR, LOSE)),
        (FIND, (TAKE, LOSE, EAT)),
        (TAKE, (LOSE, EAT, OPEN)),
        (LOSE, (SEEK,)),
        (LOSE, (FIND,)),
    )
    for second in seconds
)

# Verbs of questions for a thing, or for its number.
ASKED_FOR = (BUY, SELL, LOSE, FIND, EAT, WRITE, TAKE)

# What has many of what, and how many.
PARTS = (
    ("town", _noun("inhabitant", "habitant m", ""), 100, 999_999),
    ("town", _noun("house", "maison f", ""), 50, 99_999),
    ("library", _noun("book", "livre m", ""), 50, 99_999),
    ("book", _noun("page", "page f", ""), 20, 999),
    ("hotel", _noun("window", "fenêtre f", ""), 5, 999),
    ("school", _noun("door", "porte f", ""), 2, 99),
)

# What costs thousands.
DEAR = ("car", "house", "boat")

BORN = _verb("be born/is born/was born", "_ _ _ _ _", "+né")
EVENTS = (
    ("party", "la fête"),
    ("concert", "le concert"),
)
BEGINNINGS = (("begins", "commence"), ("ends", "finit"))
TRAINS = (
    _noun("train", "train m", "thing"),
    _noun("plane", "avion m", "thing"),
)
