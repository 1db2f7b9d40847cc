"""What `make check-sentiment` shows of the data."""

import dataclasses

import numpy as np

from apps.common import duplicates
from apps.common.data_page import Description, Example, share, splits_of
from apps.common.samples import spread
from data_pipelines import sentiment as pipeline

from . import evaluate
from .config import Config

EXAMPLES = 4


def describe(data: pipeline.Datasets, config: Config) -> Description:
    """Return what there is to say of texts and their classes."""
    splits = splits_of(data)
    texts = {name: split.texts for name, split in splits.items()}
    baselines = {}
    if len(np.unique(data.train.labels)) > 1 and len(data.valid):
        # All that it does with test is to score it.
        baselines = evaluate.baselines(
            dataclasses.replace(data, test=data.valid)
        )
    return Description(
        counts={
            name: {
                "texts": len(split),
                "words": int(split.part.words.lengths.sum()),
                "unknown": share(split.unknown_rate),
                "cropped": int(
                    (split.part.words.lengths > config.max_length).sum()
                ),
            }
            for name, split in splits.items()
        },
        measured={
            f"{data.vocabulary.kind} of a text": {
                name: split.part.words.lengths for name, split in splits.items()
            }
        },
        classes={
            name: dict(
                zip(
                    data.labels,
                    np.bincount(
                        split.labels, minlength=len(data.labels)
                    ).tolist(),
                    strict=True,
                )
            )
            for name, split in splits.items()
        },
        overlaps=duplicates.of_texts(texts),
        repeated=duplicates.repeated(
            map(duplicates.normalized, data.train.texts)
        ),
        examples=[
            Example(
                f"{name}: {data.labels[split.labels[row]]}", [split.texts[row]]
            )
            for name, split in splits.items()
            for row in spread(len(split), EXAMPLES)
        ],
        baselines=baselines,
    )
