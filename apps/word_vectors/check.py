"""What `make check-word-vectors` shows of the data."""

from apps.common.data_page import Description, Example, share
from apps.common.samples import spread
from data_pipelines import word_vectors as pipeline
from data_pipelines.text.words import SPECIALS

from . import evaluate
from .config import Config

# Texts to show, and words of each.
EXAMPLES, WORDS = 6, 60


def describe(data: pipeline.Datasets, config: Config) -> Description:
    """Return what there is to say of a text and what it is tested on."""
    train = data.train
    known = train.counts.sum()
    return Description(
        counts={
            "train": {
                "texts": len(train.lengths),
                "words": len(train),
                "different": len(data.vocabulary) - len(SPECIALS),
                "unknown": share(1 - known / len(train)),
                "stay in a pass": share(
                    (train.counts * train.keep).sum() / known
                ),
                "pairs": len(data.pairs),
                "questions": len(data.questions),
            }
        },
        measured={"words of a text": {"train": train.lengths}},
        examples=[
            Example(f"train, text {row + 1:,}", [_words(data, row)])
            for row in spread(len(train.lengths), EXAMPLES)
        ],
        baselines={
            name: own.metrics
            for name, own in evaluate.baseline_scores(data, config).items()
        },
        scored_on="pairs and questions",
    )


def _words(data, row):
    ids = data.train.word_ids[data.train.texts[row][:WORDS]]
    return " ".join(data.vocabulary.words[i] for i in ids)
