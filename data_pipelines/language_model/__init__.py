"""Texts as streams of tokens, for language models."""

from data_pipelines.files.splits import SPLITS
from data_pipelines.language_model.datasets import Datasets, Split
from data_pipelines.language_model.pipeline import SOURCES, make_datasets

__all__ = ["SOURCES", "SPLITS", "Datasets", "Split", "make_datasets"]
