"""What the tests of captioning share: small pictures, and a way to run."""

import importlib
import itertools
import json
import shlex
from pathlib import Path

import keras
import numpy as np
from keras import layers
from PIL import Image

from apps.captioning import predict
from apps.common import runs
from tests.apps.tools import file_flags

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 160, 60),
    "blue": (40, 60, 220),
    "yellow": (240, 210, 40),
}
# Where the square begins: row, column.
PLACES = {"left": (10, 1), "right": (10, 19), "top": (1, 10)}
SCENES = list(itertools.product(COLOURS, PLACES))
SIDE = 32
EPOCHS = 8
SIZES = {"train": 48, "valid": 12, "test": 12}
SMALL = shlex.split(
    "--units 16 --embedding-size 16 --picture-size 32 --batch-size 12"
    " --epochs 12 --learning-rate 0.01 --dropout 0.1 --averaging 0.9"
    " --max-length 10 --beam 3"
)


def captions(number):
    """Two captions of a picture, all that there is to say."""
    colour, place = SCENES[number % len(SCENES)]
    return [
        f"A {colour} square on the {place}.",
        f"On the {place} there is a {colour} square.",
    ]


def normalized(number):
    """The same as the model learns it."""
    return [text.lower().rstrip(".") for text in captions(number)]


def pixels(number):
    """A square on grey noise; no two are equal."""
    random = np.random.default_rng(number)
    picture = random.integers(100, 140, (SIDE, SIDE, 3), np.uint8)
    colour, place = SCENES[number % len(SCENES)]
    row, column = PLACES[place]
    picture[row : row + 12, column : column + 12] = COLOURS[colour]
    return picture


def write_pictures(folder, sizes=SIZES, name="{}.png"):
    """Writes pictures and captions, the splits one after another."""
    (folder / "images").mkdir(parents=True)
    lines = ["image,caption,split"]
    numbers = itertools.count()
    for split, size in sizes.items():
        for number in itertools.islice(numbers, size):
            image = name.format(number)
            Image.fromarray(pixels(number)).save(folder / "images" / image)
            lines += [f"{image},{text},{split}" for text in captions(number)]
    (folder / "captions.csv").write_text("\n".join(lines) + "\n")
    return folder


def flags(folder, *more):
    return file_flags(folder, "pictures", *SMALL, *more)


def written(folder, numbers, kind="png"):
    """Writes some pictures into a folder; returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.{kind}" for number in numbers]
    for number, path in zip(numbers, paths, strict=True):
        Image.fromarray(pixels(number)).save(path)
    return paths


def opened(folder):
    """Opens a finished run; returns it and its captioner."""
    app = Path(folder).parent.name  # captioning, or a copy of it
    run = runs.open_run(app, str(folder))
    module = importlib.import_module(f"apps.{app}.predict")
    return run, module.Predictor.of_run(run)


def options(trained, kind=predict.Options, **more):
    """Returns options of a command for the run of the fixture `trained`."""
    return kind(runs_path=str(trained[0].parents[1]), **more)


def write_network(path, wants=lambda pixels: pixels, size=SIDE):
    """Writes a random network, and returns its file.

    Args:
        path: The file.
        wants: What it wants of pixels of 0 to 255; a batch normalization in it
            remembers how they were in training.
        size: Height and width of its pictures.
    """
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((size, size, 3))
    norm = layers.BatchNormalization(momentum=0.0)
    x = norm(x)
    x = layers.Conv2D(12, 5, 4, padding="same", activation="relu")(x)
    network = keras.Model(inputs, x)
    pictures = np.stack(
        [
            np.asarray(Image.fromarray(pixels(n)).resize((size, size)))
            for n in range(24)
        ]
    )
    norm(wants(pictures.astype("float32")), training=True)
    network.save(path)
    return str(path)


def record(folder, name="x"):
    """Returns `metrics.json` of a run."""
    (path,) = folder.glob(f"runs/*/{name}/metrics.json")
    return json.loads(path.read_text())
