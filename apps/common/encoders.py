"""What looks at a picture: any Keras network, as a model of regions.

    pictures (B, H, W, 3), RGB, 0 to 255 -> regions (B, R, C)

R regions lie in a grid of rows and columns, C channels of each.  Whatever a
network wants of its pixels happens inside the model, so that nobody can feed it
with others:

    encoder = encoders.open("weights.keras", size=192, grid=6)
    encoder = encoders.open("resnet50", size=224, download=True)
    encoder(pictures)             # uint8 (B, H, W, 3) -> float32 (B, R, C)
    encoder.model                 # the `keras.Model` of it
    encoder.grid                  # (rows, columns)
    encoder.key                   # names all that its results depend on
    encoders.small_cnn((96, 96))  # one to be trained together with its user

The networks by name are those of `keras.applications` with the weights of
ImageNet, without their last layers.
"""

import functools
import importlib
import math
import os
import typing
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from apps.common.cli import UserError
from apps.common.runs import load_model
from data_pipelines.vision.features import weights_key

SMALL = "small_cnn"

# Name -> module and class of `keras.applications`, the size that it was trained
# on, and how the file of its weights begins.
APPLICATIONS = {
    "convnext_tiny": ("convnext", "ConvNeXtTiny", 224, "convnext_tiny_"),
    "densenet121": ("densenet", "DenseNet121", 224, "densenet121_"),
    "efficientnet_b0": (
        *("efficientnet", "EfficientNetB0", 224),
        "efficientnetb0_",
    ),
    "efficientnet_v2_b0": (
        *("efficientnet_v2", "EfficientNetV2B0", 224),
        "efficientnetv2-b0_",
    ),
    "inception_v3": ("inception_v3", "InceptionV3", 299, "inception_v3_"),
    "mobilenet_v2": ("mobilenet_v2", "MobileNetV2", 224, "mobilenet_v2_"),
    "resnet50": ("resnet", "ResNet50", 224, "resnet50_"),
    "resnet50_v2": ("resnet_v2", "ResNet50V2", 224, "resnet50v2_"),
    "vgg16": ("vgg16", "VGG16", 224, "vgg16_"),
    "xception": ("xception", "Xception", 299, "xception_"),
}

# What a saved network may want instead of 0 to 255, RGB.
PIXELS = {
    "raw": None,  # it takes 0 to 255, whatever it does with them
    "tf": "mobilenet_v2",  # -1 to 1
    "torch": "densenet",  # 0 to 1, minus the mean, by the deviation
    "caffe": "vgg16",  # blue first, 0 to 255, minus the mean
}

# Variances that differ by more than this factor are those of other pixels;
# other kinds of pictures stay within a factor of ten.
MOST_RATIO = 50.0


class Encoder:
    """Pictures in, regions out.

    Args:
        model: `keras.Model` of float pictures `(B, H, W, 3)` to `(B, R, C)`,
            whose last layer, `regions`, flattens the grid.
        probe: `_Probe` of a network that knows what it was trained on, or
            `None`.
    """

    def __init__(self, model, probe=None):
        self.model = model
        self.probe = probe
        self.checked = False

    @property
    def size(self):
        """Height and width of the pictures."""
        return tuple(self.model.input_shape[1:3])

    @property
    def grid(self):
        """Rows and columns of regions."""
        return tuple(self.model.get_layer("regions").input.shape[1:3])

    @property
    def channels(self):
        """C."""
        return self.model.output_shape[-1]

    @functools.cached_property
    def key(self):
        """A short name for all that its results depend on."""
        return weights_key(self.model.to_json(), self.model.get_weights())

    def __call__(self, pictures):
        """Takes uint8 `(B, H, W, 3)` to a float32 array `(B, R, C)`.

        The first pictures are checked.
        """
        if not self.checked:
            self.check(pictures)
        pictures = ops.cast(pictures, "float32")
        return np.asarray(self._run(pictures), "float32")

    @functools.cached_property
    def _run(self):
        run = functools.partial(self.model, training=False)
        if keras.config.backend() != "tensorflow":
            return lambda pictures: ops.convert_to_numpy(run(pictures))
        import tensorflow as tf

        return tf.function(run, reduce_retracing=True)

    def check(self, pictures):
        """Refuses pixels of another kind than the network was trained on.

        A network with batch normalization remembers the mean and variance of
        what it saw, so it can be told whether these pictures look alike.

        Args:
            pictures: uint8 `(B, H, W, 3)`, some of those that it shall see.

        Returns:
            The factor between the variances, or `None` if it has nothing to
            compare with.

        Raises:
            UserError: They are far apart.
        """
        self.checked = True
        if self.probe is None:
            return None
        before, norm = self.probe
        values = before(ops.cast(pictures, "float32"), training=False)
        values = ops.convert_to_numpy(values)
        seen = values.var(axis=(0, 1, 2)) + norm.epsilon  # C
        known = ops.convert_to_numpy(norm.moving_variance) + norm.epsilon
        ratio = float(np.median(seen / known))
        if not 1 / MOST_RATIO < ratio < MOST_RATIO:
            raise UserError(
                f"the encoder was trained on other pixels: the variance before"
                f" its layer {norm.name} is {ratio:.3g} times what it was in"
                f" training; try another --encoder-pixels: {', '.join(PIXELS)}"
            )
        return ratio


class _Probe(typing.NamedTuple):
    """From pictures to what the first batch normalization takes, and that."""

    before: keras.Model
    norm: layers.BatchNormalization


def names():
    """The encoders that are known by name."""
    return [SMALL, *APPLICATIONS]


def open(name, *, layer="", size=0, grid=0, pixels="raw", download=False):
    """Opens a network that has been trained already.

    Args:
        name: A name of `APPLICATIONS`, or the file of a Keras model that takes
            pictures.
        layer: Name of the layer whose output the regions are; empty: the last
            one.
        size: Height and width of the pictures, or one number for both; 0: what
            the network was trained on.
        grid: Most rows and columns of regions, by averaging neighbours; 0: as
            many as the network gives.
        pixels: What a saved network wants of its pixels, one of `PIXELS`; those
            by name have their own.
        download: Whether weights that are not on this machine may be
            downloaded.

    Raises:
        UserError: There is no such network, or layer, or it is not one of
            pictures.
    """
    if name in APPLICATIONS:
        module, _, usual, _ = APPLICATIONS[name]
        network = _application(name, download)
    elif str(name).endswith(".keras"):
        if not Path(name).is_file():
            raise UserError(f"--encoder {name}: there is no such file")
        network, module = load_model(name), PIXELS[pixels]
        usual = network.input_shape[1:3] if _of_pictures(network) else 0
    else:
        raise UserError(
            f"--encoder {name}: expected a file ending in .keras or one of"
            f" {', '.join(names())}"
        )
    network = _cut(network, layer, name)
    size = size or usual
    size = (size, size) if isinstance(size, int) else tuple(size)
    if None in size:
        raise UserError(
            f"--encoder {name} takes pictures of any size; choose one with"
            " --picture-size"
        )
    return _encoder(network, size, grid, module, name)


def load(path):
    """Opens what `Encoder.model.save` wrote."""
    model = load_model(path)
    model.trainable = False
    return Encoder(model)


def small_cnn(size, channels=16, smallest=8, wider=()):
    """Returns a small convolutional network to be trained by its user.

    Each layer halves the height and width and doubles the channels, until the
    grid has at most `smallest` rows and columns.

    Args:
        size: Height and width of the pictures.
        channels: Of the first layer.
        smallest: Most rows and columns of the grid.
        wider: Numbers of layers, from 0 on, each followed by another that
            halves nothing: early ones tell small shapes apart, the last one
            sees more of what is around a region.
    """
    pictures = keras.Input((*size, 3), name="pictures")
    x = layers.Rescaling(1 / 127.5, -1)(pictures)
    halvings = max(1, math.ceil(math.log2(max(size) / smallest)))
    for number in range(halvings):
        name = f"convolution_{number + 1}"
        x = _convolution(channels * 2**number, 2, name)(x)
        if number in wider:
            more = channels * 2 ** min(number + 1, halvings - 1)
            x = _convolution(more, 1, f"{name}b")(x)
    return keras.Model(pictures, _flat(x), name="encoder")


def _convolution(channels, strides, name):
    return layers.Conv2D(
        channels,
        3,
        strides,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )


def keep_statistics(model):
    """Freezes batch normalization: it knows more pictures than a batch has."""
    for layer in _layers(model):
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def freeze_below(model, name):
    """Freezes the layers before the one of a name; empty: none.

    Raises:
        UserError: There is no such layer.
    """
    if not name:
        return
    inside = [layer for layer in _layers(model) if layer.weights]
    known = [layer.name for layer in inside]
    if name not in known:
        raise UserError(
            f"--finetune-from {name}: the encoder has no such layer with"
            f" weights; it has {_last_of(known)}"
        )
    for layer in inside[: known.index(name)]:
        layer.trainable = False


def _layers(model):
    """Returns the layers of a model and of the models within, in order."""
    found = []
    for layer in model.layers:
        inside = isinstance(layer, keras.Model)
        found += _layers(layer) if inside else [layer]
    return found


def _application(name, download):
    """Returns a network of `keras.applications`, without its top."""
    module, cls, _, file = APPLICATIONS[name]
    home = os.environ.get("KERAS_HOME", "~/.keras")
    there = Path(home).expanduser().glob(f"models/{file}*top.h5")
    if not download and not any("no" in path.name for path in there):
        raise UserError(
            f"--encoder {name}: its weights are not on this machine; add"
            " --download-encoder, or give the file of a Keras model"
        )
    module = importlib.import_module(f"keras.applications.{module}")
    try:
        return getattr(module, cls)(include_top=False, weights="imagenet")
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise UserError(
            f"--encoder {name}: its weights cannot be had: {line}"
        ) from None


def _of_pictures(network):
    shape = network.input_shape
    return isinstance(shape, tuple) and len(shape) == 4 and shape[-1] == 3


def _cut(network, layer, name):
    """Returns the network up to a layer, if it is one of pictures."""
    if len(network.inputs) != 1 or not _of_pictures(network):
        raise UserError(
            f"--encoder {name}: takes {network.input_shape}; expected pictures,"
            " (batch, height, width, 3)"
        )
    if not layer:
        return network
    known = [part.name for part in network.layers]
    if layer not in known:
        raise UserError(
            f"--encoder-layer {layer}: {name} has no such layer; its layers are"
            f" {_last_of(known)}"
        )
    return keras.Model(network.input, network.get_layer(layer).output)


def _last_of(names):
    """Returns up to twenty names, those nearest to the result, in one line."""
    return ", ".join(names if len(names) <= 20 else ["...", *names[-20:]])


def _encoder(network, size, grid, module, name):
    """Returns the `Encoder` from pixels to regions."""
    fixed = network.input_shape[1:3]
    if fixed not in ((None, None), size):
        raise UserError(
            f"--encoder {name} takes pictures of {fixed[0]} x {fixed[1]}, not"
            f" of {size[0]} x {size[1]}"
        )
    pictures = keras.Input((*size, 3), name="pictures")
    x = pictures
    if module is not None:
        library = importlib.import_module(f"keras.applications.{module}")
        x = library.preprocess_input(x)
    probe = _probe(network, pictures, x)
    x = _grid_of(network(x), name)
    cells = tuple(min(side, grid or side) for side in x.shape[1:3])
    if cells != tuple(x.shape[1:3]):
        x = layers.AdaptiveAveragePooling2D(cells, name="average")(x)
    model = keras.Model(pictures, _flat(x), name="encoder")
    model.trainable = False
    return Encoder(model, probe)


def _probe(network, pictures, pixels):
    """Returns the `_Probe` of a network that has batch normalization."""
    for layer in network.layers:
        if (
            isinstance(layer, layers.BatchNormalization)
            and len(layer.input.shape) == 4
        ):
            if layer.input is network.input:
                values = layers.Identity()(pixels)
            else:
                values = keras.Model(network.input, layer.input)(pixels)
            return _Probe(keras.Model(pictures, values), layer)
    return None


def _grid_of(x, name):
    """Returns what a network gives as `(B, rows, columns, C)`."""
    if len(x.shape) == 2:
        return layers.Reshape((1, 1, x.shape[-1]))(x)
    if len(x.shape) == 3 and x.shape[1] is not None:
        return layers.Reshape((x.shape[1], 1, x.shape[2]))(x)
    if len(x.shape) == 4:
        return x
    raise UserError(
        f"--encoder {name} gives {x.shape}; expected (batch, rows, columns,"
        " channels); choose another --encoder-layer"
    )


def _flat(x):
    rows, columns, channels = x.shape[1:]
    return layers.Reshape((rows * columns, channels), name="regions")(x)
