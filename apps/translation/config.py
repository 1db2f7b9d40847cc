"""Every flag of the translation app: the only home of its defaults."""

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
    search,
    text_input,
    transfer,
)

CELLS = cli.constant("rnn_layers.cells.catalogue", "CELLS")
SOURCES = cli.constant("data_pipelines.translation.pipeline", "SOURCES")
KINDS = cli.constant("data_pipelines.text.tokenizers", "KINDS")
ATTENTION = ("additive", "general", "dot", "none")


@dataclasses.dataclass(frozen=True)
class Config(distributed.Flags):
    """Train a translator from pairs of sentences."""

    dataset: str = cli.flag("demo", "data set", choices=SOURCES, group="data")
    data_path: str = cli.flag(
        "", "folder of your files, or one file; or folder of TFDS"
    )
    encoding: str = runs.ENCODING
    languages: str = cli.flag(
        "", "source and target language, as file endings: en-de"
    )
    same_language: bool = cli.flag(
        False, "source and target are of one language, as in correction"
    )
    download: bool = cli.flag(False, "let TFDS download the data set")
    tokens: str = cli.flag("subwords", "token kind", choices=KINDS)
    target_tokens: str = cli.flag(
        "",
        "token kind of the target; empty: as the source",
        choices=["", *KINDS],
    )
    vocabulary_size: int = cli.flag(
        4000, "vocabulary size", at_least=6, at_most=1_000_000
    )
    subword_dropout: float = cli.flag(
        0.0,
        "BPE dropout: how often a merge is skipped in training",
        at_least=0.0,
        below=1.0,
        rare=True,
    )
    max_length: int = cli.flag(
        100,
        "longest sentence, in tokens; longer ones are cut",
        at_least=2,
        at_most=10_000,
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=CELLS, group="model")
    decoder_cell: str = cli.flag(
        "",
        "recurrent cell of the decoder; empty: as the encoder",
        choices=["", *CELLS],
        rare=True,
    )
    units: int = cli.flag(
        256, "units of a recurrent layer", at_least=1, at_most=8192
    )
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    attention: str = cli.flag(
        "additive",
        "score of the attention; none: one vector for the whole source",
        choices=ATTENTION,
    )
    embedding_size: int = cli.flag(
        256, "embedding size", at_least=1, at_most=8192
    )
    tied: bool = cli.flag(
        True,
        "tie the weights of the decoder's embeddings and its output",
        rare=True,
    )
    from_run: str = transfer.FROM_RUN
    extend_vocabulary: bool = transfer.EXTEND
    dropout: float = cli.flag(
        0.2, "dropout rate", at_least=0.0, below=1.0, group="training"
    )
    smoothing: float = cli.flag(0.1, "label smoothing", at_least=0.0, below=1.0)
    scheduled_sampling: float = cli.flag(
        0.0,
        "share of target tokens replaced by the model's own in training",
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
        0.998,
        "decay of the moving average of the weights (0: off)",
        at_least=0.0,
        below=1.0,
        rare=True,
    )
    batch_tokens: int = cli.flag(
        1000,
        "tokens per batch, padding counted, on each side",
        at_least=1,
        at_most=1_000_000,
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
    beam: int = cli.flag(
        5, "beam size", at_least=1, group="decoding", at_most=256
    )
    length_penalty: float = cli.flag(
        1.5,
        "length penalty of beam search, larger favours longer outputs",
        at_least=0.0,
        at_most=100.0,
    )
    mbr_samples: int = cli.flag(
        0,
        "rerank the beam by minimum Bayes risk on this many samples (0: off)",
        at_least=0,
        at_most=1000,
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
        "target_tokens",
        "cell",
        "decoder_cell",
        "units",
        "depth",
        "attention",
        "embedding_size",
        "tied",
    )
    inherited = (
        "languages",
        "same_language",
        "max_length",
        "beam",
        "length_penalty",
    )

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from checks.data_flags(self)
        if "subwords" not in self.kinds:
            yield "subword_dropout", "without --tokens subwords"
        if self.beam == 1:
            yield "length_penalty mbr_samples", "with --beam 1"
        if not self.from_run:
            yield "extend_vocabulary", "without --from-run"

    @property
    def kinds(self) -> tuple[str, str]:
        """Token kinds of source and target."""
        return self.tokens, self.target_tokens or self.tokens

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
        vocabulary_size=300,
        max_length=40,
    ),
    # Does the loss on one batch come near zero?
    "overfit": dict(
        **faults.OVERFIT,
        dropout=0.0,
        subword_dropout=0.0,
        smoothing=0.0,
        weight_decay=0.0,
        averaging=0.0,
    ),
    # A hundredth of the training data.
    "limit": dict(**faults.LIMIT),
}


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(search.BeamSearch, scoring.ScoringOptions):
    """Score a finished run."""

    app = "translation"

    dataset: str = scoring.scored_dataset(SOURCES)

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from search.BeamSearch.without_effect(self)
        yield from scoring.ScoringOptions.without_effect(self)


@dataclasses.dataclass(frozen=True)
class PredictOptions(
    text_input.Options, search.Generation, runs.EnsembleOptions
):
    """Translate sentences."""

    app = "translation"

    texts: tuple = cli.positional("sentences; none: standard input")
    page: str = cli.flag("", "HTML page to write, which shows the attention")

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from text_input.Options.without_effect(self)
        yield from search.Generation.without_effect(self)

    def check(self) -> None:
        """Refuse what cannot be read or written."""
        super().check()
        checks.output_file("page", self.page)


@dataclasses.dataclass(frozen=True)
class ExportOptions(formats.FixedLength):
    """Write a finished run for others: SavedModel, ONNX, LiteRT."""

    app = "translation"
