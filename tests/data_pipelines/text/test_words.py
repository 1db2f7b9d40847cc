from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.text.words import (
    KINDS,
    Vocabulary,
    WordCounter,
    crop,
    crop_lengths,
    crop_row,
    encode_texts,
    places,
    tokenize,
    unknown_note,
)

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
    return tf.function(tokenize, input_signature=signature)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written", [*CASES, "\u0130zmir ", "\n a \n\n b"])
def test_a_token_stands_where_it_was_written(written, kind):
    def tokens(*texts):
        rows = tokenize(tf.constant(texts, tf.string), kind).to_list()
        return [[token.decode() for token in row] for row in rows]

    (row,) = tokens(written)
    pairs = places(written, row, kind)
    assert len(pairs) == len(row)
    ends = [end for pair in pairs for end in pair]
    if written != "\u0130zmir " or kind == "words":  # lower case is two letters
        assert ends == sorted(ends)
    if kind == "words" and row:
        alone = tokens(*(written[start:end] for start, end in pairs))
        # A sigma is a final one at the end of a word only.
        assert [one for (one,) in alone] == row
    if kind == "characters":
        spaces = [written[a:b].isspace() for a, b in pairs]
        tags = "<" in written
        assert tags or [t == "\u2581" for t in row] >= spaces


@pytest.mark.parametrize("written", CASES)
def test_tokens(written):
    tokens = tokenize(tf.constant([written])).to_list()[0]
    assert b" ".join(tokens).decode() == CASES[written]


def test_graph_equals_eager(graph):
    texts = tf.constant(list(CASES))
    assert graph(texts).to_list() == tokenize(texts).to_list()


def test_broken_bytes_become_replacement_characters(graph):
    texts = tf.constant([b"caf\xe9 ok", b"\xff\xfe", b"\xed\xa0\x80 x"])
    tokens = tokenize(texts).to_list()
    assert tokens[0] == [b"caf", "\ufffd".encode(), b"ok"]
    assert set(tokens[1]) == {"\ufffd".encode()}
    assert tokens[2][-1] == b"x"
    assert tokens == graph(texts).to_list()


def test_no_texts():
    assert tokenize(tf.constant([], tf.string)).to_list() == []


def test_tokens_tokenize_to_themselves():
    """So a vocabulary holds exactly what a text can contain."""
    for tokens in tokenize(tf.constant(list(CASES))).to_list():
        again = tokenize(tf.constant([b" ".join(tokens)])).to_list()[0]
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
    cropped = crop(rows, length, keep)
    assert cropped.to_list()[0] == expected
    for row, short in zip(cropped.to_list(), rows.to_list(), strict=True):
        if len(short) <= length:
            assert row == short
    traced = tf.function(lambda x: crop(x, length, keep))(rows)
    assert traced.to_list() == cropped.to_list()
    # Training crops without TensorFlow, and as prediction does.
    ends = crop_lengths(length, keep)
    for row, short in zip(cropped.to_list(), rows.to_list(), strict=True):
        assert crop_row(np.array(short), *ends).tolist() == row


def test_crop_of_words():
    tokens = tokenize(tf.constant(["a b c d e"]))
    assert crop(tokens, 2).to_list() == [[b"a", b"e"]]


def test_crop_refuses_other_arguments():
    rows = tf.ragged.constant([[1]])
    with pytest.raises(ValueError, match="keep must be one of"):
        crop(rows, 3, "tail")
    with pytest.raises(ValueError, match="max_length must be at least 1"):
        crop(rows, 0)


VOCABULARY = Vocabulary(["[PAD]", "[UNK]", "a", "b", "!"])


def test_encode_texts():
    texts = tf.constant(["A b! zzz", "", "b a b a b", "<br/>"])
    ids = encode_texts(texts, VOCABULARY, 4)
    assert ids.dtype == tf.int32
    expected = [[2, 3, 4, 1], [1, 0, 0, 0], [3, 2, 2, 3], [1, 0, 0, 0]]
    np.testing.assert_array_equal(ids, expected)
    head = encode_texts(texts, VOCABULARY, 3, "head")
    np.testing.assert_array_equal(head[2], [3, 2, 3])


def test_encode_texts_of_nothing_but_empty_texts():
    ids = encode_texts(tf.constant(["", " "]), VOCABULARY, 4)
    np.testing.assert_array_equal(ids, [[1], [1]])


def test_saved_model_encodes_alike(tmp_path):
    module = tf.Module()
    module.table = VOCABULARY.table
    module.encode = tf.function(
        lambda texts: encode_texts(texts, VOCABULARY, 6),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    tf.saved_model.save(module, str(tmp_path / "export"))
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    texts = tf.constant([*CASES, "a b ! a b ! a b"])
    np.testing.assert_array_equal(
        loaded.encode(texts), encode_texts(texts, VOCABULARY, 6)
    )


# Vocabularies.


COUNTS = Counter({"b": 3, "a": 3, "über": 5, "rare": 1, "映": 2})


def test_most_frequent_first_and_ties_by_alphabet():
    vocabulary = Vocabulary.build(COUNTS, 100)
    assert vocabulary.words == (
        "[PAD]", "[UNK]", "über", "a", "b", "映", "rare",
    )  # fmt: skip
    reordered = dict(reversed(COUNTS.items()))
    assert Vocabulary.build(reordered, 100).words == vocabulary.words


def test_size_counts_the_specials_and_rare_words_are_left_out():
    assert len(Vocabulary.build(COUNTS, 4)) == 4
    assert Vocabulary.build(COUNTS, 100, 3).words[2:] == ("über", "a", "b")
    with pytest.raises(ValueError, match="size must be at least 3, not 2"):
        Vocabulary.build(COUNTS, 2)


def test_words_that_are_never_there_are_not_counted():
    assert len(Vocabulary.build({"a": 0, "b": 1}, 10, minimum_count=0)) == 3


def test_ids_and_encode_agree():
    vocabulary = Vocabulary.build(COUNTS, 100)
    words = ["映", "nothing", "a", "[PAD]", "über", ""]
    expected = [5, 1, 3, 0, 2, 1]
    assert vocabulary.ids(words).tolist() == expected
    encoded = vocabulary.encode(tf.ragged.constant([words[:2], [], words[2:]]))
    assert encoded.dtype == tf.int32
    assert encoded.to_list() == [[5, 1], [], [3, 0, 2, 1]]


def test_encode_in_a_graph_without_a_table_made_before():
    vocabulary = Vocabulary.build(COUNTS, 100)
    traced = tf.function(lambda x: vocabulary.encode(tf.strings.split(x)))
    assert traced(tf.constant(["a zzz", "b"])).to_list() == [[3, 1], [4]]


def test_membership():
    vocabulary = Vocabulary.build(COUNTS, 100)
    assert "a" in vocabulary.words
    assert "c" not in vocabulary.words


def test_round_trip(tmp_path):
    path = tmp_path / "vocabulary.txt"
    vocabulary = Vocabulary.build({**COUNTS, "don't": 2, "🙂": 4}, 100)
    vocabulary.save(path)
    lines = path.read_text("utf-8").splitlines()
    assert lines == list(vocabulary.words)
    assert Vocabulary.load(path).words == vocabulary.words
    Vocabulary.build(COUNTS, 3).save(path)
    assert len(Vocabulary.load(path)) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["vocabulary.txt"]


def test_a_vocabulary_needs_its_specials_and_no_word_twice():
    with pytest.raises(ValueError, match="first two words"):
        Vocabulary(["a", "b"])
    with pytest.raises(ValueError, match="stands twice"):
        Vocabulary(["[PAD]", "[UNK]", "a", "a"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[PAD]\n[UNK]\na\na\n", ":4: the word 'a' is already on line 3"),
        (b"[PAD]\n[UNK]\n\nb\n", ":3: expected one word without spaces"),
        (b"[PAD]\n[UNK]\na b\n", ":3: expected one word without spaces"),
        (b"[PAD]\n[UNK]\na\r\nb\r\n", ":3: expected one word without spaces"),
        (b"[PAD]\n[UNK]\n\xff\n", ":3: not UTF-8"),
        (b"[PAD]\n[UNK]\na\nhal", ":4: the file is cut off here; "),
        (b"a\nb\nc\n", ":1: not a vocabulary; its first lines must be "),
        (b"", ":1: not a vocabulary; its first lines must be "),
    ],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Vocabulary.load(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"v.txt: No such file"):
        Vocabulary.load(tmp_path / "v.txt")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "vocabulary.txt"
    vocabulary = Vocabulary.build(COUNTS, 100)
    vocabulary.save(path)
    vocabulary.words = (*vocabulary.words, None)
    with pytest.raises(TypeError):
        vocabulary.save(path)
    assert len(Vocabulary.load(path)) == 7
    assert [p.name for p in tmp_path.iterdir()] == ["vocabulary.txt"]


def test_characters_of_scripts_without_spaces():
    texts = [
        "\u0e20\u0e32\u0e1e\u0e22\u0e19 \u0e14\u0e35!",
        "A\u0301b  c",
        "",
        "\u2028",
    ]
    rows = tokenize(tf.constant(texts), "characters").to_list()
    rows = [[token.decode() for token in row] for row in rows]
    assert rows == [
        [*"\u0e20\u0e32\u0e1e\u0e22\u0e19\u2581\u0e14\u0e35!"],
        [*"a\u0301b\u2581c"],
        [],
        [],
    ]
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "a", "b"], "characters")
    ids = encode_texts(tf.constant(["ab c", ""]), vocabulary, 9)
    assert ids.numpy().tolist() == [[2, 3, 1, 1], [1, 0, 0, 0]]


def test_data_of_unknown_words_are_told():
    (note,) = unknown_note(0.9, "words")
    assert note.startswith("90% of the words of train are unknown: a script")
    assert "--tokens characters" in note
    assert not [*unknown_note(0.5, "words")]
    (note,) = unknown_note(0.9, "characters")
    assert "needs --tokens subwords, few texts" in note
    (note,) = unknown_note(0.9, "characters", ["characters"])
    assert "of train are unknown: few texts need more" in note


# Counting words.


def add_once(counter, words):
    return counter.add(words, np.ones(len(words), np.int64)).tolist()


def test_numbers_by_appearance_and_counts():
    counter = WordCounter()
    assert add_once(counter, [b"a", b"b"]) == [0, 1]
    assert add_once(counter, [b"c", b"a"]) == [2, 0]
    assert counter.add([b"a"], np.array([5])).tolist() == [0]
    assert counter.counts.tolist() == [7, 1, 1]
    assert counter.size == 3


def test_grows():
    counter = WordCounter()
    words = [str(i).encode() for i in range(5000)]
    assert add_once(counter, words) == list(range(5000))
    assert counter.counts.tolist() == [1] * 5000


def test_rare_words_are_forgotten_and_come_back_as_new_ones():
    counter = WordCounter(limit=3)
    for words in ([b"a", b"b"], [b"a", b"b"], [b"a", b"c", b"d", b"e"]):
        add_once(counter, words)
    assert counter.numbers == {b"a": 0, b"b": 1}
    assert add_once(counter, [b"c", b"a"]) == [5, 0]


def test_words_are_bounded_when_all_words_are_equally_rare():
    counter = WordCounter(limit=10)
    for start in range(0, 1000, 20):
        add_once(counter, [str(i).encode() for i in range(start, start + 20)])
        assert len(counter.numbers) <= 10
    assert counter.counts.tolist() == [1] * 1000
