"""Write a run's SavedModel: sentences in, translations and scores out.

    make export-translation ARGS="--run demo-gru"

Training has written it already; this writes it again, for instance after a
change to what it returns. It needs nothing but tensorflow, subwords included:

    served = tf.saved_model.load("runs/translation/demo-gru/export/1")
    best = served.serve(tf.constant(["Good day."]), beam=5, length_penalty=1.0)
    best["text"][0, 0]  # the best of five

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
from apps.common import export, generation, networks, runs
from apps.common.networks import Portable, Tensor
from apps.common.search import Search
from data_pipelines.text.tokenizers import Tokenizer

from . import evaluate, scores
from .predict import BATCH, Predictor, padded

EXAMPLES = [
    text.encode()
    for text in (
        "The teacher likes the small house.",
        "twenty-one",
        "",
        "   ",
        "\u2028\u2581",
        "Ünïcödé \u2014 \u6620\u753b (words nobody has ever seen: qwxyzzq)!",
    )
] + [b"br\xff\xfeken \xe9 byt\xe2\x82"]


@rnn_layers.plain_loops()
def write(run: runs.Run, predictor: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `text (N,)` strings, `beam ()` int32 and
    `length_penalty ()` float32 to a dict of `text (N, beam)` strings, the best
    first, their `score (N, beam)`, -inf where there are fewer, and `status
    (N,)`: "ok", "repaired" where bytes were not UTF-8, or "empty", of which
    there is no translation.
    """
    source, target = predictor.source, predictor.target
    config = predictor.config

    def serve(text, beam, length_penalty):
        ids = source.encode_tensor(text)[:, : config.max_length - 1]
        is_empty = tf.equal(ids.row_lengths(), 0)  # N
        ends = tf.fill([tf.shape(text)[0], 1], Tokenizer.END)
        ids = tf.concat([ids, ends], axis=1).to_tensor(Tokenizer.PADDING)
        search = Search(beam, length_penalty, config.mbr_samples, n_best=beam)
        decoded = predictor.search(ids, search)  # N S
        texts = target.decode_tensor(decoded.tokens)
        return {
            "text": tf.where(is_empty[:, None], "", texts),
            "score": tf.where(is_empty[:, None], -np.inf, decoded.scores),
            "status": export.text_status(text, is_empty),
        }

    live = Predictor(predictor.model, [source, target], config, eager=True)

    def predict(text, beam, length_penalty):
        texts = [line.decode("utf-8", "replace") for line in text.numpy()]
        search = generation.as_served(config, beam, length_penalty)
        return generation.as_arrays(live(texts, search), int(beam))

    export.write(
        run,
        predictor.model,
        serve,
        [
            tf.TensorSpec((None,), tf.string, name="text"),
            tf.TensorSpec((), tf.int32, name="beam"),
            tf.TensorSpec((), tf.float32, name="length_penalty"),
        ],
        predict=predict,
        track=[*source.tables, *target.tables],
        examples=[
            (tf.constant(EXAMPLES), tf.constant(beam), tf.constant(penalty))
            for beam, penalty in ((1, 0.0), (4, 1.0))
        ],
    )


def portable(run: runs.Run, predictor: Predictor) -> Portable:
    """Return the encoder and a step of the decoder for other runtimes."""
    random = np.random.default_rng(0)
    ids = random.integers(4, len(predictor.source), (3, 7), np.int32)
    ids[1, 4:] = Tokenizer.PADDING
    source = Tensor(
        "source",
        ("batch", "source"),
        "int32",
        f"lines of source.txt from 0 on, {Tokenizer.END} at the end, behind it"
        f" {Tokenizer.PADDING}",
    )
    return Portable(
        networks.encoder_and_step(
            predictor.decoder, source, [ids, ids[:1, :5]], Tokenizer.BEGIN
        ),
        {"source.txt": "tokens that are read", "target.txt": "written"},
        generation.settings(predictor.config.max_length),
        networks.GREEDY,
        score=lambda folder: score(run, predictor, folder),
    )


def score(run: runs.Run, predictor: Predictor, folder: Path) -> dict:
    """Return BLEU of what `greedy.py` makes of some sentences of valid."""
    from apps.common.onnx_greedy import greedy  # needs onnxruntime

    config, outputs = predictor.config, []
    data = evaluate.datasets(
        run,
        predictor,
        config.dataset,
        config.data_path or None,
        config.encoding,
    )
    texts, references = (
        list(part[: networks.MOST_EXAMPLES])
        for part in (data.valid.source_texts, data.valid.references)
    )
    rows = predictor.encode(texts)
    for start in range(0, len(rows), BATCH):
        ids = padded(rows[start : start + BATCH])
        for tokens in greedy(folder, source=ids):
            outputs.append(predictor.target.decode(tokens[tokens > 0]))
    return {"BLEU": scores.bleu(outputs, references, data.languages[1])}


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("translation", options.run, options.runs_path)
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
