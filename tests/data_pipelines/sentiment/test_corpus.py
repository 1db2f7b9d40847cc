import sys
import tracemalloc

import numpy as np
import pytest

from data_pipelines.files import progress
from data_pipelines.files.errors import DataError
from data_pipelines.sentiment import corpus_builder, word_index
from data_pipelines.sentiment.corpus import Corpus
from data_pipelines.sentiment.corpus_builder import Source, build
from data_pipelines.text import word_tokenizer

SPLITS = ("train", "test")
TRAIN = [
    ("A good film, GOOD!", "pos", 2),
    ("<br />", "pos", 3),
    ("bad film", "neg", 4),
    ("  ", "neg", 5),
]
TEST = [("good  FILM,\nbad?", "neg", 2), ("unseen words", "pos", 4)]
WHOLE = {"train": 1.0}


def made(folder, sources, splits=SPLITS, seed=0):
    folder.mkdir()
    build(folder, sources, splits, seed)
    return Corpus.load(folder)


def words_of(found, split, row):
    part = found.parts[split]
    start = int(part.sizes[:row].sum())
    numbers = part.tokens[start : start + part.sizes[row]]
    names = dict(zip(found.numbers.tolist(), found.words, strict=True))
    return " ".join(names.get(number, "?") for number in numbers.tolist())


@pytest.fixture
def small(tmp_path):
    return made(
        tmp_path / "c",
        [
            Source("train.csv", TRAIN, WHOLE),
            Source("test.csv", TEST, {"test": 1.0}),
        ],
    )


def test_arrays(small):
    assert [len(small.parts[split]) for split in SPLITS] == [2, 2]
    assert words_of(small, "train", 0) == "a good film , good !"
    assert words_of(small, "train", 1) == "bad film"
    assert words_of(small, "test", 0) == "good film , bad ?"
    assert small.labels == ["pos", "neg"]
    assert small.parts["test"].labels.tolist() == [1, 0]
    raw = small.parts["test"].texts.tobytes().decode()
    assert raw == "good  FILM,\nbad?unseen words"
    assert small.parts["test"].text_sizes.tolist() == [16, 12]


def test_counts_are_per_split(small):
    assert small.counts("train") == {
        "a": 1, "good": 2, "film": 2, ",": 1, "!": 1, "bad": 1,
    }  # fmt: skip
    assert small.counts("test")["unseen"] == 1


def test_mapping_to_a_vocabulary(small):
    vocabulary = word_tokenizer.Vocabulary.build(small.counts("train"), 100)
    mapping = small.mapping(vocabulary)
    part = small.parts["test"]
    ids = vocabulary.ids(["good", "film", ",", "bad", "?", "unseen", "words"])
    assert mapping[part.tokens].tolist() == ids.tolist()
    assert ids.tolist()[-3:] == [word_tokenizer.UNKNOWN] * 3


def test_what_was_read(small):
    assert small.sources[0] == {
        "name": "train.csv",
        "splits": ["train"],
        "examples": 4,
        "empty": 2,
        "first": {"pos": 2, "neg": 4},
        "repaired": 0,
    }


def test_a_split_without_texts(tmp_path):
    found = made(tmp_path / "c", [Source("a", TRAIN, WHOLE)])
    assert len(found.parts["test"]) == 0
    assert found.parts["test"].tokens.shape == (0,)


def many(count, seed=0):
    random = np.random.default_rng(seed)
    for line in range(count):
        words = random.integers(0, 50, 6)
        yield " ".join(f"w{word}" for word in words), str(line % 2), line


def test_cut_keeps_equal_words_on_one_side_and_follows_the_seed(tmp_path):
    records = list(many(600))
    # The same words again, written in another way.
    records += [(t.upper().replace(" ", "\n"), c, n) for t, c, n in records]
    shares = {"train": 0.75, "test": 0.25}
    cuts = []
    for seed in (0, 0, 1):
        found = made(
            tmp_path / f"c{len(cuts)}",
            [Source("a", records, shares)],
            seed=seed,
        )
        train, test = (found.parts[split].digests for split in SPLITS)
        assert len(train) + len(test) == 1200
        assert 0.18 < len(test) / 1200 < 0.32
        assert not set(train.tolist()) & set(test.tolist())
        cuts.append(test.tolist())
    assert cuts[0] == cuts[1] != cuts[2]


def test_the_cut_is_what_it_always_was(tmp_path):
    records = [(f"text {i}", "a", i) for i in range(40)]
    shares = {"train": 0.8, "valid": 0.1, "test": 0.1}
    found = made(tmp_path / "c", [Source("a", records, shares)], shares, 7)
    cut = {
        split: [part.text(row)[5:] for row in range(len(part))]
        for split, part in found.parts.items()
    }
    assert cut["valid"] == ["0", "8", "10", "16"]
    assert cut["test"] == ["2", "21", "28", "32", "33", "39"]


def test_many_chunks_equal_one(tmp_path, monkeypatch):
    records = list(many(100))
    one = made(tmp_path / "one", [Source("a", records, WHOLE)])
    monkeypatch.setattr(corpus_builder, "_CHUNK_TEXTS", 7)
    seven = made(tmp_path / "seven", [Source("a", records, WHOLE)])
    monkeypatch.setattr(corpus_builder, "_CHUNK_BYTES", 1)
    single = made(tmp_path / "single", [Source("a", records, WHOLE)])
    for other in (seven, single):
        assert other.counts("train") == one.counts("train")
        for row in (0, 50, 99):
            expected = words_of(one, "train", row)
            assert words_of(other, "train", row) == expected
        np.testing.assert_array_equal(
            other.parts["train"].digests, one.parts["train"].digests
        )


def test_forgotten_words_are_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(word_index.Lexicon.__init__, "__defaults__", (5,))
    monkeypatch.setattr(corpus_builder, "_CHUNK_TEXTS", 2)
    rare = [(f"often rare{i} often", str(i % 2), i) for i in range(50)]
    found = made(tmp_path / "c", [Source("a", rare, WHOLE)])
    assert len(found.words) <= 5
    assert found.counts("train")["often"] == 100
    vocabulary = word_tokenizer.Vocabulary.build(found.counts("train"), 100, 2)
    ids = found.mapping(vocabulary)[found.parts["train"].tokens]
    assert ids.reshape(50, 3).tolist() == [[2, 1, 2]] * 50


def test_too_many_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_builder, "_MOST_LABELS", 10)
    records = [("a", f"label {i}", i + 2) for i in range(20)]
    with pytest.raises(DataError, match=r"^a\.csv:12: more than 10 different"):
        made(tmp_path / "c", [Source("a.csv", records, WHOLE)])


def test_halves_of_surrogate_pairs_pass(tmp_path):
    found = made(tmp_path / "c", [Source("a", [("x \ud800 y", "a", 1)], WHOLE)])
    assert words_of(found, "train", 0) == "x ? y"


def test_errors_of_records_come_through(tmp_path):
    def broken():
        yield "fine", "a", 2
        raise DataError("a.csv:3: wrong")

    with pytest.raises(DataError, match=r"^a\.csv:3: wrong$"):
        made(tmp_path / "c", [Source("a.csv", broken(), WHOLE)])


def test_progress_is_shown_when_it_takes_long(tmp_path, monkeypatch, capsys):
    made(tmp_path / "quick", [Source("a.csv", TRAIN, WHOLE)])
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    made(tmp_path / "slow", [Source("a.csv", TRAIN, WHOLE)])
    assert capsys.readouterr().err == "reading a.csv: 4 texts\n"


def test_progress_on_a_terminal_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)
    monkeypatch.setattr(corpus_builder, "_CHUNK_TEXTS", 2)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    made(tmp_path / "slow", [Source("a.csv", TRAIN, WHOLE)])
    line = "\rreading a.csv: {} texts"
    expected = f"{line.format(2)}{line.format(4)}\n"
    assert capsys.readouterr().err == expected


def test_texts_do_not_enter_memory(tmp_path, monkeypatch):
    # A few chunks are in memory at once; small ones make the limit sharp.
    monkeypatch.setattr(corpus_builder, "_CHUNK_TEXTS", 128)

    def records():
        for line in range(12_000):
            yield f"text number {line}, " * 100, str(line % 2), line

    made(tmp_path / "first", [Source("a", TRAIN, WHOLE)])
    tracemalloc.start()
    try:
        found = made(tmp_path / "c", [Source("a", records(), WHOLE)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.parts["train"].texts.size > 20_000_000
    assert found.parts["train"].tokens.nbytes > 15_000_000
    assert peak < 10_000_000
