"""Texts as streams of words, for word vectors."""

from data_pipelines.word_vectors.datasets import Datasets, Split
from data_pipelines.word_vectors.pipeline import SOURCES, make_datasets

__all__ = ["SOURCES", "Datasets", "Split", "make_datasets"]
