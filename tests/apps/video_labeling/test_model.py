"""The model to train: states that are carried from chunk to chunk."""

import keras
import numpy as np
import pytest

from apps.common import cli
from apps.video_labeling.model import NormalizedDense
from tests.apps.video_labeling.tiny import FEATURES, PICTURE, built, frames


def batch(video, begins, real=None):
    rows, count = video.shape[:2]
    real = np.ones((rows, count), bool) if real is None else real
    return {"frames": video, "begins": np.array(begins), "real": real}


@pytest.mark.parametrize(
    ("cell", "shape", "way", "refine"),
    [
        ("gru", FEATURES, "regions", 0),
        ("peephole_lstm", FEATURES, "none", 2),
        pytest.param("lstm", PICTURE, "pixels", 0, marks=pytest.mark.slow),
    ],
)
def test_carried_states_are_one_long_run(cell, shape, way, refine):
    trained, labeler = built(
        shape, mode="live", cell=cell, depth=2, motion=way, refine=refine
    )
    video = frames(shape, 3, 24)
    video[2, :10] = 0  # black, over the end of a chunk
    found = []
    for number, part in enumerate(np.split(video, 3, axis=1)):
        # The second row begins another video at its third chunk.
        begins = [number == 0, number in (0, 2), number == 0]
        logits = trained(batch(part, begins), training=False)
        if refine:
            assert logits.shape == (3, 8, 1 + refine, 4)
            logits = logits[:, :, -1]
        found.append(keras.ops.convert_to_numpy(keras.ops.softmax(logits)))
    found = np.concatenate(found, axis=1)
    expected = labeler.predict(video, verbose=0)
    expected[1, 16:] = labeler.predict(video[1:2, 16:], verbose=0)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_padding_changes_nothing_before_it():
    trained, labeler = built(mode="offline", depth=2)
    video = frames(FEATURES, 3, 8)
    real = np.arange(8) < np.array([[8], [5], [1]])
    logits = trained(batch(video, [True] * 3, real), training=False)
    found = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    for row, length in enumerate((8, 5, 1)):
        alone = labeler.predict(video[row : row + 1, :length], verbose=0)[0]
        np.testing.assert_allclose(found[row, :length], alone, atol=1e-5)


def test_states_stay_as_they_were_at_padding():
    trained, _ = built(mode="live")
    short, long = frames(FEATURES, 3, 8), frames(FEATURES, 3, 8)
    long[:, 5:] = 0
    carried = trained.get_layer("carried")
    kept = []
    for video in (short, long):
        real = np.tile(np.arange(8) < 5, (3, 1))
        trained(batch(video, [True] * 3, real))
        kept.append(carried.states[0][0].numpy())
    np.testing.assert_array_equal(*kept)
    assert np.abs(kept[0]).max() > 0


def test_what_is_carried_is_no_weight_to_train_nor_to_keep():
    trained, labeler = built(mode="live", cell="lstm")
    assert len(trained.trainable_weights) == len(labeler.weights)
    # Two states and a frame are in backups, though.
    others = [v for v in trained.variables if not v.trainable]
    names = {v.path.split("/")[-1] for v in others}
    assert names >= {"state_0_0", "state_0_1", "kept"}
    assert not names & {w.path.split("/")[-1] for w in labeler.weights}


def test_a_stage_sees_nothing_but_the_probabilities_before():
    trained, _ = built(mode="live", refine=1)
    video = frames(FEATURES, 3, 8)
    logits = trained(batch(video, [True] * 3), training=False)
    first, second = np.moveaxis(keras.ops.convert_to_numpy(logits), 2, 0)
    refine = trained.get_layer("carried_refine_1").stack
    y = trained.get_layer("refined_1")(refine(keras.ops.softmax(first)))
    np.testing.assert_allclose(second, y, atol=1e-5)


def test_the_gradient_ends_where_a_chunk_begins():
    """Equal to the gradient with the state before as a constant."""
    import tensorflow as tf

    trained, labeler = built(mode="live", motion="none", dropout=0.0)
    video = frames(FEATURES, 3, 16)
    trained(batch(video[:, :8], [True] * 3))
    carried = trained.get_layer("carried")
    before = [[v.numpy() for v in layer] for layer in carried.states]
    with tf.GradientTape() as tape:
        out = trained(batch(video[:, 8:], [False] * 3), training=True)
        total = tf.reduce_sum(out**2)
    found = tape.gradient(total, trained.trainable_weights)
    stack = labeler.get_layer("recurrent")
    with tf.GradientTape() as tape:
        x = labeler.get_layer("regions")(video[:, 8:])
        x = labeler.get_layer("look")(x)
        y, _ = stack.run(x, before, training=True)
        total = tf.reduce_sum(labeler.get_layer("labels")(y) ** 2)
    expected = tape.gradient(total, trained.trainable_weights)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_normalized_features_meet_the_same_layer_in_training():
    random = np.random.default_rng(0)
    x = random.normal(30, 2, (3, 1, 40)).astype("float32")  # far from zero
    normalization = keras.layers.LayerNormalization(center=False, scale=False)
    dense = keras.layers.Dense(5, "relu", bias_initializer="normal")
    expected = dense(normalization(x))
    joined = NormalizedDense(normalization, dense)(x)
    assert 0 < np.count_nonzero(expected) < np.size(expected)
    np.testing.assert_allclose(joined, expected, rtol=1e-4, atol=1e-5)


def test_features_have_no_pixels():
    with pytest.raises(cli.UserError, match="--motion regions"):
        built(FEATURES, motion="pixels")
