"""Words of raw texts, where they stand, and what a model knows of them."""

import numpy as np
import tensorflow as tf

from data_pipelines.tagging import features

KNOWN = features.build({"st.": 2, "Don't": 1, "go": 3, "Über": 1}, 100, 4)


def cut(text, known=None):
    raw = text if isinstance(text, bytes) else text.encode()
    tokens = features.tokenize(tf.constant([b"", raw]), known)
    words, starts, ends = (part.to_list() for part in tokens)
    assert words[0] == starts[0] == ends[0] == []
    words = [word.decode() for word in words[1]]
    text = raw.decode("utf-8", "replace")
    for word, start, end in zip(words, starts[1], ends[1], strict=True):
        assert text[start:end] == word
    return words


def test_words_of_a_text_and_their_places():
    assert cut("It's 3.50, isn't it?") == [
        "It's",
        "3.50",
        ",",
        "isn't",
        "it",
        "?",
    ]
    assert cut("  a\u00a0b\tc ") == ["a", "b", "c"]
    assert cut("well-known (x)") == ["well", "-", "known", "(", "x", ")"]
    assert cut("映画 é👍🏽!")[:3] == ["映", "画", "é"]
    assert cut("12:30 7/8 1,000 no.5.") == [
        "12:30",
        "7/8",
        "1,000",
        "no",
        ".",
        "5",
        ".",
    ]
    assert cut(b"a\xffb\x1fc") == ["a", "\ufffd", "b", "c"]
    assert cut("x" * 10_000) == ["x" * 10_000]


def test_a_known_word_stays_whole():
    assert cut("go to st. go. don't", KNOWN.words) == (
        ["go", "to", "st.", "go", ".", "don't"]
    )
    assert cut("go to st.") == ["go", "to", "st", "."]


def test_features_of_words():
    words = tf.constant(["GO", "Ube", "7", "x7", "?", "iPod", "Über", ""])
    ids, shapes, letters = (a.numpy() for a in KNOWN.of_words(words))
    vocabulary = KNOWN.words.words
    assert next(vocabulary[n] for n in ids) == "go"
    assert vocabulary[ids[6]] == "über"
    assert ids[1] == ids[7] == 1
    # CAPITALS, Capitalized, number, letters and digits, sign, miXed.
    assert len(set(shapes[:6])) == 6
    assert shapes[6] == shapes[1]
    assert shapes.min() >= 1
    assert shapes.max() < features.SHAPES
    assert letters.shape == (8, 4)
    spelled = KNOWN.characters.words
    assert [spelled[n] for n in letters[6]] == ["Ü", "b", "e", "r"]
    assert features.keys(tf.constant(["A 1B2"])).numpy()[0].decode() == "a▁0b0"


def test_long_words_are_read_at_both_ends():
    (_, _, long) = KNOWN.of_words(tf.constant(["stX" * 3333 + ".o"]))
    (_, _, short) = KNOWN.of_words(tf.constant(["st.o"]))
    np.testing.assert_array_equal(long, short)


def test_texts_are_padded_and_never_empty():
    words = tf.ragged.constant([["go"], [], ["st.", "go", "Don't"]])
    ids, shapes, letters = KNOWN.of_texts(words)
    assert ids.shape == shapes.shape == (3, 3)
    assert letters.shape == (3, 3, 4)
    assert (ids.numpy() > 0).tolist() == [[True, False, False]] * 2 + [
        [True] * 3
    ]
    alone = KNOWN.of_words(tf.constant(["st.", "go", "Don't"]))
    for row, expected in zip((ids, shapes, letters), alone, strict=True):
        np.testing.assert_array_equal(row[2], expected)
