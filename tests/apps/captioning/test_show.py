"""What a training shows of its captions."""

import pytest

from apps.captioning import show

FACTS = frozenset({"1 small red star", "red star in top"})


@pytest.mark.parametrize(
    ("caption", "missing", "false"),
    [
        ("a little red star is at the top", [], []),
        ("a small red star is on the left", ["red star in top"],
         ["red star in left"]),
        ("there are two small red stars at the top", ["1 small red star"],
         ["2 small red star"]),
        ("a dog on a beach", sorted(FACTS), []),
    ],
)  # fmt: skip
def test_missing_and_false_facts_of_a_caption(caption, missing, false):
    errors = show.errors(caption, FACTS)
    assert errors == {"missing": missing, "false": false}


def test_nobody_knows_the_facts_of_a_photo():
    assert show.errors("a dog on a beach", None) is None
