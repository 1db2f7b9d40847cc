"""What `make check-tagging` shows of the data."""

import dataclasses
from collections import Counter

import numpy as np

from apps.common import duplicates
from apps.common.data_page import Description, Example, share, splits_of
from apps.common.samples import spread
from data_pipelines import tagging as pipeline
from data_pipelines.text.words import UNKNOWN

from . import evaluate
from .config import Config

EXAMPLES = 4


def describe(data: pipeline.Datasets, config: Config) -> Description:
    """Return what there is to say of sentences and the labels of words."""
    splits = splits_of(data)
    texts = {
        name: [" ".join(s.words) for s in split.sentences]
        for name, split in splits.items()
    }
    baselines = {}
    if len(data.valid):
        # All that they do with test is to label it.
        baselines = evaluate.of_baselines(
            dataclasses.replace(data, test=data.valid)
        )
    return Description(
        counts={
            name: {
                "sentences": len(split),
                "words": int(split.lengths.sum()),
                "unknown": share(_unknown(split)),
                "labels not in train": sum(map(len, split.unseen().values())),
            }
            for name, split in splits.items()
        },
        measured={
            "words of a sentence": {n: s.lengths for n, s in splits.items()}
        },
        classes={name: _classes(split) for name, split in splits.items()},
        overlaps=duplicates.of_texts(texts),
        repeated=duplicates.repeated(
            map(duplicates.normalized, texts["train"])
        ),
        examples=[
            Example(
                f"{name}{s.intent and ': '}{s.intent}",
                [texts[name][row], " ".join(_labels(s))],
            )
            for name, split in splits.items()
            for row in spread(len(split), EXAMPLES)
            for s in [split.sentences[row]]
        ],
        baselines=baselines,
    )


def _unknown(split):
    ids = split.forms.ids[split.words.values]
    return float(np.mean(ids == UNKNOWN)) if len(ids) else 0.0


def _classes(split):
    """Return how often there is each tag or relation, and each intent."""
    tags = Counter(tag for s in split.sentences for tag in s.tags)
    intents = Counter(s.intent for s in split.sentences if s.intent)
    return tags | {f"intent {name}": n for name, n in intents.items()}


def _labels(sentence):
    if not sentence.heads:
        return sentence.tags
    pairs = zip(sentence.tags, sentence.heads, strict=True)
    return [f"{relation}:{head}" for relation, head in pairs]
