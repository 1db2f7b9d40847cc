"""Every flag of the language model app: the only home of its defaults."""

import dataclasses
from collections.abc import Iterator

from apps.common import (
    checks,
    cli,
    distributed,
    faults,
    formats,
    runs,
    scoring,
    text_input,
    transfer,
)
from apps.common.search import TEMPERATURE, TOP_K, TOP_P, Search

CELLS = cli.constant("rnn_layers.cells.catalogue", "CELLS")
SOURCES = cli.constant("data_pipelines.language_model.pipeline", "SOURCES")
UNITS = cli.constant("data_pipelines.language_model.pipeline", "UNITS")


@dataclasses.dataclass(frozen=True)
class Config(distributed.Flags):
    """Train a language model on a text."""

    dataset: str = cli.flag("demo", "data set", choices=SOURCES, group="data")
    data_path: str = cli.flag(
        "", "folder of your files, or one file; or folder of TFDS"
    )
    encoding: str = runs.ENCODING
    download: bool = cli.flag(False, "let TFDS download the data set")
    tokens: str = cli.flag(
        "words",
        "token kind",
        choices=cli.constant("data_pipelines.text.tokenizers", "KINDS"),
    )
    unit: str = cli.flag(
        "stream",
        "whether a file is one stream, or its lines are sentences that do not"
        " know of each other",
        choices=UNITS,
    )
    vocabulary_size: int = cli.flag(
        10_000,
        "most words, characters or subwords",
        at_least=2,
        at_most=1_000_000,
    )
    minimum_count: int = cli.flag(
        1,
        "words, or characters, rarer in train are unknown",
        at_least=1,
        rare=True,
        at_most=1_000_000,
    )
    cell: str = cli.flag("lstm", "recurrent cell", choices=CELLS, group="model")
    units: int = cli.flag(
        256, "units of a recurrent layer", at_least=1, at_most=8192
    )
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    embedding_size: int = cli.flag(
        256, "embedding size", at_least=1, at_most=8192
    )
    tied: bool = cli.flag(
        True, "tie the weights of the embeddings and the output", rare=True
    )
    from_run: str = transfer.FROM_RUN
    extend_vocabulary: bool = transfer.EXTEND
    dropout: float = cli.flag(
        0.3,
        "dropout rate of inputs and outputs of every layer",
        at_least=0.0,
        below=1.0,
        group="training",
    )
    variational: bool = cli.flag(
        False,
        "drop the same units at every token of a chunk (variational dropout)",
    )
    recurrent_dropout: float = cli.flag(
        0.0,
        "dropout rate of the states in the recurrence, one mask a chunk",
        at_least=0.0,
        below=1.0,
    )
    embedding_dropout: float = cli.flag(
        0.0,
        "dropout rate of tokens of the vocabulary, for all of a batch",
        at_least=0.0,
        below=1.0,
    )
    zoneout: float = cli.flag(
        0.0,
        "how often a unit keeps its old state",
        at_least=0.0,
        below=1.0,
        rare=True,
    )
    learning_rate: float = cli.flag(
        2e-3, "peak learning rate", at_least=0.0, at_most=10.0
    )
    weight_decay: float = cli.flag(
        0.0, "weight decay of AdamW", at_least=0.0, rare=True, at_most=10.0
    )
    clip_norm: float = cli.flag(
        1.0,
        "clip the global gradient norm (0: off)",
        at_least=0.0,
        rare=True,
        at_most=1e6,
    )
    averaging: float = cli.flag(
        0.99,
        "decay of the moving average of the weights (0: off)",
        at_least=0.0,
        below=1.0,
        rare=True,
    )
    batch_size: int = cli.flag(
        16, "rows of a batch", at_least=1, at_most=100_000
    )
    chunk: int = cli.flag(
        64,
        "tokens of a row in a batch of a stream, through which gradients flow",
        at_least=1,
        at_most=10_000,
    )
    sampled: int = cli.flag(
        0,
        "train with so many sampled tokens of the vocabulary (0: with all, and"
        " with 4,096 above 50,000)",
        at_least=0,
        rare=True,
        at_most=1_000_000,
    )
    epochs: int = cli.flag(
        0,
        "most epochs (0: by the size of the data)",
        at_least=0,
        at_most=10_000,
    )
    train_share: float = faults.TRAIN_SHARE
    profile: bool = faults.PROFILE
    patience: int = cli.flag(
        3,
        "stop after this many epochs, and 20 steps, without a lower loss",
        at_least=1,
        at_most=10_000,
    )
    seed: int = cli.flag(0, "random seed", at_least=0, below=2**32)
    jit_compile: bool = cli.flag(
        False, "compile the training step with XLA", rare=True
    )
    mixed_precision: str = runs.MIXED_PRECISION
    name: str = cli.flag(
        "", "name of the run; empty: data set and cell", group="output"
    )
    runs_path: str = cli.flag("runs", "folder of all runs", at_least=1)
    cache_path: str = cli.flag(
        "data/cache",
        "folder for demo data and preprocessed data",
        rare=True,
        at_least=1,
    )
    preset: str = ""

    # Of a run to go on from: what its weights depend on, and what else is
    # its own where no flag says otherwise.
    architecture = (
        "tokens",
        "cell",
        "units",
        "depth",
        "embedding_size",
        "tied",
    )
    inherited = ("unit",)

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from checks.data_flags(self)
        if self.tokens == "subwords":
            yield "minimum_count", "with --tokens subwords"
        if self.unit == "sentences":
            yield "chunk", "with --unit sentences"
        if not self.dropout:
            yield "variational", "with --dropout 0"
        if not self.from_run:
            yield "extend_vocabulary", "without --from-run"

    def check(self) -> None:
        """Refuse what cannot be trained."""
        checks.training(self)


# Differences from the defaults, each with its purpose.
PRESETS = {
    # Seconds on a laptop: does everything work?
    "smoke": dict(
        dataset="demo_small",
        units=8,
        embedding_size=8,
        batch_size=8,
        chunk=16,
        epochs=1,
    ),
    # Does the loss on one batch come near zero?
    "overfit": dict(
        **faults.OVERFIT,
        dropout=0.0,
        recurrent_dropout=0.0,
        embedding_dropout=0.0,
        zoneout=0.0,
        weight_decay=0.0,
        averaging=0.0,
    ),
    # A hundredth of the training data.
    "limit": dict(**faults.LIMIT),
}


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(scoring.ScoringOptions):
    """Score a finished run."""

    app = "language_model"

    dataset: str = scoring.scored_dataset(SOURCES)
    interpolate: bool = cli.flag(
        False,
        "mix the model with Kneser-Ney and a cache of the last words, with"
        " weights that are best on valid",
    )


@dataclasses.dataclass(frozen=True)
class PredictOptions(text_input.Options, runs.EnsembleOptions):
    """Go on with texts, or score them."""

    app = "language_model"

    texts: tuple = cli.positional("beginnings; none: standard input, or none")
    length: int = cli.flag(
        100, "tokens to generate, at most", at_least=1, at_most=1_000_000
    )
    samples: int = cli.flag(
        1, "continuations of each text", at_least=1, at_most=1000
    )
    temperature: float = TEMPERATURE
    top_k: int = TOP_K
    top_p: float = TOP_P
    beam: int = cli.flag(
        0,
        "search instead of sampling: beam size (1: greedy, 0: sample)",
        at_least=0,
        at_most=256,
    )
    no_repeat_ngram: int = cli.flag(
        0,
        "never repeat an n-gram of this length (0: off)",
        at_least=0,
        at_most=1000,
    )
    stop: str = cli.flag("", "end at this text, which is left out")
    seed: int = cli.flag(0, "random seed of sampling", at_least=0, below=2**32)
    scores: bool = cli.flag(
        False, "print the log-probability of each continuation"
    )
    interactive: bool = cli.flag(False, "ask for one beginning after the other")
    score: str = cli.flag(
        "",
        "file whose lines to score instead: log-probability, perplexity,"
        " tokens",
    )
    page: str = cli.flag(
        "", "HTML page to write of --score, which shades tokens by surprise"
    )

    @property
    def search(self) -> Search:
        """The `Search` of the flags."""
        return Search(
            beam=self.beam or 1,
            n_best=self.samples if self.beam > 1 else 1,
            min_length=0,
            no_repeat_ngram=self.no_repeat_ngram,
            sample=not self.beam,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            seed=self.seed,
        )

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from text_input.Options.without_effect(self)
        if self.score:
            yield (
                "length samples temperature top_k top_p beam no_repeat_ngram"
                " stop seed scores interactive input",
                "with --score",
            )
        else:
            yield "page", "without --score"
        if self.beam:
            yield "temperature top_k top_p seed", "with --beam"
        if self.interactive:
            yield "input output json", "with --interactive"

    def check(self) -> None:
        """Refuse what cannot be read or written."""
        super().check()
        checks.output_file("page", self.page)
        checks.input_file(self.score)
        if self.texts and (self.score or self.interactive):
            flag = "--score" if self.score else "--interactive"
            raise cli.UserError(f"give beginnings or {flag}, not both")
        if self.beam and self.samples > self.beam:
            raise cli.UserError(
                f"--samples {self.samples}: at most --beam, which is"
                f" {self.beam}"
            )


@dataclasses.dataclass(frozen=True)
class ExportOptions(formats.Options):
    """Write a finished run for others: SavedModel, ONNX, LiteRT."""

    app = "language_model"
