"""Pairs of sentences as batches for translation."""

from data_pipelines.files.splits import SPLITS
from data_pipelines.translation.batching import BUCKETS
from data_pipelines.translation.datasets import Datasets, Split
from data_pipelines.translation.pipeline import SOURCES, make_datasets

__all__ = ["BUCKETS", "SOURCES", "SPLITS", "Datasets", "Split", "make_datasets"]
