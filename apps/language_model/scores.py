"""Scores of a language model, by -log p of every token of a split.

Every token counts once, ends of lines among them; a token that is not in the
vocabulary counts as the one unknown token, so scores of different vocabularies
do not compare. The state runs through the whole of a stream.
"""

import numpy as np

from data_pipelines.language_model import Split

METRICS = {
    "perplexity": "exp of the mean loss, lower is better: as many equally"
    " likely tokens there are to choose from",
    "bits_per_token": "the mean loss in bits, lower is better",
    "bits_per_character": "the loss of a text in bits, by its characters;"
    " lower is better",
    "unknown_share": "share of tokens that are not in the vocabulary",
}

# Scores of which lower ones are better, and those of which none is the best.
LOWER = ("perplexity", "bits_per_token", "bits_per_character")
UNRANKED = ("unknown_share",)


def scores(losses: np.ndarray, split: Split) -> dict[str, float]:
    """Return the scores of the losses of a split in nats."""
    total = float(losses.sum(dtype=np.float64))
    mean = total / len(losses)
    return {
        "perplexity": float(np.exp(mean)),
        "bits_per_token": mean / np.log(2).item(),
        "bits_per_character": total
        / np.log(2).item()
        / max(split.about["characters"], 1),
        "unknown_share": split.unknown_share,
    }


def signature(config, split: Split) -> dict[str, str]:
    """Return exactly how the scores were computed."""
    state = "each sentence" if split.sentences else "the whole stream"
    return {
        "perplexity": (
            f"{len(split)} {config.tokens}, ends of lines counted|unknown"
            f" tokens counted as one|state through {state}|"
            f"{split.about['characters']} characters"
        )
    }
