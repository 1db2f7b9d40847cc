"""Videos with a label for every frame as batches for video labelling."""

from data_pipelines.files.splits import SPLITS
from data_pipelines.video_labeling.datasets import Datasets, Split, Video
from data_pipelines.video_labeling.pipeline import SOURCES, make_datasets

__all__ = ["SOURCES", "SPLITS", "Datasets", "Split", "Video", "make_datasets"]
