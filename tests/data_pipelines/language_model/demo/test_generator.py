"""The demo's source: its probabilities, its entropy, its long memory."""

import collections
import inspect
import itertools
import math
import random
import re
import zlib

import pytest

from data_pipelines.language_model.demo import generator as demo


@pytest.fixture(scope="module")
def sentences():
    chance = random.Random(7)
    return [list(demo.sentence(chance)) for _ in range(3000)]


def places():
    """All places that can be reached."""
    known, new = set(), {demo.BEGIN}
    while new:
        known |= new
        new = {
            place for old in new for _, place in demo.follow(old).values()
        } - known
    return known


def test_files(tmp_path):
    demo.write(tmp_path, sizes=demo.SMALL_SIZES)
    for split, size in demo.SMALL_SIZES.items():
        text = (tmp_path / f"{split}.txt").read_text()
        assert text.count("\n") == len(text.splitlines()) == size
    # After a change of the sentences raise `VERSION` and put both in here.
    assert (demo.VERSION, zlib.crc32(text.encode())) == (1, 1997193213)


def test_the_example_of_the_docstring_is_of_the_source():
    text = re.search(r"\n    (the .*?\.)\n\n", inspect.getdoc(demo), re.S)[1]
    logs = demo.log_probabilities([text + "\n"])
    assert len(logs) == len(text.split()) + 1
    assert -math.inf < sum(logs) < 0


def test_what_can_follow_has_probability_one():
    for place in places():
        chances = [chance for chance, _ in demo.follow(place).values()]
        assert sum(chances) == pytest.approx(1)
        assert min(chances) > 0


def test_words_are_as_frequent_as_their_probabilities(sentences):
    """By another way than the places: shares of pairs of words."""
    first = collections.Counter(words[1] for words in sentences)
    share = sum(first[a] for a in demo.ADJECTIVES) / len(sentences)
    assert share == pytest.approx(demo.ADJECTIVE, abs=0.03)
    ends = collections.Counter(
        after
        for words in sentences
        for before, after in itertools.pairwise(words)
        if before in ("itself", "themselves")
    )
    assert set(ends) == {".", "while"}
    share = ends["while"] / ends.total()
    assert share == pytest.approx(demo.CLAUSE, abs=0.04)


def test_the_entropy_is_what_its_own_words_cost(sentences):
    lines = [" ".join(words) for words in sentences]
    logs = demo.log_probabilities(lines)
    assert len(logs) == sum(map(len, sentences))
    assert -sum(logs) / len(logs) == pytest.approx(demo.entropy(), rel=0.02)


def test_verbs_and_the_same_noun_agree_however_far_back(sentences):
    far = 0
    for words in sentences:
        nouns = [w for w in words if w in demo.NOUNS or w[:-1] in demo.NOUNS]
        nouns += [w for w in words if w[:-2] in demo.NOUNS]
        subject = next(w for w in words if w in nouns)
        for place, word in enumerate(words):
            if word == "same":
                assert words[place + 1] == subject
                far += place - words.index(subject) > 4
            if word in ("itself", "themselves"):
                assert (word == "itself") == (subject in demo.NOUNS)
                verb = words[place - 1]
                assert (verb in demo.VERBS) == (subject not in demo.NOUNS)
    assert far > 500
