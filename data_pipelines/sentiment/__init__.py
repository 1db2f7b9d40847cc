"""Labelled texts as batches for sentiment, or any text classification."""

from data_pipelines.sentiment.pipeline import (
    KEEP,
    SOURCES,
    SPLITS,
    Datasets,
    Split,
    make_datasets,
)

__all__ = ["KEEP", "SOURCES", "SPLITS", "Datasets", "Split", "make_datasets"]
