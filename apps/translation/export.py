"""Writes a run's SavedModel: sentences in, translations and scores out.

    make export-translation ARGS="--run demo-gru"

Training has written it already; this writes it again, for instance after a
change to what it returns. It needs nothing but tensorflow, subwords included:

    served = tf.saved_model.load("runs/translation/demo-gru/export")
    best = served.serve(tf.constant(["Good day."]), beam=5, length_penalty=1.0)
    best["text"][0, 0]  # the best of five
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import tensorflow as tf

from apps.common import export, runs
from apps.common.generation import Search
from data_pipelines.text.tokenizers import Tokenizer

from .predict import Predictor

EXAMPLES = (
    "The teacher likes the small house.",
    "twenty-one",
    "",
    "Ünïcödé \u2014 \u6620\u753b (words that nobody has ever seen: qwxyzzq)!",
)


def write(run: runs.Run, predictor: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `text (N,)` strings, `beam ()` int32 and
    `length_penalty ()` float32 to a dict of `text (N, beam)` strings, the best
    first, and their `score (N, beam)`, -inf where there are fewer.
    """
    source, target = predictor.source, predictor.target
    config = predictor.config

    def serve(text, beam, length_penalty):
        ids = source.encode_tensor(text)[:, : config.max_length - 1]
        ends = tf.fill([tf.shape(text)[0], 1], Tokenizer.END)
        ids = tf.concat([ids, ends], axis=1).to_tensor(Tokenizer.PADDING)
        search = Search(beam, length_penalty, config.mbr_samples, n_best=beam)
        decoded = predictor.search(ids, search)  # N S
        return {
            "text": target.decode_tensor(decoded.tokens),
            "score": decoded.scores,
        }

    export.write(
        run,
        predictor.model,
        serve,
        [
            tf.TensorSpec((None,), tf.string, name="text"),
            tf.TensorSpec((), tf.int32, name="beam"),
            tf.TensorSpec((), tf.float32, name="length_penalty"),
        ],
        track=[*source.tables, *target.tables],
        examples=[
            (tf.constant(EXAMPLES), tf.constant(beam), tf.constant(penalty))
            for beam, penalty in ((1, 0.0), (4, 1.0))
        ],
    )


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("translation", options.run, options.runs_path)
    write(run, Predictor.of_run(run))


if __name__ == "__main__":
    cli.main(lambda: main(options))
