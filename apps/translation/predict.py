"""Translate sentences with a finished run.

    make predict-translation ARGS="'She sleeps in the small kitchen.'"
    make predict-translation ARGS="--beam 5 --n-best 3 --scores 'Good day.'"
    make predict-translation ARGS="--input letters.txt"
    python -m apps.translation.predict < letters.txt

One line for each sentence, in their order, so that line 7 of the output belongs
to line 7 of the input; an empty line stays empty. With `--n-best` there are so
many lines for each, with `--scores` the score stands before each, and a tab. Of
a table, `--input letters.csv`, the column of the source language is read, and
`--output translated.csv` writes all of it and the translations; `--json` prints
the same.
"""

from apps.common import cli
from apps.common.terminal import echo

from .config import PredictOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import itertools
import sys
from collections.abc import Iterator, Sequence

import keras
import numpy as np

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import (
    ensemble,
    generation,
    graph,
    report,
    runs,
    text_input,
)
from apps.common.decoding import Decoded
from apps.common.generation import Hypothesis
from apps.common.search import BeamSearch, Search
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.translation.parallel_files import parse

from . import page
from .config import Config
from .model import IncrementalDecoder

BATCH = 64
IDS = ((None, None), "int32")
EXPLANATION = (
    "Attention: how much, in percent, each token of the translation (rows)"
    " attends to each token of the source (columns); \u2581 is a space."
)


class Predictor:
    """Sentences in, translations out.

    Args:
        model: The translator; its weights may change later.
        tokenizers: That of the source and that of the target.
        config: The `Config`.
        eager: Whether to compile nothing, which is faster for a batch or two.
    """

    def __init__(
        self,
        model: keras.Model,
        tokenizers: Sequence[Tokenizer],
        config: Config,
        eager: bool = False,
    ):
        self.model = model
        self.source, self.target = tokenizers
        self.config = config
        self.decoder = IncrementalDecoder(model, config.attention != "none")
        self.eager = eager
        self.compiled = {}

    @classmethod
    def of_run(cls, run: runs.Run, eager: bool = False) -> "Predictor":
        """Open the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        config = run.config(Config)
        tokenizers = [
            Tokenizer.load(run.file(f"{side}.txt"), kind)
            for side, kind in zip(
                ("source", "target"), config.kinds, strict=True
            )
        ]
        sizes = [
            model.get_layer("encoder").get_layer("source_tokens").input_dim,
            model.get_layer("target_tokens").input_dim,
        ]
        if sizes != [len(tokenizer) for tokenizer in tokenizers]:
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another source.txt"
                " or target.txt"
            )
        return cls(model, tokenizers, config, eager)

    @classmethod
    def of_runs(
        cls, opened: Sequence[runs.Run], eager: bool = False
    ) -> "Predictor":
        """Open the best models of runs as one.

        Raises:
            UserError: They do not fit together.
        """
        files = ["source.txt", "target.txt"]
        fields = ["tokens", "target_tokens"]
        ensemble.check(opened, Config, files, fields)
        members = [cls.of_run(run, eager) for run in opened]
        one = members[0]
        if len(members) > 1:
            models = [member.model for member in members]
            one.decoder = ensemble.Decoders([m.decoder for m in members])
            one.model = ensemble.joined(models, ensemble.logits)
        return one

    @property
    def has_attention(self) -> bool:
        """Whether there is more than one position to attend to."""
        return self.decoder.has_attention

    def __call__(
        self, texts: Sequence[str], search: Search | None = None
    ) -> list[list[Hypothesis]]:
        """Return the best translations of each, by default as in training.

        Of a text without tokens, such as an empty one, there are none.
        """
        search = search or BeamSearch().search(self.config)
        rows = self.encode(texts)
        translations = [[] for _ in rows]
        order = np.argsort([len(row) for row in rows], kind="stable")
        order = [row for row in order if len(rows[row]) > 1]
        for start in range(0, len(rows), BATCH):
            batch = order[start : start + BATCH]
            ids = padded([rows[row] for row in batch])
            for row, best in zip(batch, self.decode(ids, search), strict=True):
                translations[row] = best
        return translations

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, cut, with the end behind them."""
        return [
            [*row[: self.config.max_length - 1], Tokenizer.END]
            for row in self.source.encode_batch(texts)
        ]

    def decode(self, ids: np.ndarray, search: Search) -> list[list[Hypothesis]]:
        """Translate rows of tokens `(B, S)`; return a list for each."""
        if search not in self.compiled:
            self.compiled[search] = graph.compile_once(
                lambda ids: self.search(ids, search), IDS, eager=self.eager
            )
        return generation.hypotheses(self.compiled[search](ids), self.target)

    def search(self, ids, search: Search) -> Decoded:
        """Return the tokens of the translations of `(B, S)`, `(B, K, L)`."""
        memory = self.decoder.encode(ids)
        return generation.generate(
            lambda tokens, state: self.decoder.step(tokens, state, memory),
            self.decoder.initial_state(memory),
            search,
            self.config.max_length,
            attention=lambda state: state["weights"],
        )

    def attention(
        self, texts: Sequence[str], translations: Sequence[Hypothesis]
    ) -> list[tuple[list[str], list[str], np.ndarray]]:
        """Return what each token of a translation attends to.

        Returns:
            List of source tokens, target tokens and weights `(T, S)`.
        """
        if "attention" not in self.compiled:
            self.compiled["attention"] = graph.compile_once(
                self.decoder.attention, IDS, IDS, eager=self.eager
            )
        rows = self.encode(texts)
        targets = [[Tokenizer.BEGIN, *t.tokens[:-1]] for t in translations]
        weights = []
        for start in range(0, len(rows), BATCH):
            batch = slice(start, start + BATCH)
            ids = padded(rows[batch]), padded(targets[batch])
            weights += list(np.asarray(self.compiled["attention"](*ids)))
        return [
            (
                [self.source.pieces[token] for token in row],
                [self.target.pieces[token] for token in translation.tokens],
                matrix[: len(translation.tokens), : len(row)],
            )
            for row, translation, matrix in zip(
                rows, translations, weights, strict=True
            )
        ]


def padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Return rows of tokens as one array, zeros on the right."""
    return keras.utils.pad_sequences(rows, padding="post")


def notes(predictor: Predictor, number: int, text: str) -> Iterator[str]:
    """Yield remarks on a sentence that cannot be read in full."""
    tokens = predictor.source.encode(text)
    surplus = len(tokens) - predictor.config.max_length + 1
    if surplus > 0:
        yield (
            f"sentence {number}: {len(tokens)} tokens, the last {surplus} are"
            " left out"
        )
    known = set(tokens) - {Tokenizer.UNKNOWN}
    pieces = "".join(predictor.source.pieces[token] for token in known)
    if tokens and not pieces.strip("▁"):
        yield f"sentence {number}: all of its words are unknown"


def languages_of(run: runs.Run) -> list[str]:
    """Return source and target language; none if an old run cannot say them."""
    path = run.file("languages.txt")
    if path.exists():
        return runs.read_lines(path)
    languages = run.config(Config).languages
    return [*parse(languages)] if languages else []


def source_columns(run: runs.Run) -> list[str]:
    """Return what the column of source sentences is often called."""
    names = ["source", "src", "sentence"]
    for source in languages_of(run)[:1]:
        names += [source, f"translation.{source}"]
    return names


def lines(hypotheses: Sequence[Hypothesis], scores: bool) -> str:
    """Return what is printed of the translations of a sentence."""
    return "\n".join(
        f"{h.score:.3f}\t{h.text}" if scores else h.text for h in hypotheses
    )


def main(options: Options) -> None:
    """Translate all lines, a batch at a time."""
    opened = runs.open_runs("translation", options.run, options.runs_path)
    eager = 0 < len(options.texts) <= BATCH
    predictor = Predictor.of_runs(opened, eager)
    search = options.search(predictor.config)
    rows = text_input.read(options, "sentence", source_columns(opened[0]))
    examples = []
    with text_input.answers(options, *(r.path for r in opened)) as answer:
        while batch := list(itertools.islice(rows, BATCH)):
            translations = predictor([row["text"] for row in batch], search)
            for row, hypotheses in zip(batch, translations, strict=True):
                text = row["text"]
                for note in notes(predictor, row.line, text):
                    echo(f"note: {note}", file=sys.stderr)
                cells = text_input.ranked(
                    "translation",
                    [(h.text, h.score) for h in hypotheses],
                    options.n_best,
                    options.scores,
                )
                answer(row, lines(hypotheses, options.scores), cells)
                if options.page and hypotheses:
                    examples.append(page.example(predictor, text, hypotheses))
            sys.stdout.flush()
    if options.page:
        report.render(
            options.page,
            page.TEMPLATE,
            title=ensemble.title(opened),
            explanation=EXPLANATION if predictor.has_attention else "",
            examples=examples,
        )
        echo(f"wrote {options.page}", file=sys.stderr)


if __name__ == "__main__":
    cli.main(lambda: main(options))
