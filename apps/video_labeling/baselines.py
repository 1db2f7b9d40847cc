"""What stands beside the scores of a run, on the same split.

majority             always the most frequent label of train
frame_only           the same network without what remembers: it sees each frame
                     for itself.  Trained in the same run by the same loss on
                     the same chunks, its best epoch chosen on valid
frame_only_filtered  its probabilities after a median filter over time, whose
                     width is chosen on valid: what can be had without training
                     a recurrent network
"""

import keras
import numpy as np
from scipy import ndimage

from apps.common.optimizer import averaged

from . import evaluate, model, scores
from .inference import Whole

# Frames; one is no filter.
WIDTHS = (1, 3, 5, 9, 15, 25, 41, 65, 101)


def baselines(config, data, background, epochs):
    """Trains and scores the baselines.

    Args:
        config: The `Config`.
        data: The `Datasets`.
        background: Numbers of labels, as `scores.score` takes them.
        epochs: Most epochs of the frame-only network.

    Returns:
        Dict of the scores of each on test, and the width of the filter.
    """
    monitor = evaluate.monitored(config, data.labels)
    right = {
        split: [video.labels for video in getattr(data, split).videos]
        for split in ("valid", "test")
    }

    def score(split, probabilities):
        return scores.score(probabilities, right[split], background)

    found = {"majority": score("test", _majority(data))}
    whole = _trained(config, data, background, epochs, monitor)
    seen = {s: evaluate.label(whole, getattr(data, s)) for s in right}
    found["frame_only"] = score("test", seen["test"])
    width = max(
        WIDTHS,
        key=lambda w: score("valid", filtered(seen["valid"], w))[monitor],
    )
    found["frame_only_filtered"] = score("test", filtered(seen["test"], width))
    return found, width


def _majority(data):
    """Returns the same probabilities for every frame of test."""
    row = np.eye(len(data.labels))[np.argmax(data.frequencies)]
    return [np.tile(row, (len(video), 1)) for video in data.test.videos]


def filtered(probabilities, width):
    """Returns the medians over `width` frames, of each label for itself."""
    return [
        ndimage.median_filter(p, (width, 1), mode="nearest")
        for p in probabilities
    ]


def _trained(config, data, background, epochs, monitor):
    """Returns the `Whole` of the best epoch of the frame-only network."""
    trained, labeler = model.build_frame_only(
        config, data.shape, len(data.labels)
    )
    steps = data.train.steps_per_pass
    model.compile(trained, config, epochs * steps, data.frequencies)
    whole = Whole(labeler, config.chunk)
    best = Best(labeler, monitor, config.patience)
    trained.fit(
        data.train.dataset(training=True).map(model.training_batch),
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,  # the stream has its own order
        verbose=0,
        callbacks=[
            evaluate.Validation(data.valid, whole, background, monitor),
            best,
        ],
    )
    labeler.set_weights(best.weights)
    return whole


class Best(keras.callbacks.Callback):
    """Keeps the weights of the best epoch in memory, and stops in time.

    Args:
        labeler: The model that shares the weights trained.
        monitor: Name of the score.
        patience: Training ends after so many epochs without a better score.

    Attributes:
        weights: List of arrays.
    """

    def __init__(self, labeler, monitor, patience):
        super().__init__()
        self.labeler = labeler
        self.monitor = f"val_{monitor}"
        self.patience = patience
        self.score, self.weights, self.epoch = -np.inf, None, 0

    def on_epoch_end(self, epoch, logs=None):
        if logs[self.monitor] > self.score:
            self.score, self.epoch = logs[self.monitor], epoch
            with averaged(self.model):
                self.weights = self.labeler.get_weights()
        self.model.stop_training = epoch - self.epoch >= self.patience
