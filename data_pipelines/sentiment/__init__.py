"""Labelled texts as batches for sentiment, or any text classification."""

from data_pipelines.files.splits import SPLITS
from data_pipelines.sentiment.datasets import Datasets, Split
from data_pipelines.sentiment.pipeline import (
    COLUMNS,
    SOURCES,
    WIDTHS,
    make_datasets,
)
from data_pipelines.text.words import KEEP

__all__ = [
    "COLUMNS",
    "KEEP",
    "SOURCES",
    "SPLITS",
    "WIDTHS",
    "Datasets",
    "Split",
    "make_datasets",
]
