"""What a training of this app shows: samples, report, closing summary."""

import numpy as np

from apps.common import (
    classification_metrics,
    outcome,
    report,
    runs,
    samples,
    tables,
)
from apps.common.tensorboard import write_projector
from apps.common.terminal import echo
from data_pipelines import sentiment as pipeline

from . import explain
from .evaluate import BASELINES, METRICS
from .predict import EXPLANATION, TEMPLATE, Predictor

SAMPLES = 12
EXAMPLES = 16  # in the report, half of them wrong


class Samples(samples.Samples):
    """Each epoch: predictions for some validation texts, and the confusion."""

    columns = ("text", "target", "predicted")
    count = SAMPLES

    def lines(self, epoch):
        lines = []
        for row in self.rows:
            text = " ".join(self.split.texts[row].split())
            target = self.data.labels[self.split.labels[row]]
            p = self.validation.probabilities[row]
            predicted = f"{self.data.labels[p.argmax()]} {p.max():.3f}"
            lines.append((text[:300], target, predicted))
        return lines

    def pictures(self, epoch):
        if len(self.data.labels) > report.MOST_NAMED:
            return {}
        matrix = classification_metrics.confusion(
            self.split.labels, self.validation.probabilities
        )
        return {"confusion": report.confusion_picture(matrix, self.data.labels)}


def write_report(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: outcome.Result,
) -> None:
    """Write `report.html` with its pictures, and the words' projector.

    The predictions of the result are the `(N, C)` probabilities of test.
    """
    vectors = predictor.classifier.get_layer("words").get_weights()[0]
    ids = np.arange(len(vectors), dtype=np.int32)
    ratios = explain.ratios_at(predictor, ids)[:, :1]  # of single words, V 1 C
    columns = dict(zip(data.labels, ratios.T.sum(axis=1), strict=True))
    write_projector(run, vectors, data.vocabulary.words, 2, columns)
    test, probabilities = data.test, result.predictions
    wrong = probabilities.argmax(axis=1) != test.labels
    rows = samples.instructive(probabilities.max(axis=1), wrong, EXAMPLES)
    texts = [test.texts[row] for row in rows]
    targets = [data.labels[test.labels[row]] for row in rows]
    explained = explain.explain(predictor, texts, predictor(texts))
    report.of_training(
        run,
        TEMPLATE,
        result,
        test_set=f"{len(test):,} texts",
        metrics=METRICS,
        baselines=BASELINES,
        main="accuracy",
        curves=["loss", "accuracy"],
        **report.by_class(
            test.labels,
            probabilities,
            data.labels,
            np.bincount(data.train.labels, minlength=len(data.labels)),
        ),
        explanation=f"Confident and wrong ones first. {EXPLANATION}",
        examples=list(zip(explained, targets, strict=True)),
    )


def summary(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: outcome.Result,
) -> None:
    """Print scores beside baselines, three predictions, and what is next."""
    echo(f"\nscores on the test set ({len(data.test):,} texts)")
    echo(tables.text({run.name: result.scores, **result.baselines}, METRICS))
    echo("", *report.remarks(run, result, "accuracy"), sep="\n")
    echo()
    texts = [data.test.texts[row] for row in range(min(3, len(data.test)))]
    for text, prediction in zip(texts, predictor(texts), strict=True):
        line = " ".join(text.split())
        line = line if len(line) < 90 else line[:87] + "..."
        echo(f"{prediction.label}  {prediction.probability:.3f}  {line}")
    echo(f"""
next
  make predict-sentiment ARGS="--explain 'your own words'"
  make train-sentiment ARGS="--cell peephole_lstm"
  make train-sentiment ARGS="--dataset files --data-path FOLDER"
  make demo
  make tensorboard
  open {run.file("report.html")}""")
