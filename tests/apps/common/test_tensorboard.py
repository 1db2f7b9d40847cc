"""Event files of a training, and the projector."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from apps.common import runs, tensorboard
from apps.common.optimizer import AdamW
from tests.apps.tools import tensorboard_tags


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training of two epochs of three batches of four examples."""
    run = runs.Run("sentiment", tmp_path_factory.mktemp("run"), {})
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
    model.compile(AdamW(schedule), "mse")
    x, y = np.ones((12, 3), "float32"), np.ones((12, 1), "float32")
    model.fit(
        *(x, y, 4, 2),
        verbose=0,
        validation_data=(x, y),
        callbacks=[tensorboard.TensorBoard(run, 12, np.array([1, 3]))],
    )
    return run


def values(run, part, tag):
    folder = str(run.file(part))
    events = event_accumulator.EventAccumulator(folder)
    events.Reload()
    tensors = [event.tensor_proto for event in events.Tensors(tag)]
    return [float(tf.make_ndarray(tensor)) for tensor in tensors]


def test_every_tag_is_written_each_epoch(run):
    tags = tensorboard_tags(run)
    expected = """loss learning_rate gradient_norm examples_per_second
        tokens_per_second"""
    assert set(expected.split()) <= tags["train"]
    assert any(tag.endswith("kernel") for tag in tags["train"])
    assert tags["validation"] == {"loss"}
    for tag in expected.split():
        assert len(values(run, "train", tag)) == 2


def test_the_learning_rate_is_that_of_the_last_step(run):
    # Three steps an epoch; that of the schedule after them.
    rates = values(run, "train", "learning_rate")
    assert rates == pytest.approx([0.5 * 0.5**3, 0.5 * 0.5**6])


def test_tokens_are_examples_times_their_mean_length(run):
    tokens = values(run, "train", "tokens_per_second")
    examples = values(run, "train", "examples_per_second")
    assert tokens == pytest.approx([2 * value for value in examples])


def test_the_projector_has_a_line_for_each_vector(run):
    vectors = np.array([[1.0, -2.0], [0.25, 0.0]])
    tensorboard.write_projector(run, vectors, ["a", "b"])
    folder = run.file("train")
    np.testing.assert_allclose(np.loadtxt(folder / "vectors.tsv"), vectors)
    assert (folder / "words.tsv").read_text() == "a\nb\n"
    config = (folder / "projector_config.pbtxt").read_text()
    assert "vectors.tsv" in config
    assert "words.tsv" in config
    columns = {"x": [1, 2], "y": [0.5, -0.25]}
    tensorboard.write_projector(run, vectors, ["[PAD]", "b"], 1, columns)
    assert np.loadtxt(folder / "vectors.tsv").tolist() == [0.25, 0]
    lines = (folder / "words.tsv").read_text().splitlines()
    assert lines == ["word\tx\ty", "b\t2.000\t-0.250"]


def test_hparams_have_configuration_and_scores(tmp_path):
    run = runs.Run("sentiment", tmp_path / "x", {})
    config = {"cell": "gru", "units": 4, "rate": 0.5, "none": None}
    config |= {"name": "x", "data_path": "y"}
    tensorboard.write_hparams(run, config, {"f1": 0.75, "auc": None}, 7)
    events = event_accumulator.EventAccumulator(str(run.path))
    events.Reload()
    scores = event_accumulator.EventAccumulator(str(run.file("test")))
    scores.Reload()
    assert scores.Tags()["tensors"] == ["f1"]
    assert [event.step for event in scores.Tensors("f1")] == [7]
    content = events.summary_metadata["_hparams_/session_start_info"]
    data = plugin_data_pb2.HParamsPluginData.FromString(
        content.plugin_data.content
    )
    shown = data.session_start_info.hparams
    assert sorted(shown) == ["cell", "rate", "units"]
    assert shown["cell"].string_value == "gru"
    assert shown["units"].number_value == 4
