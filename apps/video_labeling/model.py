"""Labeller of frames: a network that sees, a recurrent stack that remembers.

    frames [B, T, H, W, 3] or features [B, T, R, C] -> regions [B, T, R, D]
    -> vectors [B, T, V] -> states [B, T, U] -> probabilities [B, T, L]

A frame is either a picture, seen by a small convolutional network that is
trained with the rest, or what a frozen encoder has made of it: R regions of C
features each.  What has changed since the frame before stands beside the D
numbers of each region, or in for the pixels (`motion.py`).

Letters of shapes: B batch, T frames of a video, K frames of a chunk, H height,
W width, R regions, C features of a region, D numbers that are kept of a region,
V size of a frame's vector, U units (twice as many in both directions), L
labels.
"""

import keras
from keras import layers, ops

import rnn_layers
from apps.common import encoders
from apps.common.optimizer import AdamW

from . import motion
from .chunked_stack import Before, Carried
from .loss import FrameLoss, label_weights

# How the regions of a frame become one vector.
REGIONS = {"flatten": None, "mean": ops.mean, "max": ops.max}


def build(config, shape, labels):
    """Returns the model to train and the labeller to keep.

    They share all weights.  The labeller takes whole videos `(B, T, *shape)`
    to probabilities `(B, T, L)`.  The model to train takes a dict of a batch
    of chunks and gives logits; it carries the states of its rows from batch
    to batch (`recurrence.Carried`).

    Args:
        config: The `Config`.
        shape: Of a frame: `(H, W, 3)` or `(R, C)`.
        labels: L.
    """
    eyes = _eyes(config, shape)
    change = motion.change(config.motion, shape, eyes.output.shape[1:])
    look = _look(config, eyes, config.motion)
    recurrent = rnn_layers.stack(
        config.cell,
        config.units,
        config.depth,
        bidirectional=config.mode == "offline",
        dropout=config.dropout,
        return_sequences=True,
        name="recurrent",
    )
    recurrent.build((None, None, config.vector_size))
    end = _End(config, labels)

    frames = keras.Input((None, *shape), name="frames")
    see = rnn_layers.TimeDistributed(eyes, name="regions")
    x, _ = motion.seen(config.motion, change, see, frames, motion.none)
    labeler = keras.Model(
        frames, end.probabilities(recurrent(look(x))), name="video_labeling"
    )

    chunk = _chunk(config, shape)
    before = Before(name="before")
    x, _ = motion.seen(
        *(config.motion, change, see, chunk["frames"]),
        lambda x: before(x, chunk["begins"]),
    )  # B K R D
    x = end.drop(look(x))  # B K V
    carried = Carried(recurrent, config.batch_size, name="carried")
    x = carried(x, begins=chunk["begins"], real=chunk["real"])  # B K U
    return keras.Model(chunk, end.logits(x)), labeler


def build_frame_only(config, shape, labels):
    """Returns the same without what remembers: each frame for itself.

    Returns:
        The model to train and the labeller, as `build` does.
    """
    eyes = _eyes(config, shape)
    look = _look(config, eyes, "none")
    end = _End(config, labels)
    frames = keras.Input((None, *shape), name="frames")
    see = rnn_layers.TimeDistributed(eyes, name="regions")
    x = look(see(frames))  # B T V
    labeler = keras.Model(frames, end.probabilities(x), name="frame_only")
    chunk = _chunk(config, shape)
    x = end.drop(look(see(chunk["frames"])))  # B K V
    return keras.Model(chunk, end.logits(x)), labeler


def _eyes(config, shape):
    """Returns the model of one frame, `(N, *shape)` to regions `(N, R, D)`."""
    frame = keras.Input(shape, name="frame")
    if len(shape) == 3:
        x = encoders.small_cnn(shape[:2])(frame)  # N R C
    else:
        # What comes behind scales and shifts.
        x = layers.LayerNormalization(
            center=False, scale=False, name="normalized"
        )(frame)
    x = layers.Dense(config.region_size, "relu", name="kept")(x)  # N R D
    return keras.Model(frame, x, name="eyes")


def _look(config, eyes, way):
    """Returns the model of regions to vectors, `(B, T, R, D)` to `(B, T, V)`.

    With changes beside the regions their D is twice as large.
    """
    count, size = eyes.output.shape[1:]
    if way == "regions":
        size *= 2
    regions = x = keras.Input((None, count, size), name="seen")
    pool = REGIONS[config.regions]
    if pool is None:
        x = layers.Reshape((-1, x.shape[-2] * x.shape[-1]))(x)
    x = layers.Dense(config.vector_size, "relu", name="vector")(x)
    if pool is not None:
        x = pool(x, axis=-2)
    return keras.Model(regions, x, name="look")  # B T V


class _End:
    """The last layers, from outputs of the stack to labels.

    Args:
        config: The `Config`.
        labels: L.
    """

    def __init__(self, config, labels):
        self.drop = layers.Dropout(config.dropout)
        self.classify = layers.Dense(labels, dtype="float32", name="labels")
        self.softmax = layers.Softmax(dtype="float32", name="probabilities")

    def logits(self, x):
        return self.classify(self.drop(x))

    def probabilities(self, x):
        return self.softmax(self.classify(x))


def _chunk(config, shape):
    """Returns the inputs of the model to train, a dict by name."""
    rows = config.batch_size, config.chunk
    return {
        "frames": keras.Input(batch_shape=(*rows, *shape), name="frames"),
        "begins": keras.Input(
            batch_shape=rows[:1], dtype="bool", name="begins"
        ),
        "real": keras.Input(batch_shape=rows, dtype="bool", name="real"),
    }


def compile(trained, config, steps, frequencies):
    """Sets optimizer, loss and metric.

    Args:
        trained: The model to train.
        config: The `Config`.
        steps: The length of training, in batches.
        frequencies: `(L,)`, the share of each label in training.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(steps - steps // 10, 1),
        alpha=0.05,
        warmup_target=config.learning_rate,
        warmup_steps=steps // 10,
    )
    trained.compile(
        AdamW(
            schedule,
            weight_decay=config.weight_decay,
            global_clipnorm=config.clip_norm or None,
            averaging=config.averaging,
        ),
        loss=FrameLoss(
            label_weights(frequencies, config.class_weights),
            config.smoothing_loss,
        ),
        # Weighted, so that padding does not count.
        weighted_metrics=[
            keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        ],
        jit_compile=config.jit_compile,
    )


def training_batch(x, y, w):
    """Adds to a batch of the pipeline which of its frames are real."""
    return {**x, "real": w > 0}, y, w
