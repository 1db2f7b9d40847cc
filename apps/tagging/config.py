"""Every flag of the tagging app: the only home of its defaults."""

import dataclasses
from collections.abc import Iterator

from apps.common import checks, cli, distributed, faults, runs, text_input

CELLS = cli.constant("rnn_layers.cells.catalogue", "CELLS")
SOURCES = cli.constant("data_pipelines.tagging.pipeline", "SOURCES")
TASKS = cli.constant("data_pipelines.tagging.pipeline", "TASKS")
SCHEMES = cli.constant("data_pipelines.tagging.schemes", "SCHEMES")
MODEL_SCHEMES = ("iob2", "iobes")
CHARACTERS = ("cnn", "rnn", "none")
OUTPUTS = ("crf", "softmax")

COLUMNS = cli.flag(
    "", "columns of your files, such as word,pos,tag; empty: first and last"
)
SCHEME = cli.flag(
    "",
    "scheme of your labels; iob1 takes a broken iob2, too; empty: as they look",
    choices=["", *SCHEMES],
)


@dataclasses.dataclass(frozen=True)
class Config(distributed.Flags):
    """Trains a model that labels words, or finds their heads."""

    dataset: str = cli.flag("demo", "data set", choices=SOURCES, group="data")
    data_path: str = cli.flag("", "folder of your files, or one file")
    task: str = cli.flag(
        "tag", "what to find: labels of words, or heads", choices=TASKS
    )
    encoding: str = runs.ENCODING
    columns: str = COLUMNS
    scheme: str = SCHEME
    model_scheme: str = cli.flag(
        "iob2",
        "scheme of the labels that the model predicts",
        choices=MODEL_SCHEMES,
    )
    max_length: int = cli.flag(
        250,
        "longest sentence to train on, in words; longer ones are left out",
        at_least=1,
        at_most=100_000,
    )
    vocabulary_size: int = cli.flag(
        100_000, "vocabulary size", at_least=3, at_most=1_000_000, rare=True
    )
    max_characters: int = cli.flag(
        20,
        "characters of a word that are read, half of them at its end",
        at_least=3,
        at_most=1000,
        rare=True,
    )
    cell: str = cli.flag("lstm", "recurrent cell", choices=CELLS, group="model")
    units: int = cli.flag(
        128, "units in each direction", at_least=1, at_most=8192
    )
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    embedding_size: int = cli.flag(
        100, "size of a word's embedding", at_least=1, at_most=8192
    )
    vectors: str = cli.flag(
        "", "word2vec or GloVe text file to initialize the embeddings"
    )
    characters: str = cli.flag(
        "cnn",
        "how characters are read: by convolution, by --cell, not at all",
        choices=CHARACTERS,
    )
    character_units: int = cli.flag(
        50, "size of what is read of them", at_least=2, at_most=8192
    )
    output: str = cli.flag(
        "crf",
        "labels of a sentence together, or each alone",
        choices=OUTPUTS,
    )
    dropout: float = cli.flag(
        0.5,
        "dropout rate of inputs and outputs, one mask a sentence",
        at_least=0.0,
        below=1.0,
        group="training",
    )
    recurrent_dropout: float = cli.flag(
        0.0,
        "dropout rate of recurrent states, one mask a sentence",
        at_least=0.0,
        below=1.0,
    )
    learning_rate: float = cli.flag(
        2e-3, "peak learning rate", at_least=0.0, at_most=10.0
    )
    weight_decay: float = cli.flag(
        1e-2, "weight decay of AdamW", at_least=0.0, at_most=10.0
    )
    clip_norm: float = cli.flag(
        5.0,
        "clip the global gradient norm (0: off)",
        at_least=0.0,
        rare=True,
        at_most=1e6,
    )
    batch_size: int = cli.flag(
        32, "sentences per batch", at_least=1, at_most=16_384
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
        5,
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
        "data/cache", "folder for demo data", rare=True, at_least=1
    )
    preset: str = ""

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        if self.dataset != "files":
            yield "encoding columns scheme", f"with --dataset {self.dataset}"
        if self.vectors:
            yield "embedding_size", "with --vectors, whose size counts"
        if self.characters == "none":
            yield "character_units", "with --characters none"
        if self.task == "parse":
            yield "scheme model_scheme output", "with --task parse"

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
        character_units=8,
        epochs=1,
    ),
    # Does the loss on one batch come near zero?
    "overfit": dict(
        **faults.OVERFIT,
        dropout=0.0,
        recurrent_dropout=0.0,
        weight_decay=0.0,
    ),
    # A hundredth of the training data.
    "limit": dict(**faults.LIMIT),
}


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(runs.ScoringOptions):
    """Scores a finished run."""

    app = "tagging"

    dataset: str = runs.scored_dataset(SOURCES)
    columns: str = COLUMNS
    scheme: str = SCHEME

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()
        if not self.dataset:
            yield "columns scheme", "without --dataset"


@dataclasses.dataclass(frozen=True)
class PredictOptions(text_input.Options, runs.Options):
    """Labels the words of texts."""

    app = "tagging"

    texts: tuple = cli.positional("texts to label; none: standard input")
    columns: str = cli.flag(
        "", "columns of --input, if it is .conll or the like; empty: word first"
    )
    conll: bool = cli.flag(False, "print a word a line, its labels beside it")

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()
        if not self.input:
            yield "columns", "without --input"
        if self.output or self.json:
            yield "conll", "with --output or --json"


@dataclasses.dataclass(frozen=True)
class ExportOptions(runs.Options):
    """Writes the SavedModel of a finished run."""

    app = "tagging"
