"""Words of the demo captions, and the forms of their sentences.

Forms have blanks in braces, which `captioning_sentences` explains.
"""

from data_pipelines.captioning.demo.scenes import CENTER, CORNERS, EDGES

# What stands here several times is said more often.
NUMBERS = {1: ("a", "a", "a", "one"), 2: ("two",), 3: ("three",), 4: ("four",)}
SIZES = {"small": ("small", "little"), "large": ("large", "big")}
PLURALS = {
    "circle": "circles",
    "square": "squares",
    "triangle": "triangles",
    "star": "stars",
    "heart": "hearts",
    "ring": "rings",
    "cross": "crosses",
    "moon": "moons",
}

# With one, with several.
_SEEN = (
    "you can see ",
    "we see ",
    "the picture shows ",
    "this image shows ",
    "a picture of ",
    "an image with ",
)
AGREEING = {
    "see": (
        ("", "there is ", "here is ", *_SEEN),
        ("", "there are ", "here are ", *_SEEN),
    ),
    "is": (("is", "sits", "lies"), ("are", "sit", "lie")),
    "be": (("is",), ("are",)),
    "it": (("it",), ("them",)),
    "surround": (("surrounds",), ("surround",)),
    "cover": (("covers",), ("cover",)),
}

# Blanks that a relation fills, or a place.
RELATION = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over"),
    "below": ("below", "under", "beneath"),
    "inside": ("inside", "in", "within"),
    "around": ("around",),
    "in front of": ("in front of",),
    "behind": ("behind",),
}
SIDE = {
    "left of": ("on the left", "on the left side"),
    "right of": ("on the right", "on the right side"),
    "above": ("at the top",),
    "below": ("at the bottom",),
}
WAY = {
    "left of": ("from left to right",),
    "right of": ("from right to left",),
    "above": ("from top to bottom", "from the top to the bottom"),
    "below": ("from bottom to top", "from the bottom to the top"),
}
_UPPER = {"top": ("top", "upper"), "bottom": ("bottom", "lower")}
PLACE = {
    f"{height} {side}": tuple(
        f"in the {word} {side} corner" for word in _UPPER[height]
    )
    for height, side in map(str.split, CORNERS)
}
PLACE |= {
    edge: SIDE[relation] for edge, relation in zip(EDGES, SIDE, strict=True)
}
PLACE[CENTER] = ("in the middle", "in the center")

_TWO = (
    "{see_a}{a} {relation} {b}",
    "{see_b}{b} {back} {a}",
    "{a} {is_a} {relation} {b}",
    "{b} {be_b} {back} {a}",
    "{see_a}{a} with {b} {back} {it_a}",
    "{see_b}{b} with {a} {relation} {it_b}",
    "{relation} {b} there {be_a} {a}",
    "{relation} {b} you can see {a}",
    "{back} {a} there {be_b} {b}",
)
_SIDES = (
    "{see_a}{a} {side} and {b} {far}",
    "{see_b}{b} {far} and {a} {side}",
    "{side} there {be_a} {a} and {far} {b}",
)

FORMS = {
    "place": (
        "{see_a}{a} {place}",
        "{a} {is_a} {place}",
        "{a} {is_a} {place} of the picture",
        "{place} there {be_a} {a}",
        "{place} you can see {a}",
        "{place} of the image there {be_a} {a}",
    ),
    "corners": (
        "{see_a}{a} {place} and {b} {place_2}",
        "{see_b}{b} {place_2} and {a} {place}",
        "{a} {is_a} {place} and {b} {place_2}",
        "{b} {be_b} {place_2} and {a} {place}",
        "{place} there {be_a} {a} and {place_2} {b}",
        "{place_2} you can see {b} and {place} {a}",
    ),
    "pair": _TWO,
    "line": (
        "{see_a}{a}, {b} and {c} {way}",
        "{way} there {be_a} {a}, {b} and {c}",
        "{yaw} there {be_c} {c}, {b} and {a}",
        "{way} you can see {a}, {b} and {c}",
        "{see_b}{b} between {a} {side} and {c} {far}",
        "{see_b}{b} with {a} {side} and {c} {far}",
        "{see_a}{a} {relation} {b} and {c} {back} {the_b}",
        "{see_c}{c} {back} {b} and {a} {relation} {the_b}",
        "{b} {is_b} between {a} {side} and {c} {far}",
    ),
    "both": (
        "{see_a}{a} {relation} {b} and {c} {back_2} both of them",
        "{see_b}{b} {back} {a} and {c} {back_2} both of them",
        "{see_a}{a} {relation} {b}, both {relation_2} {c}",
        "{see_b}{b} {back} {a}, both {relation_2} {c}",
        "{see_c}{c} and {relation_2} {it_c} {a} {relation} {b}",
        "{side_2} there {be_a} {a} {relation} {b} and {far_2} {c}",
        "{far_2} there {be_c} {c} and {side_2} {b} {back} {a}",
    ),
    "nested": (
        "{see_a}{a} {relation} {b} and {c} {back_2} {the_b}",
        "{see_b}{b} {back} {a} and {c} {back_2} {the_b}",
        "{a} {is_a} {relation} {b} and {c} {be_c} {back_2} {the_b}",
        "{see_b}{b} with {a} {relation} {it_b} and {c} {back_2} {the_b}",
        "{see_c}{c} {back_2} {b} with {a} {relation} {it_b}",
        "{see_c}{c} and {relation_2} {it_c} {a} {relation} {b}",
        "{relation_2} {c} there {be_a} {a} {relation} {b}",
    ),
}
# For the first relation of some kinds alone.
MORE = {
    ("pair", "left of"): _SIDES,
    ("pair", "above"): _SIDES,
    ("pair", "inside"): (
        "{b} {surround_b} {a}",
        "{a} {be_a} surrounded by {b}",
    ),
    ("pair", "in front of"): (
        "{a} partly {cover_a} {b}",
        "{b} {be_b} partly hidden by {a}",
    ),
}
