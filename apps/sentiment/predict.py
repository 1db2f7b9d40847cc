"""Label texts with a finished run.

    make predict-sentiment ARGS="'I expected to hate it, but I loved it'"
    make predict-sentiment ARGS="--input reviews.txt --explain"
    python -m apps.sentiment.predict < reviews.txt

One line a text: label, probability, text, separated by tabs; an empty one stays
empty. With `--explain` a second line names the words that weighed most, and an
HTML page shades every word by its weight. Of a table, `--input reviews.csv`, a
column is read, and `--output labelled.csv` writes all of it, the label and the
probability of each class; `--json` prints the same.
"""

from apps.common import cli
from apps.common.terminal import echo

from .config import PredictOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import itertools
import sys
import typing
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from apps.common import ensemble, graph, report, runs, text_input
from data_pipelines.sentiment import COLUMNS
from data_pipelines.text.words import (
    Vocabulary,
    crop,
    encode_texts,
    tokenize,
)

from . import model
from .config import Config

BATCH = 64
LISTED_WORDS = 6
EXPLAINED_TEXTS = 500
TEMPLATE = "sentiment/report.html.jinja"
EXPLANATION = (
    "A word is shaded by what it does to the probability of the label: the"
    " darker, the more the probability falls if the word alone is left out;"
    " words with a broken line below speak against the label."
)


class Prediction(typing.NamedTuple):
    """The label of a text, and the words that the model looked at.

    A text without any word has an empty label.

    Attributes:
        label: Name of the most probable class.
        probability: Of that class.
        probabilities: Of all classes, in their order.
        words: The words of the text, as far as they are read.
        weights: Weights of the words in the attention pooling; add up to one.
    """

    label: str
    probability: float
    probabilities: list[float]
    words: list[str]
    weights: list[float]


class Predictor:
    """A finished run: raw texts in, predictions out.

    Args:
        classifier: Of word ids `(B, T)`, or several, which are an ensemble.
        vocabulary: Of the words.
        labels: Names of the classes.
        max_length: Longest text, in words.
        eager: Whether to compile nothing, which is faster for a batch or two.
    """

    def __init__(
        self,
        classifier: keras.Model | Sequence[keras.Model],
        vocabulary: Vocabulary,
        labels: list[str],
        max_length: int,
        eager: bool = False,
    ):
        members = keras.tree.flatten(classifier)
        explainer = model.explainer(*members)
        self.classifier = classifier
        if len(members) > 1:
            self.classifier = keras.Model(explainer.input, explainer.outputs[0])
        self.vocabulary = vocabulary
        self.labels = labels
        self.max_length = max_length
        self.explain = graph.compile_once(
            lambda ids: explainer(ids, training=False),
            ((None, None), "int32"),
            eager=eager,
        )

    @classmethod
    def of_run(cls, run: runs.Run, eager: bool = False) -> "Predictor":
        """Open the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        classifier = runs.load_model(run.file("model.keras"))
        config = run.config(Config)
        path = run.file("vocabulary.txt")
        vocabulary = Vocabulary.load(path, config.tokens)
        labels = runs.read_lines(run.file("labels.txt"))
        sizes = (
            classifier.get_layer("words").input_dim,
            classifier.output.shape[-1],
        )
        if sizes != (len(vocabulary), len(labels)):
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another"
                " vocabulary.txt or labels.txt"
            )
        return cls(classifier, vocabulary, labels, config.max_length, eager)

    @classmethod
    def of_runs(cls, opened: list[runs.Run], eager: bool = False):
        """Open the best models of runs as one.

        Raises:
            UserError: They do not fit together.
        """
        files = ["vocabulary.txt", "labels.txt"]
        ensemble.check(opened, Config, files, ["tokens", "max_length"])
        one, *others = [cls.of_run(run, eager) for run in opened]
        if not others:
            return one
        members = [one.classifier, *(m.classifier for m in others)]
        return cls(members, one.vocabulary, one.labels, one.max_length, eager)

    def __call__(self, texts: Sequence[str]) -> list[Prediction]:
        """Return the prediction for each text."""
        return [
            prediction
            for start in range(0, len(texts), BATCH)
            for prediction in self._batch(texts[start : start + BATCH])
        ]

    def _batch(self, texts):
        strings = tf.constant([t.encode("utf-8", "replace") for t in texts])
        ids = encode_texts(strings, self.vocabulary, self.max_length)
        cropped = crop(
            tokenize(strings, self.vocabulary.kind), self.max_length
        ).to_list()
        probabilities, weights = map(np.asarray, self.explain(ids))
        for row, best in enumerate(probabilities.argmax(axis=1)):
            words = [word.decode() for word in cropped[row]]
            if not words:
                none = [0.0] * len(self.labels)
                yield Prediction("", 0.0, none, [], [])
                continue
            yield Prediction(
                self.labels[best],
                float(probabilities[row, best]),
                probabilities[row].tolist(),
                words,
                weights[row, : len(words)].tolist(),
            )


def main(options: Options) -> None:
    """Label all texts, a batch at a time."""
    opened = runs.open_runs("sentiment", options.run, options.runs_path)
    eager = 0 < len(options.texts) <= BATCH
    predictor = Predictor.of_runs(opened, eager)
    page = Path(options.page or opened[0].file("explanations.html"))
    rows = text_input.read(options, "text", COLUMNS["text"])
    explained = []
    with text_input.answers(options, *(r.path for r in opened)) as answer:
        while batch := list(itertools.islice(rows, BATCH)):
            texts = [row["text"] for row in batch if row["text"]]
            predictions = iter(predictor(texts))
            for row in batch:
                prediction = next(predictions) if row["text"] else None
                # What has no words has no label.
                if prediction is None or not prediction.words:
                    answer(row, "", columns(predictor.labels))
                    continue
                line = lines(prediction, row["text"], options.explain)
                answer(row, line, columns(predictor.labels, prediction))
                if options.explain:
                    explained.append((row["text"], prediction))
            sys.stdout.flush()
            del explained[EXPLAINED_TEXTS:]
    if options.explain:
        from . import explain  # which explains what is predicted here

        texts, predictions = (
            zip(*explained, strict=True) if explained else ((), ())
        )
        report.render(
            page,
            TEMPLATE,
            title=f"Why {ensemble.title(opened)} says so",
            explanation=EXPLANATION,
            examples=[
                (one, None)
                for one in explain.explain(predictor, texts, predictions)
            ],
        )
        echo(f"wrote {page}", file=sys.stderr)


def lines(prediction: Prediction, text: str, explain: bool) -> str:
    """Return what is printed of a prediction."""
    fields = prediction.label, f"{prediction.probability:.3f}"
    line = "\t".join([*fields, " ".join(text.split())])
    return line + "\n\t\t" + heaviest(prediction) if explain else line


def columns(
    labels: Sequence[str], prediction: Prediction | None = None
) -> dict[str, str | float | None]:
    """Return a prediction as columns of a table, empty if there is none."""
    values = [None] * (2 + len(labels))
    if prediction:
        probabilities = [prediction.probability, *prediction.probabilities]
        values = [prediction.label, *(round(p, 6) for p in probabilities)]
    names = ["label", "probability", *(f"probability_{n}" for n in labels)]
    return dict(zip(names, values, strict=True))


def heaviest(prediction: Prediction) -> str:
    """Return the words that weighed most, with their weights."""
    pairs = zip(prediction.weights, prediction.words, strict=True)
    pairs = sorted(pairs, key=lambda pair: -pair[0])
    return "  ".join(
        f"{word} {weight:.2f}" for weight, word in pairs[:LISTED_WORDS]
    )


if __name__ == "__main__":
    cli.main(lambda: main(options))
