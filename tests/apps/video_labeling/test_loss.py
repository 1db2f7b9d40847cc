"""The loss, by its equations."""

import numpy as np
import pytest

from apps.video_labeling import loss


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


def test_the_last_of_several_stages_counts_and_all_are_learned():
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (2, 6))
    logits = random.normal(size=(2, 6, 4, 3))
    real = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    total = loss.FrameLoss(np.ones(3), 0.15)(labels, logits, real)
    expected = sum(
        numpy_loss(labels, logits[:, :, stage], real, np.ones(3), 0.15)
        for stage in range(4)
    )
    assert float(total) == pytest.approx(expected, rel=1e-5)
    accuracy = loss.LastStageAccuracy()
    accuracy.update_state(labels, logits, real)
    right = logits[:, :, -1].argmax(-1) == labels
    assert float(accuracy.result()) == pytest.approx(right[real > 0].mean())


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
