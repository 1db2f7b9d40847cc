"""Pairs of sentences as batches for translation."""

from data_pipelines.translation.pipeline import (
    SOURCES,
    SPLITS,
    Datasets,
    Split,
    make_datasets,
)

__all__ = ["SOURCES", "SPLITS", "Datasets", "Split", "make_datasets"]
