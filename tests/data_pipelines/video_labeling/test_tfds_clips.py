import re

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.files.errors import DataError
from data_pipelines.video_labeling import pipeline

PARTS = {"train": 30, "test": 4}


def make(data_path, cache_path):
    return pipeline.make_datasets(
        "ucf101",
        data_path,
        cache_path=cache_path,
        frame_size=(8, 6),
        fps=12.5,
        chunk=4,
        batch_size=2,
        seed=0,
    )


def as_dataset(self, split=None, **_):
    """Clips of the shades of their numbers, with the features of the set."""

    def examples():
        for number in range(PARTS[split]):
            clip = np.full((6, 256, 256, 3), number, np.uint8)
            yield {"video": clip, "label": number % 3}

    specs = {
        "video": tf.TensorSpec((None, 256, 256, 3), tf.uint8),
        "label": tf.TensorSpec((), tf.int64),
    }
    return tf.data.Dataset.from_generator(examples, output_signature=specs)


def test_ucf101(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = make(tmp_path / "tfds", tmp_path)
        names = tfds.builder("ucf101").info.features["label"].names
        again = make(tmp_path / "tfds", tmp_path)
    assert again.examples == data.examples
    assert data.labels == tuple(sorted(names[:3]))
    assert data.examples["train"] + data.examples["valid"] == 30
    assert data.examples["test"] == 4
    for split in (data.train, data.valid, data.test):
        for one in split.videos:
            number = int(one.name[-6:])
            assert [data.labels[n] for n in one.labels] == [
                names[number % 3]
            ] * 3
            assert one.frames.shape == (3, 8, 6, 3)
            assert (one.frames == number).all()
            np.testing.assert_allclose(one.times, [0, 0.08, 0.16])
    assert "clips of one group are not known" in data.report()[-1]


def test_a_public_set_is_not_downloaded_unasked(tmp_path):
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(DataError) as caught:
        make(tmp_path / "tfds", tmp_path)
    assert re.fullmatch(
        r"ucf101: not found in .*tfds/ucf101.*; add --download to fetch it",
        str(caught.value),
    )
