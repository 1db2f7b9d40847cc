"""Pictures and captions as batches for captioning."""

from data_pipelines.captioning.datasets import Datasets, Split
from data_pipelines.captioning.normalize import normalize_caption
from data_pipelines.captioning.pipeline import SOURCES, facts, make_datasets
from data_pipelines.files.splits import SPLITS

__all__ = [
    "SOURCES",
    "SPLITS",
    "Datasets",
    "Split",
    "facts",
    "make_datasets",
    "normalize_caption",
]
