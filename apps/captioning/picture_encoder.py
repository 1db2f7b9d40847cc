"""The network that encodes the pictures of a run: frozen, or trained along.

A frozen encoder reads each picture once: its features are stored on disk, and
the captioner takes features. One that is trained is a part of the captioner,
which then takes pictures; so that it encodes each only once a step, several
captions of a picture share a batch.
"""

import dataclasses

import keras
import numpy as np
from keras import layers, ops

from apps.common import encoders, runs
from apps.common.checkpoint import save_model
from apps.common.transfer import Origin
from data_pipelines import captioning as pipeline

from .config import Config

# Captions of a picture that share a batch where the encoder is trained: the
# larger it is, the more pay off.
CAPTIONS_OF_SMALL, CAPTIONS_PER_PICTURE = 2, 5

# Height and width of pictures for the small network, and its first channels.
SMALL_SIZE, CHANNELS = 64, 16

# Pictures on which the range of the pixels is checked.
CHECKED = 16


@dataclasses.dataclass(frozen=True)
class PictureEncoder:
    """An encoder, and whether it is trained along.

    Attributes:
        network: The `encoders.Encoder`.
        trained: Whether its weights change.
        captions_per_picture: How many captions of a picture share a batch of
            training.
    """

    network: encoders.Encoder
    trained: bool
    captions_per_picture: int = 1

    @property
    def frozen(self) -> encoders.Encoder | None:
        """The network whose features are stored, `None` if it is trained."""
        return None if self.trained else self.network

    @property
    def source(self) -> keras.Model | tuple[int, int]:
        """What `model.build` takes: the network, or its features' shape."""
        if self.trained:
            return self.network.model
        return self.network.model.output_shape[1:]

    @property
    def reads(self) -> tuple:
        """What a captioner is given: pixels of a size, or whose features."""
        return self.network.size, None if self.trained else self.network.key

    def check(self, split: pipeline.Split) -> None:
        """Check the pixels of pictures for an encoder that is trained along.

        A frozen one checks the first pictures that it encodes.

        Raises:
            UserError: The network was trained on another range of pixels.
        """
        if self.trained:
            rows = range(min(CHECKED, len(split)))
            self.network.check(
                np.stack([split.example_input(row) for row in rows])
            )

    def save_to_run(self, run: runs.Run) -> None:
        """Write a frozen encoder, which is no part of `model.keras`."""
        if not self.trained and not run.begun:
            save_model(self.network.model, run.file("encoder.keras"))


def build(config: Config, origin: Origin | None = None) -> PictureEncoder:
    """Return the encoder of a configuration, or that of a run to go on from.

    Raises:
        UserError: There is no such network, or it cannot be used in this way.
    """
    captions = _captions(config)
    if config.encoder == encoders.SMALL:
        size = config.picture_size or SMALL_SIZE
        network = encoders.Encoder(small_cnn(size))
        return PictureEncoder(network, True, captions)
    if origin and not config.finetune:
        network = encoders.load(origin.path / "encoder.keras")
        return PictureEncoder(network, False, captions)
    network = encoders.open_encoder(
        config.encoder,
        layer=config.encoder_layer,
        size=config.picture_size,
        grid=config.grid,
        pixels=config.encoder_pixels,
        download=config.download_encoder,
    )
    if config.finetune:
        network.model.trainable = True
        encoders.freeze_batch_normalization(network.model)
        encoders.freeze_below(network.model, config.finetune_from)
    return PictureEncoder(network, config.finetune, captions)


def _captions(config):
    """Return how many captions of a picture share a batch of training."""
    if config.captions_per_picture:
        return config.captions_per_picture
    if config.encoder == encoders.SMALL:
        return CAPTIONS_OF_SMALL
    return CAPTIONS_PER_PICTURE if config.finetune else 1


def small_cnn(size: int) -> keras.Model:
    """Return a small residual network of square pictures, not trained yet.

    A region is 8 x 8 pixels. Its last channels are made of single pixels, and
    so say which colours there are whatever shape has them, known or not.
    Shortcuts around pairs of layers are those of He et al., 2016,
    https://arxiv.org/abs/1512.03385, section 3.2; rows and columns as channels
    those of Liu et al., 2018, https://arxiv.org/abs/1807.03247.
    """
    pictures = keras.Input((size, size, 3), name="pictures")
    pixels = layers.Rescaling(1 / 127.5, -1)(pictures)
    x = _convolution(pixels, CHANNELS, 5, strides=2)
    x = _convolution(x, 2 * CHANNELS, 3, strides=2)
    x = _convolution(_with_places(_residual(x)), 4 * CHANNELS, 3, strides=2)
    x = _residual(_residual(x))
    # Every second pixel: a convolution of size 1 with strides, of 3 channels,
    # crashes when TensorFlow 2.21 trains it with oneDNN.
    colours = layers.MaxPooling2D(1, strides=2)(pixels)
    colours = _convolution(colours, CHANNELS, 1)
    colours = layers.MaxPooling2D(4, padding="same")(colours)
    x = layers.Concatenate()([x, colours])
    x = layers.Reshape((-1, x.shape[-1]), name="regions")(x)
    return keras.Model(pictures, x, name="encoder")


def _with_places(x):
    """Append the row and the column of each region, from -1 to 1."""
    ones = ops.ones_like(x[..., :1])
    places = [2 * ops.cumsum(ones, axis) / x.shape[axis] - 1 for axis in (1, 2)]
    return layers.Concatenate()([x, *places])


def _residual(x):
    y = _convolution(x, x.shape[-1], 3)
    y = _convolution(y, x.shape[-1], 3, activation=None)
    return layers.Activation("relu")(layers.Add()([x, y]))


def _convolution(x, channels, size, strides=1, activation="relu"):
    """Return a convolution, its batch normalized."""
    x = layers.Conv2D(
        channels,
        size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)
    x = layers.BatchNormalization(momentum=0.97)(x)
    return layers.Activation(activation)(x) if activation else x


def of_run(run: runs.Run, model: keras.Model) -> PictureEncoder:
    """Return the encoder of a finished run and its captioner."""
    if run.file("encoder.keras").exists():
        network = encoders.load(run.file("encoder.keras"))
        return PictureEncoder(network, False)
    inside = model.get_layer("picture").get_layer("encoder")
    return PictureEncoder(encoders.Encoder(inside), True)
