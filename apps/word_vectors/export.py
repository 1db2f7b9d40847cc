"""Write a run's SavedModel: words in, vectors or near words out.

    make export-word-vectors ARGS="--run demo-skip_gram"

Training has written it already; this writes it again. It needs nothing but
tensorflow:

    served = tf.saved_model.load("runs/word_vectors/demo-skip_gram/export/1")
    served.serve(tf.constant(["paris", "rome"]))["vector"]
    served.near(positive=["king", "woman"], negative=["man"], count=5)["word"]

`--format onnx,litert` writes the vectors for other runtimes: `docs/formats.md`.
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
from data_pipelines.text.words import SPECIALS, UNKNOWN

from . import evaluate, scores
from .config import Config
from .predict import Predictor, Sum


def write(run: runs.Run, predictor: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `text (N,)` strings, a word each, to `vector (N, D)`,
    zeros for an unknown one, and `status (N,)`, "ok" or "unknown".

    Signature `near`: `positive (P,)`, `negative (Q,)` strings and `count ()`
    int32 to the words nearest to the sum, `word (count,)`, and their `cosine
    (count,)`. Unknown words are left out of the sum.
    """
    vocabulary, model = predictor.vocabulary, predictor.model
    embedding = model.get_layer("vectors")

    def ids_of(text):
        ids = vocabulary.table.lookup(text)
        small = tf.strings.lower(text, encoding="utf-8")
        return tf.where(ids == UNKNOWN, vocabulary.table.lookup(small), ids)

    def serve(text):
        # Bytes that are not UTF-8 are of no word.
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8")
        ids = ids_of(text)
        return {
            "vector": embedding(ids),
            "status": tf.where(ids == UNKNOWN, "unknown", "ok"),
        }

    def near(positive, negative, count):
        unit = tf.math.l2_normalize(embedding.embeddings.value, 1, 1e-24)
        plus, minus = ids_of(positive), ids_of(negative)
        total = tf.reduce_sum(tf.gather(unit, plus), 0)
        total -= tf.reduce_sum(tf.gather(unit, minus), 0)
        total = tf.math.l2_normalize(total, epsilon=1e-24)
        cosines = tf.linalg.matvec(unit, total)
        left_out = tf.concat([plus, minus, range(len(SPECIALS))], 0)
        cosines = tf.tensor_scatter_nd_update(
            cosines,
            left_out[:, None],
            tf.fill(tf.shape(left_out), -np.inf),
        )
        best = tf.math.top_k(cosines, count)
        words = tf.constant(vocabulary.words)
        return {"word": tf.gather(words, best.indices), "cosine": best.values}

    words = vocabulary.words[len(SPECIALS) :]
    some = [words[0], words[-1].upper(), words[len(words) // 2]]
    export.write(
        run,
        model,
        serve,
        [tf.TensorSpec((None,), tf.string, name="text")],
        predict=lambda text: _vectors(predictor, text),
        track=[vocabulary.table],
        examples=[(tf.constant([*some, "", "br\xff qwxyzzq"]),)],
        more=[
            export.Endpoint(
                "near",
                near,
                [
                    tf.TensorSpec((None,), tf.string, name="positive"),
                    tf.TensorSpec((None,), tf.string, name="negative"),
                    tf.TensorSpec((), tf.int32, name="count"),
                ],
                [
                    _example(some[:1], [], 1),
                    _example(some[:2], some[2:], min(5, len(words) - 3)),
                ],
                lambda *query: _near(predictor, *query),
            )
        ],
    )


def _example(positive, negative, count):
    texts = (
        tf.constant(list(words), tf.string) for words in (positive, negative)
    )
    return *texts, tf.constant(max(count, 0))


def _words(texts):
    return [raw.decode("utf-8", "replace") for raw in texts.numpy()]


def _vectors(predictor, text):
    """Return what `predict` knows of words."""
    ids = scores.ids_of(predictor.vocabulary, _words(text))
    return {
        "vector": predictor.vectors[ids],
        "status": np.where(ids == UNKNOWN, b"unknown", b"ok").astype(object),
    }


def _near(predictor, positive, negative, count):
    """Return what `predict` lists."""
    query = Sum(_words(positive), _words(negative))
    near = predictor.near(query, int(count))
    return {
        "word": np.array([word.encode() for word, _ in near], object),
        "cosine": np.array([value for _, value in near]),
    }


def portable(run: runs.Run, predictor: Predictor) -> Portable:
    """Return the vectors for other runtimes: ids of words to vectors."""
    random = np.random.default_rng(0)
    ids = random.integers(0, len(predictor.vocabulary), 7, np.int32)
    embedding = predictor.model.get_layer("vectors")
    vectors = Network(
        "vectors",
        lambda ids: {"vectors": embedding(ids)},
        [
            Tensor(
                "ids",
                ("batch",),
                "int32",
                "lines of vocabulary.txt from 0 on; 1 is an unknown word",
            )
        ],
        {"vectors": "of the words"},
        [(ids,), (ids[:1],)],
    )
    return Portable(
        [vectors],
        {"vocabulary.txt": "words"},
        {},
        score=lambda folder: score(run, predictor, folder),
    )


def score(run: runs.Run, predictor: Predictor, folder: Path) -> dict:
    """Return the scores of written vectors on the pairs and questions."""
    data = evaluate.read_data(run.config(Config))
    network = networks.Written(folder / "vectors.onnx")
    ids = np.arange(len(predictor.vocabulary), dtype=np.int32)
    own = scores.score(
        network(ids=ids)["vectors"],
        predictor.vocabulary,
        data.pairs,
        data.questions,
        None,
    )
    return {name: n for name, n in own.metrics.items() if n is not None}


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("word_vectors", options.run, options.runs_path)
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
