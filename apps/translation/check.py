"""What `make check-translation` shows of the data."""

import dataclasses

import numpy as np

from apps.common import duplicates
from apps.common.data_page import Description, Example, share, splits_of
from apps.common.samples import spread
from data_pipelines import translation as pipeline

from . import evaluate
from .config import Config

EXAMPLES = 4


def describe(data: pipeline.Datasets, config: Config) -> Description:
    """Return what there is to say of pairs of sentences."""
    splits = splits_of(data)
    baselines = {}
    if len(data.valid):
        # All that it does with test is to score it.
        baselines = evaluate.baselines(
            dataclasses.replace(data, test=data.valid)
        )
    measured = {
        f"tokens of a sentence, {language}": {
            name: split.sides[side].tokens.lengths
            for name, split in splits.items()
        }
        for side, language in enumerate(data.languages)
    }
    # Pairs that do not belong together have odd ones.
    measured["letters of the target for one of the source"] = {
        name: ratios(split) for name, split in splits.items()
    }
    sources = {name: split.source_texts for name, split in splits.items()}
    return Description(
        counts={name: _counts(data, split) for name, split in splits.items()},
        measured=measured,
        overlaps=duplicates.of_texts(sources),
        repeated=duplicates.repeated(
            map(duplicates.normalized, data.train.source_texts)
        ),
        examples=[
            Example(name, [split.source_texts[row], split.target_texts[row]])
            for name, split in splits.items()
            for row in spread(len(split), EXAMPLES)
        ],
        baselines=baselines,
    )


def _counts(data, split):
    counts = {"pairs": len(split)}
    for language, side in zip(data.languages, split.sides, strict=True):
        counts[f"tokens, {language}"] = int(side.tokens.lengths.sum())
        counts[f"unknown, {language}"] = share(side.unknown_rate)
        counts[f"cut, {language}"] = side.cut
    return counts


def ratios(split: pipeline.Split) -> np.ndarray:
    """Return how many times as long as its source each target is, `(N,)`."""
    source, target = (
        texts.raw.lengths for texts in (split.source_texts, split.target_texts)
    )
    return target / np.maximum(source, 1)
