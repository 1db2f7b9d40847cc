"""Small data for the tests of tagging, flags for them, and small models."""

import dataclasses
import shlex

import numpy as np

from apps.tagging import model
from apps.tagging.config import Config
from apps.tagging.predict import Decoder, Predictor
from data_pipelines import tagging as pipeline
from data_pipelines.tagging import features
from data_pipelines.tagging.demo import generator
from data_pipelines.text.words import Vocabulary
from tests.apps.tools import file_flags

SIZES = {"train": 320, "valid": 40, "test": 40}
SMALL = shlex.split(
    "--units 12 --embedding-size 12 --character-units 4 --batch-size 16"
    " --epochs 5 --learning-rate 0.03 --dropout 0.1"
    f" --columns {generator.COLUMNS}"
)
FEATURES = features.build({"a": 9, "blue": 5, "river": 4, "Rome": 1}, 99, 6)
KINDS = dataclasses.replace(
    FEATURES, columns={"kind": Vocabulary(["[PAD]", "[UNK]", "u", "v"])}
)
LABELS = ["O", "B-x", "I-x", "B-y"]


def write_requests(folder, sizes=SIZES):
    """Writes requests as the demo has them."""
    (folder / "requests").mkdir(parents=True, exist_ok=True)
    generator.write(folder / "requests", 1, sizes)


def flags(folder, *more):
    return file_flags(folder, "requests", *SMALL, *more)


def built(
    intents=0, vectors=None, randomized=True, pos=0, features=FEATURES, **more
):
    """A model with weights of which none is zero."""
    sizes = {"units": 3, "embedding_size": 4, "character_units": 4}
    config = Config(**{**sizes, **more}).of_task()
    built = model.build(config, features, LABELS, intents, vectors, pos=pos)
    random = np.random.default_rng(0)
    for weight in built.trainable_weights if randomized else ():
        weight.assign(random.normal(size=weight.shape))
    return built


def with_columns(task):
    """A predictor that reads a column beside the words."""
    intents, pos = (["p", "q"], []) if task == "tag" else ([], ["N", "V", "X"])
    model = built(len(intents), task=task, pos=len(pos), features=KINDS)
    known = pipeline.Known(KINDS, LABELS, intents, pos)
    return Predictor(Decoder(model, LABELS, intents, pos, eager=True), known)
