import csv
import re
import time
import zlib

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from data_pipelines.sentiment.demo import generator as demo
from data_pipelines.sentiment.demo import words


@pytest.fixture(scope="module")
def splits():
    return {split: list(demo.reviews(split)) for split in demo.SIZES}


HELD_OUT = [
    f"{noun} was {adjective}"
    for noun in words.NOUNS
    for adjective in words.GOOD + words.BAD
    if demo.held_out(noun, adjective)
]


def pairs(written):
    """Held-out pairs of noun and adjective in one clause of a review."""
    written = written.lower()
    return {pair for pair in HELD_OUT if pair in written}


def bag_of_words(splits, longest):
    vectorizer = CountVectorizer(ngram_range=(1, longest))
    texts, labels = zip(*splits["train"], strict=True)
    regression = LogisticRegression(max_iter=2000)
    regression.fit(vectorizer.fit_transform(texts), labels)
    texts, labels = zip(*splits["test"], strict=True)
    return regression.score(vectorizer.transform(texts), labels)


def test_files(tmp_path):
    (tmp_path / "demo").mkdir()
    demo.write(tmp_path / "demo")
    actual = sorted(path.name for path in (tmp_path / "demo").iterdir())
    assert actual == ["test.csv", "train.csv", "valid.csv"]
    with (tmp_path / "demo" / "test.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["text", "label"]
    assert [tuple(row) for row in rows[1:]] == list(demo.reviews("test"))


def test_deterministic(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        demo.write(tmp_path / name, seed)
    for split in demo.SIZES:
        a, b, c = (
            (tmp_path / name / f"{split}.csv").read_bytes() for name in "abc"
        )
        assert a == b != c


def test_other_reviews_have_another_version(splits):
    written = repr(sorted(splits.items())).encode()
    # After a change of the grammar raise `VERSION` and put both in here.
    assert (demo.VERSION, zlib.crc32(written)) == (2, 3229029853)


def test_articles(splits):
    texts = [text for rows in splits.values() for text, _ in rows]
    for text in texts:
        assert not re.search(r"\b[Aa] ([aeiou]|honest|so\b)", text)
        assert not re.search(r"\b[Aa]n [^aeiouh]", text)
    for actual in ("an honest film", "an annoying film", "a funny film"):
        assert any(actual in text for text in texts)


def test_sizes_labels_lengths(splits):
    for split, rows in splits.items():
        labels = [label for _, label in rows]
        assert len(rows) == demo.SIZES[split]
        assert labels.count("pos") == labels.count("neg")
        lengths = [len(text.split()) for text, _ in rows]
        assert min(lengths) >= 15
        assert max(lengths) <= 60


def test_no_review_twice(splits):
    texts = [text for rows in splits.values() for text, _ in rows]
    assert len(set(texts)) > 0.999 * len(texts)
    train = {text for text, _ in splits["train"]}
    assert not train & {text for text, _ in splits["test"]}


def test_some_pairs_of_words_are_new_in_test(splits):
    assert not any(pairs(text) for text, _ in splits["train"])
    assert sum(bool(pairs(text)) for text, _ in splits["test"]) > 10


def test_sentences_are_whole(splits):
    for text, _ in splits["valid"]:
        assert text[0].isupper()
        assert text.endswith(".")
        assert "{" not in text
        assert "  " not in text


def test_words_are_in_both_classes(splits):
    seen = {"pos": set(), "neg": set()}
    for text, label in splits["train"]:
        seen[label].update(re.findall("[a-z]+", text.lower()))
    assert seen["pos"] == seen["neg"]


def test_single_words_and_pairs_find_little(splits):
    assert 0.60 < bag_of_words(splits, 1) < 0.78
    assert bag_of_words(splits, 2) < 0.80


def test_written_in_a_moment():
    begin = time.monotonic()
    assert sum(1 for _ in demo.reviews("train")) == demo.SIZES["train"]
    assert time.monotonic() - begin < 10


def test_the_small_demo_is_a_tenth(tmp_path):
    demo.write(tmp_path, sizes=demo.SMALL_SIZES)
    for name, size in demo.SIZES.items():
        lines = (tmp_path / f"{name}.csv").read_text().splitlines()
        assert len(lines) == 1 + size // 10
