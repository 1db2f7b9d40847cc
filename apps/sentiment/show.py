"""What a training of this app shows: samples, pictures, the last words."""

import keras
import numpy as np
import tensorflow as tf

from apps.common import metrics, report
from apps.common.tensorboard import write_projector

from .predict import Predictor, article

SAMPLES = 12
PROJECTED_WORDS = 3000
SCORES = ("accuracy", "macro_f1", "roc_auc")


class Samples(keras.callbacks.Callback):
    """Each epoch: predictions for some validation texts, and the confusion.

    The texts go to `samples.txt` and TensorBoard, the confusion matrix of the
    validation split to TensorBoard.

    Args:
        run: The `runs.Run`.
        data: The `Datasets`.
        classifier: The model to show, which shares the weights trained.
    """

    def __init__(self, run, data, classifier):
        super().__init__()
        self.classifier = classifier
        self.file = run.file("samples.txt")
        self.labels = data.labels
        rows = np.linspace(0, len(data.valid) - 1, SAMPLES).astype(int)
        self.rows = np.unique(rows)
        self.texts = [" ".join(data.valid.text(r).split()) for r in self.rows]
        self.right = [data.labels[data.valid.labels[r]] for r in self.rows]
        self.ids = data.valid.encoded.batch(self.rows)[0]
        self.writer = tf.summary.create_file_writer(
            str(run.file("tensorboard") / "validation"),
            filename_suffix=".shown",
        )

    def on_epoch_end(self, epoch, logs=None):
        # The metric still holds the counts of the validation pass.
        matrix = next(
            m.matrix
            for m in self.model.metrics[1].metrics
            if isinstance(m, metrics.MacroF1)
        )
        picture = report.confusion_picture(
            keras.ops.convert_to_numpy(matrix), self.labels
        )
        lines = self._lines()
        with self.writer.as_default(epoch + 1):
            tf.summary.image(
                "confusion", tf.io.decode_png(picture, channels=3)[None]
            )
            tf.summary.text("samples", "\n".join(_markdown(lines)))
        self.writer.flush()
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(f"epoch {epoch + 1}\n")
            file.writelines("\t".join(line) + "\n" for line in lines)
            file.write("\n")

    def on_train_end(self, logs=None):
        self.writer.close()

    def _lines(self):
        probabilities = self.classifier.predict_on_batch(self.ids)
        return [
            (words[:300], right, f"{self.labels[p.argmax()]} {p.max():.3f}")
            for p, right, words in zip(
                probabilities, self.right, self.texts, strict=True
            )
        ]


def _markdown(lines):
    yield "| text | right | predicted |"
    yield "|---|---|---|"
    for line in lines:
        yield "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |"


def write_report(
    run, classifier, data, scores, baselines, probabilities, progress
):
    """Writes `report.html` with its pictures, and the words' projector."""
    chosen = slice(2, 2 + PROJECTED_WORDS)  # without padding and unknown
    vectors = classifier.get_layer("words").get_weights()[0]
    write_projector(run, vectors[chosen], data.vocabulary.words[chosen])
    matrix = metrics.confusion(data.test.labels, probabilities)
    confusion = report.confusion_picture(matrix, data.labels)
    curve = report.curve(progress.rows, ["loss", "accuracy"])
    run.file("confusion.png").write_bytes(confusion)
    run.file("curve.png").write_bytes(curve)
    rows = {run.name: scores, **baselines}
    body = [
        f"<p>Test split of {len(data.test):,} texts, read once.</p>",
        report.html_table(rows, SCORES),
        "<h2>Training</h2>" + report.image(curve, "loss and accuracy"),
        "<h2>Confusion</h2>" + report.image(confusion, "confusion matrix"),
        "<h2>Test texts</h2><p>Each word is shaded by its weight in the"
        " attention pooling: darker words decided more.</p>",
    ]
    chosen = _some_right_and_wrong(data.test.labels, probabilities)
    texts = [data.test.text(row) for row in chosen]
    right = [data.labels[data.test.labels[row]] for row in chosen]
    for found, label in zip(Predictor(run)(texts), right, strict=True):
        body.append(article(*found, right=label))
    report.write_page(run.file("report.html"), run.name, "\n".join(body))


def _some_right_and_wrong(classes, probabilities, count=8):
    """Returns rows of up to `count` right and as many wrong predictions."""
    wrong = probabilities.argmax(axis=1) != classes
    random = np.random.default_rng(0)
    chosen = []
    for rows in (np.flatnonzero(~wrong), np.flatnonzero(wrong)):
        chosen += random.permutation(rows)[:count].tolist()
    return chosen


def summary(run, record, data, difference):
    """Prints scores beside baselines, three predictions, and what is next."""
    print(f"\ntest split, {len(data.test):,} texts, read once")
    rows = {record["run"]: record["metrics"], **record["baselines"]}
    print(report.table(rows, SCORES))
    print(f"\nexport/ agrees with the live model to {difference:.1e}\n")
    texts = [" ".join(data.test.text(row).split()) for row in range(3)]
    for found, words in zip(Predictor(run)(texts), texts, strict=True):
        label, probability, _, _ = found
        shown = words if len(words) < 90 else words[:87] + "..."
        print(f"{label}  {probability:.3f}  {shown}")
    print(f"""
next
  make predict-sentiment ARGS="--explain 'your own words'"
  make train-sentiment ARGS="--cell peephole_lstm"
  make train-sentiment ARGS="--dataset files --data-path FOLDER"
  make tensorboard
  open {run.file("report.html")}""")
