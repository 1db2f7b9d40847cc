"""What `make check-language-model` shows of the data."""

from collections.abc import Sequence

import numpy as np

from apps.common import duplicates
from apps.common.data_page import Description, Example, share, splits_of
from apps.common.samples import spread
from data_pipelines import language_model as pipeline
from data_pipelines.files.ragged import RaggedArray
from data_pipelines.language_model.tokens import StreamTokenizer

from . import baselines, scores
from .config import Config

# Examples, and lines of each.
EXAMPLES, LINES = 2, 6


def describe(data: pipeline.Datasets, config: Config) -> Description:
    """Return what there is to say of a text and its lines."""
    splits = splits_of(data)
    lines = {
        name: Lines(split, data.tokenizer) for name, split in splits.items()
    }
    return Description(
        counts={
            name: {
                "tokens": len(split),
                "lines": split.about["lines"],
                "characters": split.about["characters"],
                "unknown": share(split.unknown_share),
            }
            for name, split in splits.items()
        },
        measured={
            f"{data.tokenizer.kind} of a line": {
                name: own.ids.lengths for name, own in lines.items()
            }
        },
        overlaps=duplicates.of_texts(lines),
        repeated=duplicates.repeated(
            filter(None, map(duplicates.normalized, lines["train"]))
        ),
        examples=[
            Example(f"{name}, line {row + 1:,}", own[row : row + LINES])
            for name, own in lines.items()
            for row in spread(max(len(own) - LINES + 1, 0), EXAMPLES)
        ],
        baselines=_baselines(data) if len(data.valid) else {},
    )


class Lines(Sequence):
    """The lines of a split, decoded one by one.

    Args:
        split: The split.
        tokenizer: That of its ids.

    Attributes:
        ids: Of each line, its end left out.
    """

    def __init__(
        self, split: pipeline.Split, tokenizer: StreamTokenizer
    ) -> None:
        self.tokenizer = tokenizer
        ids = split.ids
        if split.sentences or not len(split):
            starts, lengths = ids.starts + 1, np.maximum(ids.lengths - 2, 0)
        else:
            # The first token is the end of the line before.
            ends = np.flatnonzero(ids[0] == tokenizer.END)
            starts, lengths = ends[:-1] + 1, np.diff(ends) - 1
        self.ids = RaggedArray(ids.values, starts, lengths)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row):
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        return self.tokenizer.decode(self.ids[row].tolist())


def _baselines(data):
    """Return the scores of single tokens, by how frequent they are in train."""
    counts = baselines.count(data, 1)
    return {
        name: scores.scores(losses, data.valid)
        for name, losses in baselines.of_single_tokens(
            counts, data.valid
        ).items()
    }
