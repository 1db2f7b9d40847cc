import numpy as np

from data_pipelines.sentiment.word_index import Lexicon


def add(lexicon, split, words):
    numbers = lexicon.number(words)
    lexicon.add(split, numbers, np.ones(len(words), np.int64))
    return numbers.tolist()


def test_numbers_by_appearance_and_counts_per_split():
    lexicon = Lexicon(["train", "test"])
    assert add(lexicon, 0, [b"a", b"b"]) == [0, 1]
    assert add(lexicon, 1, [b"c", b"a"]) == [2, 0]
    assert add(lexicon, 0, [b"a"]) == [0]
    assert lexicon.counts.tolist() == [[2, 1, 0], [1, 0, 1]]


def test_grows():
    lexicon = Lexicon(["train"])
    words = [str(i).encode() for i in range(5000)]
    assert add(lexicon, 0, words) == list(range(5000))
    assert lexicon.counts.sum() == 5000


def test_rare_words_are_forgotten_and_come_back_as_new_ones():
    lexicon = Lexicon(["train"], limit=3)
    for words in ([b"a", b"b"], [b"a", b"b"], [b"a", b"c", b"d", b"e"]):
        add(lexicon, 0, words)
        lexicon.prune()
    assert lexicon.numbers == {b"a": 0, b"b": 1}
    assert add(lexicon, 0, [b"c", b"a"]) == [5, 0]


def test_words_are_bounded_when_all_words_are_equally_rare():
    lexicon = Lexicon(["train"], limit=10)
    for start in range(0, 1000, 20):
        add(lexicon, 0, [str(i).encode() for i in range(start, start + 20)])
        lexicon.prune()
        assert len(lexicon.numbers) <= 10
    assert lexicon.counts.tolist() == [[1] * 1000]


def test_counts_of_all_splits_say_what_is_rare():
    lexicon = Lexicon(["train", "test"], limit=1)
    add(lexicon, 0, [b"a", b"b"])
    add(lexicon, 1, [b"b"])
    lexicon.prune()
    assert lexicon.numbers == {b"b": 1}
