"""What a training shows of its captions."""

import pytest

from apps.captioning import show

FACTS = frozenset({"1 small red ring", "red ring in top"})


@pytest.mark.parametrize(
    ("caption", "missing", "false"),
    [
        ("a little red ring is at the top", [], []),
        ("a small red ring is on the left", ["red ring in top"],
         ["red ring in left"]),
        ("there are two small red rings at the top", ["1 small red ring"],
         ["2 small red ring"]),
        ("a dog on a beach", sorted(FACTS), []),
    ],
)  # fmt: skip
def test_missing_and_false_facts_of_a_caption(caption, missing, false):
    errors = show.errors(caption, FACTS)
    assert errors == {"missing": missing, "false": false}


def test_nobody_knows_the_facts_of_a_photo():
    assert show.errors("a dog on a beach", None) is None
