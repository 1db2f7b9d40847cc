"""Pictures that can be told apart, and captions that say which ones."""

import itertools

import numpy as np
import pytest
from PIL import Image

from data_pipelines.captioning import pipeline
from data_pipelines.captioning.normalize import normalize_caption

SIDE = 6
SIZES = {"train": 60, "valid": 9, "test": 7}
ADJECTIVES = ("big", "small", "old", "red", "wet")


class Encoder:
    """Means of the upper and the lower half, twice each channel."""

    key = "halves"
    size = (SIDE, SIDE)

    def __init__(self):
        self.pictures = 0

    def __call__(self, pictures):
        assert pictures.shape[1:] == (SIDE, SIDE, 3)
        self.pictures += len(pictures)
        return halves(pictures)


def halves(pictures):
    half = SIDE // 2
    parts = [pictures[:, :half], pictures[:, half:]]
    means = [part.mean((1, 2), dtype=np.float32) / 255 for part in parts]
    return np.concatenate([np.stack(means, 1)] * 2, -1)  # (B, 2, 6)


ENCODERS = [
    pytest.param(None, id="pixels"),
    pytest.param(Encoder, id="regions"),
]


def pixels(number):
    """The picture of a number; no two are equal."""
    generator = np.random.default_rng(number)
    return generator.integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def captions(number):
    """Five captions, of 3 to 12 words, that say which picture it is."""
    for count in range(5):
        words = ADJECTIVES[: 1 + (number + 2 * count) % 5] * (1 + count % 2)
        yield f"Picture {number}, {' '.join(words)}: {'abcde'[count]}."


def folder(path, sizes=SIZES):
    """Writes pictures and captions, the splits in turns."""
    (path / "images").mkdir(parents=True)
    lines = ["image,caption,split"]
    number = 0
    for split, size in sizes.items():
        for _ in range(size):
            name = f"{number}.png"
            Image.fromarray(pixels(number)).save(path / "images" / name)
            lines += [f'{name},"{text}",{split}' for text in captions(number)]
            number += 1
    (path / "captions.csv").write_text("\n".join(lines) + "\n")
    return path


def make(path, cache, encoder=None, dataset="files", **changes):
    options = {
        "picture_size": SIDE, "vocabulary_size": 1000, "max_length": 20,
        "batch_size": 8, "seed": 0, **changes,
    }  # fmt: skip
    return pipeline.make_datasets(
        dataset,
        path,
        cache_path=cache,
        encoder=encoder and encoder(),
        **options,
    )


def expected(number, encoder):
    picture = pixels(number)
    if encoder is None:
        return picture
    return halves(picture[None])[0].astype("float16")


def arrays(dataset, count=None):
    return list(itertools.islice(dataset.as_numpy_iterator(), count))


def texts(data, tokens):
    return [data.tokenizer.decode(row[1:].tolist()) for row in tokens]


def known(data, texts):
    """Captions with what the vocabulary does not know as unknown."""
    ids = data.tokenizer.encode_batch(list(map(normalize_caption, texts)))
    return list(map(data.tokenizer.decode, ids))
