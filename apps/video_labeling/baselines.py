"""The baselines beside the scores of a run, on the same split.

Without recurrence: trained in the same run by the same loss on the same chunks,
the best epoch chosen on valid, and so is the width of the median filter.
"""

import keras
import numpy as np
from scipy import ndimage

from apps.common import checkpoint
from apps.common.optimizer import averaged
from apps.common.progress import Progress
from data_pipelines import video_labeling as pipeline

from . import evaluate, model, scores
from .config import Config
from .inference import VideoInference

BASELINES = {
    "majority": "always the most frequent label of train",
    "frame_only": "the same network without recurrence: each frame by itself",
    "frame_only_filtered": "its probabilities after a median filter over time:"
    " what is possible without a recurrent network",
}

# Frames of the median filter; one is no filter.
WIDTHS = (1, 3, 5, 9, 15, 25, 41, 65, 101)


def baselines(
    config: Config,
    data: pipeline.Datasets,
    background: tuple[int, ...],
    epochs: int,
) -> tuple[dict[str, dict], int]:
    """Return the test scores of each baseline, and the width of the filter."""
    monitor = evaluate.monitored(config, data)
    targets = {
        split: [video.labels for video in getattr(data, split).videos]
        for split in ("valid", "test")
    }

    def score(split, probabilities):
        return scores.score(probabilities, targets[split], background)

    inference = _train_frame_only(config, data, background, epochs, monitor)
    valid, test = (
        evaluate.label(inference, split) for split in (data.valid, data.test)
    )
    width = max(
        WIDTHS, key=lambda w: score("valid", filtered(valid, w))[monitor]
    )
    return {
        "majority": score("test", majority(data, data.test)),
        "frame_only": score("test", test),
        "frame_only_filtered": score("test", filtered(test, width)),
    }, width


def majority(
    data: pipeline.Datasets, split: pipeline.Split
) -> list[np.ndarray]:
    """Return the same probabilities for every frame of a split."""
    row = np.eye(len(data.labels))[np.argmax(data.frequencies)]
    return [np.tile(row, (len(video), 1)) for video in split.videos]


def filtered(probabilities: list[np.ndarray], width: int) -> list[np.ndarray]:
    """Return the medians over `width` frames, of each label by itself."""
    return [
        ndimage.median_filter(p, (width, 1), mode="nearest")
        for p in probabilities
    ]


def _train_frame_only(config, data, background, epochs, monitor):
    """Return the inference by the best epoch of the frame-only network."""
    trained, labeler = model.build_frame_only(
        config, data.shape, len(data.labels)
    )
    steps = data.train.steps_per_pass
    model.compile_model(trained, config, epochs * steps, data.frequencies)
    trained.optimizer.build(trained.trainable_variables)
    inference = VideoInference(labeler, config.chunk)
    patience = checkpoint.patience(config.patience, steps)
    best = Best(labeler, monitor, patience)
    trained.fit(
        data.train.dataset(training=True).map(model.training_batch),
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,  # the stream has its own order
        verbose=0,
        callbacks=[
            evaluate.Validation(data.valid, inference, background),
            best,
        ],
    )
    labeler.set_weights(best.weights)
    return inference


class Best(keras.callbacks.Callback):
    """Keep the best weights of a labeller in memory, and stop in time."""

    def __init__(self, labeler, monitor, patience):
        super().__init__()
        self.labeler = labeler
        self.monitor = f"val_{monitor}"
        self.patience = patience
        self.progress, self.weights = Progress(), None

    def on_epoch_end(self, epoch, logs=None):
        score, loss = logs[self.monitor], logs["val_loss"]
        if self.progress.add(epoch + 1, score, loss):
            with averaged(self.model):
                self.weights = self.labeler.get_weights()
        self.model.stop_training = self.progress.waited >= self.patience
