import pytest

from data_pipelines.captioning.normalize import normalize_caption
from data_pipelines.text.tokenizers import Tokenizer

HINDI = "\u0915\u0941\u0924\u094d\u0924\u093e"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two men's T-shirts, drying.", "two men 's t-shirts drying"),
        ("a dog .", "a dog"),
        ("  A\tdog\u00a0runs -- fast ! ", "a dog runs fast"),
        ("the boys\u2019 dog\u2019s \u201cbone\u201d", "the boys dog 's bone"),
        ("no. 12, at 3:45", "no 12 at 3 45"),
        ("It isn't 5 o'clock -- they're late", "it is n't 5 o'clock they 're"
         " late"),
        ("-a- 'b' rock'n'roll", "a b rock'n'roll"),
        ("Cafe\u0301 \u00c9T\u00c9", "caf\u00e9 \u00e9t\u00e9"),
        ("ein Stra\u00dfen\u00adhund", "ein stra\u00dfenhund"),
        # A word of Hindi with its marks, and a full stop.
        (f"{HINDI}\u0964", HINDI),
        ("a_b\u2581c \U0001f600", "a b c"),
        ("?!", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_normalized(text, words):
    assert normalize_caption(text) == words
    assert normalize_caption(words) == words


def test_normalized_words_come_back_from_their_tokens():
    text = normalize_caption(
        "It's 5 o'clock: Caf\u00e9-owner, na\u00efve; \u4e24\u53ea\u72d7."
    )
    tokenizer = Tokenizer.learn([text], "words", 100)
    assert tokenizer.decode(tokenizer.encode(text)) == text
