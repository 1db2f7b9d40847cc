"""Every flag of the tagging app: the only home of its defaults."""

import dataclasses
import re
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
SOURCES = cli.constant("data_pipelines.tagging.pipeline", "SOURCES")
TASKS = cli.constant("data_pipelines.tagging.pipeline", "TASKS")
SCHEMES = cli.constant("data_pipelines.tagging.schemes", "SCHEMES")
MODEL_SCHEMES = ("iob2", "iobes")
CHARACTERS = ("cnn", "rnn", "none")
OUTPUTS = ("crf", "softmax")

# Names of inputs, and those of what is given and wanted already.
_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")
_TAKEN = ("word", "shape", "character", "head", "relation")

# What the task decides where flags leave it open: labels need the words beside
# a word, heads all of the sentence.
OF_TASK = {
    "tag": dict(units=128, depth=1, dropout=0.5, batch_size=32),
    "parse": dict(units=200, depth=2, dropout=0.33, batch_size=64),
}

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
    """Train a model that labels words, or finds their heads."""

    dataset: str = cli.flag("demo", "data set", choices=SOURCES, group="data")
    data_path: str = cli.flag("", "folder of your files, or one file")
    task: str = cli.flag(
        "tag", "what to find: labels of words, or heads", choices=TASKS
    )
    encoding: str = runs.ENCODING
    columns: str = COLUMNS
    features: str = cli.flag(
        "", "columns that the model reads beside the words, such as pos"
    )
    scheme: str = SCHEME
    intent_separator: str = cli.flag(
        "",
        "what stands between the intents of a sentence that has several; each"
        " of them is right then",
        rare=True,
    )
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
        0,
        "units in each direction (0: 128, in a parse 200)",
        at_least=0,
        at_most=8192,
    )
    depth: int = cli.flag(
        0, "recurrent layers (0: 1, in a parse 2)", at_least=0, below=5
    )
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
        100, "size of what is read of them", at_least=2, at_most=8192
    )
    output: str = cli.flag(
        "crf",
        "labels of a sentence together, or each alone",
        choices=OUTPUTS,
    )
    from_run: str = transfer.FROM_RUN
    extend_vocabulary: bool = transfer.EXTEND
    dropout: float = cli.flag(
        -1.0,
        "dropout rate of inputs and outputs, one mask a sentence"
        " (-1: 0.5, in a parse 0.33)",
        at_least=-1.0,
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
    averaging: float = cli.flag(
        0.998,
        "decay of the exponential moving average of the weights; 0: off",
        at_least=0.0,
        below=1.0,
        rare=True,
    )
    batch_size: int = cli.flag(
        0,
        "sentences per batch (0: 32, in a parse 64)",
        at_least=0,
        at_most=16_384,
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
        10,
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

    # Of a run to go on from: what its weights depend on, and what else is
    # its own where no flag says otherwise.
    architecture = (
        "task",
        "features",
        "model_scheme",
        "max_characters",
        "cell",
        "units",
        "depth",
        "embedding_size",
        "characters",
        "character_units",
        "output",
    )
    inherited = ()

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        if self.dataset != "files":
            yield (
                "encoding columns features scheme intent_separator",
                f"with --dataset {self.dataset}",
            )
        if self.vectors:
            yield "embedding_size", "with --vectors, whose size counts"
        if self.characters == "none":
            yield "character_units", "with --characters none"
        if self.task == "parse":
            yield (
                "scheme model_scheme output intent_separator",
                "with --task parse",
            )
        if not self.from_run:
            yield "extend_vocabulary", "without --from-run"
        else:
            yield "vectors", "with --from-run, whose vectors count"

    def check(self) -> None:
        """Refuse what cannot be trained."""
        checks.training(self)
        if -1 < self.dropout < 0:
            raise cli.UserError(
                f"--dropout {self.dropout}: expected a rate from 0 on, or -1"
            )
        for name in self.column_features:
            if not _NAME.fullmatch(name) or name in (*_TAKEN, self.task):
                raise cli.UserError(
                    f"--features {self.features}: {name!r} can be none; "
                    "expected names of columns as in --columns word,pos,tag, "
                    "of letters, digits and _, but for the word and its labels"
                )
        if len(set(self.column_features)) < len(self.column_features):
            raise cli.UserError(
                f"--features {self.features}: a name stands twice"
            )

    @property
    def vocabularies(self) -> list[str]:
        """Files of a run: words, characters, values of further columns."""
        columns = (f"feature_{name}.txt" for name in self.column_features)
        return ["vocabulary.txt", "characters.txt", *columns]

    def of_task(self) -> "Config":
        """Return it with what the task decides where flags leave it open."""
        least = {"dropout": 0}
        return dataclasses.replace(
            self,
            **{
                name: value
                for name, value in OF_TASK[self.task].items()
                if getattr(self, name) < least.get(name, 1)
            },
        )

    @property
    def column_features(self) -> list[str]:
        """Names of the columns that the model reads beside the words."""
        return [n.strip() for n in self.features.split(",") if self.features]


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
        averaging=0.0,
        recurrent_dropout=0.0,
        weight_decay=0.0,
    ),
    # A hundredth of the training data.
    "limit": dict(**faults.LIMIT),
}


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(scoring.ScoringOptions):
    """Score a finished run."""

    app = "tagging"

    dataset: str = scoring.scored_dataset(SOURCES)
    columns: str = COLUMNS
    scheme: str = SCHEME

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()
        if not self.dataset:
            yield "columns scheme", "without --dataset"


@dataclasses.dataclass(frozen=True)
class PredictOptions(text_input.Options, runs.EnsembleOptions):
    """Label the words of texts."""

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
class ExportOptions(formats.FixedLength):
    """Write a finished run for others: SavedModel, ONNX, LiteRT."""

    app = "tagging"
