import csv
import gzip
import json
import os
import re
import time

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.sentiment import corpus
from data_pipelines.sentiment import pipeline as sentiment
from data_pipelines.text.words import Vocabulary, encode_texts

NOUNS = ("film", "plot", "music", "ending", "cast", "hero", "joke")


def texts(count, seed=0):
    """Rows (text, label) that are all different."""
    random = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        words = random.choice(NOUNS, random.integers(2, 12))
        rows.append((f"{' '.join(words)} {seed} {i}", ("neg", "pos")[i % 2]))
    return rows


def table(path, rows, header=("text", "label")):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def folder(tmp_path):
    """Three files of 60, 20 and 30 texts."""
    place = tmp_path / "reviews"
    place.mkdir()
    for seed, (split, count) in enumerate(
        (("train", 60), ("valid", 20), ("test", 30))
    ):
        table(place / f"{split}.csv", texts(count, seed))
    return place


def make(folder, dataset="files", **changes):
    options = dict(
        cache_path=folder.parent / "cache",
        batch_size=8,
        max_length=10,
        vocabulary_size=1000,
        seed=0,
        minimum_count=1,
    )
    return sentiment.make_datasets(dataset, folder, **{**options, **changes})


def fails(folder, **changes):
    with pytest.raises(DataError) as caught:
        make(folder, **changes)
    message = str(caught.value)
    assert "\n" not in message
    cache = folder.parent / "cache"
    if cache.exists():
        assert not list(cache.glob(".tmp-*"))
    return message.replace(str(folder), "FOLDER")


def test_three_files(folder):
    data = make(folder)
    assert [len(data.train), len(data.valid), len(data.test)] == [60, 20, 30]
    assert data.labels == ["neg", "pos"]
    for split, seed in (("train", 0), ("valid", 1), ("test", 2)):
        found = getattr(data, split)
        rows = texts(len(found), seed)
        assert list(found.texts) == [written for written, _ in rows]
        assert [data.labels[i] for i in found.labels] == [c for _, c in rows]


def test_batches_hold_the_words_of_the_texts(folder):
    data = make(folder)
    for ids, labels in data.train.dataset(training=True).take(20):
        assert ids.dtype == labels.dtype == tf.int32
        assert labels.shape == (8,)
    rows = data.test.order
    place = 0
    for ids, labels in data.test.dataset():
        for row, label in zip(ids.numpy(), labels.numpy(), strict=True):
            written = tf.constant([data.test.texts[rows[place]]])
            expected = encode_texts(written, data.vocabulary, 10)[0]
            np.testing.assert_array_equal(row[row > 0], expected)
            assert label == data.test.labels[rows[place]]
            place += 1
    assert place == 30


def test_predictions_return_to_the_order_of_the_file(folder):
    data = make(folder)
    lengths = [(ids.numpy() > 0).sum(axis=1) for ids, _ in data.test.dataset()]
    found = data.test.in_order(np.concatenate(lengths))
    expected = [min(len(t.split()), 10) for t in data.test.texts]
    assert found.tolist() == expected


def test_vocabulary_is_from_train_only(folder):
    data = make(folder)
    assert "0" in data.vocabulary
    assert "59" in data.vocabulary
    only_in_test = table(folder / "test.csv", [("zebra film", "pos")] * 3)
    assert only_in_test.exists()
    data = make(folder)
    assert "zebra" not in data.vocabulary
    assert data.unknown_rate["train"] == 0
    assert data.unknown_rate["test"] == pytest.approx(0.5)


def test_vocabulary_settings(folder):
    assert len(make(folder, vocabulary_size=5).vocabulary) == 5
    small = make(folder, minimum_count=20).vocabulary
    assert set(small.words) == {"[PAD]", "[UNK]", "0", *NOUNS}


def test_same_seed_same_batches_other_seed_other_batches(folder):
    def first(**changes):
        data = make(folder, **changes)
        batch = next(iter(data.train.dataset(training=True)))
        return batch[0].numpy().tolist()

    assert first() == first() != first(seed=1)


def test_resumed_stream(folder):
    data = make(folder)
    assert data.train.steps_per_pass == 7
    whole = list(data.train.dataset(training=True).take(12))
    resumed = list(data.train.dataset(training=True, start_step=9).take(3))
    for (ids, labels), (more_ids, more_labels) in zip(
        whole[9:], resumed, strict=True
    ):
        np.testing.assert_array_equal(ids, more_ids)
        np.testing.assert_array_equal(labels, more_labels)


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
    for found in cut.values():
        assert 15 < len(found) < 75
        assert not found & train
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


def test_labels_as_numbers_are_in_their_order(folder):
    for split in sentiment.SPLITS:
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
    for split in sentiment.SPLITS:
        rows = [
            (t, labels[-1 - i % len(labels)])
            for i, (t, _) in enumerate(texts(12))
        ]
        table(folder / f"{split}.csv", rows)
    assert make(folder).labels == list(labels)


def test_labels_as_words_are_sorted(folder):
    for split in sentiment.SPLITS:
        rows = [
            (t, ("sport", "10", "art")[i % 3])
            for i, (t, _) in enumerate(texts(12))
        ]
        table(folder / f"{split}.csv", rows)
    assert make(folder).labels == ["10", "art", "sport"]


def test_report(folder):
    rows = texts(60, 0)
    with (folder / "test.csv").open("ab") as file:
        for written, label in rows[:3]:
            file.write(f"{written.upper()},{label}\n".encode())
        file.write(b'"  ",pos\n<br />,neg\ncaf\xe9 \xff,pos\n')
    lines = make(folder).report()
    assert lines[0] == "train    60 texts (neg 30, pos 30), 0.0% unknown words"
    assert lines[2].startswith("test     34 texts (neg 17, pos 17), ")
    assert lines[3].endswith("% of the positions are words; 7 widths, 4 to 10")
    assert lines[4:] == [
        "note     3 test texts are in train",
        f"note     {folder}/test.csv: 2 texts without any word left out",
        f"note     {folder}/test.csv: 2 bytes that are not UTF-8 replaced",
    ]


def test_report_of_many_classes(folder):
    for split, most in (("train", 3000), ("valid", 11), ("test", 3000)):
        rows = [
            (t, f"class {i % most:,}") for i, (t, _) in enumerate(texts(6000))
        ]
        table(folder / f"{split}.csv", rows[: 6000 if most > 11 else 22])
    begin = time.monotonic()
    lines = make(folder).report()
    assert time.monotonic() - begin < 20
    assert lines[0].startswith("train    6,000 texts (3,000 classes, 2 each), ")
    assert lines[1].startswith("valid    22 texts (3,000 classes, 0 to 2), ")
    assert all(len(line) < 80 for line in lines[:4])


def test_report_names_up_to_ten_classes(folder):
    for count in (10, 11):
        rows = [(t, i % count) for i, (t, _) in enumerate(texts(33))]
        for split in sentiment.SPLITS:
            table(folder / f"{split}.csv", rows)
        line = make(folder).report()[0]
        assert ("(0 4, 1 4, 2 4, 3 3" in line) == (count == 10)


def test_examples(folder):
    assert make(folder).examples == {"train": 60, "valid": 20, "test": 30}


def test_longer_test_texts_than_any_in_train(folder):
    table(folder / "test.csv", [("film " * 50, "pos"), ("plot", "neg")])
    table(folder / "train.csv", [("film", "pos"), ("bad plot", "neg")])
    data = make(folder, max_length=30)
    shapes = [tuple(ids.shape) for ids, _ in data.test.dataset()]
    assert shapes == [(2, 30)]


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
        "FOLDER: has no train file; expected train.csv, train.tsv or "
        "train.jsonl, or one of these with .gz"
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
    parts = [getattr(data, split) for split in sentiment.SPLITS]
    found = [{t.lower() for t in part.texts} for part in parts]
    assert all(found)
    assert sum(map(len, found)) == len(set().union(*found)) == count
    assert [2 * len(part) for part in found] == [len(p) for p in parts]
    again = make(folder, cache_path=folder.parent / "again", **options)
    assert list(again.test.texts) == list(data.test.texts)


def test_ten_texts_run_through(folder):
    (folder / "valid.csv").unlink()
    (folder / "test.csv").unlink()
    table(folder / "train.csv", texts(10))
    for seed in range(10):
        data = make(folder, seed=seed)
        assert min(data.examples.values()) > 0
        assert data.labels == ["neg", "pos"]


def test_one_class_left_by_the_cut(folder):
    (folder / "valid.csv").unlink()
    for seed in range(10):
        table(folder / "train.csv", [("film", "pos"), ("bad plot", "neg")])
        assert re.fullmatch(
            "FOLDER/train.csv: after the cut of valid all texts for train "
            "have the label '(pos|neg)'; more texts are needed",
            fails(folder, seed=seed),
        )


@pytest.mark.parametrize("split", ["valid", "test"])
def test_an_old_run_on_data_without_train(folder, split):
    for other in {*sentiment.SPLITS} - {split}:
        (folder / f"{other}.csv").unlink()
    vocabulary = Vocabulary(["[PAD]", "[UNK]", "film", "plot"])
    options = dict(vocabulary=vocabulary, labels=["neg", "pos"])
    data = make(folder, **options)
    count = {"valid": 20, "test": 30}[split]
    empty = dict.fromkeys(sentiment.SPLITS, 0)
    assert data.examples == {**empty, split: count}
    found = getattr(data, split)
    assert sum(len(labels) for _, labels in found.dataset()) == count
    assert found.planner.once()[-1].width == found.lengths.max()
    with pytest.raises(ValueError, match="there are no examples"):
        data.train.dataset(training=True)
    assert data.unknown_rate["train"] == 0
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
        "test.tsv or test.jsonl, or one of these with .gz"
    )


def test_bad_files_name_their_line(folder):
    (folder / "valid.csv").write_text("text,label\nfine,pos\nshort\n")
    assert fails(folder) == (
        "FOLDER/valid.csv:3: expected 2 fields as in the header, found 1"
    )
    (folder / "valid.csv").write_text("")
    assert fails(folder) == "FOLDER/valid.csv: the file is empty"
    table(folder / "valid.csv", [], header=("review", "label"))
    assert fails(folder) == (
        "FOLDER/valid.csv:1: no column 'text' in the header; the columns are "
        "'review', 'label'"
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
