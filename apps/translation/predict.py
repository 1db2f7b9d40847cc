"""Translates sentences with a finished run.

    make predict-translation ARGS="'She sleeps in the small house.'"
    make predict-translation ARGS="--beam 5 --n-best 3 --scores 'Good day.'"
    make predict-translation ARGS="--input letters.txt"
    python -m apps.translation.predict < letters.txt

One line for each sentence, as it came, so that line 7 of the output belongs to
line 7 of the input; an empty line stays empty.  With `--n-best` there are so
many lines for each, with `--scores` the score stands before each, and a tab.
"""

import contextlib
import dataclasses
import itertools
import sys
import typing

import keras
import numpy as np
import tensorflow as tf

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import cli, decoding, runs
from data_pipelines.text.tokenizers import Tokenizer

from . import show
from .model import Steps

BATCH = 64


@dataclasses.dataclass(frozen=True)
class Options:
    """Translates sentences."""

    texts: tuple = cli.positional("sentences; none: standard input")
    input: str = cli.flag("", "file with one sentence a line")
    beam: int = cli.flag(0, "hypotheses kept; 0: as in training", at_least=0)
    n_best: int = cli.flag(1, "translations shown of each", at_least=1)
    scores: bool = cli.flag(False, "show the score of each translation")
    length_penalty: float = cli.flag(
        -1.0, "larger favours longer ones; -1: as in training"
    )
    coverage_penalty: float = cli.flag(
        0.0, "larger favours those that looked at every word", at_least=0.0
    )
    min_length: int = cli.flag(1, "fewest tokens of each", at_least=0)
    no_repeat_ngram: int = cli.flag(
        0, "no so many tokens occur twice in one; 0: they may", at_least=0
    )
    sample: bool = cli.flag(False, "draw translations instead of searching")
    temperature: float = cli.flag(
        1.0, "of --sample; less is less daring", at_least=0.01
    )
    top_k: int = cli.flag(
        0, "of --sample: draw from so many tokens; 0: all", at_least=0
    )
    top_p: float = cli.flag(
        1.0, "of --sample: draw from this much probability", at_least=0.0
    )
    seed: int = cli.flag(0, "of --sample", at_least=0, below=2**32)
    page: str = cli.flag("", "HTML page to write, which shows the attention")
    run: str = cli.flag("", "name or folder of a run; empty: the newest")
    runs_path: str = cli.flag("runs", "folder of all runs")


@dataclasses.dataclass(frozen=True)
class Search:
    """How to decode; see `decoding`, whose words these are."""

    beam: int
    length_penalty: float
    n_best: int = 1
    coverage_penalty: float = 0.0
    min_length: int = 1
    no_repeat_ngram: int = 0
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0


class Translation(typing.NamedTuple):
    """One hypothesis: readable text, its score, and its tokens with the end."""

    text: str
    score: float
    tokens: np.ndarray


class Translator:
    """Sentences in, translations out.

    Args:
        model: The translator, a `keras.Model`; its weights may change later.
        tokenizers: That of the source and that of the target.
        max_length: Most tokens of a sentence, its end counted.
    """

    def __init__(self, model, tokenizers, max_length):
        self.model = model
        self.source, self.target = tokenizers
        self.max_length = max_length
        self.steps = Steps(model)
        self.compiled = {}

    @property
    def attends(self):
        """Whether there is more than one place to look at."""
        return self.steps.encoder.output[0].shape[1] != 1

    @classmethod
    def of_run(cls, run):
        """Opens the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        config = run.record["config"]
        tokenizers = [
            Tokenizer.load(run.file(f"{side}.txt"), config["tokens"])
            for side in ("source", "target")
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
        return cls(model, tokenizers, config["max_length"])

    def __call__(self, texts, search):
        """Returns a list of `n_best` translations for each text."""
        rows = self.encode(texts)
        order = np.argsort([len(row) for row in rows], kind="stable")
        found = [None] * len(rows)
        for start in range(0, len(rows), BATCH):
            places = order[start : start + BATCH]
            ids = padded([rows[place] for place in places])
            translations = self.decode(ids, search)
            for place, best in zip(places, translations, strict=True):
                found[place] = best
        return found

    def encode(self, texts):
        """Returns the tokens of each text, cut, with the end behind them."""
        return [
            [*row[: self.max_length - 1], Tokenizer.END]
            for row in self.source.encode_batch(texts)
        ]

    def decode(self, ids, search):
        """Translates rows `(B, S)`; a list of translations for each."""
        if search not in self.compiled:
            self.compiled[search] = compiled(self._decoder(search))
        found = map(np.asarray, self.compiled[search](ids))
        tokens, lengths, scores, _ = found  # B K L, B K, B K
        return [
            [
                Translation(
                    self.target.decode(row[:length]), score, row[:length]
                )
                for row, length, score in zip(*parts, strict=True)
                if length
            ]
            for parts in zip(tokens, lengths, scores.tolist(), strict=True)
        ]

    def _decoder(self, search):
        """Returns a function of `(B, S)` sources to `decoding.Decoded`."""

        def decode(source):
            memory = self.steps.encode(source)
            return self.search(memory, search)

        return decode

    def search(self, memory, search):
        """Decodes from what `Steps.encode` gave, `(B, K, ...)`."""
        rules = decoding.Rules(
            Tokenizer.BEGIN,
            Tokenizer.END,
            self.max_length,
            search.min_length,
            (Tokenizer.PADDING, Tokenizer.UNKNOWN, Tokenizer.BEGIN),
            search.no_repeat_ngram,
        )
        state = self.steps.begin(memory)

        def step(tokens, state):
            return self.steps.step(tokens, state, memory)

        if search.sample:
            found = decoding.sample(
                step,
                state,
                rules,
                seed=search.seed,
                temperature=search.temperature,
                top_k=search.top_k,
                top_p=search.top_p,
            )
        elif isinstance(search.beam, int) and search.beam == 1:
            found = decoding.greedy(step, state, rules)
        else:
            return decoding.beam_search(
                step,
                state,
                rules,
                beam=search.beam,
                n_best=search.n_best,
                length_penalty=search.length_penalty,
                coverage_penalty=search.coverage_penalty,
                attention=lambda state: state["weights"],
            )
        return decoding.Decoded(*(keras.ops.expand_dims(x, 1) for x in found))

    def attention(self, texts, translations):
        """Returns what each token of a translation looked at.

        Args:
            texts: List of strings.
            translations: A `Translation` of each.

        Returns:
            List of `(source tokens, target tokens, weights (T, S))`.
        """
        rows = self.encode(texts)
        targets = [[Tokenizer.BEGIN, *t.tokens[:-1]] for t in translations]
        if "attention" not in self.compiled:
            self.compiled["attention"] = compiled(self.steps.attention, 2)
        found = []
        for start in range(0, len(rows), BATCH):
            part = slice(start, start + BATCH)
            source, target = padded(rows[part]), padded(targets[part])
            weights = self.compiled["attention"](source, target)
            found += list(np.asarray(weights))
        return [
            (
                [self.source.pieces[token] for token in row],
                [self.target.pieces[token] for token in translation.tokens],
                weights[: len(translation.tokens), : len(row)],
            )
            for row, translation, weights in zip(
                rows, translations, found, strict=True
            )
        ]


def padded(rows):
    """Returns lists of tokens as one array, zeros on the right."""
    array = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for place, row in enumerate(rows):
        array[place, : len(row)] = row
    return array


def compiled(function, arguments=1):
    """Returns a function of token arrays, compiled once for all shapes."""
    if keras.config.backend() != "tensorflow":
        return function
    shape = tf.TensorSpec((None, None), tf.int32)
    return tf.function(function, input_signature=[shape] * arguments)


def read_lines(options):
    """Yields the lines of the command line, a file or standard input."""
    if options.texts and options.input:
        raise cli.UserError("give sentences or --input, not both")
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
                raise cli.UserError("no sentence, and no standard input")
            file.reconfigure(**cli.LINES)
            if file.isatty():
                print("one sentence a line, end: Ctrl-D", file=sys.stderr)
        yield from (line.strip() for line in file)


def notes(translator, number, text):
    """Yields what to know of a sentence that cannot be read as a whole."""
    tokens = translator.source.encode(text)
    if len(tokens) >= translator.max_length:
        yield (
            f"sentence {number}: {len(tokens)} tokens, the last"
            f" {len(tokens) - translator.max_length + 1} are left out"
        )
    known = set(tokens) - {Tokenizer.UNKNOWN}
    if not "".join(translator.source.pieces[token] for token in known).strip(
        "▁"
    ):
        yield f"sentence {number}: all of its words are unknown"


def main(options):
    """Translates all lines, a batch at a time."""
    run = runs.open_run("translation", options.run, options.runs_path)
    if options.page:
        cli.check_output("--page", options.page)
    translator = Translator.of_run(run)
    search = search_of(options, run.record["config"])
    lines = read_lines(options)
    count = 0
    shown = []
    while batch := list(itertools.islice(lines, BATCH)):
        texts = [text for text in batch if text]
        found = iter(translator(texts, search) if texts else [])
        for text in batch:
            count += 1
            if not text:
                print()
                continue
            for note in notes(translator, count, text):
                print(f"note: {note}", file=sys.stderr)
            best = next(found)
            for translation in best:
                score = f"{translation.score:.3f}\t" if options.scores else ""
                print(score + translation.text)
            shown.append((text, best))
        sys.stdout.flush()
        if not options.page:
            shown.clear()
    if not count:
        raise cli.UserError("no sentence; give one, or --input FILE")
    if options.page:
        show.write_translations(options.page, run.name, translator, shown)
        print(f"wrote {options.page}", file=sys.stderr)


def search_of(options, config):
    """Returns the `Search` of the flags, the rest as in training."""
    beam = options.beam or max(config["beam"], options.n_best)
    if options.n_best > beam:
        raise cli.UserError(
            f"--n-best {options.n_best}: at most --beam, which is {beam}"
        )
    if options.sample and options.n_best > 1:
        raise cli.UserError("--sample draws one translation; drop --n-best")
    penalty = options.length_penalty
    return Search(
        beam,
        config["length_penalty"] if penalty == -1 else penalty,
        options.n_best,
        *(getattr(options, f.name) for f in dataclasses.fields(Search)[3:]),
    )


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
