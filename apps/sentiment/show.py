"""What a training of this app shows: samples, pictures, the last words."""

import keras
import numpy as np
import tensorflow as tf

from apps.common import classification_metrics, report
from apps.common.tensorboard import write_projector
from data_pipelines.files.atomic import replacing

from .predict import article

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
        macro_f1: The metric, which holds the confusion of the last pass.
    """

    def __init__(self, run, data, classifier, macro_f1):
        super().__init__()
        self.classifier = classifier
        self.macro_f1 = macro_f1
        self.file = run.file("samples.txt")
        self.labels = data.labels
        rows = np.linspace(0, len(data.valid) - 1, SAMPLES).astype(int)
        self.rows = np.unique(rows)
        self.texts = [" ".join(data.valid.texts[r].split()) for r in self.rows]
        self.right = [data.labels[data.valid.labels[r]] for r in self.rows]
        self.ids = data.valid.padded(self.rows)
        self.writer = tf.summary.create_file_writer(
            str(run.file("tensorboard") / "validation"),
            filename_suffix=".shown",
        )

    def on_epoch_end(self, epoch, logs=None):
        lines = self._lines()
        with self.writer.as_default(epoch + 1):
            if len(self.labels) <= report.MOST_NAMED:
                # The metric still holds the counts of the validation pass.
                picture = report.confusion_picture(
                    keras.ops.convert_to_numpy(self.macro_f1.matrix),
                    self.labels,
                )
                image = tf.io.decode_png(picture, channels=3)
                tf.summary.image("confusion", image[None])
            tf.summary.text("samples", "\n".join(_markdown(lines)))
        self.writer.flush()
        self._write(epoch + 1, lines)

    def _write(self, epoch, lines):
        """Writes the epoch's lines behind those of the epochs before."""
        begin = f"epoch {epoch}\n"
        before = ""
        if self.file.exists():  # a killed run may have written them already
            before = self.file.read_text("utf-8").split(begin)[0]
        block = "".join("\t".join(line) + "\n" for line in lines)
        with replacing(self.file) as temporary:
            temporary.write_text(before + begin + block + "\n", "utf-8")

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
    run, predict, data, scores, baselines, probabilities, progress
):
    """Writes `report.html` with its pictures, and the words' projector."""
    chosen = slice(2, 2 + PROJECTED_WORDS)  # without padding and unknown
    vectors = predict.classifier.get_layer("words").get_weights()[0]
    write_projector(run, vectors[chosen], data.vocabulary.words[chosen])
    matrix = classification_metrics.confusion(data.test.labels, probabilities)
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
        " attention pooling: the darker, the more the model looked at it."
        " The first ones are labelled right, the last ones wrong, if there are"
        " such.</p>",
    ]
    chosen = _some_right_and_wrong(data.test.labels, probabilities)
    texts = [data.test.texts[row] for row in chosen]
    right = [data.labels[data.test.labels[row]] for row in chosen]
    for found, label in zip(predict(texts), right, strict=True):
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


def summary(run, predict, record, data, difference):
    """Prints scores beside baselines, three predictions, and what is next."""
    print(f"\ntest split, {len(data.test):,} texts, read once")
    rows = {record["run"]: record["metrics"], **record["baselines"]}
    print(report.table(rows, SCORES))
    if difference is not None:
        print(f"\nexport/ agrees with the live model to {difference:.1e}")
    print()
    rows = range(min(3, len(data.test)))
    texts = [" ".join(data.test.texts[row].split()) for row in rows]
    for found, words in zip(predict(texts), texts, strict=True):
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
