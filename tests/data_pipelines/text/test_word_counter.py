import numpy as np

from data_pipelines.text.word_counter import WordCounter


def add(counter, words):
    return counter.add(words, np.ones(len(words), np.int64)).tolist()


def test_numbers_by_appearance_and_counts():
    counter = WordCounter()
    assert add(counter, [b"a", b"b"]) == [0, 1]
    assert add(counter, [b"c", b"a"]) == [2, 0]
    assert counter.add([b"a"], np.array([5])).tolist() == [0]
    assert counter.counts.tolist() == [7, 1, 1]
    assert counter.size == 3


def test_grows():
    counter = WordCounter()
    words = [str(i).encode() for i in range(5000)]
    assert add(counter, words) == list(range(5000))
    assert counter.counts.tolist() == [1] * 5000


def test_rare_words_are_forgotten_and_come_back_as_new_ones():
    counter = WordCounter(limit=3)
    for words in ([b"a", b"b"], [b"a", b"b"], [b"a", b"c", b"d", b"e"]):
        add(counter, words)
    assert counter.numbers == {b"a": 0, b"b": 1}
    assert add(counter, [b"c", b"a"]) == [5, 0]


def test_words_are_bounded_when_all_words_are_equally_rare():
    counter = WordCounter(limit=10)
    for start in range(0, 1000, 20):
        add(counter, [str(i).encode() for i in range(start, start + 20)])
        assert len(counter.numbers) <= 10
    assert counter.counts.tolist() == [1] * 1000
