"""Every setting of the translation app: the only home of its defaults."""

import dataclasses

import rnn_layers
from apps.common import cli
from data_pipelines import translation as pipeline
from data_pipelines.text import tokenizers

ATTENTION = ("additive", "general", "dot", "none")


@dataclasses.dataclass(frozen=True)
class Config:
    """Trains a translator from pairs of sentences."""

    name: str = cli.flag(
        "", "name of the run; made from data and cell if empty"
    )
    dataset: str = cli.flag(
        "demo", "where the data come from", choices=pipeline.SOURCES
    )
    data_path: str = cli.flag("", "folder of your files, or of a TFDS set")
    languages: str = cli.flag("", "source and target as file endings: en-de")
    download: bool = cli.flag(False, "let TFDS download the data set")
    tokens: str = cli.flag(
        "subwords", "what a sentence is cut into", choices=tokenizers.KINDS
    )
    vocabulary_size: int = cli.flag(4000, "most words kept", at_least=6)
    subword_dropout: float = cli.flag(
        0.0,
        "how often BPE leaves two pieces apart in training",
        at_least=0.0,
        below=1.0,
    )
    max_length: int = cli.flag(
        100, "most words, or tokens, kept of a text", at_least=2
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=rnn_layers.names())
    decoder_cell: str = cli.flag(
        "",
        "recurrent cell of the decoder; empty: the same",
        choices=["", *rnn_layers.names()],
    )
    units: int = cli.flag(256, "size of the recurrent state", at_least=1)
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    attention: str = cli.flag(
        "additive",
        "score of the attention; none: one vector stands for the source",
        choices=ATTENTION,
    )
    embedding_size: int = cli.flag(256, "size of a word vector", at_least=1)
    tied: bool = cli.flag(True, "predict tokens by their word vectors")
    dropout: float = cli.flag(
        0.2, "share of features dropped in training", at_least=0.0, below=1.0
    )
    smoothing: float = cli.flag(
        0.1,
        "probability that label smoothing spreads",
        at_least=0.0,
        below=1.0,
    )
    scheduled_sampling: float = cli.flag(
        0.0,
        "share of tokens that the decoder reads from itself in training",
        at_least=0.0,
        below=1.0,
    )
    learning_rate: float = cli.flag(2e-3, "largest step size", at_least=0.0)
    weight_decay: float = cli.flag(0.0, "of AdamW", at_least=0.0)
    clip_norm: float = cli.flag(1.0, "longest gradient of all", at_least=0.0)
    averaging: float = cli.flag(
        0.998,
        "how much of the mean of weights a step keeps; 0: no mean",
        at_least=0.0,
        below=1.0,
    )
    batch_size: int = cli.flag(
        1000, "what a batch holds: examples; in translation tokens", at_least=1
    )
    epochs: int = cli.flag(
        0, "most epochs; 0: by the size of the data", at_least=0
    )
    steps_per_epoch: int = cli.flag(
        0, "batches between validations; 0: one pass over the data", at_least=0
    )
    patience: int = cli.flag(5, "epochs without a better score", at_least=1)
    beam: int = cli.flag(5, "hypotheses kept by beam search", at_least=1)
    length_penalty: float = cli.flag(
        1.5, "larger favours longer hypotheses", at_least=0.0
    )
    seed: int = cli.flag(0, "of everything random", at_least=0, below=2**32)
    jit_compile: bool = cli.flag(False, "compile the whole step with XLA")
    mixed_precision: bool = cli.flag(False, "compute in float16, for GPUs")
    runs_path: str = cli.flag("runs", "folder of all runs")
    cache_path: str = cli.flag(
        "data/cache", "folder of demo data and encoded texts"
    )


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
}
