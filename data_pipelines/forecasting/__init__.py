"""Time series as batches of windows for forecasting."""

from data_pipelines.files.splits import SPLITS
from data_pipelines.forecasting.datasets import Datasets, Split
from data_pipelines.forecasting.pipeline import SOURCES, latest, make_datasets

__all__ = [
    "SOURCES",
    "SPLITS",
    "Datasets",
    "Split",
    "latest",
    "make_datasets",
]
