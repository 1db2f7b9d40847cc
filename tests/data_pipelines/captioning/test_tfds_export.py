import re
import time

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.captioning import pipeline
from data_pipelines.files.errors import DataError
from data_pipelines.vision import images

SIDE = 6

# Pictures of each of TFDS's splits.
COCO = {"train": 6, "restval": 2, "val": 3, "test": 2}


def make(data_path, cache_path):
    return pipeline.make_datasets(
        "coco_captions",
        data_path,
        cache_path=cache_path,
        picture_size=SIDE,
        vocabulary_size=1000,
        max_length=20,
        batch_size=8,
        seed=0,
    )


def fails(data_path, cache_path):
    with pytest.raises(DataError) as caught:
        make(data_path, cache_path)
    return str(caught.value)


def jpeg(number):
    picture = np.full((5, 4, 3), 20 * number, np.uint8)
    return tf.io.encode_jpeg(picture).numpy()


def as_dataset(self, split=None, decoders=None, **_):
    """Examples with the features that the set declares; five captions each."""
    assert list(decoders or {}) in (["image"], [])

    def examples():
        for part in split.split("+"):
            for number in range(COCO[part]):
                yield {
                    "image": jpeg(number),
                    "image/filename": f"{part}_{number}.jpg",
                    "image/id": number,
                    "captions": {
                        "id": [1, 2, 3],
                        "text": [f"A {part}, {number}", "two\nlines", " "],
                    },
                }

    specs = {
        "image": tf.TensorSpec((), tf.string),
        "image/filename": tf.TensorSpec((), tf.string),
        "image/id": tf.TensorSpec((), tf.int64),
        "captions": {
            "id": tf.TensorSpec((None,), tf.int64),
            "text": tf.TensorSpec((None,), tf.string),
        },
    }
    return tf.data.Dataset.from_generator(examples, output_signature=specs)


def test_coco(tmp_path, capsys):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = make(tmp_path, tmp_path / "cache")
        assert "its pictures are written to" in capsys.readouterr().err
        make(tmp_path, tmp_path / "cache")
        assert "written" not in capsys.readouterr().err
    assert data.examples == {"train": 16, "valid": 6, "test": 4}
    assert data.train.references[6] == ("a restval 0", "two lines")
    picture = data.valid.pictures[1]
    assert picture.path.read_bytes() == jpeg(1)
    assert picture.captions == ("A val, 1", "two lines")
    assert np.array_equal(
        data.valid.example_input(2), images.decode(jpeg(2), SIDE)
    )


def test_coco_is_not_downloaded_unasked(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    begin = time.monotonic()
    message = fails(tmp_path, tmp_path / "cache")
    assert time.monotonic() - begin < 20
    assert re.fullmatch(
        r"coco_captions: not found in .*; add --download to fetch it", message
    )
    assert not (tmp_path / "cache").exists()


def test_coco_without_room(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    monkeypatch.setattr(
        tfds.core.DatasetInfo, "dataset_size", property(lambda _: 10**18)
    )
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        message = fails(tmp_path, tmp_path / "cache")
    assert message.startswith("coco_captions: its pictures are written to ")
    assert re.search(r"1e\+09 GB; free are [\d.e+]+ GB$", message)
