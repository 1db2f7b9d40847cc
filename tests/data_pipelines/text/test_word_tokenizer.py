import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.text import word_tokenizer
from data_pipelines.text.vocabulary import Vocabulary

CASES = {
    "Not at all funny!": "not at all funny !",
    "don't DON\u2019T don\u2018t rock'n'roll": "don't don't don't rock'n'roll",
    "'quoted' dogs' '90s 80's": "' quoted ' dogs ' ' 90s 80's",
    "7/10, 3.5 (yes)...": "7 / 10 , 3 . 5 ( yes ) . . .",
    "well-made_film": "well - made _ film",
    # Lower case by Unicode's rules, the final sigma included.
    "OLÁ ÜBER Straße STRASSE": "olá über straße strasse",
    "ΟΔΥΣΣΕΥΣ ΣΟΦΟΣ": "οδυσσευς σοφος",
    "ПРИВЕТ, Мир": "привет , мир",
    # A decomposed accent stays in its word.
    "cafe\u0301s": "cafe\u0301s",
    # HTML becomes spaces; what only looks like it stays.
    "one<br /><br/>two<BR>three": "one two three",
    '<a href="x">link</a><!-- note -->end': "link end",
    "i <3 it, 2 < 3 > 1": "i < 3 it , 2 < 3 > 1",
    # Scripts without spaces: one character, one word.
    "映画は良い。": "映 画 は 良 い 。",
    "カタカナabc漢字": "カ タ カ ナ abc 漢 字",
    "영화가 좋다": "영화가 좋다",
    "هذا فيلم رائع!": "هذا فيلم رائع !",
    "फ़िल्म अच्छी": "फ़िल्म अच्छी",
    "👍👍 great🙂": "👍 👍 great 🙂",
    "👨\u200d👩\u200d👧 ❤\ufe0f": "👨 👩 👧 ❤",
    # Spaces of every kind; what cannot be seen is not there.
    "a\u00a0b\u3000c\u2009d\te\r\nf\x0bg\x00h\u2028i": "a b c d e f g h i",
    "so\u00adft \ufeffmark\u200b": "soft mark",
    "": "",
    " \t <br/> ": "",
    "[PAD] [UNK]": "[ pad ] [ unk ]",
}


@pytest.fixture(scope="module")
def graph():
    signature = [tf.TensorSpec([None], tf.string)]
    return tf.function(word_tokenizer.tokenize, input_signature=signature)


@pytest.mark.parametrize("written", CASES)
def test_tokens(written):
    tokens = word_tokenizer.tokenize(tf.constant([written])).to_list()[0]
    assert b" ".join(tokens).decode() == CASES[written]


def test_graph_equals_eager(graph):
    texts = tf.constant(list(CASES))
    assert graph(texts).to_list() == word_tokenizer.tokenize(texts).to_list()


def test_broken_bytes_become_replacement_characters(graph):
    texts = tf.constant([b"caf\xe9 ok", b"\xff\xfe", b"\xed\xa0\x80 x"])
    tokens = word_tokenizer.tokenize(texts).to_list()
    assert tokens[0] == [b"caf", "\ufffd".encode(), b"ok"]
    assert set(tokens[1]) == {"\ufffd".encode()}
    assert tokens[2][-1] == b"x"
    assert tokens == graph(texts).to_list()


def test_no_texts():
    assert word_tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []


def test_tokens_tokenize_to_themselves():
    """So a vocabulary holds exactly what a text can contain."""
    for tokens in word_tokenizer.tokenize(tf.constant(list(CASES))).to_list():
        again = word_tokenizer.tokenize(
            tf.constant([b" ".join(tokens)])
        ).to_list()[0]
        assert again == tokens


@pytest.mark.parametrize(
    ("keep", "length", "expected"),
    [
        ("ends", 4, [0, 1, 8, 9]),
        ("ends", 5, [0, 1, 2, 8, 9]),
        ("ends", 1, [0]),
        ("head", 4, [0, 1, 2, 3]),
        ("ends", 10, list(range(10))),
        ("head", 99, list(range(10))),
    ],
)
def test_crop(keep, length, expected):
    rows = tf.ragged.constant([list(range(10)), [], [7, 8, 9], [5]], tf.int32)
    cropped = word_tokenizer.crop(rows, length, keep)
    assert cropped.to_list()[0] == expected
    for row, short in zip(cropped.to_list(), rows.to_list(), strict=True):
        if len(short) <= length:
            assert row == short
    traced = tf.function(lambda x: word_tokenizer.crop(x, length, keep))(rows)
    assert traced.to_list() == cropped.to_list()
    # Training crops without TensorFlow, and as prediction does.
    ends = word_tokenizer.crop_lengths(length, keep)
    for row, short in zip(cropped.to_list(), rows.to_list(), strict=True):
        assert word_tokenizer.crop_row(np.array(short), *ends).tolist() == row


def test_crop_of_words():
    tokens = word_tokenizer.tokenize(tf.constant(["a b c d e"]))
    assert word_tokenizer.crop(tokens, 2).to_list() == [[b"a", b"e"]]


def test_crop_refuses_other_arguments():
    rows = tf.ragged.constant([[1]])
    with pytest.raises(ValueError, match="keep must be one of"):
        word_tokenizer.crop(rows, 3, "tail")
    with pytest.raises(ValueError, match="max_length must be at least 1"):
        word_tokenizer.crop(rows, 0)


VOCABULARY = Vocabulary(["[PAD]", "[UNK]", "a", "b", "!"])


def test_encode_texts():
    texts = tf.constant(["A b! zzz", "", "b a b a b", "<br/>"])
    ids = word_tokenizer.encode_texts(texts, VOCABULARY, 4)
    assert ids.dtype == tf.int32
    expected = [[2, 3, 4, 1], [1, 0, 0, 0], [3, 2, 2, 3], [1, 0, 0, 0]]
    np.testing.assert_array_equal(ids, expected)
    head = word_tokenizer.encode_texts(texts, VOCABULARY, 3, "head")
    np.testing.assert_array_equal(head[2], [3, 2, 3])


def test_encode_texts_of_nothing_but_empty_texts():
    ids = word_tokenizer.encode_texts(tf.constant(["", " "]), VOCABULARY, 4)
    np.testing.assert_array_equal(ids, [[1], [1]])


def test_saved_model_encodes_alike(tmp_path):
    module = tf.Module()
    module.table = VOCABULARY.table
    module.encode = tf.function(
        lambda texts: word_tokenizer.encode_texts(texts, VOCABULARY, 6),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path / "export"))
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    texts = tf.constant([*CASES, "a b ! a b ! a b"])
    np.testing.assert_array_equal(
        loaded.encode(texts), word_tokenizer.encode_texts(texts, VOCABULARY, 6)
    )
