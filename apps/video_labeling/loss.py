"""Frame cross-entropy with a temporal smoothing penalty.

Letters of shapes: B batch, T frames, S stages, C labels.
"""

import keras
import numpy as np
from keras import ops

# Log-probabilities that differ by more than this are pulled together no
# harder: where an action really begins they have to.
TRUNCATION = 4.0

CLASS_WEIGHTS = ("none", "balanced")


class FrameLoss(keras.losses.Loss):
    """Cross-entropy of frames, and a penalty on what changes between them.

        (1)  loss = sum_t w_t v(y_t) -log p_t(y_t) / sum_t w_t v(y_t)
                    + s / |P| C  sum_(t in P) sum_c min(D_tc, 4)^2
        (2)  D_tc = |log p_t(c) - log p_(t-1)(c)|

    w_t is zero at padding and one elsewhere, v(y) the weight of a label, P the
    frames that have one before them. The second part is the truncated mean
    squared error of Farha and Gall, 2019, "MS-TCN: Multi-Stage Temporal
    Convolutional Network for Action Segmentation",
    https://arxiv.org/abs/1903.01945, section 3.3, equations 8 to 10; no
    gradient goes through the frame before. The loss of several stages is the
    sum of theirs (section 3.3).

    Args:
        label_weights: `(C,)`, v.
        smoothing: s; 0.15 in the paper.

    Call arguments: target labels `(B, T)`, logits `(B, T, C)`, or of S stages
    `(B, T, S, C)`, w `(B, T)`.
    """

    def __init__(self, label_weights, smoothing=0.0, name="frame_loss"):
        super().__init__(name=name)
        self.label_weights = np.asarray(label_weights, "float32")
        self.smoothing = smoothing

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the loss of a batch, a number."""
        if len(y_pred.shape) == 4:
            stages = ops.unstack(y_pred, axis=2)
            return sum(self(y_true, p, sample_weight) for p in stages)
        logits = ops.cast(y_pred, "float32")
        logs = ops.log_softmax(logits, axis=-1)  # B T C
        labels = ops.cast(y_true, "int32")
        if sample_weight is None:
            sample_weight = ops.ones(ops.shape(labels))
        real = ops.cast(sample_weight, "float32")  # B T
        one_hot = ops.one_hot(labels, len(self.label_weights))
        weights = real * ops.matmul(
            one_hot, ops.convert_to_tensor(self.label_weights)
        )
        losses = -ops.sum(one_hot * logs, axis=-1)
        loss = _mean(losses, weights)
        if not self.smoothing:
            return loss
        change = ops.abs(logs[:, 1:] - ops.stop_gradient(logs[:, :-1]))
        squares = ops.square(ops.minimum(change, TRUNCATION))
        return loss + self.smoothing * _mean(
            ops.mean(squares, axis=-1), real[:, 1:] * real[:, :-1]
        )


class LastStageAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """Share of frames that the last stage labels right.

    Call arguments: as those of `FrameLoss`.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count the frames of a batch."""
        if len(y_pred.shape) == 4:
            y_pred = y_pred[:, :, -1]
        super().update_state(y_true, y_pred, sample_weight)


def label_weights(frequencies: np.ndarray, kind: str) -> np.ndarray:
    """Return the weight of each label, `(C,)`.

    Args:
        frequencies: `(C,)`, the share of each label in training.
        kind: One of `CLASS_WEIGHTS`: "none" gives ones; "balanced" lets
            each label weigh as much as any other in all of training, which is
            one over its frequency, the mean over the frames being one. A
            label that training does not have weighs nothing.
    """
    frequencies = np.asarray(frequencies, "float64")
    if kind == "none":
        return np.ones(len(frequencies))
    present = frequencies > 0
    weights = np.zeros(len(frequencies))
    weights[present] = 1 / (frequencies[present] * present.sum())
    return weights


def _mean(values, weights):
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1e-9)
