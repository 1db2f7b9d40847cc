"""What a training of this app shows: samples, report, closing summary."""

import numpy as np

from apps.common import classification_metrics, report, runs, samples, tables
from apps.common.tensorboard import write_projector
from apps.common.terminal import echo
from data_pipelines import sentiment as pipeline

from .evaluate import METRICS
from .predict import EXPLANATION, Predictor

SAMPLES = 12
EXAMPLES = 8  # correct ones in the report, and as many wrong ones


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
    result: runs.Result,
) -> None:
    """Write `report.html` with its pictures, and the words' projector.

    The predictions of the result are the `(N, C)` probabilities of test.
    """
    vectors = predictor.classifier.get_layer("words").get_weights()[0]
    write_projector(run, vectors, data.vocabulary.words, special=2)
    matrix = classification_metrics.confusion(
        data.test.labels, result.predictions
    )
    confusion = report.confusion_picture(matrix, data.labels)
    curve = report.curve(result.progress.rows, ["loss", "accuracy"])
    run.file("confusion.png").write_bytes(confusion)
    run.file("curve.png").write_bytes(curve)
    rows = _correct_and_wrong(data.test.labels, result.predictions)
    predictions = predictor([data.test.texts[row] for row in rows])
    targets = [data.labels[data.test.labels[row]] for row in rows]
    report.render(
        run.file("report.html"),
        "sentiment/report.html.jinja",
        title=run.name,
        test_set=f"{len(data.test):,} texts",
        scores={run.name: result.scores, **result.baselines},
        metrics=METRICS,
        pictures=[("Training", curve), ("Confusion matrix", confusion)],
        explanation=f"Test texts, correct predictions first. {EXPLANATION}",
        examples=list(zip(predictions, targets, strict=True)),
    )


def _correct_and_wrong(targets, probabilities):
    """Return rows of some correct predictions, then of some wrong ones."""
    is_correct = probabilities.argmax(axis=1) == targets
    random = np.random.default_rng(0)
    return [
        row
        for rows in (np.flatnonzero(is_correct), np.flatnonzero(~is_correct))
        for row in random.permutation(rows)[:EXAMPLES].tolist()
    ]


def summary(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: runs.Result,
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
