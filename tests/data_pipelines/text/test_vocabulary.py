from collections import Counter

import pytest
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.text.vocabulary import Vocabulary

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
    assert "a" in vocabulary
    assert "c" not in vocabulary


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
        (b"[PAD]\n[UNK]\na\na\n", ":4: the word 'a' stands already on line 3"),
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
