"""Writes a run's SavedModel: raw texts in, labels and probabilities out.

    make export-sentiment ARGS="--run demo-gru"

Training has written it already; this writes it again, for instance after a
change to what it returns. It needs nothing but tensorflow:

    served = tf.saved_model.load("runs/sentiment/demo-gru/export/1")
    served.serve(tf.constant(["what a film"]))["label"]
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import tensorflow as tf

import rnn_layers
from apps.common import export, runs
from data_pipelines.text.words import encode_texts, tokenize

from .predict import Predictor

EXAMPLES = [
    text.encode()
    for text in (
        "I expected to hate it, but I loved it.",
        "Not at all funny!",
        "",
        "   ",
        "\u2028\u200b",
        "Ünïcödé <br /> 映画 \u2014 words that nobody has ever seen: qwxyzzq",
    )
] + [b"br\xff\xfeken \xe9 byt\xe2\x82", b"\xff", b"a\x00b"]


@rnn_layers.plain_loops()
def write(run: runs.Run, predictor: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `text (N,)` strings to a dict of `label (N,)` strings,
    `probability (N,)` of that label, `probabilities (N, C)`, the names of its
    columns, `labels (N, C)`, and `status (N,)`: "ok", "repaired" where bytes
    were not UTF-8, or "empty" where a text has no word; its label is empty and
    its probabilities are 0.
    """
    names, kind = tf.constant(predictor.labels), predictor.vocabulary.kind

    def serve(texts):
        ids = encode_texts(texts, predictor.vocabulary, predictor.max_length)
        probabilities = predictor.classifier(ids, training=False)  # N C
        is_empty = tf.equal(tokenize(texts, kind).row_lengths(), 0)  # N
        probabilities = tf.where(is_empty[:, None], 0.0, probabilities)
        label = tf.gather(names, tf.argmax(probabilities, axis=-1))
        return {
            "label": tf.where(is_empty, "", label),
            "probability": tf.reduce_max(probabilities, axis=-1),
            "probabilities": probabilities,
            "labels": tf.repeat(names[None], tf.shape(texts)[0], axis=0),
            "status": export.text_status(texts, is_empty),
        }

    def predict(texts):
        texts = [text.decode("utf-8", "replace") for text in texts.numpy()]
        predictions = predictor(texts)
        return {
            "label": [p.label.encode() for p in predictions],
            "probability": [p.probability for p in predictions],
            "probabilities": [p.probabilities for p in predictions],
        }

    export.write(
        run,
        predictor.classifier,
        serve,
        [tf.TensorSpec((None,), tf.string, name="text")],
        predict=predict,
        track=[predictor.vocabulary.table],
        examples=[(tf.constant(EXAMPLES),)],
    )


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("sentiment", options.run, options.runs_path)
    write(run, Predictor.of_run(run))


if __name__ == "__main__":
    cli.main(lambda: main(options))
