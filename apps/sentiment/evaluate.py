"""Score a run beside the trivial baselines.

    make evaluate-sentiment ARGS="--run demo-gru"
    make evaluate-sentiment ARGS="--run imdb --split valid"
    python -m apps.sentiment.evaluate --dataset files --data-path my-reviews

The bag of words is of tf-idf weights, trained on the same split.
"""

from apps.common import cli, scoring
from apps.common.terminal import echo

from .config import EvaluateOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)


from collections.abc import Callable

import keras
import numpy as np

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import (
    classification_metrics,
    ensemble,
    graph,
    report,
    runs,
    tables,
)
from data_pipelines import sentiment as pipeline

from .config import Config
from .predict import Predictor

METRICS = {
    "accuracy": "share of texts whose most probable label is the correct one",
    "macro_f1": "mean of the labels' F1, rare labels as heavy as frequent ones",
    "roc_auc": "two labels: chance that a text of the second gets a higher"
    " probability of it than one of the first; 0.5 is guessing",
}

BASELINES = {
    "majority": "always the most frequent label of train",
    "bag_of_words": "logistic regression on the words of a text, whose order"
    " it cannot see",
}

# A bag of words learns little from more texts than these, but needs them all
# in memory at once.
MOST_TEXTS = 100_000


def compiled(classifier: keras.Model) -> Callable:
    """Return a function of a data set of batches to `(N, C)` probabilities.

    Keras's own `predict` is traced anew for a second length of texts, and once
    more for the last batch, which has fewer rows: seconds each on TensorFlow.
    """
    if keras.config.backend() != "tensorflow":
        return lambda dataset: classifier.predict(dataset, verbose=0)
    classify = graph.compile_once(
        lambda ids: classifier(ids, training=False), ((None, None), "int32")
    )
    return lambda dataset: np.concatenate([classify(x) for x, _ in dataset])


def score(
    probabilities_of: Callable, split: pipeline.Split
) -> tuple[dict, np.ndarray]:
    """Return the scores of a split and its `(N, C)` probabilities.

    Args:
        probabilities_of: The classifier, as `compiled` returns it.
        split: The split.
    """
    probabilities = split.in_order(probabilities_of(split.dataset()))
    scores = classification_metrics.classification(split.labels, probabilities)
    return scores, probabilities


class Validation(keras.callbacks.Callback):
    """Each epoch: loss and scores of the validation split.

    Attributes:
        probabilities: `(N, C)`, after the last epoch.
    """

    def __init__(self, classifier: keras.Model, split: pipeline.Split):
        super().__init__()
        self.probabilities_of = compiled(classifier)
        self.split = split
        self.probabilities = None

    def on_epoch_end(self, epoch, logs=None):
        scores, self.probabilities = score(self.probabilities_of, self.split)
        logs["val_loss"] = classification_metrics.nll(
            self.split.labels, self.probabilities
        )
        logs.update({f"val_{k}": v for k, v in scores.items() if v is not None})


def baselines(data: pipeline.Datasets) -> dict[str, dict]:
    """Return the scores of both baselines on the test split."""
    classes = len(data.labels)
    majority = np.bincount(data.train.labels, minlength=classes).argmax()
    constant = np.eye(classes)[np.full(len(data.test), majority)]
    return {
        name: classification_metrics.classification(data.test.labels, predicted)
        for name, predicted in (
            ("majority", constant),
            ("bag_of_words", _bag_of_words(data)),
        )
    }


def _bag_of_words(data):
    """Return the `(N, C)` probabilities of the bag of words on test."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train, test = data.train, data.test
    rows = np.arange(len(train))
    if len(rows) > MOST_TEXTS:
        rows = np.random.default_rng(0).choice(rows, MOST_TEXTS, replace=False)
    # The words are the ids that the network reads, none of them cropped.
    vectorizer = TfidfVectorizer(analyzer=np.ndarray.tolist, sublinear_tf=True)
    words = vectorizer.fit_transform(map(train.ids, rows))
    regression = LogisticRegression(max_iter=1000)
    regression.fit(words, train.labels[rows])
    probabilities = np.zeros((len(test), len(data.labels)))
    probabilities[:, regression.classes_] = regression.predict_proba(
        vectorizer.transform(map(test.ids, range(len(test))))
    )
    return probabilities


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
        batch_size=config.batch_size,
        max_length=config.max_length,
        tokens=predictor.vocabulary.kind,
        vocabulary_size=config.vocabulary_size,
        seed=config.seed,
        vocabulary=predictor.vocabulary,
        labels=predictor.labels,
        encoding=reading.encoding,
        text_column=reading.text_column,
        label_column=reading.label_column,
        whole=whole,
    )


def main(options: Options) -> None:
    """Print the scores of a run on one split of its data, or of others."""
    opened = runs.open_runs("sentiment", options.run, options.runs_path)
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
    rows, probabilities = ensemble.score(
        opened,
        Predictor.of_run,
        predictor,
        lambda one: score(compiled(one.classifier), split),
        options.split,
        dataset,
    )
    if options.split == "test" and len(np.unique(data.train.labels)) > 1:
        rows |= baselines(data)
    echo(tables.text(rows, METRICS))
    if len(data.labels) <= report.MOST_NAMED:
        matrix = classification_metrics.confusion(split.labels, probabilities)
        echo("\n" + tables.confusion(matrix, data.labels))


if __name__ == "__main__":
    cli.main(lambda: main(options))
