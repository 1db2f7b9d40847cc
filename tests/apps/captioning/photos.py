"""Pictures that compress as badly as photos."""

import io

import numpy as np
from PIL import Image

CHANCE = np.random.default_rng(0)


def opened(content):
    return Image.open(io.BytesIO(content))


def photo(height, width):
    """Noise of several sizes; compresses as badly as photos of grass."""
    layers = [
        np.asarray(
            Image.fromarray(
                CHANCE.integers(0, 256, (n, n, 3)).astype("uint8")
            ).resize((width, height), Image.Resampling.BICUBIC)
        )
        for n in (4, 16, 64)
    ]
    return np.mean(layers, axis=0).astype("uint8")
