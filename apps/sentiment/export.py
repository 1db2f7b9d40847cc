"""Writes a run's SavedModel: raw texts in, labels and probabilities out.

    make export-sentiment ARGS="--run demo-gru"

Training has written it already; this writes it again, for instance after a
change to what it returns. It needs nothing but tensorflow:

    served = tf.saved_model.load("runs/sentiment/demo-gru/export")
    served.serve(tf.constant(["what a film"]))["label"]
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import tensorflow as tf

from apps.common import export, runs
from data_pipelines.text.words import encode_texts

from .predict import Predictor

EXAMPLES = (
    "I expected to hate it, but I loved it.",
    "Not at all funny!",
    "",
    "Ünïcödé <br /> 映画 \u2014 words that nobody has ever seen: qwxyzzq",
)


def write(run: runs.Run, predictor: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `text (N,)` strings to a dict of `label (N,)` strings,
    `probability (N,)` of that label, `probabilities (N, C)` and the names of
    its columns, `labels (C,)`.
    """
    names = tf.constant(predictor.labels)

    def serve(texts):
        ids = encode_texts(texts, predictor.vocabulary, predictor.max_length)
        probabilities = predictor.classifier(ids, training=False)  # N C
        return {
            "label": tf.gather(names, tf.argmax(probabilities, axis=-1)),
            "probability": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
            "labels": tf.identity(names),
        }

    export.write(
        run,
        predictor.classifier,
        serve,
        [tf.TensorSpec((None,), tf.string, name="text")],
        track=[predictor.vocabulary.table],
        examples=[(tf.constant(EXAMPLES),)],
    )


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("sentiment", options.run, options.runs_path)
    write(run, Predictor.of_run(run))


if __name__ == "__main__":
    cli.main(lambda: main(options))
