"""From files to strips: cuts, counts, what is refused."""

import gzip
import itertools
import json

import numpy as np
import pytest

from data_pipelines import language_model
from data_pipelines.files import lines
from data_pipelines.files.errors import DataError
from data_pipelines.language_model import pipeline
from data_pipelines.language_model.demo import generator as demo

WORDS = ["one", "two", "three", "four", "five", "six", "seven"]


def text(lines=200, seed=0):
    random = np.random.default_rng(seed)
    rows = [random.choice(WORDS, random.integers(1, 9)) for _ in range(lines)]
    return "".join(" ".join(row) + "\n" for row in rows)


def make(folder, dataset="files", path=None, **options):
    options = {"vocabulary_size": 100, "batch_size": 3, "chunk": 5} | options
    return language_model.make_datasets(
        dataset, path or folder, cache_path=folder / "cache", seed=0, **options
    )


@pytest.fixture
def folder(tmp_path):
    for seed, split in enumerate(("train", "valid", "test")):
        (tmp_path / f"{split}.txt").write_text(text(200 - 80 * seed, seed))
    return tmp_path


def read(split):
    """The text of a split, by the batches of one pass in order."""
    tokens = []
    for batch in split.planned(1, 7).once():
        inputs, targets = split.fetch(batch, 0)
        row = targets[0][targets[0] > 0]
        expected = [*inputs["tokens"][0][1:], *targets[0][len(row) - 1 :]]
        assert row[:-1].tolist() == expected[: len(row) - 1]
        tokens += row.tolist()
    return tokens


@pytest.mark.parametrize("kind", ["words", "characters", "subwords"])
def test_every_token_of_a_stream_is_predicted_once(folder, kind):
    data = make(folder, tokens=kind)
    for split in ("train", "valid", "test"):
        own = getattr(data, split)
        tokens = read(own)
        written = (folder / f"{split}.txt").read_text()
        assert data.tokenizer.decode(tokens) == written
        assert len(own) == len(tokens)
        assert own.targets.tolist() == tokens
        assert own.about["characters"] == len(written)
        assert own.about["lines"] == written.count("\n")
        assert own.about["unknown"] == 0


def test_a_batch_goes_on_where_the_last_one_stopped(folder):
    train = make(folder).train
    first, second = itertools.islice(train.dataset(True), 2)
    assert first[0]["begins"].numpy().all()
    assert not second[0]["begins"].numpy().any()
    np.testing.assert_array_equal(
        first[1][:, -1].numpy(), second[0]["tokens"][:, 0].numpy()
    )
    later = next(iter(train.dataset(True, start_step=1)))
    np.testing.assert_array_equal(later[1], second[1])


def test_sentences_begin_and_end(folder):
    (folder / "test.txt").write_text("one two\n\n   \nthree zebra\n")
    data = make(folder, unit="sentences")
    begin, end = data.tokenizer.BEGIN, data.tokenizer.END
    assert len(data.test) == 6
    assert data.test.about["unknown"] == 1
    known = [*data.tokenizer.encode("one two"), end]
    rest = [*data.tokenizer.encode("three"), data.tokenizer.UNKNOWN, end]
    assert data.test.targets.tolist() == known + rest
    for row in range(2):
        ids = data.test.ids[row]
        assert (ids[0], ids[-1], len(ids)) == (begin, end, 4)
    inputs, targets = next(iter(data.train.dataset(True)))
    assert inputs["begins"].numpy().all()
    assert (inputs["tokens"][:, 0].numpy() == begin).all()
    assert ((targets.numpy() == end).sum(axis=1) == 1).all()


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_missing_splits_are_cut_by_position(tmp_path, kind):
    whole = text()
    path = tmp_path / "book.txt"
    path.write_text(whole)
    data = make(tmp_path, path=path, tokens=kind)
    parts = [
        data.tokenizer.decode(read(getattr(data, split)))
        for split in ("train", "valid", "test")
    ]
    shares = np.array(list(map(len, parts))) / len(whole)
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.01)
    if kind == "characters":
        assert "".join(parts) == whole
        assert len(parts[0]) == round(0.8 * len(whole))
    else:
        assert " ".join(parts).split() == whole.split()


def test_one_line_is_cut_behind_words(tmp_path):
    path = tmp_path / "line.txt"
    path.write_text(text().replace("\n", " "))
    data = make(tmp_path, path=path)
    assert data.train.about["unknown"] == data.test.about["unknown"] == 0
    assert not (data.test.ids.values[1:] == data.tokenizer.END).any()
    sentences = "".join(f"{word}\n" for word in WORDS * 9)
    path.write_text(sentences)
    data = make(tmp_path, path=path, unit="sentences")
    assert sum(map(len, (data.train, data.valid, data.test))) == 2 * 63


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_a_long_line_is_read_in_parts(tmp_path, monkeypatch, kind):
    path = tmp_path / "line.txt"
    path.write_text(text().replace("\n", " "))
    whole = make(tmp_path, path=path, tokens=kind)
    monkeypatch.setattr(lines, "LONGEST", 100)
    monkeypatch.setattr(pipeline, "_CHUNK_LETTERS", 250)
    parts = make(tmp_path / "anew", path=path, tokens=kind)
    for split in ("train", "valid", "test"):
        own, other = getattr(whole, split), getattr(parts, split)
        np.testing.assert_array_equal(own.ids.values, other.ids.values)
        assert own.about == other.about


def test_a_long_sentence_is_refused(folder, monkeypatch):
    monkeypatch.setattr(pipeline, "_LONGEST_SENTENCE", 99)
    lines = (folder / "valid.txt").read_text().splitlines(keepends=True)
    lines[6] = "one " * 25 + "\n"
    (folder / "valid.txt").write_text("".join(lines))
    make(folder)
    with pytest.raises(DataError, match=r"valid.txt:7: the sentence has more"):
        make(folder, unit="sentences")


def test_a_text_is_read_as_often_as_it_has_to_be(folder, monkeypatch):
    iterations = []
    old = lines.Lines.__iter__
    monkeypatch.setattr(
        lines.Lines,
        "__iter__",
        lambda self: iterations.append(self.path.name) or old(self),
    )
    make(folder)
    assert iterations == ["train.txt", "train.txt", "valid.txt", "test.txt"]
    iterations.clear()
    make(folder, path=folder / "train.txt")  # to be cut
    assert iterations == ["train.txt"] * 3


def test_a_gzipped_file_is_read(tmp_path):
    with gzip.open(tmp_path / "train.txt.gz", "wt") as file:
        file.write(text())
    assert len(make(tmp_path).train) > 500


def test_the_vocabulary_is_that_of_train(folder):
    (folder / "test.txt").write_text("zebra one zebra\n" * 10)
    data = make(folder)
    assert "zebra" not in data.tokenizer.pieces
    assert data.test.unknown_share == pytest.approx(0.5)
    assert "50.00% unknown" in "\n".join(data.report())
    old = make(folder, vocabulary_size=3).tokenizer
    again = make(folder, tokenizer=old)
    assert again.tokenizer is old
    assert len(old) == 7


def test_demo(tmp_path):
    data = language_model.make_datasets(
        "demo_small", cache_path=tmp_path, vocabulary_size=1000, batch_size=8,
        chunk=16, seed=0,
    )  # fmt: skip
    lines = data.tokenizer.decode(read(data.test)).splitlines()
    assert len(lines) == demo.SMALL_SIZES["test"]
    assert all(log < 0 or log == 0 for log in demo.log_probabilities(lines))
    with pytest.raises(DataError, match=r"^demo: takes no --data-path FOLDER"):
        make(tmp_path, "demo")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "train.txt: the file is empty"),
        ("one two\n", "fewer than one batch of 3 rows of 5 tokens, which are"),
        (b"caf\xe9 one\n" * 40, "train.txt:1: is not UTF-8"),
    ],
)
def test_bad_files_are_one_line(folder, written, message):
    raw = written if isinstance(written, bytes) else written.encode()
    (folder / "train.txt").write_bytes(raw)
    with pytest.raises(DataError) as error:
        make(folder)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_one_token_is_too_short_to_cut(tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("one")
    with pytest.raises(DataError, match="has no token; expected a longer"):
        make(tmp_path, path=path)


def as_dataset(self, split=None, **_):
    import tensorflow as tf

    lines = [f"{word} {split}\nmore\n".encode() for word in WORDS * 9]
    return tf.data.Dataset.from_tensor_slices({"text": lines})


@pytest.mark.parametrize("name", ["lm1b", "tiny_shakespeare"])
def test_public_sets(tmp_path, name):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = language_model.make_datasets(
            name, cache_path=tmp_path, vocabulary_size=100, batch_size=2,
            chunk=4, seed=0,
        )  # fmt: skip
    assert "more" in data.tokenizer.pieces
    assert len(data.valid) > 20
    assert name in pipeline.SOURCES


def test_the_second_time_nothing_is_read(folder, monkeypatch):
    first = make(folder)
    monkeypatch.setattr(pipeline.StreamTokenizer, "encode_batch", None)
    again = make(folder)
    assert read(again.test) == read(first.test)
    about = json.loads(json.dumps(again.test.about))
    assert about == first.test.about
