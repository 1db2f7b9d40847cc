import csv
import gzip
import json
import os

import pyarrow
import pytest
from pyarrow import parquet

from data_pipelines.files.errors import DataError
from data_pipelines.files.splits import SPLITS
from data_pipelines.sentiment import corpus
from data_pipelines.sentiment import pipeline as sentiment
from data_pipelines.text.words import Vocabulary
from tests.data_pipelines.sentiment.tools import (
    NOUNS,
    fails,
    make,
    table,
    texts,
)


def test_three_files(folder):
    data = make(folder)
    assert [len(data.train), len(data.valid), len(data.test)] == [60, 20, 30]
    assert data.labels == ["neg", "pos"]
    for split, seed in (("train", 0), ("valid", 1), ("test", 2)):
        actual = getattr(data, split)
        rows = texts(len(actual), seed)
        assert list(actual.texts) == [written for written, _ in rows]
        assert [data.labels[i] for i in actual.labels] == [c for _, c in rows]


def test_vocabulary_is_from_train_only(folder):
    data = make(folder)
    assert "0" in data.vocabulary.words
    assert "59" in data.vocabulary.words
    only_in_test = table(folder / "test.csv", [("zebra film", "pos")] * 3)
    assert only_in_test.exists()
    data = make(folder)
    assert "zebra" not in data.vocabulary.words
    assert data.train.unknown_rate == 0
    assert data.test.unknown_rate == pytest.approx(0.5)


def test_vocabulary_settings(folder):
    assert len(make(folder, vocabulary_size=5).vocabulary) == 5
    small = make(folder, minimum_count=20).vocabulary
    assert set(small.words) == {"[PAD]", "[UNK]", "0", *NOUNS}


def test_the_second_time_nothing_is_read(folder, monkeypatch):
    first = make(folder)

    def never(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(corpus, "build", never)
    for changes in ({}, {"seed": 5}, {"max_length": 3, "vocabulary_size": 9}):
        again = make(folder, **changes)
        assert list(again.test.texts) == list(first.test.texts)


def test_a_changed_file_is_read_again(folder):
    make(folder)
    rows = texts(30, 7)
    table(folder / "test.csv", rows)
    data = make(folder)
    assert list(data.test.texts) == [written for written, _ in rows]


def test_the_same_content_at_another_time_is_read_again(folder):
    make(folder)
    caches = len(list((folder.parent / "cache").iterdir()))
    os.utime(folder / "test.csv", ns=(1, 1))
    make(folder)
    assert len(list((folder.parent / "cache").iterdir())) == caches + 1


def test_an_old_run_on_new_data(folder):
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "film", "plot"])
    labels = ["pos", "other", "neg"]
    data = make(folder, vocabulary=vocabulary, labels=labels)
    assert data.vocabulary is vocabulary
    assert data.labels == labels
    assert set(data.test.labels.tolist()) == {0, 2}
    assert set(data.test.word_ids.tolist()) <= {1, 2, 3}
    message = fails(folder, vocabulary=vocabulary, labels=["pos", "other"])
    assert message == (
        "FOLDER/train.csv:2: unknown label 'neg'; the labels known from "
        "training are 'pos', 'other'"
    )


@pytest.mark.parametrize("missing", [["valid"], ["test"], ["valid", "test"]])
def test_missing_splits_are_cut_from_train(folder, missing):
    rows = texts(400)
    table(folder / "train.csv", rows + rows[:200])
    for split in missing:
        (folder / f"{split}.csv").unlink()
    data = make(folder)
    cut = {split: set(getattr(data, split).texts) for split in missing}
    train = set(data.train.texts)
    assert len(train.union(*cut.values())) == 400
    for actual in cut.values():
        assert 15 < len(actual) < 75
        assert not actual & train
    for split in {"valid", "test"} - set(missing):
        assert len(getattr(data, split)) in (20, 30)
    again = make(folder, cache_path=folder.parent / "again")
    other = make(folder, seed=1)
    for split in missing:
        assert list(getattr(again, split).texts) == list(
            getattr(data, split).texts
        )
        assert set(getattr(other, split).texts) != cut[split]


def test_formats_may_be_mixed(folder):
    rows = texts(20, 1)
    (folder / "valid.csv").unlink()
    with gzip.open(folder / "valid.jsonl.gz", "wt") as file:
        for written, label in rows:
            file.write(json.dumps({"text": written, "label": label}) + "\n")
    data = make(folder)
    assert list(data.valid.texts) == [written for written, _ in rows]


def test_no_folder(tmp_path):
    place = tmp_path / "none"
    assert fails(place) == "FOLDER: there is no such folder"
    with pytest.raises(DataError, match="--data-path FOLDER is needed"):
        sentiment.make_datasets(
            "files", cache_path=tmp_path, batch_size=1, max_length=1,
            vocabulary_size=9, seed=0,
        )  # fmt: skip


def test_no_train_file(folder):
    (folder / "train.csv").rename(folder / "train.txt")
    assert fails(folder) == (
        "FOLDER: has no train file; expected train.csv, train.tsv, "
        "train.jsonl or train.parquet, or one of these with .gz; train.txt has "
        "to be exported as such"
    )


def test_two_train_files(folder):
    (folder / "train.tsv.gz").write_text("")
    assert fails(folder) == (
        "FOLDER: holds train.csv and train.tsv.gz; expected one train file"
    )


def test_files_of_other_names_are_let_be(folder):
    (folder / "train_old.csv").write_text("nonsense")
    (folder / "train.backup.csv").write_text("nonsense")
    (folder / "train.csv.bak").write_text("nonsense")
    (folder / "train").mkdir()
    assert len(make(folder).train) == 60


def test_ten_texts_run_through(folder):
    (folder / "valid.csv").unlink()
    (folder / "test.csv").unlink()
    table(folder / "train.csv", texts(10))
    for seed in range(10):
        data = make(folder, seed=seed)
        assert min(data.examples.values()) > 0
        assert data.labels == ["neg", "pos"]


@pytest.mark.parametrize("split", ["valid", "test"])
def test_an_old_run_on_data_without_train(folder, split):
    for other in {*SPLITS} - {split}:
        (folder / f"{other}.csv").unlink()
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "film", "plot"])
    options = dict(vocabulary=vocabulary, labels=["neg", "pos"])
    data = make(folder, **options)
    count = {"valid": 20, "test": 30}[split]
    empty = dict.fromkeys(SPLITS, 0)
    assert data.examples == {**empty, split: count}
    actual = getattr(data, split)
    assert sum(len(labels) for _, labels in actual.dataset()) == count
    assert actual.planner.once()[-1].width == actual.lengths.max()
    with pytest.raises(ValueError, match="there are no examples"):
        data.train.dataset(training=True)
    assert data.train.unknown_rate == 0
    lines = data.report()
    assert lines[0] == "train    no texts"
    assert lines[-1].startswith(("test     30 texts", "test     no texts"))
    for missing in options:
        message = fails(folder, **{**options, missing: None})
        assert message.startswith("FOLDER: has no train file; expected ")


def test_an_old_run_on_data_with_train_sees_the_same_cut(folder):
    (folder / "valid.csv").unlink()
    data = make(folder)
    options = dict(vocabulary=data.vocabulary, labels=data.labels)
    again = make(folder, **options)
    assert list(again.valid.texts) == list(data.valid.texts)
    assert again.examples == data.examples


def test_an_old_run_on_no_data(tmp_path):
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "film", "plot"])
    (tmp_path / "x").mkdir()
    assert fails(tmp_path / "x", vocabulary=vocabulary, labels=["a"]) == (
        "FOLDER: has no train or valid or test file; expected test.csv, "
        "test.tsv, test.jsonl or test.parquet, or one of these with .gz"
    )


def test_bad_files_name_their_line(folder):
    (folder / "valid.csv").write_text("text,label\nfine,pos\nshort\n")
    assert fails(folder) == (
        "FOLDER/valid.csv:3: expected 2 fields as in the header, found 1"
    )
    (folder / "valid.csv").write_text("")
    assert fails(folder) == "FOLDER/valid.csv: the file is empty"
    table(folder / "valid.csv", [], header=("opinion", "label"))
    assert fails(folder) == (
        "FOLDER/valid.csv:1: no column 'text' in the header; the columns are "
        "'opinion', 'label'; say which it is by --text-column"
    )


def test_wrong_settings(folder):
    with pytest.raises(KeyError):
        make(folder, dataset="imdb")
    with pytest.raises(ValueError, match="keep must be one of"):
        make(folder, keep="tail")
    with pytest.raises(ValueError, match="max_length must be at least 1"):
        make(folder, max_length=0)
    with pytest.raises(ValueError, match="size must be at least 3"):
        make(folder, vocabulary_size=2)


@pytest.fixture
def small_demo(monkeypatch):
    sizes = {"train": 40, "valid": 10, "test": 10}
    monkeypatch.setattr(sentiment.demo, "SIZES", sizes)


def test_demo_is_written_into_the_cache_folder(tmp_path, small_demo):
    data = sentiment.make_datasets(
        "demo", cache_path=tmp_path, batch_size=8, max_length=60,
        vocabulary_size=1000, seed=3,
    )  # fmt: skip
    assert [len(data.train), len(data.valid), len(data.test)] == [40, 10, 10]
    assert data.labels == ["neg", "pos"]
    place = tmp_path / "demo" / f"sentiment-{sentiment.demo.VERSION}"
    files = sorted(file.name for file in place.glob("[!.]*"))
    assert files == ["test.csv", "train.csv", "valid.csv"]
    own = make(place, cache_path=tmp_path / "own", minimum_count=2)
    assert list(own.train.texts) == list(data.train.texts)


def test_demo_files_of_another_version_are_not_taken(
    tmp_path, small_demo, monkeypatch
):
    def first():
        return sentiment.make_datasets(
            "demo", cache_path=tmp_path, batch_size=8, max_length=60,
            vocabulary_size=1000, seed=3,
        ).train.part.texts.raw.values.tobytes()  # fmt: skip

    before = first()
    monkeypatch.setattr(sentiment.demo.words, "NOUNS", ("the dog",))
    assert first() == before
    monkeypatch.setattr(sentiment.demo, "VERSION", 1000)
    assert first() != before


def test_half_written_demo_files_leave_nothing(
    tmp_path, small_demo, monkeypatch
):
    def broken(split, seed, size):
        yield "a text", "pos"
        raise OSError("disk full")

    monkeypatch.setattr(sentiment.demo, "reviews", broken)
    with pytest.raises(OSError, match="disk full"):
        sentiment.make_datasets(
            "demo", cache_path=tmp_path, batch_size=8, max_length=60,
            vocabulary_size=1000, seed=3,
        )  # fmt: skip
    assert not list((tmp_path / "demo").glob("*sentiment*"))


def test_demo_takes_no_folder_of_the_user(folder):
    (folder / "test.csv").unlink()
    assert fails(folder, dataset="demo") == (
        "demo: takes no --data-path FOLDER; to read your own files add "
        "--dataset files"
    )
    assert sorted(p.name for p in folder.iterdir()) == [
        "train.csv",
        "valid.csv",
    ]


def export(path, rows, encoding="cp1252"):
    """What Excel saves on a Windows of Western Europe."""
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerows([["Nr", "Kommentar", "Sentiment"], *rows])


def test_a_windows_export(tmp_path):
    path = tmp_path / "Export.csv"
    labels = ("très bon", "mauvais")
    rows = [(i, f"café {i} n° {i % 7}", labels[i % 2]) for i in range(60)]
    export(path, rows)
    assert "--encoding cp1252" in fails(path, text_column="Kommentar")
    assert fails(path, encoding="cp1252") == (
        "FOLDER:1: no column 'text' in the header; the columns are 'Nr', "
        "'Kommentar', 'Sentiment'; say which it is by --text-column"
    )
    options = dict(encoding="cp1252", text_column="kommentar")
    data = make(path, **options)
    assert data.labels == ["mauvais", "très bon"]
    assert sum(data.examples.values()) == 60
    assert min(data.examples.values()) > 0
    assert "café" in data.vocabulary.words
    assert data.report()[-1] == (
        f"note     {path}: 'Kommentar' is the text, 'Sentiment' is the label"
    )
    again = make(path, **options, label_column="Nr", cache_path=tmp_path / "b")
    assert len(again.labels) == 60
    # Another set is scored whole.
    whole = make(
        path, **options, vocabulary=data.vocabulary, labels=data.labels,
        whole=True,
    )  # fmt: skip
    assert whole.examples == {"train": 0, "valid": 0, "test": 60}


def test_a_label_with_a_broken_byte(folder):
    with (folder / "train.csv").open("ab") as file:
        file.write(b"fine,tr\xe8s bon\n")
    assert fails(folder) == (
        "FOLDER/train.csv:62: the label 'tr\ufffds bon' has broken bytes; save "
        "the file as UTF-8, or name its encoding, as in --encoding cp1252"
    )


def test_parquet(folder):
    rows = [(None, None), (None, "pos"), *texts(20, 1)]
    (folder / "valid.csv").unlink()
    columns = dict(
        zip(("Review", "label"), zip(*rows, strict=True), strict=True)
    )
    parquet.write_table(pyarrow.table(columns), folder / "valid.parquet")
    data = make(folder)
    assert list(data.valid.texts) == [written for written, _ in rows[2:]]
    assert any("2 texts without any word" in line for line in data.report())
