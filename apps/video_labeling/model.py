"""Labeller of frames: a frame encoder and a recurrent stack.

    frames [B, T, H, W, 3] or features [B, T, R, C] -> regions [B, T, R, D]
    -> vectors [B, T, V] -> states [B, T, U] -> probabilities [B, T, L]
    -> with --refine: states [B, T, U] -> probabilities [B, T, L] ...

A frame is either a picture, encoded by a small convolutional network that is
trained with the rest, or R regions of C features each of a frozen encoder.
What has changed since the frame before stands beside the D numbers of each
region, or in for the pixels (`motion.py`). A stage of `--refine` sees nothing
but the probabilities of the stage before, as in MS-TCN (Farha and Gall 2019,
section 3.2), with a recurrent layer in the place of dilated convolutions; each
stage has a loss of its own (`loss.py`).

Letters of shapes: B batch, T frames of a video, K frames of a chunk, H height,
W width, R regions, C features of a region, D numbers that are kept of a region,
V size of a frame's vector, U units (twice as many in both directions), L
labels, S stages.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

import rnn_layers
from apps.common import encoders
from apps.common.optimizer import adamw, compiled

from .config import Config
from .loss import FrameLoss, LastStageAccuracy, label_weights
from .motion import Motion, PreviousFrame, no_previous


def build(
    config: Config,
    shape: tuple[int, ...],
    labels: int,
    compile_loops: bool = False,
) -> tuple[keras.Model, keras.Model]:
    """Return the model to train and the labeller to save.

    They share all weights. The labeller takes whole videos `(B, T, *shape)`
    to probabilities `(B, T, L)`. The model to train takes a dict of a batch
    of chunks and gives logits `(B, K, L)`, or `(B, K, S, L)` of several
    stages; it carries the states of its rows from batch to batch
    (`rnn_layers.StatefulStack`).

    Args:
        config: The `Config`.
        shape: Of a frame: `(H, W, 3)` or `(R, C)`.
        labels: L.
        compile_loops: Whether XLA compiles the recurrent ones.
    """
    encoder = _frame_encoder(config, shape)
    regions = encoder.output.shape[1:]
    motion = Motion.build(config.motion, shape, regions)
    pooling = _frame_pooling(config, encoder, config.motion)

    def stack(name, depth, size):
        layer = rnn_layers.stack(
            config.cell,
            config.units,
            depth,
            bidirectional=config.mode == "offline",
            dropout=config.dropout,
            return_sequences=True,
            compiled=compile_loops,
            name=name,
        )
        layer.build((None, None, size))
        return layer

    recurrent = stack("recurrent", config.depth, config.vector_size)
    head = Head(config, labels)
    refinements = [
        (
            stack(f"refine_{number}", 1, labels),
            layers.Dense(labels, dtype="float32", name=f"refined_{number}"),
        )
        for number in range(1, config.refine + 1)
    ]

    frames = keras.Input((None, *shape), name="frames")
    encode = rnn_layers.TimeDistributed(encoder, name="regions")
    x, _ = motion(frames, encode, no_previous)  # B T R D
    x = head.probabilities(recurrent(pooling(x)))  # B T L
    for refine, classify in refinements:
        x = head.softmax(classify(refine(x)))
    labeler = keras.Model(frames, x, name="video_labeling")

    chunk = _chunk(config, shape)
    previous = PreviousFrame(name="before")
    rows = config.batch_size, config.chunk
    of_chunks = Motion.build(config.motion, shape, regions, rows)
    x, _ = of_chunks(
        chunk["frames"],
        _encode_chunks(encoder),
        lambda x: previous(x, chunk["begins"]),
    )  # B K R D
    x = head.drop(pooling(x))  # B K V
    carried = rnn_layers.StatefulStack(
        recurrent, config.batch_size, name="carried"
    )
    x = carried(x, chunk["begins"], mask=chunk["real"])  # B K U
    logits = [head.logits(x)]  # B K L
    for refine, classify in refinements:
        carried = rnn_layers.StatefulStack(
            refine, config.batch_size, name=f"carried_{refine.name}"
        )
        x = ops.softmax(logits[-1])
        x = carried(x, chunk["begins"], mask=chunk["real"])  # B K U
        logits.append(classify(x))
    if refinements:
        logits = [ops.stack(logits, axis=2)]  # B K S L
    return keras.Model(chunk, logits[0]), labeler


def build_frame_only(
    config: Config, shape: tuple[int, ...], labels: int
) -> tuple[keras.Model, keras.Model]:
    """Return the same without recurrence: each frame by itself."""
    encoder = _frame_encoder(config, shape)
    pooling = _frame_pooling(config, encoder, "none")
    head = Head(config, labels)
    frames = keras.Input((None, *shape), name="frames")
    encode = rnn_layers.TimeDistributed(encoder, name="regions")
    x = pooling(encode(frames))  # B T V
    labeler = keras.Model(frames, head.probabilities(x), name="frame_only")
    chunk = _chunk(config, shape)
    x = _encode_chunks(encoder)(chunk["frames"])  # B K R D
    x = head.drop(pooling(x))  # B K V
    return keras.Model(chunk, head.logits(x)), labeler


# The names of layers are those in the files and backups of runs that exist.


def _frame_encoder(config, shape):
    """Return the model of one frame, `(N, *shape)` to regions `(N, R, D)`."""
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


class NormalizedDense(layers.Layer):
    """In training: a dense layer of normalized features, both in one.

        (1)  y = a((x - mean(x)) @ W / sqrt(variance(x) + epsilon) + b)

    Of 2,048 channels it takes a ninth less time than one layer behind the
    other: what is divided is small.

    Args:
        normalization: The `LayerNormalization` without weights.
        dense: The `Dense` behind it, which has W, b and the activation a.
    """

    def __init__(self, normalization, dense):
        super().__init__(dtype="float32")
        self.epsilon = normalization.epsilon
        self.dense = dense

    def call(self, x):
        """Take features `(N, R, C)` to `(N, R, D)`."""
        x = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(x), axis=-1, keepdims=True)
        x = ops.matmul(x, self.dense.kernel)  # N R D
        x = x * ops.rsqrt(variance + self.epsilon) + self.dense.bias
        return self.dense.activation(x)


def _encode_chunks(encoder):
    """Return what encodes frames in training, with the encoder's weights."""
    names = [layer.name for layer in encoder.layers]
    if "normalized" in names:
        encoder = NormalizedDense(*map(encoder.get_layer, names[-2:]))
    return rnn_layers.TimeDistributed(encoder, name="regions")


def _frame_pooling(config, encoder, motion):
    """Return the model of regions to vectors, `(B, T, R, D)` to `(B, T, V)`.

    With changes beside the regions their D is twice as large.
    """
    count, size = encoder.output.shape[1:]
    if motion == "regions":
        size *= 2
    regions = x = keras.Input((None, count, size), name="seen")
    if config.regions == "flatten":
        x = layers.Reshape((-1, count * size))(x)
    x = layers.Dense(config.vector_size, "relu", name="vector")(x)
    if config.regions == "mean":
        x = ops.mean(x, axis=-2)
    elif config.regions == "max":
        x = ops.max(x, axis=-2)
    return keras.Model(regions, x, name="look")  # B T V


class Head:
    """The last layers, from outputs of the stack to L labels."""

    def __init__(self, config: Config, labels: int):
        self.drop = layers.Dropout(config.dropout)
        self.classify = layers.Dense(labels, dtype="float32", name="labels")
        self.softmax = layers.Softmax(dtype="float32", name="probabilities")

    def logits(self, x):
        """Return the logits of training."""
        return self.classify(self.drop(x))

    def probabilities(self, x):
        """Return the probabilities of the labeller."""
        return self.softmax(self.classify(x))


def _chunk(config, shape):
    """Return the inputs of the model to train, a dict by name."""
    rows = config.batch_size, config.chunk
    return {
        "frames": keras.Input(batch_shape=(*rows, *shape), name="frames"),
        "begins": keras.Input(
            batch_shape=rows[:1], dtype="bool", name="begins"
        ),
        "real": keras.Input(batch_shape=rows, dtype="bool", name="real"),
    }


def compile_model(
    trained: keras.Model, config: Config, steps: int, frequencies: np.ndarray
) -> None:
    """Set optimizer, loss and metric; `steps` is the length of training.

    `frequencies` are `(L,)` the shares of the labels in training.
    """
    trained.compile(
        adamw(
            config,
            steps,
            warmup=steps // 10,
            floor=0.05,
            averaging=config.averaging,
        ),
        loss=FrameLoss(
            label_weights(frequencies, config.class_weights),
            config.smoothing_loss,
        ),
        # Weighted, so that padding does not count.
        weighted_metrics=[LastStageAccuracy(name="accuracy")],
        jit_compile=compiled(config),
    )


def training_batch(
    x: dict[str, tf.Tensor], y: tf.Tensor, w: tf.Tensor
) -> tuple:
    """Add to a batch of the pipeline which of its frames are real."""
    return {**x, "real": w > 0}, y, w
