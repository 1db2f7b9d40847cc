"""Picture encoders: any Keras network, as a model of regions.

    pictures (B, H, W, 3), RGB, 0 to 255 -> regions (B, R, C)

R regions lie in a grid of rows and columns, C channels of each. The model holds
the network's own preprocessing, so that nobody can feed it other pixels.
The networks by name are those of `keras.applications` with the weights of
ImageNet, without their last layers.
"""

import functools
import importlib
import math
import os
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from apps.common import graph
from apps.common.cli import UserError
from apps.common.runs import load_model
from data_pipelines.vision.frame_store import weights_key

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

# Preprocessing that a saved network may expect, of 0 to 255, RGB.
PIXELS = {
    "raw": None,  # 0 to 255
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
        probe: The model of the inputs of its first batch normalization, and
            that layer; `None` if it has none.
    """

    def __init__(self, model: keras.Model, probe: tuple | None = None):
        self.model = model
        self.probe = probe
        self.checked = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return tuple(self.model.input_shape[1:3])

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of regions."""
        return tuple(self.model.get_layer("regions").input.shape[1:3])

    @functools.cached_property
    def key(self) -> str:
        """A short name for all that its results depend on."""
        return weights_key(self.model.to_json(), self.model.get_weights())

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Take uint8 `(B, H, W, 3)` to a float32 array `(B, R, C)`.

        The first pictures are checked.
        """
        if not self.checked:
            self.check(pictures)
        regions = self._run(ops.cast(pictures, "float32"))
        return np.asarray(ops.convert_to_numpy(regions), "float32")

    @functools.cached_property
    def _run(self):
        run = functools.partial(self.model, training=False)
        return graph.compile_once(run, ((None, *self.size, 3), "float32"))

    def check(self, pictures: np.ndarray) -> float | None:
        """Refuse pixels of another kind than the network was trained on.

        Batch normalization remembers the mean and variance of its inputs in
        training, with which those of these pictures are compared.

        Args:
            pictures: uint8 `(B, H, W, 3)`, some of those to encode.

        Returns:
            The factor between the variances, or `None` without batch
            normalization.

        Raises:
            UserError: They are far apart.
        """
        self.checked = True
        if self.probe is None:
            return None
        before, norm = self.probe
        values = before(ops.cast(pictures, "float32"), training=False)
        values = ops.convert_to_numpy(values)
        variance = values.var(axis=(0, 1, 2)) + norm.epsilon  # C
        trained = ops.convert_to_numpy(norm.moving_variance) + norm.epsilon
        ratio = float(np.median(variance / trained))
        if not 1 / MOST_RATIO < ratio < MOST_RATIO:
            raise UserError(
                f"the encoder was trained on other pixels: the variance before"
                f" its layer {norm.name} is {ratio:.3g} times what it was in"
                f" training; try another --encoder-pixels: {', '.join(PIXELS)}"
            )
        return ratio


def names() -> list[str]:
    """Return the encoders that are known by name."""
    return [SMALL, *APPLICATIONS]


def open_encoder(
    name: str,
    *,
    layer: str = "",
    size: int | tuple[int, int] = 0,
    grid: int = 0,
    pixels: str = "raw",
    download: bool = False,
) -> Encoder:
    """Open a pretrained network.

    Args:
        name: A name of `APPLICATIONS`, or the file of a Keras model that takes
            pictures.
        layer: Name of the layer whose output the regions are (empty: the last);
            of several, between commas, the channels are joined.
        size: Height and width of the pictures, or one number for both (0: that
            of training).
        grid: Most rows and columns of regions, by average pooling (0: all).
        pixels: Preprocessing that a saved network expects, one of `PIXELS`;
            those by name have their own.
        download: Whether missing weights may be downloaded.

    Raises:
        UserError: There is no such network, or layer, or it does not take
            pictures.
    """
    if name in APPLICATIONS:
        module, _, usual, _ = APPLICATIONS[name]
        network = _application(name, download)
    elif str(name).endswith(".keras"):
        if not Path(name).is_file():
            raise UserError(f"--encoder {name}: there is no such file")
        network, module = load_model(name), PIXELS[pixels]
        usual = network.input_shape[1:3] if _takes_pictures(network) else 0
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


def load(path: str | Path) -> Encoder:
    """Open what `Encoder.model.save` wrote."""
    model = load_model(path)
    model.trainable = False
    return Encoder(model)


def small_cnn(size: tuple[int, int]) -> keras.Model:
    """Return a small convolutional network, not trained yet.

    Each layer halves the height and width and doubles the channels, until the
    grid has at most eight rows and columns.

    Args:
        size: Height and width of the pictures.
    """
    pictures = keras.Input((*size, 3), name="pictures")
    x = layers.Rescaling(1 / 127.5, -1)(pictures)
    halvings = max(1, math.ceil(math.log2(max(size) / 8)))
    for number in range(halvings):
        x = _convolution(16 * 2**number, f"convolution_{number + 1}")(x)
    return keras.Model(pictures, _flatten_grid(x), name="encoder")


def _convolution(channels, name):
    return layers.Conv2D(
        channels,
        3,
        2,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )


def freeze_batch_normalization(model: keras.Model) -> None:
    """Keep the statistics of pretraining: a batch has fewer pictures."""
    for layer in _layers(model):
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def freeze_below(model: keras.Model, name: str) -> None:
    """Freeze the layers before the one of a name (empty: none).

    Raises:
        UserError: There is no such layer.
    """
    if not name:
        return
    with_weights = [layer for layer in _layers(model) if layer.weights]
    names = [layer.name for layer in with_weights]
    if name not in names:
        raise UserError(
            f"--finetune-from {name}: the encoder has no such layer with"
            f" weights; it has {_last_of(names)}"
        )
    for layer in with_weights[: names.index(name)]:
        layer.trainable = False


def _layers(model):
    """Return the layers of a model and of the models within, in order."""
    flat = []
    for layer in model.layers:
        flat += _layers(layer) if isinstance(layer, keras.Model) else [layer]
    return flat


def _application(name, download):
    """Return a network of `keras.applications`, without its top."""
    module, cls, _, file = APPLICATIONS[name]
    home = os.environ.get("KERAS_HOME", "~/.keras")
    files = Path(home).expanduser().glob(f"models/{file}*top.h5")
    if not download and not any("no" in path.name for path in files):
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
            f"--encoder {name}: its weights cannot be loaded: {line}"
        ) from None


def _takes_pictures(network):
    shape = network.input_shape
    return isinstance(shape, tuple) and len(shape) == 4 and shape[-1] == 3


def _cut(network, layer, name):
    """Return the network up to a layer, if it takes pictures."""
    if len(network.inputs) != 1 or not _takes_pictures(network):
        raise UserError(
            f"--encoder {name}: takes {network.input_shape}; expected pictures,"
            " (batch, height, width, 3)"
        )
    if not layer:
        return network
    names = [part.name for part in network.layers]
    outputs = []
    for one in layer.split(","):
        if one not in names:
            raise UserError(
                f"--encoder-layer {one}: {name} has no such layer; its layers"
                f" are {_last_of(names)}"
            )
        outputs.append(network.get_layer(one).output)
    if len(outputs) == 1:
        outputs = outputs[0]
    # The name is a part of the key, and must not depend on other models.
    return keras.Model(network.input, outputs, name=network.name)


def _last_of(names):
    """Return up to twenty names, those nearest to the output, in one line."""
    return ", ".join(names if len(names) <= 20 else ["...", *names[-20:]])


def _encoder(network, size, grid, module, name):
    """Return the `Encoder` from pixels to regions."""
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
    grids = [_grid_of(y, name) for y in keras.tree.flatten(network(x))]
    x = _joined(grids, grid)
    model = keras.Model(pictures, _flatten_grid(x), name="encoder")
    model.trainable = False
    return Encoder(model, probe)


def _probe(network, pictures, pixels):
    """Return the probe of an `Encoder`."""
    for layer in network.layers:
        if (
            isinstance(layer, layers.BatchNormalization)
            and len(layer.input.shape) == 4
        ):
            if layer.input is network.input:
                values = layers.Identity()(pixels)
            else:
                values = keras.Model(network.input, layer.input)(pixels)
            return keras.Model(pictures, values), layer
    return None


def _grid_of(x, name):
    """Return the output of a network as `(B, rows, columns, C)`."""
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


def _joined(grids, most):
    """Return the outputs of layers as one, in the smallest of their grids.

    Several are normalized in each region, so that none has larger numbers.
    """
    sides = zip(*(x.shape[1:3] for x in grids), strict=True)
    cells = tuple(min(*side, most or max(side)) for side in sides)
    if len(grids) == 1:
        return _averaged(grids[0], cells, "average")
    parts = []
    for number, x in enumerate(grids):
        normal = layers.LayerNormalization(
            center=False, scale=False, name=f"normal_{number}"
        )
        parts.append(normal(_averaged(x, cells, f"average_{number}")))
    return layers.Concatenate(name="joined")(parts)


def _averaged(x, cells, name):
    """Return the means of so many rows and columns."""
    if cells == tuple(x.shape[1:3]):
        return x
    return layers.AdaptiveAveragePooling2D(cells, name=name)(x)


def _flatten_grid(x):
    rows, columns, channels = x.shape[1:]
    return layers.Reshape((rows * columns, channels), name="regions")(x)
