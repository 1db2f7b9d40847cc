"""Labels texts with a finished run.

    make predict-sentiment ARGS="'I expected to hate it, but I loved it'"
    make predict-sentiment ARGS="--input reviews.txt --explain"
    python -m apps.sentiment.predict < reviews.txt

One line a text: label, probability, text, separated by tabs.  With `--explain`
a second line names the words that weighed most, and an HTML page shades every
word by its weight.
"""

import contextlib
import dataclasses
import html
import itertools
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from apps.common import cli, report, runs
from data_pipelines.text import word_tokenizer
from data_pipelines.text.vocabulary import Vocabulary

from . import model

BATCH = 64
SHOWN_WORDS = 6
SHOWN_TEXTS = 500


@dataclasses.dataclass(frozen=True)
class Options:
    """Labels texts."""

    texts: tuple = cli.positional("texts to label; none: standard input")
    input: str = cli.flag("", "file with one text a line")
    explain: bool = cli.flag(False, "show the words that weighed most")
    page: str = cli.flag(
        "", "HTML page of --explain; empty: explanations.html in the run folder"
    )
    run: str = cli.flag("", "name or folder of a run; empty: the newest")
    runs_path: str = cli.flag("runs", "folder of all runs")


class Predictor:
    """A finished run: raw texts in, labels and weights of words out.

    Args:
        run: The `runs.Run`.

    Raises:
        UserError: The files of the run do not belong together.
    """

    def __init__(self, run):
        self.classifier = runs.load_model(run.file("model.keras"))
        self.vocabulary = Vocabulary.load(run.file("vocabulary.txt"))
        self.labels = runs.read_lines(run.file("labels.txt"))
        self.max_length = run.record["config"]["max_length"]
        words = self.classifier.get_layer("words").input_dim
        if (words, self.classifier.output.shape[-1]) != (
            len(self.vocabulary),
            len(self.labels),
        ):
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another"
                " vocabulary.txt or labels.txt"
            )
        self.explain = compiled(model.explainer(self.classifier))

    def __call__(self, texts):
        """Yields label, probability, words and their weights of each text."""
        strings = tf.constant([t.encode("utf-8", "replace") for t in texts])
        ids = word_tokenizer.encode_texts(
            strings, self.vocabulary, self.max_length
        )
        cropped = word_tokenizer.crop(
            word_tokenizer.tokenize(strings), self.max_length
        )
        probabilities, weights = map(np.asarray, self.explain(ids))
        for row, best in enumerate(probabilities.argmax(axis=1)):
            words = [word.decode() for word in cropped[row].numpy()]
            yield (
                self.labels[best],
                float(probabilities[row, best]),
                words,
                weights[row, : len(words)].tolist(),
            )


def compiled(explainer):
    """Returns a function of `(B, T)` ids, compiled once for all shapes."""
    if keras.config.backend() != "tensorflow":
        return explainer
    return tf.function(
        lambda ids: explainer(ids, training=False),
        input_signature=[tf.TensorSpec((None, None), tf.int32)],
    )


def read_texts(options):
    """Yields the texts of the command line, a file or standard input."""
    if options.texts and options.input:
        raise cli.UserError("give texts or --input, not both")
    if options.texts:
        yield from map(cli.repaired, options.texts)
        return
    with contextlib.ExitStack() as stack:
        if options.input:
            try:
                file = stack.enter_context(open(options.input, **cli.LINES))
            except OSError as error:
                raise cli.UserError(
                    f"{options.input}: {error.strerror}"
                ) from None
        else:
            file = sys.stdin
            if file is None:
                raise cli.UserError("no text to label, and no standard input")
            file.reconfigure(**cli.LINES)
            if file.isatty():
                print("one text a line, end with Ctrl-D", file=sys.stderr)
        yield from (line.strip() for line in file if line.strip())


def main(options):
    """Labels all texts, a batch at a time."""
    run = runs.open_run("sentiment", options.run, options.runs_path)
    predict = Predictor(run)
    page = Path(options.page or run.file("explanations.html"))
    if options.explain:
        cli.check_output("--page", page)
    texts = read_texts(options)
    articles = []
    count = 0
    while batch := list(itertools.islice(texts, BATCH)):
        for original, found in zip(batch, predict(batch), strict=True):
            count += 1
            label, probability, words, weights = found
            shown = " ".join(original.split())
            print(f"{label}\t{probability:.3f}\t{shown}")
            if options.explain:
                print("\t\t" + heaviest(words, weights))
                if count <= SHOWN_TEXTS:
                    articles.append(article(*found))
        sys.stdout.flush()
    if not count:
        raise cli.UserError("no text to label; give one, or --input FILE")
    if options.explain:
        report.write_page(
            page,
            f"What {run.name} looked at",
            "<p>Each word is shaded by its weight in the attention pooling"
            " of the model: the darker, the more the model looked at it.</p>"
            + "".join(articles),
        )
        print(f"wrote {page}", file=sys.stderr)


def heaviest(words, weights):
    """Returns the words that weighed most, with their weights."""
    pairs = sorted(zip(weights, words, strict=True), key=lambda pair: -pair[0])
    return "  ".join(
        f"{word} {weight:.2f}" for weight, word in pairs[:SHOWN_WORDS]
    )


def article(label, probability, words, weights, right=None):
    """Returns one text as HTML, each word shaded by its weight."""
    verdict = f"<b>{html.escape(label)}</b> {probability:.3f}"
    if right is not None and right != label:
        verdict += f' <span class="wrong">right: {html.escape(right)}</span>'
    return (
        f"<article><header>{verdict}</header>"
        f"{report.marked_words(words, weights)}</article>"
    )


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
