"""Pictures and captions as batches for captioning."""

from data_pipelines.captioning.pipeline import (
    SOURCES,
    SPLITS,
    Datasets,
    Split,
    facts,
    make_datasets,
    plain,
)

__all__ = [
    "SOURCES",
    "SPLITS",
    "Datasets",
    "Split",
    "facts",
    "make_datasets",
    "plain",
]
