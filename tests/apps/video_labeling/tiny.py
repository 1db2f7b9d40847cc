"""A labeller of a few units."""

import dataclasses

import keras
import numpy as np

from apps.video_labeling import model
from apps.video_labeling.config import Config

PICTURE, FEATURES = (16, 16, 3), (4, 6)


SMALL = Config(
    units=5, region_size=3, vector_size=7, batch_size=3, chunk=8, dropout=0.3
)


def built(shape=FEATURES, **more):
    """A model to train and its labeller, for four labels."""
    keras.utils.set_random_seed(1)
    return model.build(dataclasses.replace(SMALL, **more), shape, 4)


def frames(shape, *leading):
    return np.random.default_rng(0).uniform(0, 255, (*leading, *shape))


def chunks(video, size):
    for start in range(0, len(video), size):
        yield video[start : start + size]
