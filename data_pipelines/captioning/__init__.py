"""Pictures and captions as batches for captioning."""

from data_pipelines.captioning.pipeline import (
    SOURCES,
    SPLITS,
    Datasets,
    Split,
    facts,
    make_datasets,
    normalize_caption,
)

__all__ = [
    "SOURCES",
    "SPLITS",
    "Datasets",
    "Split",
    "facts",
    "make_datasets",
    "normalize_caption",
]
