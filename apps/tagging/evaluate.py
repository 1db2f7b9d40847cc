"""Score a run beside the trivial baselines.

    make evaluate-tagging ARGS="--run demo-lstm"
    make evaluate-tagging ARGS="--run slots --split valid"
    python -m apps.tagging.evaluate --dataset files --data-path my-slots

`scores.py` defines the scores, `baselines.py` says what stands beside them.
"""

from apps.common import cli, scoring
from apps.common.terminal import echo

from .config import EvaluateOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)


import keras

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import ensemble, runs, tables
from apps.common.optimizer import averaged
from data_pipelines import tagging as pipeline
from data_pipelines.tagging.schemes import are_spans

from . import baselines, scores
from .config import Config
from .predict import Decoder, Prediction, Predictor

# Types of spans with a row of their own.
MOST_TYPES = 40


def main_score(data: pipeline.Datasets) -> str:
    """Return the score that decides which epoch is the best."""
    if data.train.is_parse:
        return "las"
    return "f1" if are_spans(data.labels) else "accuracy"


def metrics(data: pipeline.Datasets) -> dict[str, str]:
    """Return the scores that there are, the main one first."""
    if data.train.is_parse or data.test.is_parse:
        return {
            **scores.PARSE_METRICS,
            **(scores.POS_METRICS if data.pos else {}),
        }
    return {
        **(scores.SPAN_METRICS if are_spans(data.labels) else {}),
        **scores.TAG_METRICS,
        **(scores.INTENT_METRICS if data.intents else {}),
    }


def score(
    decoder: Decoder, split: pipeline.Split
) -> tuple[dict, list[Prediction]]:
    """Return the scores of a split and its predictions, in its order."""
    batches = (
        (split.fetch(batch, 0)[0], split.lengths[batch.rows])
        for batch in split.planner.once()
    )
    predictions = [
        prediction
        for inputs, lengths in batches
        for prediction in decoder(inputs, lengths)
    ]
    predictions = split.in_order(predictions)
    return compared(split, predictions, decoder.labels), predictions


def compared(
    split: pipeline.Split, predictions: list[Prediction], labels: list[str]
) -> dict:
    """Return the scores of predictions."""
    sentences = split.sentences
    if split.is_parse:
        results = scores.of_heads(
            [(s.heads, s.tags) for s in sentences],
            [(p.heads, p.tags) for p in predictions],
        )
        if split.pos_labels and all("tag" in s.columns for s in sentences):
            of_pos = scores.of_tags(
                [s.columns["tag"] for s in sentences],
                [p.pos for p in predictions],
                False,
            )
            results["pos_accuracy"] = of_pos["accuracy"]
        return results
    results = scores.of_tags(
        [s.tags for s in sentences],
        [p.tags for p in predictions],
        are_spans(labels),
    )
    if split.intent_labels and sentences[0].intent:
        right = [
            p.intent in s.intents
            for s, p in zip(sentences, predictions, strict=True)
        ]
        results["intent_accuracy"] = sum(right) / len(right)
    return results


class Validation(keras.callbacks.Callback):
    """Each epoch: loss and scores of the validation split.

    Attributes:
        predictions: Of its sentences, after the last epoch.
    """

    def __init__(self, decoder: Decoder, split: pipeline.Split):
        super().__init__()
        self.decoder = decoder
        self.split = split
        self.predictions = []

    def on_epoch_end(self, epoch, logs=None):
        with averaged(self.model):
            logs["val_loss"] = self.model.evaluate(
                self.split.dataset(), verbose=0, return_dict=True
            )["loss"]
            results, self.predictions = score(self.decoder, self.split)
        logs.update({f"val_{name}": value for name, value in results.items()})


def of_baselines(data: pipeline.Datasets) -> dict[str, dict]:
    """Return the scores of both baselines on the test split."""
    test = data.test
    rows = {}
    for name, predicted in baselines.predictions(data).items():
        if test.is_parse:
            rows[name] = scores.of_heads(
                [(s.heads, s.tags) for s in test.sentences],
                map(baselines.parse, predicted),
            )
        else:
            rows[name] = scores.of_tags(
                [s.tags for s in test.sentences],
                predicted,
                are_spans(data.labels),
            )
    if data.intents:
        for name, accuracy in baselines.intents(data).items():
            rows[name]["intent_accuracy"] = accuracy
    if data.pos:
        guesses = baselines.most_frequent_pos(data)
        pairs = [s.columns["tag"] for s in test.sentences]
        of_pos = scores.of_tags(pairs, guesses, False)
        rows["most_frequent"]["pos_accuracy"] = of_pos["accuracy"]
    return rows


def datasets(
    predictor: Predictor,
    config: Config,
    dataset: str,
    data_path: str | None,
    reading: Config | Options,
    whole: bool = False,
) -> pipeline.Datasets:
    """Return a data set as a finished run reads it; `reading` has columns."""
    return pipeline.make_datasets(
        dataset,
        data_path,
        cache_path=config.cache_path,
        task=config.task,
        batch_size=config.batch_size,
        seed=config.seed,
        columns=reading.columns,
        column_features=config.column_features,
        scheme=reading.scheme,
        intent_separator=config.intent_separator,
        model_scheme=config.model_scheme,
        max_length=config.max_length,
        encoding=reading.encoding,
        known=predictor.known,
        whole=whole,
    )


def main(options: Options) -> None:
    """Print the scores of a run on one split of its data, or of others."""
    opened = runs.open_runs("tagging", options.run, options.runs_path)
    run = opened[0]
    config = run.config(Config)
    predictor = Predictor.of_runs(opened)
    dataset = scoring.data_to_score(options, vars(config), pipeline.SOURCES)
    data = datasets(
        predictor,
        config,
        *dataset,
        reading=options if options.dataset else config,
        whole=scoring.is_other_file(options, vars(config)),
    )
    split = scoring.split_to_score(run, data, options)
    rows, predictions = ensemble.score(
        opened,
        Predictor.of_run,
        predictor,
        lambda one: score(one.decoder, split),
        options.split,
        dataset,
    )
    if options.split == "test" and len(data.train):
        rows |= of_baselines(data)
    echo(tables.text(rows, metrics(data)))
    if not split.is_parse and are_spans(data.labels):
        rows = by_type(split, predictions)
        echo("\n" + tables.text(rows, scores.COLUMNS))


def by_type(
    split: pipeline.Split, predictions: list[Prediction]
) -> dict[str, dict]:
    """Return the scores of each type of span, or label, frequent ones first."""
    targets = [s.tags for s in split.sentences]
    predicted = [p.tags for p in predictions]
    if are_spans([tag for tags in targets for tag in tags]):
        rows = scores.of_spans(targets, predicted)
        rows.pop("")
    else:
        rows = scores.of_labels(targets, predicted)
    frequent = sorted(rows, key=lambda kind: -rows[kind]["test"])
    return {kind: rows[kind] for kind in frequent[:MOST_TYPES]}


if __name__ == "__main__":
    cli.main(lambda: main(options))
