"""Every flag of the sentiment app: the only home of its defaults."""

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

CELLS = cli.constant("rnn_layers.cells.catalogue", "CELLS")
SOURCES = cli.constant("data_pipelines.sentiment.pipeline", "SOURCES")

TEXT_COLUMN = cli.flag("", "column of the texts; empty: by its usual names")
LABEL_COLUMN = cli.flag("", "column of the labels; empty: by its usual names")


@dataclasses.dataclass(frozen=True)
class Config(distributed.Flags):
    """Train a classifier of texts: sentiment, topic, any label."""

    dataset: str = cli.flag("demo", "data set", choices=SOURCES, group="data")
    data_path: str = cli.flag(
        "", "folder of your files, or one file; or folder of TFDS"
    )
    encoding: str = runs.ENCODING
    text_column: str = TEXT_COLUMN
    label_column: str = LABEL_COLUMN
    download: bool = cli.flag(False, "let TFDS download the data set")
    tokens: str = cli.flag(
        "words",
        "token kind; characters are for scripts without spaces",
        choices=cli.constant("data_pipelines.text.words", "KINDS"),
    )
    vocabulary_size: int = cli.flag(
        30_000, "vocabulary size", at_least=3, at_most=1_000_000
    )
    max_length: int = cli.flag(
        400,
        "longest text, in words; longer ones are cropped",
        at_least=2,
        at_most=100_000,
    )
    ngrams: int = cli.flag(
        3,
        "longest n-gram whose log-count ratio is an input (0: none)",
        at_least=0,
        below=6,
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=CELLS, group="model")
    units: int = cli.flag(
        64, "units of a recurrent layer", at_least=1, at_most=8192
    )
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    bidirectional: bool = cli.flag(True, "read in both directions")
    embedding_size: int = cli.flag(
        128, "embedding size", at_least=1, at_most=8192
    )
    vectors: str = cli.flag(
        "", "word2vec or GloVe text file to initialize the embeddings"
    )
    from_run: str = transfer.FROM_RUN
    extend_vocabulary: bool = transfer.EXTEND
    dropout: float = cli.flag(
        0.5, "dropout rate", at_least=0.0, below=1.0, group="training"
    )
    word_dropout: float = cli.flag(
        0.1, "dropout rate of whole words", at_least=0.0, below=1.0, rare=True
    )
    learning_rate: float = cli.flag(
        2e-3, "peak learning rate", at_least=0.0, at_most=10.0
    )
    weight_decay: float = cli.flag(
        1e-2, "weight decay of AdamW", at_least=0.0, at_most=10.0
    )
    clip_norm: float = cli.flag(
        1.0,
        "clip the global gradient norm (0: off)",
        at_least=0.0,
        rare=True,
        at_most=1e6,
    )
    batch_size: int = cli.flag(
        64, "examples per batch", at_least=1, at_most=16_384
    )
    epochs: int = cli.flag(
        0,
        "most epochs (0: by the size of the data)",
        at_least=0,
        at_most=10_000,
    )
    steps_per_epoch: int = cli.flag(
        0,
        "training steps per epoch (0: one pass over the data)",
        at_least=0,
        rare=True,
        at_most=10_000_000,
    )
    train_share: float = faults.TRAIN_SHARE
    profile: bool = faults.PROFILE
    patience: int = cli.flag(
        3,
        "stop after this many epochs, and 20 steps, without a better score"
        " or a lower loss",
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
        "ngrams",
        "cell",
        "units",
        "depth",
        "bidirectional",
        "embedding_size",
    )
    inherited = ("max_length",)

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from checks.data_flags(self)
        if self.dataset != "files":
            names = "text_column label_column"
            yield names, f"with --dataset {self.dataset}"
        if self.vectors:
            yield "embedding_size", "with --vectors, whose size counts"
        if not self.from_run:
            yield "extend_vocabulary", "without --from-run"
        else:
            yield "vectors", "with --from-run, whose vectors count"

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
        epochs=1,
        vocabulary_size=1000,
    ),
    # Does the loss on one batch come near zero?
    "overfit": dict(
        **faults.OVERFIT,
        dropout=0.0,
        word_dropout=0.0,
        weight_decay=0.0,
    ),
    # A hundredth of the training data.
    "limit": dict(**faults.LIMIT),
}


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(scoring.ScoringOptions):
    """Score a finished run."""

    app = "sentiment"

    dataset: str = scoring.scored_dataset(SOURCES)
    text_column: str = TEXT_COLUMN
    label_column: str = LABEL_COLUMN

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()
        if not self.dataset:
            yield "text_column label_column", "without --dataset"


@dataclasses.dataclass(frozen=True)
class PredictOptions(text_input.Options, runs.EnsembleOptions):
    """Label texts."""

    app = "sentiment"

    texts: tuple = cli.positional("texts to label; none: standard input")
    explain: bool = cli.flag(False, "show the words that weighed most")
    page: str = cli.flag(
        "", "HTML page of --explain; empty: explanations.html in the run folder"
    )

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()
        if not self.explain:
            yield "page", "without --explain"

    def check(self) -> None:
        """Refuse what cannot be read or written."""
        super().check()
        checks.output_file("page", self.page)


@dataclasses.dataclass(frozen=True)
class ExportOptions(formats.FixedLength):
    """Write a finished run for others: SavedModel, ONNX, LiteRT."""

    app = "sentiment"
