import re
import tracemalloc

import numpy as np
import pytest

from data_pipelines.files.errors import DataError
from data_pipelines.files.sources import Source
from data_pipelines.files.splits import SPLITS
from data_pipelines.files.tables import Row
from data_pipelines.sentiment import corpus
from data_pipelines.sentiment.corpus import Corpus, build
from data_pipelines.text.words import UNKNOWN, Vocabulary, WordCounter
from tests.data_pipelines.sentiment.tools import fails, make, table, texts

TRAIN = [
    ("A good film, GOOD!", "pos", 2),
    ("<br />", "pos", 3),
    ("bad film", "neg", 4),
    ("  ", "neg", 5),
]
TEST = [("good  FILM,\nbad?", "neg", 2), ("unseen words", "pos", 4)]
WHOLE = {"train": 1.0}


class Rows:
    """Rows of a table of (text, label, line)."""

    def __init__(self, name, records):
        self.name = name
        self.records = records

    def __iter__(self):
        for text, label, line in self.records:
            yield Row({"text": text, "label": label}, line, file=self.name)

    def notes(self):
        return []


def made(folder, sources):
    folder.mkdir()
    build(
        folder,
        [Source(s.name, Rows(s.name, s.rows), s.shares) for s in sources],
    )
    return Corpus.load(folder)


def words_of(actual, part, row):
    names = dict(zip(actual.numbers.tolist(), actual.words, strict=True))
    return " ".join(names.get(n, "?") for n in part.words[row].tolist())


SOURCES = [
    Source("train.csv", TRAIN, WHOLE),
    Source("test.csv", TEST, {"test": 1.0}),
]


@pytest.fixture
def small(tmp_path):
    return made(tmp_path / "c", SOURCES)


@pytest.fixture
def parts(small):
    return small.split(SOURCES, 0)


def test_arrays(small, parts):
    train, test = small.parts
    assert [len(train), len(test)] == [2, 2]
    assert words_of(small, train, 0) == "a good film , good !"
    assert words_of(small, train, 1) == "bad film"
    assert words_of(small, test, 0) == "good film , bad ?"
    assert small.labels == ["pos", "neg"]
    assert test.labels.tolist() == [1, 0]
    assert list(test.texts) == [text for text, _, _ in TEST]
    assert list(parts["train"].texts) == list(train.texts)
    assert list(parts["test"].texts) == list(test.texts)
    assert len(parts["valid"]) == len(parts["valid"].words) == 0


def test_counts_are_per_split(small, parts):
    assert small.counts(parts["train"]) == {
        "a": 1, "good": 2, "film": 2, ",": 1, "!": 1, "bad": 1,
    }  # fmt: skip
    assert small.counts(parts["test"])["unseen"] == 1
    assert small.counts(parts["valid"]) == {}


def test_ids_of_a_vocabulary(small, parts):
    counts = small.counts(parts["train"])
    vocabulary = Vocabulary.build(counts, 100)
    ids = vocabulary.ids(["good", "film", ",", "bad", "?", "unseen", "words"])
    words = parts["test"].words
    actual = small.ids(vocabulary)[np.concatenate([words[0], words[1]])]
    assert actual.tolist() == ids.tolist()
    assert ids.tolist()[-3:] == [UNKNOWN] * 3


def test_what_was_read(small):
    assert small.sources[0] == {
        "name": "train.csv",
        "examples": 4,
        "empty": 2,
        "first": {"pos": "train.csv:2", "neg": "train.csv:4"},
        "notes": [],
    }


def test_classes(small, parts):
    names = small.class_names(parts["train"], SOURCES[0])
    assert names == ["neg", "pos"]
    assert small.classes(names).tolist() == [1, 0]
    assert small.classes(["x", "pos", "neg"]).tolist() == [1, 2]
    with pytest.raises(DataError, match=r"^train\.csv:4: unknown label 'neg'"):
        small.classes(["pos"])


def many(count, seed=0):
    random = np.random.default_rng(seed)
    for line in range(count):
        words = random.integers(0, 50, 6)
        yield " ".join(f"w{word}" for word in words), str(line % 2), line


def test_cut_keeps_equal_words_on_one_side_and_follows_the_seed(tmp_path):
    records = list(many(600))
    # The same words again, written in another way.
    records += [(t.upper().replace(" ", "\n"), c, n) for t, c, n in records]
    sources = [Source("a", records, {"train": 0.75, "test": 0.25})]
    actual = made(tmp_path / "c", sources)
    cuts = []
    for seed in (0, 0, 1):
        parts = actual.split(sources, seed)
        train, test = (parts[split].digests for split in ("train", "test"))
        assert len(train) + len(test) == 1200
        assert 0.18 < len(test) / 1200 < 0.32
        assert not set(train.tolist()) & set(test.tolist())
        cuts.append(test.tolist())
    assert cuts[0] == cuts[1] != cuts[2]


def test_the_cut_is_what_it_always_was(tmp_path):
    records = [(f"text {i}", "a", i) for i in range(40)]
    shares = {"train": 0.8, "valid": 0.1, "test": 0.1}
    sources = [Source("a", records, shares)]
    parts = made(tmp_path / "c", sources).split(sources, 7)
    cut = {
        split: [text.removeprefix("text ") for text in part.texts]
        for split, part in parts.items()
    }
    assert cut["valid"] == ["0", "8", "10", "16"]
    assert cut["test"] == ["2", "21", "28", "32", "33", "39"]


def test_many_chunks_equal_one(tmp_path, monkeypatch):
    records = list(many(100))
    one = made(tmp_path / "one", [Source("a", records, WHOLE)])
    monkeypatch.setattr(corpus, "_CHUNK_TEXTS", 7)
    seven = made(tmp_path / "seven", [Source("a", records, WHOLE)])
    monkeypatch.setattr(corpus, "_CHUNK_BYTES", 1)
    single = made(tmp_path / "single", [Source("a", records, WHOLE)])
    for other in (seven, single):
        (part,), (expected,) = other.parts, one.parts
        assert other.counts(part) == one.counts(expected)
        for row in (0, 50, 99):
            assert words_of(other, part, row) == words_of(one, expected, row)
        np.testing.assert_array_equal(part.digests, expected.digests)


def test_forgotten_words_are_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(WordCounter.__init__, "__defaults__", (5,))
    monkeypatch.setattr(corpus, "_CHUNK_TEXTS", 2)
    rare = [(f"often rare{i} often", str(i % 2), i) for i in range(50)]
    actual = made(tmp_path / "c", [Source("a", rare, WHOLE)])
    assert len(actual.words) <= 5
    (part,) = actual.parts
    assert actual.counts(part)["often"] == 100
    vocabulary = Vocabulary.build(actual.counts(part), 100, 2)
    ids = actual.ids(vocabulary)[part.words.values]
    assert ids.reshape(50, 3).tolist() == [[2, 1, 2]] * 50


def test_too_many_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "_MOST_LABELS", 10)
    records = [("a", f"label {i}", i + 2) for i in range(20)]
    with pytest.raises(DataError, match=r"^a\.csv:12: more than 10 different"):
        made(tmp_path / "c", [Source("a.csv", records, WHOLE)])


def test_errors_of_records_come_through(tmp_path):
    def broken():
        yield "fine", "a", 2
        raise DataError("a.csv:3: wrong")

    with pytest.raises(DataError, match=r"^a\.csv:3: wrong$"):
        made(tmp_path / "c", [Source("a.csv", broken(), WHOLE)])


def test_texts_do_not_enter_memory(tmp_path, monkeypatch):
    # A few chunks are in memory at once; small ones make the limit sharp.
    monkeypatch.setattr(corpus, "_CHUNK_TEXTS", 128)

    def records():
        for line in range(12_000):
            yield f"text number {line}, " * 100, str(line % 2), line

    made(tmp_path / "first", [Source("a", TRAIN, WHOLE)])
    tracemalloc.start()
    try:
        actual = made(tmp_path / "c", [Source("a", records(), WHOLE)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    (part,) = actual.parts
    assert part.texts.raw.values.size > 20_000_000
    assert part.words.values.nbytes > 15_000_000
    assert peak < 10_000_000


def test_labels_are_one_line(tmp_path):
    records = [("a", " very\n\tgood\u2028news", 2), ("b", "x\ud800", 3)]
    actual = made(tmp_path / "c", [Source("a.csv", records, WHOLE)])
    assert actual.labels == ["very good news", "x?"]
    with pytest.raises(DataError, match=r"^a\.csv:4: the label is empty$"):
        made(tmp_path / "d", [Source("a.csv", [("a", " \n", 4)], WHOLE)])


# Labels and splits, of files.


def test_labels_as_numbers_are_in_their_order(folder):
    for split in SPLITS:
        rows = [(t, i % 11) for i, (t, _) in enumerate(texts(44))]
        table(folder / f"{split}.csv", rows)
    data = make(folder)
    assert data.labels == [str(i) for i in range(11)]
    assert data.train.labels.tolist() == [i % 11 for i in range(44)]


@pytest.mark.parametrize(
    "labels",
    [
        ("-1e1", "0.5", "2.5", "10.5"),
        ("2", "2.0", "10"),
        ("10", "2", "nan"),
        ("-inf", "10", "2"),
        ("10", "2", "x"),
        ("9007199254740992", "9007199254740993", "90071992547409920"),
    ],
)
def test_order_of_labels(folder, labels):
    for split in SPLITS:
        rows = [
            (t, labels[-1 - i % len(labels)])
            for i, (t, _) in enumerate(texts(12))
        ]
        table(folder / f"{split}.csv", rows)
    assert make(folder).labels == list(labels)


def test_labels_as_words_are_sorted(folder):
    for split in SPLITS:
        rows = [
            (t, ("sport", "10", "art")[i % 3])
            for i, (t, _) in enumerate(texts(12))
        ]
        table(folder / f"{split}.csv", rows)
    assert make(folder).labels == ["10", "art", "sport"]


@pytest.mark.parametrize("split", ["valid", "test"])
def test_label_that_train_has_not(folder, split):
    rows = [("film\nin two lines", "pos"), ("plot", "mixed"), ("x", "mixed")]
    table(folder / f"{split}.csv", rows)
    for _ in range(2):  # read, then from the cache
        assert fails(folder) == (
            f"FOLDER/{split}.csv:4: unknown label 'mixed'; the labels known "
            "from training are 'neg', 'pos'"
        )


def test_of_many_known_labels_some_are_named(folder):
    rows = [(t, i % 25) for i, (t, _) in enumerate(texts(50))]
    table(folder / "train.csv", rows)
    message = fails(folder)
    assert message.startswith("FOLDER/valid.csv:2: unknown label 'neg'; the ")
    assert message.endswith("'18', '19' and 5 more")


def test_one_class_only(folder):
    table(folder / "train.csv", [(t, "pos") for t, _ in texts(10)])
    assert fails(folder) == (
        "FOLDER/train.csv: all texts for train have the label 'pos'; "
        "expected at least two classes"
    )


@pytest.mark.parametrize("split", ["train", "test"])
def test_only_empty_texts(folder, split):
    table(folder / f"{split}.csv", [("", "pos"), (" ", "neg")])
    assert fails(folder) == (f"FOLDER/{split}.csv: has no texts for {split}")


def test_too_few_texts_to_cut_from(folder):
    (folder / "valid.csv").unlink()
    # Equal words cannot be on two sides.
    table(folder / "train.csv", [("film", "pos"), ("Film", "neg")])
    assert fails(folder) == (
        "FOLDER/train.csv: too few different texts to cut valid from; "
        "expected at least 2, or your own valid"
    )
    (folder / "test.csv").unlink()
    table(folder / "train.csv", [("film", "pos"), ("plot", "neg")])
    assert fails(folder) == (
        "FOLDER/train.csv: too few different texts to cut valid and test "
        "from; expected at least 3, or your own valid and test"
    )


@pytest.mark.parametrize("count", [3, 4, 10, 20])
@pytest.mark.parametrize("seed", range(5))
def test_few_texts_are_enough_to_cut_from(folder, count, seed):
    (folder / "valid.csv").unlink()
    (folder / "test.csv").unlink()
    rows = [(f"film {i}", i) for i in range(count)]
    rows += [(f"FILM {i}", i) for i in range(count)]
    table(folder / "train.csv", rows)
    labels = [str(i) for i in range(count)]
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "film"])
    options = dict(seed=seed, labels=labels, vocabulary=vocabulary)
    data = make(folder, **options)
    parts = [getattr(data, split) for split in SPLITS]
    actual = [{t.lower() for t in part.texts} for part in parts]
    assert all(actual)
    assert sum(map(len, actual)) == len(set().union(*actual)) == count
    assert [2 * len(part) for part in actual] == [len(p) for p in parts]
    again = make(folder, cache_path=folder.parent / "again", **options)
    assert list(again.test.texts) == list(data.test.texts)


def test_one_class_left_by_the_cut(folder):
    (folder / "valid.csv").unlink()
    for seed in range(10):
        table(folder / "train.csv", [("film", "pos"), ("bad plot", "neg")])
        assert re.fullmatch(
            "FOLDER/train.csv: after the cut of valid all texts for train "
            "have the label '(pos|neg)'; more texts are needed",
            fails(folder, seed=seed),
        )
