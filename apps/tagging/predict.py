"""Labels the words of texts with a finished run.

    make predict-tagging ARGS="'play slow blue river in the kitchen'"
    make predict-tagging ARGS="--input requests.txt --json"
    python -m apps.tagging.predict --input words.conllu > labelled.conllu

One line a text: spans in brackets, `[blue river artist]`, or each word with its
label; behind a tab its intent, if the run knows intents. With `--conll`, and
for an `--input` in columns of CoNLL, a word a line, its label beside it, as a
parse always is. Of a table, `--input requests.csv`, a column is read, and
`--output labelled.csv` writes all of it, with words, labels and spans.
"""

from apps.common import cli
from apps.common.terminal import echo

from .config import PredictOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import itertools
import sys
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import graph, runs, text_input
from data_pipelines import tagging as pipeline
from data_pipelines.tagging import features
from data_pipelines.tagging.schemes import OUTSIDE, spans
from data_pipelines.text.words import Vocabulary

from .config import Config
from .trees import best_tree

BATCH = 32
COLUMNS = ("sentence", "utterance", "request", "content")
# Inputs that are columns; .txt is text, a line a sentence.
COLUMN_FILES = (".conll", ".conllu", ".iob", ".iob2", ".bio", ".bioes")


class Prediction(typing.NamedTuple):
    """What is said of the words of a sentence.

    Attributes:
        tags: Label of each word, in a parse its relation.
        probabilities: Of each.
        heads: Number of the head of each word, 0 for the root; empty but in a
            parse.
        intent: Of the sentence; "" if the run knows none.
        intent_probability: Of that.
    """

    tags: list[str]
    probabilities: list[float]
    heads: list[int]
    intent: str
    intent_probability: float


class Decoder:
    """A model that answers batches of features with labels.

    Args:
        model: As `model.build` returns it.
        labels: Tags or relations.
        intents: Intents; empty if there are none.
        eager: Whether to compile nothing, which is faster for a batch or two.
        tree: Whether the heads of a parse are those of a tree; else each word
            takes its best one.
    """

    def __init__(
        self,
        model: keras.Model,
        labels: Sequence[str],
        intents: Sequence[str] = (),
        eager: bool = False,
        tree: bool = True,
    ):
        self.model = model
        self.labels = labels
        self.intents = intents
        self.tree = tree
        self.is_parse = len(model.inputs) == 4
        rows, deep = ((None,) * 2, "int32"), ((None,) * 3, "int32")
        signature = [rows, rows, deep]
        if self.is_parse:
            signature.append(rows)
        self.answer = graph.compile_once(
            self.scores_of_heads if self.is_parse else self.tag,
            *signature,
            eager=eager,
        )

    def tag(self, words, shapes, characters):
        """Return labels `(B, T)`, their probabilities, and those of intents."""
        outputs = self.model((words, shapes, characters), training=False)
        scores, *intents = outputs if self.intents else [outputs]
        crf = self.model.get_layer("crf")
        real = ops.not_equal(words, 0)
        path = crf.decode(scores, real)  # B T
        marginals = crf.marginals(scores, real)  # B T K
        chosen = ops.one_hot(ops.maximum(path, 0), len(self.labels))
        return path, ops.sum(marginals * chosen, axis=-1), *intents

    def scores_of_heads(self, words, shapes, characters, heads):
        """Return scores `(B, T, T + 1)` of heads, and of relations to them."""
        inputs = words, shapes, characters, heads
        inputs = [ops.convert_to_tensor(part) for part in inputs]
        arcs, relations = self.model(inputs, training=False)
        return arcs, ops.softmax(relations, axis=-1)

    def __call__(
        self, inputs: Sequence, lengths: Sequence[int]
    ) -> list[Prediction]:
        """Return the prediction for each row of a batch.

        Args:
            inputs: Words, shapes and characters, as a `Split` has them.
            lengths: Words of each row.
        """
        rows = self._parse if self.is_parse else self._tag
        return list(rows(inputs[:3], lengths))

    def _tag(self, inputs, lengths):
        path, probabilities, *intents = map(np.asarray, self.answer(*inputs))
        for row, length in enumerate(lengths):
            intent, certain = "", 0.0
            if intents and length:
                best = intents[0][row].argmax()
                intent, certain = self.intents[best], intents[0][row, best]
            yield Prediction(
                [self.labels[label] for label in path[row, :length]],
                probabilities[row, :length].tolist(),
                [],
                intent,
                float(certain),
            )

    def _parse(self, inputs, lengths):
        arcs, _ = self.answer(*inputs, np.zeros_like(inputs[0]))
        arcs = np.asarray(arcs)
        heads = arcs.argmax(axis=-1).astype(np.int32)
        for row, length in enumerate(lengths if self.tree else ()):
            own = arcs[row, :length, : length + 1]
            heads[row, :length] = best_tree(own) if length else 0
        _, relations = self.answer(*inputs, heads)
        relations = np.asarray(relations)
        for row, length in enumerate(lengths):
            best = relations[row, :length].argmax(axis=-1)
            yield Prediction(
                [self.labels[label] for label in best],
                relations[row, :length].max(axis=-1).tolist(),
                heads[row, :length].tolist(),
                "",
                0.0,
            )


class Predictor:
    """A finished run: words in, predictions out.

    Args:
        decoder: Its `Decoder`.
        known: What it knows of words, labels and intents.
    """

    def __init__(self, decoder: Decoder, known: pipeline.Known):
        self.decoder = decoder
        self.known = known

    @classmethod
    def of_run(cls, run: runs.Run, eager: bool = False) -> "Predictor":
        """Open the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        config = run.config(Config)
        intents = []
        if run.file("intents.txt").exists():
            intents = runs.read_lines(run.file("intents.txt"))
        known = pipeline.Known(
            features.Features(
                Vocabulary.load(run.file("vocabulary.txt")),
                Vocabulary.load(run.file("characters.txt")),
                config.max_characters,
            ),
            runs.read_lines(run.file("labels.txt")),
            intents,
        )
        sizes = [
            model.get_layer("words").input_dim,
            *(output.shape[-1] for output in model.outputs),
        ]
        expected = [len(known.features.words), len(known.labels)]
        expected += [len(intents)] * bool(intents)
        if config.task == "parse":
            expected.insert(1, None)
        if sizes != expected:
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another"
                " vocabulary.txt, labels.txt or intents.txt"
            )
        return cls(Decoder(model, known.labels, intents, eager), known)

    def __call__(self, sentences: Sequence[Sequence[str]]) -> list[Prediction]:
        """Return the prediction for each list of words; none may be empty."""
        predictions = []
        for start in range(0, len(sentences), BATCH):
            batch = sentences[start : start + BATCH]
            words = tf.ragged.constant(
                [[w.encode("utf-8", "replace") for w in s] for s in batch],
                tf.string,
                ragged_rank=1,
            )
            inputs = self.known.features.of_texts(words)
            predictions += self.decoder(inputs, list(map(len, batch)))
        return predictions

    def tokenize(self, texts: Sequence[str]) -> list[list[tuple[int, int]]]:
        """Return where the words of each text begin and end."""
        raw = [text.encode("utf-8", "replace") for text in texts]
        tokens = features.tokenize(
            tf.constant(raw, tf.string), self.known.features.words
        )
        pairs = zip(tokens.starts.to_list(), tokens.ends.to_list(), strict=True)
        return [list(zip(*pair, strict=True)) for pair in pairs]


def main(options: Options) -> None:
    """Label all texts, a batch at a time."""
    run = runs.open_run("tagging", options.run, options.runs_path)
    eager = 0 < len(options.texts) <= BATCH
    predictor = Predictor.of_run(run, eager)
    if Path(options.input.lower().removesuffix(".gz")).suffix in COLUMN_FILES:
        _label_columns(options, predictor)
        return
    as_columns = options.conll or predictor.decoder.is_parse
    rows = text_input.read(options, "text", COLUMNS)
    with text_input.answers(options, run.path) as answer:
        while batch := list(itertools.islice(rows, BATCH)):
            texts = [row["text"] for row in batch]
            places = predictor.tokenize(texts)
            words = [
                [text[a:b] for a, b in own]
                for text, own in zip(texts, places, strict=True)
            ]
            answered = iter(predictor([own for own in words if own]))
            for row, text, own, edges in zip(
                batch, texts, words, places, strict=True
            ):
                prediction = next(answered) if own else None
                columns = as_row(predictor, text, edges, prediction)
                written = ""
                if prediction and as_columns:
                    written = "\n".join(lines(own, prediction)) + "\n"
                elif prediction:
                    written = line(own, prediction)
                answer(row, written, columns)
            sys.stdout.flush()


def _label_columns(options: Options, predictor: Predictor) -> None:
    """Print the sentences of a file in columns, with their labels."""
    if options.output or options.json:
        raise cli.UserError(
            f"{options.input}: of columns of CoNLL columns are printed; leave"
            " --output and --json out"
        )
    sentences = pipeline.Sentences(
        options.input, ("word",), options.columns, options.encoding
    )
    rows = iter(sentences)
    while batch := list(itertools.islice(rows, BATCH)):
        words = [sentence.words for sentence in batch]
        for own, prediction in zip(words, predictor(words), strict=True):
            echo("\n".join(lines(own, prediction, sentences.is_conllu)) + "\n")
        sys.stdout.flush()
    for note in sentences.notes():
        echo(f"note: {note}", file=sys.stderr)


def lines(
    words: Sequence[str], prediction: Prediction, is_conllu: bool = False
) -> Iterator[str]:
    """Yield a sentence in columns: word and label, or CoNLL-U."""
    is_conllu = is_conllu or bool(prediction.heads)
    for number, (word, tag) in enumerate(
        zip(words, prediction.tags, strict=True), 1
    ):
        if not is_conllu:
            yield f"{word}\t{tag}"
            continue
        head, relation, label = "_", "_", tag
        if prediction.heads:
            head, relation, label = prediction.heads[number - 1], tag, "_"
        yield (f"{number}\t{word}\t_\t{label}\t_\t_\t{head}\t{relation}\t_\t_")


def line(words: Sequence[str], prediction: Prediction) -> str:
    """Return a line: spans in brackets, or a label behind each word."""
    if are_spans(prediction.tags):
        parts = list(words)
        for start, end, kind in spans(prediction.tags):
            parts[start] = f"[{parts[start]}"
            parts[end - 1] += f" {kind}]"
    else:
        pairs = zip(words, prediction.tags, strict=True)
        parts = [f"{word}/{tag}" for word, tag in pairs]
    text = " ".join(" ".join(parts).split())
    if prediction.intent:
        text += f"\t{prediction.intent}\t{prediction.intent_probability:.3f}"
    return text


def are_spans(labels: Iterable[str]) -> bool:
    """Return whether labels are those of spans."""
    return all(label == OUTSIDE or label[1:2] in ("-", "") for label in labels)


def as_row(
    predictor: Predictor,
    text: str,
    places: Sequence[tuple[int, int]],
    prediction: Prediction | None,
) -> dict:
    """Return a prediction as columns of a table, empty if there is none."""
    prediction = prediction or Prediction([], [], [], "", 0.0)
    row: dict = {"words": [text[a:b] for a, b in places]}
    if predictor.decoder.is_parse:
        row |= {"heads": prediction.heads, "relations": prediction.tags}
    else:
        row["tags"] = prediction.tags
    row["probabilities"] = [round(p, 6) for p in prediction.probabilities]
    if are_spans(predictor.known.labels):
        row["spans"] = [
            [places[start][0], places[end - 1][1], kind]
            for start, end, kind in spans(prediction.tags)
        ]
    if predictor.known.intents:
        row["intent"] = prediction.intent or None
        row["intent_probability"] = round(prediction.intent_probability, 6)
    return row


if __name__ == "__main__":
    cli.main(lambda: main(options))
