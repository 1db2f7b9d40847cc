"""Label the words of texts with a finished run.

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
from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import rnn_layers
from apps.common import ensemble, graph, runs, text_input
from data_pipelines import tagging as pipeline
from data_pipelines.batching.passes import ByLength
from data_pipelines.tagging import features
from data_pipelines.tagging.schemes import are_spans, spans
from data_pipelines.text.words import Vocabulary

from .config import Config
from .trees import best_tree, repaired

BATCH = 32
POSITIONS = BATCH * 250  # of a batch, padding counted
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
        pos: In a parse the part of speech of each word; empty if the run knows
            none.
    """

    tags: list[str]
    probabilities: list[float]
    heads: list[int]
    intent: str
    intent_probability: float
    pos: Sequence[str] = ()


class Decoder:
    """A model that answers batches of features with labels.

    Args:
        model: As `model.build` returns it.
        labels: Tags or relations.
        intents: Intents; empty if there are none.
        pos: Parts of speech that a parse tells; empty if it tells none.
        eager: Whether to compile nothing, which is faster for a batch or two.
        exact: Whether the heads of a parse are those of the best tree; else
            they are those of `trees.repaired`, as in the exported model.
        crf: What finds the labels of a sentence; by default the model's own.
    """

    def __init__(
        self,
        model: keras.Model,
        labels: Sequence[str],
        intents: Sequence[str] = (),
        pos: Sequence[str] = (),
        eager: bool = False,
        exact: bool = True,
        crf: rnn_layers.CRF | None = None,
    ):
        self.model = model
        self.labels = labels
        self.intents = intents
        self.pos = pos
        self.exact = exact
        self.is_parse = model.name == "parsing"
        self.crf = crf
        if not (crf or self.is_parse):
            self.crf = model.get_layer("crf")
        signature = [((None,) * len(i.shape), "int32") for i in model.inputs]
        self.answer = graph.compile_once(
            self.scores_of_heads if self.is_parse else self.tag,
            *signature,
            eager=eager,
        )

    def tag(self, words, *others):
        """Return labels `(B, T)`, their probabilities, and those of intents."""
        outputs = self.model((words, *others), training=False)
        scores, *intents = outputs if self.intents else [outputs]
        real = ops.not_equal(words, 0)
        path = self.crf.decode(scores, real)  # B T
        marginals = self.crf.marginals(scores, real)  # B T K
        chosen = ops.one_hot(ops.maximum(path, 0), len(self.labels))
        return path, ops.sum(marginals * chosen, axis=-1), *intents

    def scores_of_heads(self, *inputs):
        """Return scores `(B, T, T + 1)` of heads, and of relations to them.

        Perhaps those of parts of speech, too.
        """
        inputs = [ops.convert_to_tensor(part) for part in inputs]
        arcs, relations, *pos = self.model(inputs, training=False)
        return arcs, ops.softmax(relations, axis=-1), *pos

    def __call__(
        self, inputs: Sequence, lengths: Sequence[int]
    ) -> list[Prediction]:
        """Return the prediction for each row of a batch.

        Args:
            inputs: Words, shapes, characters and further columns, as a `Split`
                has them; the heads of a parse are not read.
            lengths: Words of each row.
        """
        if self.is_parse:
            return list(
                self._parse(inputs[: len(self.model.inputs) - 1], lengths)
            )
        return list(self._tag(inputs, lengths))

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
        arcs, *_ = self.answer(*inputs, np.zeros_like(inputs[0]))
        if self.exact:
            heads = np.zeros_like(inputs[0])
            arcs = np.asarray(arcs)
            for row, length in enumerate(lengths):
                own = arcs[row, :length, : length + 1]
                heads[row, :length] = best_tree(own) if length else 0
        else:
            heads = repaired(arcs, tf.constant(lengths)).numpy()
        _, relations, *pos = self.answer(*inputs, heads)
        relations = np.asarray(relations)
        parts = np.asarray(pos[0]).argmax(axis=-1) if pos else None
        for row, length in enumerate(lengths):
            best = relations[row, :length].argmax(axis=-1)
            yield Prediction(
                [self.labels[label] for label in best],
                relations[row, :length].max(axis=-1).tolist(),
                heads[row, :length].tolist(),
                "",
                0.0,
                [self.pos[n] for n in parts[row, :length]] if pos else (),
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
    def of_runs(
        cls, opened: Sequence[runs.Run], eager: bool = False
    ) -> "Predictor":
        """Open the best models of runs as one.

        Scores of labels and transitions between them are means, which are
        those of a field whose density is equation (1) of `ensemble`.

        Raises:
            UserError: They do not fit together.
        """
        files = [f"{name}.txt" for name in ("labels", "intents", "pos")]
        files += opened[0].config(Config).vocabularies
        fields = ["task", "output", "max_characters", "features"]
        ensemble.check(opened, Config, files, fields)
        members = [cls.of_run(run, eager) for run in opened]
        one = members[0]
        if len(members) > 1:
            decoders = [member.decoder for member in members]
            means = [ensemble.mean, ensemble.probabilities]
            if one.decoder.is_parse:
                means = [ensemble.logits] * 3
            else:
                weights = [decoder.crf.get_weights() for decoder in decoders]
                weights = [np.mean(w, 0) for w in zip(*weights, strict=True)]
                one.decoder.crf.set_weights(weights)
            models = [decoder.model for decoder in decoders]
            one.decoder = Decoder(
                ensemble.joined(models, *means[: len(models[0].outputs)]),
                one.known.labels,
                one.known.intents,
                one.known.pos,
                eager,
                crf=one.decoder.crf,
            )
        return one

    @classmethod
    def of_run(cls, run: runs.Run, eager: bool = False) -> "Predictor":
        """Open the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        config = run.config(Config)
        intents, pos = (
            runs.read_lines(run.file(name)) if run.file(name).exists() else []
            for name in ("intents.txt", "pos.txt")
        )
        known = pipeline.Known(
            features.Features(
                Vocabulary.load(run.file("vocabulary.txt")),
                Vocabulary.load(run.file("characters.txt")),
                config.max_characters,
                {
                    name: Vocabulary.load(run.file(f"feature_{name}.txt"))
                    for name in config.column_features
                },
            ),
            runs.read_lines(run.file("labels.txt")),
            intents,
            pos,
        )
        sizes = [
            model.get_layer("words").input_dim,
            *(output.shape[-1] for output in model.outputs),
        ]
        expected = [len(known.features.words), len(known.labels)]
        expected += [len(names) for names in (intents, pos) if names]
        if config.task == "parse":
            expected.insert(1, None)
        if sizes != expected:
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another"
                " vocabulary.txt, labels.txt or intents.txt"
            )
        return cls(Decoder(model, known.labels, intents, pos, eager), known)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that it reads beside the words."""
        return tuple(self.known.features.columns)

    def __call__(
        self,
        sentences: Sequence[Sequence[str]],
        columns: Sequence[Sequence[Sequence[str]]] = (),
    ) -> list[Prediction]:
        """Return the prediction for each list of words; none may be empty.

        Args:
            sentences: Words of each sentence.
            columns: Of each of the `columns` its values in each sentence.
        """
        predictions = {}
        lengths = np.array([len(words) for words in sentences], np.int64)
        planner = ByLength(
            lengths, np.unique(lengths), BATCH, positions=POSITIONS
        )
        for rows, _ in planner.once():
            parts = [
                tf.ragged.constant(
                    [
                        [v.encode("utf-8", "replace") for v in part[row]]
                        for row in rows
                    ],
                    tf.string,
                    ragged_rank=1,
                )
                for part in (sentences, *columns)
            ]
            inputs = self.known.features.of_texts(*parts)
            answers = self.decoder(inputs, lengths[rows].tolist())
            predictions |= zip(rows.tolist(), answers, strict=True)
        return [predictions[row] for row in range(len(sentences))]

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
    opened = runs.open_runs("tagging", options.run, options.runs_path)
    eager = 0 < len(options.texts) <= BATCH
    predictor = Predictor.of_runs(opened, eager)
    if Path(options.input.lower().removesuffix(".gz")).suffix in COLUMN_FILES:
        _label_columns(options, predictor)
        return
    if predictor.columns:
        raise cli.UserError(
            f"{opened[0].path} reads {' and '.join(predictor.columns)} beside"
            " the words; give it --input FILE.conll with --columns word,"
            f"{','.join(predictor.columns)}"
        )
    as_columns = options.conll or predictor.decoder.is_parse
    rows = text_input.read(options, "text", COLUMNS)
    with text_input.answers(options, *(r.path for r in opened)) as answer:
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
        options.input,
        ("word",),
        options.columns,
        options.encoding,
        more=predictor.columns,
    )
    rows = iter(sentences)
    while batch := list(itertools.islice(rows, BATCH)):
        words = [sentence.words for sentence in batch]
        columns = [
            [sentence.columns[name] for sentence in batch]
            for name in predictor.columns
        ]
        predictions = predictor(words, columns)
        for own, prediction in zip(words, predictions, strict=True):
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
            head, relation = prediction.heads[number - 1], tag
            label = prediction.pos[number - 1] if prediction.pos else "_"
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
        if predictor.known.pos:
            row["pos"] = list(prediction.pos)
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
