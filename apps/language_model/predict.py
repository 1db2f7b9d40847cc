"""Go on with beginnings of texts, or score lines, with a finished run.

    make predict-language-model
    make predict-language-model ARGS="'the old clock' --samples 3"
    make predict-language-model ARGS="--beam 5 --length 20 'the old'"
    make predict-language-model ARGS="--score letters.txt --page letters.html"
    python -m apps.language_model.predict --interactive --temperature 0.8

Without a beginning a text begins with a new line. What is generated is printed
behind the beginning, on a terminal token by token. `--score` prints, for each
line: log-probability in nats, its end counted, perplexity, tokens, and the
line; each is scored by itself, as if it was the first one; an empty one stays
empty.
"""

from apps.common import cli
from apps.common.terminal import echo

from .config import PredictOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import dataclasses
import itertools
import sys
from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import ops

import rnn_layers
from apps.common import (
    ensemble,
    generation,
    graph,
    report,
    runs,
    text_input,
)
from apps.common.decoding import Decoded
from apps.common.search import Search
from apps.common.token_loss import token_nll
from data_pipelines.files.lines import decode
from data_pipelines.files.tables import Row
from data_pipelines.language_model.datasets import Split
from data_pipelines.language_model.tokens import StreamTokenizer

from .config import Config
from .model import Ensemble, LanguageModel

TEMPLATE = "language_model/report.html.jinja"
BATCH = 8
# Tokens of a split that are scored at a time.
CHUNK = 256
IDS = ((None, None), "int32")
EXPLANATION = (
    "The darker a token, the less it was expected: without a shade it was"
    " certain, the darkest took ten bits or more, and those underlined eight."
)


class Predictor:
    """Texts in, what follows or how probable they are out.

    Args:
        model: The language model; its weights may change later.
        tokenizer: The `StreamTokenizer`.
        config: The `Config`.
        eager: Whether to compile nothing, which is faster for a call or two.
    """

    def __init__(
        self,
        model: keras.Model,
        tokenizer: StreamTokenizer,
        config: Config,
        eager: bool = False,
    ):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.network = LanguageModel(model)
        self.eager = eager
        self.compiled = {}
        in_stream = config.unit == "stream"
        # What is read before the first token, and what ends a text.
        self.begin = tokenizer.END if in_stream else tokenizer.BEGIN
        self.end = -1 if in_stream else tokenizer.END

    @classmethod
    def of_run(cls, run: runs.Run, eager: bool = False) -> "Predictor":
        """Open the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        config = run.config(Config)
        path = run.file("vocabulary.txt")
        tokenizer = StreamTokenizer.load(path, config.tokens)
        if model.get_layer("embedding").input_dim != len(tokenizer):
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another"
                " vocabulary.txt"
            )
        return cls(model, tokenizer, config, eager)

    @classmethod
    def of_runs(
        cls, opened: Sequence[runs.Run], eager: bool = False
    ) -> "Predictor":
        """Open the best models of runs as one.

        Raises:
            UserError: They do not fit together.
        """
        fields = ["tokens", "unit"]
        ensemble.check(opened, Config, ["vocabulary.txt"], fields)
        members = [cls.of_run(run, eager) for run in opened]
        if len(members) > 1:
            members[0].network = Ensemble([m.network for m in members])
        return members[0]

    def _compiled(self, name, function, *signature):
        """Return a function compiled once, for texts of any length."""
        if name not in self.compiled:
            # XLA would compile for each length anew.
            self.compiled[name] = graph.compile_once(
                rnn_layers.plain_loops()(function), *signature, eager=self.eager
            )
        return self.compiled[name]

    # Probabilities.

    def losses(
        self, split: Split, rows: int = 1, cut: bool = False
    ) -> np.ndarray:
        """Return -log p of every token of a split in nats, in their order.

        Args:
            split: The split.
            rows: Rows that are scored at a time. The state runs through the
                whole stream if there is one, and begins anew where each row
                does; sentences do not know of each other anyhow.
            cut: Whether it begins anew at each chunk, too.
        """
        chunk = CHUNK if rows == 1 else self.config.chunk
        losses = np.zeros(len(split), np.float32)
        starts = np.cumsum(split.lengths) - split.lengths
        if "nll" not in self.compiled:
            self.compiled["nll"] = graph.compile_once(self.nll)
        function = self.compiled["nll"]
        states = self.network.initial_state(rows)
        for batch in split.planned(rows, chunk).once():
            inputs, targets = split.fetch(batch, 0)
            begins = inputs["begins"] | cut
            nll, states = function(inputs["tokens"], targets, begins, states)
            for row, (index, start, _), target in zip(
                np.asarray(nll), batch.rows, targets, strict=True
            ):
                count = np.count_nonzero(target)
                if count:
                    first = starts[index] + start
                    losses[first : first + count] = row[:count]
        return losses

    def nll(self, tokens, targets, begins, states):
        """Return -log p of targets `(B, T)`, and the last states."""
        first = self.network.initial_state(ops.shape(tokens)[0])
        states = keras.tree.map_structure(
            lambda new, old: ops.where(ops.expand_dims(begins, -1), new, old),
            first,
            states,
        )
        logits, states = self.network.run(tokens, states)
        return token_nll(targets, logits), states

    def score(self, texts: Sequence[str]) -> list[tuple[list, np.ndarray]]:
        """Return the tokens of each text, its end counted, and their -log p."""
        rows = [
            [*ids, self.tokenizer.END]
            for ids in self.tokenizer.encode_batch(texts)
        ]
        # Few widths, and chunks of long lines: logits take much memory.
        longest = max(map(len, rows))
        width = min(CHUNK, 1 << (longest - 1).bit_length())
        targets = keras.utils.pad_sequences(
            rows, -(-longest // width) * width, padding="post"
        )
        tokens = np.roll(targets, 1, axis=1)
        tokens[:, 0] = self.begin
        function = self._compiled("score", self.nll)
        states, parts = self.network.initial_state(len(rows)), []
        for start in range(0, targets.shape[1], width):
            part = slice(start, start + width)
            begins = np.full(len(rows), start == 0)
            nll, states = function(
                tokens[:, part], targets[:, part], begins, states
            )
            parts.append(np.asarray(nll))
        nll = np.concatenate(parts, axis=1)
        return [
            (row, own[: len(row)]) for row, own in zip(rows, nll, strict=True)
        ]

    def score_ids(self, targets):
        """Return -log p of texts `(B, T)` of which each begins anew."""
        tokens = ops.concatenate(
            [ops.full_like(targets[:, :1], self.begin), targets[:, :-1]], axis=1
        )
        states = self.network.initial_state(ops.shape(targets)[0])
        logits, _ = self.network.run(tokens, states)
        return token_nll(targets, logits)

    # Generation.

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return what is read of each beginning, one token at the least."""
        return [
            [self.begin, *ids] for ids in self.tokenizer.encode_batch(texts)
        ]

    def generate(
        self, prompts: Sequence[Sequence[int]], search: Search, length: int
    ) -> Decoded:
        """Go on with prompts of equal length; return `(B, K, length)`."""
        # The seed is in the chances: another one compiles nothing.
        fixed = dataclasses.replace(search, seed=0)
        function = self._compiled(
            (fixed, length),
            lambda ids, chances: self.continued(ids, fixed, length, chances),
            IDS,
            ((None, None), "float32"),
        )
        chances = self.chances(search.seed, len(prompts), length)
        return function(np.array(prompts, np.int32), chances)

    def chances(self, seed: int, rows: int, length: int) -> np.ndarray:
        """Return the random numbers `(rows, length)` to sample by."""
        shape = rows, length
        return np.random.default_rng(seed).random(shape, np.float32)

    def continued(self, ids, search: Search, length, chances) -> Decoded:
        """Return what follows ids `(B, T)`, at most `length` tokens."""
        # The last token is read by the first step, so that it may be another
        # one in every row.
        states = self.network.initial_state(ops.shape(ids)[0])
        states = self.network.after(ids[:, :-1], states)
        state = {
            "states": states,
            "last": ids[:, -1],
            "begun": ops.zeros_like(ids[:, -1], "bool"),
        }

        def step(tokens, state):
            tokens = ops.where(state["begun"], tokens, state["last"])
            logits, states = self.network.step(tokens, state["states"])
            begun = ops.ones_like(state["begun"])
            return logits, {**state, "states": states, "begun": begun}

        return generation.generate(
            step, state, search, length, end=self.end, chances=chances
        )

    def drawn(
        self, prompt: Sequence[int], search: Search, length: int
    ) -> Iterator[int]:
        """Yield what `generate` samples of one prompt, as it is drawn."""

        def step(tokens, states, chance):
            logits, states = self.network.step(tokens, states)
            decoded = generation.generate(
                lambda _, state: (logits, state),
                logits,
                search,
                1,
                end=self.end,
                chances=chance,
            )
            return decoded.tokens[:, 0, 0], states

        fixed = dataclasses.replace(search, seed=0)
        function = self._compiled(("drawn", fixed), step)
        start = self._compiled(
            "start",
            lambda ids: self.network.after(ids, self.network.initial_state(1)),
            IDS,
        )
        states = start(np.array([prompt[:-1]], np.int32))
        token = np.array([prompt[-1]], np.int32)
        for chance in self.chances(search.seed, 1, length)[0]:
            token, states = function(token, states, chance.reshape(1, 1))
            if int(token[0]) == self.end:
                return
            yield int(token[0])

    def __call__(
        self, text: str, search: Search, length: int, samples: int
    ) -> list[tuple[str, float]]:
        """Return continuations of a beginning and their log-probabilities."""
        (prompt,) = self.prompts([text])
        prompts = [prompt] * (samples if search.sample else 1)
        decoded = self.generate(prompts, search, length)
        tokens, lengths = (
            np.asarray(x).reshape(-1, *np.shape(x)[2:])
            for x in (decoded.tokens, decoded.lengths)
        )
        logs = np.asarray(decoded.log_probabilities).ravel()
        return [
            (self.text(row[:count], text), float(log))
            for row, count, log in zip(tokens, lengths, logs, strict=True)
            if count
        ]

    def text(self, ids: Sequence[int], before: str) -> str:
        """Return ids as the text that follows `before`."""
        if len(ids) and ids[-1] == self.end:
            ids = ids[:-1]
        return self.tokenizer.decode(ids, begin=not before)


def stopped(text: str, stop: str) -> str:
    """Return a text up to what it stops at."""
    return text.partition(stop)[0] if stop else text


def notes(predictor: Predictor, number: int, text: str) -> Iterator[str]:
    """Yield a remark on a text of which nothing is known."""
    ids = predictor.tokenizer.encode(text)
    if ids and set(ids) == {predictor.tokenizer.UNKNOWN}:
        yield f"beginning {number}: all of its words are unknown"


def beginnings(options: Options) -> Iterator[Row]:
    """Yield the beginnings: those of the user, or else one empty one."""
    if options.interactive:
        for number in itertools.count(1):
            echo("> ", end="", file=sys.stderr, flush=True)
            line = sys.stdin.buffer.readline()
            if not line:
                return
            text = decode(line)[0].strip()
            yield Row({"text": text}, number, {"text": text})
    elif options.texts or options.input or _piped():
        yield from text_input.read(options, "beginning")
    else:
        yield Row({"text": ""}, 1, {"text": ""})


def _piped() -> bool:
    """Return whether standard input has texts."""
    if sys.stdin is None or sys.stdin.isatty():
        return False
    return bool(sys.stdin.buffer.peek(1))


def write_as_drawn(predictor: Predictor, options: Options, text: str) -> None:
    """Print one continuation token by token."""
    (prompt,) = predictor.prompts([text])
    waiting, begin = "", not text
    echo(text, end="", flush=True)
    for token in predictor.drawn(prompt, options.search, options.length):
        waiting += predictor.tokenizer.decode([token], begin)
        begin = token == predictor.tokenizer.END
        if options.stop and options.stop in waiting:
            waiting = stopped(waiting, options.stop)
            break
        # What may be the beginning of the end waits.
        ready = max(len(waiting) - len(options.stop), 0)
        echo(waiting[:ready], end="", flush=True)
        waiting = waiting[ready:]
    echo(waiting)


def generate(options: Options, opened: Sequence[runs.Run]) -> None:
    """Go on with every beginning."""
    is_plain = not (options.output or options.json or options.scores)
    live = (
        (options.interactive or sys.stdout.isatty())
        and is_plain
        and options.search.sample
        and options.samples == 1
        and not options.no_repeat_ngram
    )
    predictor = Predictor.of_runs(opened)
    with text_input.answers(options, *(r.path for r in opened)) as answer:
        for row in beginnings(options):
            for note in notes(predictor, row.line, row["text"]):
                echo(f"note: {note}", file=sys.stderr)
            if live:
                write_as_drawn(predictor, options, row["text"])
                continue
            continuations = [
                (stopped(text, options.stop), log)
                for text, log in predictor(
                    row["text"], options.search, options.length, options.samples
                )
            ]
            lines = [
                (f"{log:.3f}\t" if options.scores else "") + row["text"] + text
                for text, log in continuations
            ]
            cells = text_input.ranked(
                "continuation", continuations, options.samples, options.scores
            )
            answer(row, "\n".join(lines), cells)


def score(options: Options, opened: Sequence[runs.Run]) -> None:
    """Score every line of a file."""
    predictor = Predictor.of_runs(opened)
    rows = text_input.read(
        dataclasses.replace(options, input=options.score), "line"
    )
    shaded = []
    with text_input.answers(options, *(r.path for r in opened)) as answer:
        while batch := list(itertools.islice(rows, BATCH)):
            texts = [row["text"] for row in batch]
            for row, (ids, nll) in zip(
                batch, predictor.score(texts), strict=True
            ):
                names = "log_probability", "perplexity", "tokens"
                cells, line = dict.fromkeys(names), ""
                if row["text"]:
                    total, count = float(nll.sum(dtype=float)), len(nll)
                    cells = {
                        "log_probability": round(-total, 3),
                        "perplexity": round(float(np.exp(total / count)), 3),
                        "tokens": count,
                    }
                    line = "\t".join([*map(str, cells.values()), row["text"]])
                answer(row, line, cells)
                if options.page and row["text"]:
                    shaded.append(shades(predictor, ids, nll))
    if options.page:
        report.render(
            options.page,
            TEMPLATE,
            title=ensemble.title(opened),
            explanation=EXPLANATION,
            examples=shaded,
            surprises=[],
        )
        echo(f"wrote {options.page}", file=sys.stderr)


def shades(
    predictor: Predictor, ids: Sequence[int], nll: np.ndarray
) -> list[dict]:
    """Return tokens as text with their surprise in bits, for the page."""
    bits = nll / np.log(2)
    return [
        {
            "text": predictor.tokenizer.decode([token], begin=place == 0),
            "bits": float(own),
            "share": float(min(own / 10, 1)),
        }
        for place, (token, own) in enumerate(zip(ids, bits, strict=True))
    ]


def main(options: Options) -> None:
    """Score lines, or go on with beginnings."""
    opened = runs.open_runs("language_model", options.run, options.runs_path)
    (score if options.score else generate)(options, opened)


if __name__ == "__main__":
    cli.main(lambda: main(options))
