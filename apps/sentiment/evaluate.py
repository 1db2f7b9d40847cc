"""Scores a run, beside the trivial baselines.

    make evaluate-sentiment ARGS="--run demo-gru"
    make evaluate-sentiment ARGS="--run imdb --split valid"
    python -m apps.sentiment.evaluate --dataset files --data-path my-reviews

Baselines: `majority`, which always says the most frequent class of train, and
`bag_of_words`, a logistic regression on tf-idf weights of the words of a text,
whose order it cannot see, trained on the same split.
"""

import dataclasses

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import classification_metrics, cli, report, runs
from data_pipelines import sentiment as pipeline
from data_pipelines.text.vocabulary import Vocabulary

# A bag of words learns little from more texts than these, but needs them all
# in memory at once.
MOST_TEXTS = 100_000


@dataclasses.dataclass(frozen=True)
class Options:
    """Scores a finished run."""

    run: str = cli.flag("", "name or folder of a run; empty: the newest")
    dataset: str = cli.flag(
        "", "other data than the run's own", choices=["", *pipeline.SOURCES]
    )
    data_path: str = cli.flag("", "folder of the other data")
    split: str = cli.flag("test", "part to score", choices=pipeline.SPLITS)
    runs_path: str = cli.flag("runs", "folder of all runs")


def score(classifier, split):
    """Returns the scores of a split and its `(N, C)` probabilities."""
    probabilities = split.in_order(
        classifier.predict(split.dataset(), verbose=0)
    )
    return classification_metrics.classification(
        split.labels, probabilities
    ), probabilities


def baselines(data):
    """Returns the scores of both baselines on the test split."""
    classes = len(data.labels)
    majority = np.bincount(data.train.labels, minlength=classes).argmax()
    constant = np.eye(classes)[np.full(len(data.test), majority)]
    return {
        "majority": classification_metrics.classification(
            data.test.labels, constant
        ),
        "bag_of_words": classification_metrics.classification(
            data.test.labels, _bag_of_words(data)
        ),
    }


def _bag_of_words(data):
    """Returns the `(N, C)` probabilities of the bag of words on test."""
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


def main(options):
    """Prints the scores of a run on one split of its data, or of others."""
    run = runs.open_run("sentiment", options.run, options.runs_path)
    config = run.record["config"]
    classifier = runs.load_model(run.file("model.keras"))
    data = pipeline.make_datasets(
        *runs.data_to_score(options, config, pipeline.SOURCES),
        cache_path=config["cache_path"],
        batch_size=config["batch_size"],
        max_length=config["max_length"],
        vocabulary_size=config["vocabulary_size"],
        seed=config["seed"],
        vocabulary=Vocabulary.load(run.file("vocabulary.txt")),
        labels=runs.read_lines(run.file("labels.txt")),
    )
    split = getattr(data, options.split)
    if not len(split):
        raise cli.UserError(f"these data have no text in {options.split}")
    scores, probabilities = score(classifier, split)
    rows = {f"{run.name} ({options.split})": scores}
    if options.split == "test" and len(np.unique(data.train.labels)) > 1:
        rows |= baselines(data)
    print(report.table(rows, ["accuracy", "macro_f1", "roc_auc"]))
    if len(data.labels) > report.MOST_NAMED:
        return
    matrix = classification_metrics.confusion(split.labels, probabilities)
    counts = {
        label: dict(zip(data.labels, row.tolist(), strict=True))
        for label, row in zip(data.labels, matrix, strict=True)
    }
    print("\n" + report.table(counts, data.labels, "right \\ predicted"))


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
