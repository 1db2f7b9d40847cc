"""Sentences with a label for every word as batches, for tagging and parsing."""

from data_pipelines.files.splits import SPLITS
from data_pipelines.tagging.datasets import Datasets, Split
from data_pipelines.tagging.features import Features
from data_pipelines.tagging.pipeline import (
    SOURCES,
    TASKS,
    WIDTHS,
    Known,
    make_datasets,
)
from data_pipelines.tagging.reading import Sentence, Sentences

__all__ = [
    "SOURCES",
    "SPLITS",
    "TASKS",
    "WIDTHS",
    "Datasets",
    "Features",
    "Known",
    "Sentence",
    "Sentences",
    "Split",
    "make_datasets",
]
