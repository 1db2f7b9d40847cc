"""Score a run beside its baselines.

    make evaluate-language-model ARGS="--run demo-lstm"
    make evaluate-language-model ARGS="--split valid --interpolate"
    python -m apps.language_model.evaluate --dataset files --data-path my-text

`scores.py` defines the scores, `baselines.py` says what stands beside them.
`--interpolate` adds mixtures of the model with the longest Kneser-Ney, and with
a cache of the last 500 words, their weights the likeliest on valid.
"""

from apps.common import cli, scoring
from apps.common.terminal import echo

from .config import EvaluateOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import keras
import numpy as np

from apps.common import ensemble, runs, tables
from apps.common.optimizer import averaged
from data_pipelines import language_model as pipeline

from . import baselines, ngrams, scores
from .predict import Predictor

# Tokens that the cache remembers.
WINDOW = 500


def score(
    predictor: Predictor, split: pipeline.Split
) -> tuple[dict, np.ndarray]:
    """Return the scores of a split, and -log p of its tokens."""
    losses = predictor.losses(split)
    return scores.scores(losses, split), losses


def baseline_scores(data: pipeline.Datasets, dataset: str) -> dict[str, dict]:
    """Return the scores of every baseline on the test split."""
    return {
        name: scores.scores(losses, data.test)
        for name, losses in baselines.losses(data, dataset).items()
    }


def interpolated(
    predictor: Predictor, data: pipeline.Datasets, split: pipeline.Split
) -> dict[str, dict]:
    """Return the scores of mixtures, whose weights are those of valid."""
    order = max(baselines.orders(data.tokenizer.kind))
    model = ngrams.kneser_ney(baselines.count(data, order), order)

    def chances(split):
        logs = baselines.log_probabilities(model, split)
        return np.stack(
            [
                np.exp(-predictor.losses(split).astype(float)),
                np.exp(logs),
                ngrams.cache(split.targets, WINDOW),
            ]
        )

    valid, own = chances(data.valid), chances(split)
    rows = {}
    for count, name in ((2, ""), (3, " + cache")):
        weights = ngrams.mixture(valid[:count])
        losses = -np.log(weights @ own[:count])
        share = " : ".join(f"{weight:.2f}" for weight in weights)
        title = f"model + kneser_ney_{order}{name} ({share})"
        rows[title] = scores.scores(losses, split)
    return rows


class Validation(keras.callbacks.Callback):
    """Each epoch: loss and perplexity of valid, by the averaged weights.

    The states of as many rows as a batch of training has run through it.
    """

    def __init__(self, data: pipeline.Datasets, predictor: Predictor):
        super().__init__()
        self.split = data.valid
        self.predictor = predictor

    def on_epoch_end(self, epoch, logs=None):
        rows = self.predictor.config.batch_size
        with averaged(self.model):
            losses = self.predictor.losses(self.split, rows)
        loss = float(losses.mean(dtype=np.float64))
        logs["perplexity"] = float(np.exp(logs["loss"]))
        logs["val_loss"] = loss
        logs["val_perplexity"] = float(np.exp(loss))


def datasets(
    predictor: Predictor,
    dataset: str,
    data_path: str | None,
    encoding: str,
    whole: bool = False,
) -> pipeline.Datasets:
    """Return a data set as a finished run reads it."""
    config = predictor.config
    return pipeline.make_datasets(
        dataset,
        data_path,
        cache_path=config.cache_path,
        unit=config.unit,
        vocabulary_size=config.vocabulary_size,
        batch_size=config.batch_size,
        chunk=config.chunk,
        seed=config.seed,
        tokenizer=predictor.tokenizer,
        encoding=encoding,
        whole=whole,
    )


def main(options: Options) -> None:
    """Print the scores of a run on one split of its data, or of others."""
    opened = runs.open_runs("language_model", options.run, options.runs_path)
    run = opened[0]
    predictor = Predictor.of_runs(opened)
    config = predictor.config
    dataset, path = scoring.data_to_score(
        options, vars(config), pipeline.SOURCES
    )
    data = datasets(
        predictor,
        dataset,
        path,
        encoding=(options if options.dataset else config).encoding,
        whole=scoring.is_other_file(options, vars(config)),
    )
    split = scoring.split_to_score(run, data, options)
    if options.interpolate and not (len(data.train) and len(data.valid)):
        raise cli.UserError("--interpolate needs train and valid of the data")
    rows, _ = ensemble.score(
        opened,
        Predictor.of_run,
        predictor,
        lambda one: score(one, split),
        options.split,
        (dataset, path),
    )
    if options.interpolate:
        rows |= interpolated(predictor, data, split)
    if options.split == "test" and len(data.train):
        rows |= baseline_scores(data, dataset)
    echo(tables.text(rows, scores.METRICS))
    for name, signature in scores.signature(config, split).items():
        echo(f"{name}: {signature}")


if __name__ == "__main__":
    cli.main(lambda: main(options))
