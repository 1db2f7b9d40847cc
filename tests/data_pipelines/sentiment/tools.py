"""Files of labelled texts, and data sets of them."""

import csv
import functools

import numpy as np

from data_pipelines.sentiment import pipeline as sentiment
from tests.data_pipelines.refusals import refusal

NOUNS = ("film", "plot", "music", "ending", "cast", "hero", "joke")


def texts(count, seed=0):
    """Rows (text, label) that are all different."""
    random = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        words = random.choice(NOUNS, random.integers(2, 12))
        rows.append((f"{' '.join(words)} {seed} {i}", ("neg", "pos")[i % 2]))
    return rows


def table(path, rows, header=("text", "label")):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def make(folder, dataset="files", **changes):
    options = dict(
        cache_path=folder.parent / "cache",
        batch_size=8,
        max_length=10,
        vocabulary_size=1000,
        seed=0,
        minimum_count=1,
    )
    return sentiment.make_datasets(dataset, folder, **{**options, **changes})


fails = functools.partial(refusal, make)
