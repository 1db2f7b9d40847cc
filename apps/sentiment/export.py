"""Write a run's SavedModel: raw texts in, labels and probabilities out.

    make export-sentiment ARGS="--run demo-gru"

Training has written it already; this writes it again, for instance after a
change to what it returns. It needs nothing but tensorflow:

    served = tf.saved_model.load("runs/sentiment/demo-gru/export/1")
    served.serve(tf.constant(["what a film"]))["label"]

`--format onnx,litert` writes networks for other runtimes: `docs/formats.md`.
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

from pathlib import Path

import numpy as np
import tensorflow as tf

import rnn_layers
from apps.common import export, networks, runs
from apps.common.networks import Network, Portable, Tensor
from data_pipelines.text.words import encode_texts, tokenize

from . import evaluate
from .config import Config
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


def portable(run: runs.Run, predictor: Predictor) -> Portable:
    """Return the classifier for other runtimes: word ids to probabilities."""
    random = np.random.default_rng(0)
    ids = random.integers(1, len(predictor.vocabulary), (3, 9))
    ids[1, 4:] = 0
    classifier = Network(
        "classifier",
        lambda ids: {
            "probabilities": predictor.classifier(ids, training=False)
        },
        [
            Tensor(
                "ids",
                ("batch", "words"),
                "int32",
                "lines of vocabulary.txt from 0 on; 0 behind the last word",
            )
        ],
        {"probabilities": "of the classes, the lines of labels.txt"},
        [(ids.astype(np.int32),), (ids[:1, :2].astype(np.int32),)],
    )
    return Portable(
        [classifier],
        {"vocabulary.txt": "words", "labels.txt": "classes"},
        {
            "words": predictor.vocabulary.kind,
            "longest": predictor.max_length,
        },
        score=lambda folder: score(run, predictor, folder),
    )


def score(run: runs.Run, predictor: Predictor, folder: Path) -> dict:
    """Return the accuracy of written networks on some texts of valid."""
    config = run.config(Config)
    path = config.data_path or None
    data = evaluate.datasets(predictor, config, config.dataset, path, config)
    network, right = networks.Written(folder / "classifier.onnx"), []
    for ids, labels in networks.examples(data.valid):
        right += [*(network(ids=ids)["probabilities"].argmax(-1) == labels)]
    return {"accuracy": float(np.mean(right))}


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("sentiment", options.run, options.runs_path)
    predictor = Predictor.of_run(run)
    networks.write(
        run,
        options,
        lambda: write(run, predictor),
        lambda: portable(run, predictor),
        rnn_layers.plain_loops,
    )


if __name__ == "__main__":
    cli.main(lambda: main(options))
