import re
import time
from types import SimpleNamespace

import pytest
import tensorflow as tf

from data_pipelines.files import tfds_records
from data_pipelines.files.errors import DataError
from data_pipelines.sentiment import pipeline as sentiment

tfds = pytest.importorskip("tensorflow_datasets")

PUBLIC = sorted(
    name
    for name in sentiment.SOURCES
    if name != "files" and not name.startswith("demo")
)
SIZES = {"train": 120, "test": 30}


def make(name, tmp_path, **changes):
    return sentiment.make_datasets(
        name, tmp_path / "tfds", cache_path=tmp_path / "cache", batch_size=8,
        max_length=20, vocabulary_size=1000, seed=0, **changes,
    )  # fmt: skip


def as_dataset(self, split=None, **_):
    """Real-looking examples with the features that the set declares."""
    features = self.info.features
    written = [name for name in features if name != "label"]
    classes = features["label"].num_classes

    def examples():
        for i in range(SIZES[split]):
            words = f"ótimo {split} {i}".encode() + b" \xff" * (i == 3)
            yield {**dict.fromkeys(written, words), "label": i % classes}

    specs = dict.fromkeys(written, tf.TensorSpec((), tf.string))
    specs["label"] = tf.TensorSpec((), tf.int64)
    return tf.data.Dataset.from_generator(examples, output_signature=specs)


@pytest.mark.parametrize("name", PUBLIC)
def test_missing_set_is_one_line_at_once(name, tmp_path):
    begin = time.monotonic()
    with pytest.raises(DataError) as caught:
        make(name, tmp_path)
    assert time.monotonic() - begin < 20
    assert re.fullmatch(
        rf"{name}: not found in .*tfds/{name}.*; add --download to fetch it",
        str(caught.value),
    )
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", PUBLIC)
def test_splits_labels_and_texts(name, tmp_path):
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = make(name, tmp_path)
        names = tfds.builder(name).info.features["label"].names
    assert data.labels == sorted(names)
    assert len(data.train) + len(data.valid) == 120
    assert 3 <= len(data.valid) <= 30
    assert len(data.test) == 30
    assert not set(data.train.texts) & set(data.valid.texts)
    parts = 2 if name == "ag_news_subset" else 1
    assert data.test.texts[2] == "\n".join(["ótimo test 2"] * parts)
    assert data.labels[data.test.labels[1]] == names[1]
    report = "\n".join(data.report())
    assert f" (train): {parts} broken bytes replaced" in report


def test_rows_have_the_names_of_their_labels():
    label = SimpleNamespace(names=["Sci / Tech", "World"])
    features = {"head": object(), "text": object(), "label": label}
    examples = tf.data.Dataset.from_tensor_slices(
        {"head": [b"a", b"b"], "text": [b"\xff", b"c"], "label": [0, 1]}
    )
    builder = SimpleNamespace(
        info=SimpleNamespace(full_name="news", features=features),
        as_dataset=lambda split: examples,
    )
    columns = {"text": ["head", "text"], "label": ["label"]}
    rows = tfds_records.TfdsRows(builder, "train", columns)
    assert [(dict(row), row.line) for row in rows] == [
        ({"text": "a\n\ufffd", "label": "Sci / Tech"}, 1),
        ({"text": "b\nc", "label": "World"}, 2),
    ]
    assert rows.repaired == 1
    list(rows)
    assert rows.repaired == 1
    assert rows.notes() == ["news (train): 1 broken bytes replaced"]


def test_download_only_when_asked_and_its_failure_is_one_line(
    tmp_path, monkeypatch
):
    def offline(self, **_):
        raise ConnectionError("no name\nmany lines")

    builder = tfds.core.DatasetBuilder
    monkeypatch.setattr(builder, "download_and_prepare", offline)
    with pytest.raises(DataError, match="add --download"):
        make("imdb_reviews", tmp_path)
    with pytest.raises(DataError) as caught:
        make("imdb_reviews", tmp_path, download=True)
    expected = "imdb_reviews: could not be downloaded: no name"
    assert str(caught.value) == expected
