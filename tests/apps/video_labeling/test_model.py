"""The network of video labelling: states, chunks, loss, against long runs."""

import dataclasses

import keras
import numpy as np
import pytest

from apps.common import cli
from apps.video_labeling import baselines, loss, model
from apps.video_labeling.config import Config
from apps.video_labeling.inference import VideoInference
from apps.video_labeling.motion import Motion

PICTURE, FEATURES = (16, 16, 3), (4, 6)
SMALL = Config(
    units=5, region_size=3, vector_size=7, batch_size=3, chunk=8, dropout=0.3
)


def built(shape=FEATURES, **more):
    """A model to train and its labeller, for four labels."""
    keras.utils.set_random_seed(1)
    return model.build(dataclasses.replace(SMALL, **more), shape, 4)


def frames(shape, *leading):
    return np.random.default_rng(0).uniform(0, 255, (*leading, *shape))


def chunks(video, size):
    for start in range(0, len(video), size):
        yield video[start : start + size]


# A whole video in chunks.


@pytest.mark.parametrize(
    ("shape", "more"),
    [
        (PICTURE, dict(mode="live")),
        (PICTURE, dict(mode="live", motion="pixels")),
        (PICTURE, dict(mode="offline", motion="pixels", regions="max")),
        (FEATURES, dict(mode="live", cell="peephole_lstm", depth=2)),
        (FEATURES, dict(mode="offline", depth=2, regions="max")),
        (FEATURES, dict(mode="offline", cell="lstm", motion="none")),
        (FEATURES, dict(mode="live", regions="mean", motion="none")),
    ],
    ids=str,
)
def test_chunks_are_one_long_run(shape, more):
    _, labeler = built(shape, **more)
    video = frames(shape, 21)
    expected = labeler.predict(video[None], verbose=0)[0]
    for size in (8, 50):
        found = VideoInference(labeler, size)(chunks(video, size))
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("way", ["pixels", "regions"])
@pytest.mark.parametrize("mode", ["live", "offline"])
def test_a_black_frame_is_a_frame(way, mode):
    _, labeler = built(PICTURE, mode=mode, motion=way)
    video = frames(PICTURE, 14)
    video[:4] = 0
    video[7:9] = 0
    expected = labeler.predict(video[None], verbose=0)[0]
    for size in (1, 4, 8):
        found = VideoInference(labeler, size)(chunks(video, size))
        np.testing.assert_allclose(found, expected, atol=1e-5)


def old_motion(way, shape, contrast=4.0):
    """The model of changes as runs of before had it: zeros stand for none."""
    ops = keras.ops
    x = keras.Input((None, *shape), name="now")
    before = keras.Input(shape, name="before")
    earlier = ops.concatenate([before[:, None], x[:, :-1]], axis=1)
    axes = tuple(range(1, len(shape) + 1))
    there = ops.any(ops.not_equal(before, 0), axis=axes, keepdims=True)
    changed = x - earlier
    first = ops.where(there, changed[:, 0], 0)
    changed = ops.concatenate([first[:, None], changed[:, 1:]], axis=1)
    if way == "pixels":
        found = contrast * ops.abs(changed)
    else:
        found = ops.concatenate([x, changed], axis=-1)
    return keras.Model([x, before], found, name="motion")


@pytest.mark.parametrize("way", ["pixels", "regions"])
def test_a_run_of_before_is_still_one_long_run(way, monkeypatch):
    monkeypatch.setattr(
        Motion,
        "build",
        lambda kind, frame, regions: Motion(
            kind, old_motion(kind, frame if kind == "pixels" else regions)
        ),
    )
    _, labeler = built(PICTURE, mode="live", motion=way)
    video = frames(PICTURE, 12)
    expected = labeler.predict(video[None], verbose=0)[0]
    found = VideoInference(labeler, 5)(chunks(video, 5))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_frame_at_a_time_is_one_long_run():
    _, labeler = built(mode="live", cell="coupled_lstm", depth=2)
    video = frames(FEATURES, 12)
    found = list(VideoInference(labeler, 1).follow(chunks(video, 1)))
    expected = labeler.predict(video[None], verbose=0)[0]
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-5)


def test_live_does_not_see_what_comes_and_offline_does():
    video = frames(FEATURES, 10)
    other = video.copy()
    other[7:] = 0
    for mode, same in (("live", True), ("offline", False)):
        whole = VideoInference(built(mode=mode)[1], 4)
        one, two = (whole(chunks(x, 4))[:7] for x in (video, other))
        assert np.allclose(one, two, atol=1e-6) == same


def test_frame_only_sees_no_other_frame():
    keras.utils.set_random_seed(1)
    _, labeler = model.build_frame_only(SMALL, FEATURES, 4)
    whole = VideoInference(labeler, 4)
    video = frames(FEATURES, 6)
    alone = [whole([frame[None]])[0] for frame in video]
    np.testing.assert_allclose(whole(chunks(video, 4)), alone, atol=1e-6)


# States carried in training.


def batch(video, begins, real=None):
    rows, count = video.shape[:2]
    real = np.ones((rows, count), bool) if real is None else real
    return {"frames": video, "begins": np.array(begins), "real": real}


@pytest.mark.parametrize(
    ("cell", "shape", "way"),
    [
        ("gru", FEATURES, "regions"),
        ("peephole_lstm", FEATURES, "none"),
        ("lstm", PICTURE, "pixels"),
    ],
)
def test_carried_states_are_one_long_run(cell, shape, way):
    trained, labeler = built(shape, mode="live", cell=cell, depth=2, motion=way)
    video = frames(shape, 3, 24)
    video[2, :10] = 0  # black, over the end of a chunk
    found = []
    for number, part in enumerate(np.split(video, 3, axis=1)):
        # The second row begins another video at its third chunk.
        begins = [number == 0, number in (0, 2), number == 0]
        logits = trained(batch(part, begins), training=False)
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


# The loss.


def numpy_loss(labels, logits, real, weights, smoothing):
    """Equations (1) and (2) of loss.py, in loops."""
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    total = norm = 0.0
    changes = []
    for b, t in np.ndindex(*labels.shape):
        w = real[b, t] * weights[labels[b, t]]
        total += w * -logs[b, t, labels[b, t]]
        norm += w
        if t and real[b, t] and real[b, t - 1]:
            step = np.minimum(np.abs(logs[b, t] - logs[b, t - 1]), 4)
            changes.append((step**2).mean())
    return total / norm + smoothing * np.mean(changes)


@pytest.mark.parametrize("smoothing", [0.0, 0.15])
def test_the_loss_is_that_of_its_equations(smoothing):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (2, 6))
    logits = random.normal(size=(2, 6, 3)) * 5  # some changes are truncated
    real = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    weights = [0.5, 1.0, 2.0]
    found = loss.FrameLoss(weights, smoothing)(labels, logits, real)
    expected = numpy_loss(labels, logits, real, weights, smoothing)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_no_gradient_goes_through_the_frame_before():
    import tensorflow as tf

    logits = tf.Variable(np.random.default_rng(0).normal(size=(1, 2, 3)))
    losses = []
    for smoothing in (0.0, 1.0):
        with tf.GradientTape() as tape:
            value = loss.FrameLoss(np.ones(3), smoothing)(
                np.zeros((1, 2), int), logits, np.ones((1, 2))
            )
        losses.append(tape.gradient(value, logits).numpy())
    np.testing.assert_allclose(losses[0][0, 0], losses[1][0, 0], atol=1e-6)
    assert np.abs(losses[0][0, 1] - losses[1][0, 1]).max() > 1e-3


def test_balanced_labels_weigh_alike():
    shares = np.array([0.7, 0.2, 0.1, 0.0])
    weights = loss.label_weights(shares, "balanced")
    np.testing.assert_allclose(shares * weights, [1 / 3, 1 / 3, 1 / 3, 0])
    assert (loss.label_weights(shares, "none") == 1).all()


# What has changed.


def changed(way, x, before, there):
    """What the model gives, by its definition, a frame at a time."""
    found = np.zeros_like(x)
    for row in range(x.shape[0]):
        last = before[row] if there[row] else None
        for t in range(x.shape[1]):
            if last is not None:
                found[row, t] = x[row, t] - last
            last = x[row, t]
    if way == "pixels":
        return 4 * np.abs(found)
    return np.concatenate([x, found], axis=-1)


@pytest.mark.parametrize("way", ["regions", "pixels"])
def test_changes_since_the_frame_before(way):
    random = np.random.default_rng(0)
    x = random.integers(0, 9, (3, 4, 5, 6, 2)).astype("float32")
    before = random.integers(0, 9, (3, 5, 6, 2)).astype("float32")
    before[1:] = 0
    there = np.array([[1.0], [0.0], [1.0]], "float32")  # the last one is black
    motion = Motion.build(way, x.shape[2:], x.shape[2:])
    found = np.array(motion.model([x, before, there]))
    np.testing.assert_allclose(found, changed(way, x, before, there[:, 0]))


def test_features_have_no_pixels():
    with pytest.raises(cli.UserError, match="--motion regions"):
        built(FEATURES, motion="pixels")


# The filter of the baseline.


def test_the_median_filter_is_one_over_time():
    random = np.random.default_rng(0)
    video = random.random((12, 2))
    padded = np.pad(video, ((2, 2), (0, 0)), mode="edge")
    expected = [np.median(padded[t : t + 5], axis=0) for t in range(12)]
    found = baselines.filtered([video], 5)[0]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(baselines.filtered([video], 1)[0], video)
