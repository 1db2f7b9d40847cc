"""The words of a caption, beside those of the reference tokenizer."""

import shutil

import pytest
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from apps.captioning.tokens import tokenized

needs_java = pytest.mark.skipif(
    shutil.which("java") is None, reason="the reference tokenizer is in Java"
)


SENTENCES = [
    "A man's dog isn't running, and it can't stop!",
    "The boys' kites are in a well-lit room...",
    'Two (2) dogs -- one black/white -- play "fetch" at 5:30 p.m.!',
    "About 1,000 people walk 3.5 miles; it's $5.00, or 50% off?",
    "A black T-shirt with \u2018Hello\u2019 and \u201cWorld\u201d on it .",
    "He's sure they've seen we'll go, I'm here, you're there, she'd stay.",
    "She won't, shan't, shouldn't've; don't, \"don't\", 'don't'.",
    "'Tis cold, 'twas warm, in the 1980's and the '90s and the 80s'.",
    "You cannot say that somebody is gonna, gotta, wanna, gimme, lemme.",
    "Rock'n'roll at nine o'clock, ma'am, with ol' friends: get 'em!",
    "Mr. Miller and Dr. Jones of St. Moritz, no. 5, vs. the U.S. team.",
    "A café in Zürich \u2013 naïve \u2014 with a 3-year-old in a cinéma\u2026",
    "A dog.A cat,a bird;and a fish:three",
    "What?? No!! Really?! ... a * b & c = d + e < f > g | h ~ i",
    "[one] {two} (three four)",
    "  two   spaces \t and\ttabs  ",
    "2x4 boards, 7th floor, a 12th-century tower, 50-60 people, 10-20",
    "A mother-in-law's half - eaten -b c- pie with/without ham &amp; egg",
    "- -- --- . .. .... , ; : ! ? ' '' \"",
    "hello_world and James's cat's girl's toys",
]


# text -> words of ours, words of the reference tokenizer
DIFFERENCES = {
    "a hat of J. Smith": ("a hat of j smith", "a hat of j. smith"),
    "the Fire Dept. came": ("the fire dept came", "the fire dept. came"),
    "R&D #one @two": ("r & d # one @ two", "r&d #one @two"),
    ":-) y'all": ("-rrb- y'all", ":--rrb- y' all"),
    "½ €7 £5 3+4": ("½ € 7 £ 5 3 + 4", "1/2 $ 7 # 5 3 +4"),
    "stop!now no.1 C++": ("stop now no.1 c + +", "stop!now no. 1 c++"),
}


def reference_words(texts):
    found = PTBTokenizer().tokenize(
        {i: [{"caption": text}] for i, text in enumerate(texts)}
    )
    return [found[i][0] for i in range(len(texts))]


@needs_java
def test_words_are_those_of_the_reference_tokenizer():
    assert [tokenized(text) for text in SENTENCES] == reference_words(SENTENCES)


@needs_java
def test_what_is_still_cut_otherwise():
    found = dict(
        zip(DIFFERENCES, reference_words(list(DIFFERENCES)), strict=True)
    )
    assert {
        text: (tokenized(text), theirs) for text, theirs in found.items()
    } == DIFFERENCES


def test_words_by_hand():
    assert tokenized("The girl's dogs aren't BIG, are they?") == (
        "the girl 's dogs are n't big are they"
    )
    assert tokenized(" \n") == tokenized("...") == ""


@pytest.mark.parametrize("text", SENTENCES)
def test_words_once_cut_stay_so(text):
    words = tokenized(text)
    assert tokenized(words) == words


def test_scripts_without_spaces_are_scored_by_characters():
    assert tokenized("红色的 cat。") == "红 色 的 cat"
    assert tokenized("\u0e2a\u0e35") == "\u0e2a \u0e35"
