"""What a training shows."""

import io
import types

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

from apps.video_labeling import show, timeline
from data_pipelines.video_labeling import pipeline as video_labeling
from data_pipelines.video_labeling.datasets import Video
from tests.data_pipelines.video_labeling.test_tfds_clips import as_dataset


def test_a_public_set_has_thumbnails_of_its_frames(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(as_dataset_fn=as_dataset):
        data = video_labeling.make_datasets(
            *("ucf101", tmp_path / "tfds"),
            cache_path=tmp_path,
            frame_size=8,
            chunk=4,
            batch_size=2,
            seed=0,
        )
    one = data.test.videos[0]
    found = show.thumbnails(one)
    # Six frames of its number, for ten thumbnails.
    assert found.shape == (10, 8, 8, 3)
    assert (found == int(one.name[-6:])).all()
    even = np.full((len(one), len(data.labels)), 1 / len(data.labels))
    arguments = show.arguments(data.labels, one, even, found)
    png = timeline.draw(*arguments)
    assert Image.open(io.BytesIO(png)).format == "PNG"
    assert len(timeline.shown(*arguments)["film"]) == 10


def test_features_have_no_thumbnails(tmp_path):
    stored = types.SimpleNamespace(values=np.zeros((5, 1, 4), np.float16))
    one = Video("it", tmp_path / "it.npy", np.zeros(5, np.int32), stored)
    np.save(one.path, np.zeros((4, 5)))
    assert show.thumbnails(one) is None


def test_a_run_has_timelines_without_pictures(feature_run):
    run, printed = feature_run
    page = (run / "report.html").read_text()
    assert page.count('<figure class="timeline">') == 3
    assert '<div class="film">' not in page
    reader = event_accumulator.EventAccumulator(str(run / "validation"))
    reader.Reload()
    assert "timeline/1" in reader.Tags()["tensors"]
    assert 'make predict-video-labeling ARGS="my.npy"' in printed
    assert 'label-stream ARGS="--run x my.npy"' in printed
