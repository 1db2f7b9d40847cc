import csv
import os
import time

import numpy as np
import tensorflow as tf

from data_pipelines.files.splits import SPLITS
from data_pipelines.text.words import encode_texts
from tests.data_pipelines.sentiment.tools import make, table, texts


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
    actual = data.test.in_order(np.concatenate(lengths))
    expected = [min(len(t.split()), 10) for t in data.test.texts]
    assert actual.tolist() == expected


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
        f"note     {folder}/test.csv: 2 broken bytes, which are not UTF-8, "
        "replaced, the first on line 37; if it is cp1252, add --encoding "
        "cp1252",
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
        for split in SPLITS:
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


def test_the_digest_is_of_what_is_read(folder):
    before = make(folder).digest
    kinds = [line.rpartition(" ")[0] for line in before]
    assert kinds == [
        "train 60 texts sha256",
        "valid 20 texts sha256",
        "test 30 texts sha256",
    ]
    path = folder / "valid.csv"
    rows = list(csv.reader(path.read_text().splitlines()))
    label = {"neg": "pos", "pos": "neg"}[rows[1][1]]
    for changed in (
        [rows[0], [rows[1][0], label], *rows[2:]],
        # The same words, with other spaces between them.
        [rows[0], [f"{rows[1][0][0]} {rows[1][0][1:]}", rows[1][1]], *rows[2:]],
        [rows[0], rows[2], rows[1], *rows[3:]],
        rows[:-1],
    ):
        table(path, changed[1:])
        after = make(folder).digest
        same = [a == b for a, b in zip(after, before, strict=True)]
        assert same == [True, False, True]
    table(path, rows[1:])
    os.utime(path, (1, 1))
    folder = folder.rename(folder.with_name("moved"))
    assert make(folder).digest == before
