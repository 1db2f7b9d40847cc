"""From files to numbers of words: what is read, counted and refused."""

import csv
import gzip

import numpy as np
import pytest

from data_pipelines import word_vectors
from data_pipelines.files import lines
from data_pipelines.files.errors import DataError
from data_pipelines.word_vectors import pipeline

TEXTS = ["One two two.", "", "three  one TWO one", "don't one"]


def make(path, folder, dataset="files", **options):
    options = {"minimum_count": 1, "window": 2, "negatives": 4} | options
    return word_vectors.make_datasets(
        dataset, path, cache_path=folder / "cache", seed=0, **options
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.txt").write_text("\n".join(TEXTS) + "\n")
    return tmp_path


def read(data):
    """The texts as words."""
    split, words = data.train, data.vocabulary.words
    return [
        " ".join(words[i] for i in split.word_ids[split.texts[row]])
        for row in range(len(split.texts))
    ]


def test_words_are_those_of_the_tokenizer(folder):
    data = make(folder, folder)
    assert read(data) == ["one two two .", "three one two one", "don't one"]
    assert data.vocabulary.words[2:4] == ("one", "two")
    counts = dict(zip(data.vocabulary.words, data.train.counts, strict=True))
    assert counts == {
        **{"[PAD]": 0, "[UNK]": 0, "one": 4, "two": 3},
        **dict.fromkeys([".", "three", "don't"], 1),
    }
    assert data.examples == {"train": 10, "pairs": 0, "questions": 0}


def test_a_text_of_one_line_is_read_in_parts(folder, monkeypatch):
    expected = " ".join(read(make(folder, folder)))
    (folder / "line").mkdir()
    path = folder / "line" / "train.txt"
    path.write_text(" ".join(TEXTS))
    monkeypatch.setattr(lines, "LONGEST", 20)
    parts = read(make(path.parent, folder))
    assert len(parts) > 1
    assert " ".join(parts) == expected


def test_words_between_spaces(folder):
    data = make(folder, folder, tokens="spaces")
    assert read(data) == ["one two two.", "three one two one", "don't one"]


def test_rare_words_are_unknown(folder):
    data = make(folder, folder, minimum_count=2)
    assert len(data.vocabulary) == 4
    assert read(data)[1] == "[UNK] one two one"
    assert data.train.counts.tolist() == [0, 0, 4, 3]
    assert "30.00% unknown" in data.report()[0]
    assert len(make(folder, folder, vocabulary_size=3).vocabulary) == 5


@pytest.mark.parametrize("ending", ["csv", "jsonl", "txt.gz"])
def test_other_files_give_the_same_words(folder, tmp_path, ending):
    expected = read(make(folder, folder))
    path = tmp_path / f"other.{ending}"
    if ending == "csv":
        with open(path, "w", newline="") as file:
            rows = [("label", "review"), *((1, text) for text in TEXTS)]
            csv.writer(file).writerows(rows)
    elif ending == "jsonl":
        path.write_text("".join(f'{{"text": "{text}"}}\n' for text in TEXTS))
    else:
        with gzip.open(path, "wt") as file:
            file.write("\n".join(TEXTS))
    assert read(make(path, folder)) == expected


def test_tests_beside_the_text_are_read_or_those_of_the_flags(folder, tmp_path):
    (folder / "pairs.tsv").write_text("one\ttwo\t3\none\tthree\t1\n")
    (folder / "questions.txt").write_text("a b c d\n")
    data = make(folder, folder)
    assert (len(data.pairs), len(data.questions)) == (2, 1)
    other = tmp_path / "other.tsv"
    other.write_text("one\ttwo\t3\n" * 3)
    assert len(make(folder, folder, pairs=other).pairs) == 3
    other.write_text("one\n")
    with pytest.raises(DataError, match=r"other\.tsv:1: expected two words"):
        make(folder, folder, pairs=other)


def test_the_second_time_nothing_is_read(folder, monkeypatch):
    first = read(make(folder, folder))
    monkeypatch.setattr(pipeline, "worked_ahead", None)
    again = make(folder, folder, window=3)
    assert read(again) == first
    assert again.train.window == 3


def test_the_digest_changes_with_the_order_of_words(folder):
    before = make(folder, folder).digest
    assert make(folder, folder).digest == before
    lines = [TEXTS[2], *TEXTS[:2], TEXTS[3]]
    (folder / "train.txt").write_text("\n".join(lines) + "\n")
    assert make(folder, folder).digest != before


def test_demo(tmp_path):
    data = make(None, tmp_path, "demo_small")
    assert len(data.train.texts) == 3600
    assert data.pairs
    assert data.questions
    batch = next(iter(data.train.dataset(True)))
    spec = data.train.spec(1)
    assert {n: v.shape for n, v in batch.items()} == {
        n: s.shape for n, s in spec.items()
    }
    with pytest.raises(DataError, match=r"^demo: takes no --data-path FOLDER"):
        make(tmp_path, tmp_path, "demo")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "train.txt: the file is empty"),
        (b" \n\t\n", "train.txt: has no word"),
        (
            b"one one\n",
            "train.txt: has 1 word; expected two or more: give more",
        ),
        (b"caf\xe9 one\n" * 40, "train.txt:1: is not UTF-8"),
    ],
)
def test_bad_files_are_one_line(folder, text, message):
    (folder / "train.txt").write_bytes(text)
    with pytest.raises(DataError) as error:
        make(folder, folder)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_text_of_rare_words_is_one_line(folder):
    with pytest.raises(
        DataError, match="no word that occurs 9 times; expected"
    ):
        make(folder, folder, minimum_count=9)


def test_a_table_without_texts_is_one_line(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"train\.csv"):
        make(tmp_path, tmp_path)


def as_dataset(self, split=None, **_):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices({"text": [b"one two", b"two"]})


def test_public_sets(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = make(None, tmp_path, "lm1b")
    assert read(data) == ["one two", "two"]


def test_counts_of_many_texts_are_those_of_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "_CHUNK_TEXTS", 3)
    random = np.random.default_rng(0)
    words = [f"w{n}" for n in range(30)]
    lines = [" ".join(random.choice(words, 7)) for _ in range(50)]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    assert read(make(tmp_path, tmp_path)) == lines
