"""Every setting of the sentiment app: the only home of its defaults."""

import dataclasses

import rnn_layers
from apps.common import cli
from data_pipelines import sentiment as pipeline


@dataclasses.dataclass(frozen=True)
class Config:
    """Trains a classifier of texts: sentiment, topic, any label."""

    name: str = cli.flag(
        "", "name of the run; made from data and cell if empty"
    )
    dataset: str = cli.flag(
        "demo", "where the data come from", choices=pipeline.SOURCES
    )
    data_path: str = cli.flag("", "folder of your files, or of a TFDS set")
    download: bool = cli.flag(False, "let TFDS download the data set")
    vocabulary_size: int = cli.flag(30_000, "most words kept", at_least=3)
    max_length: int = cli.flag(
        400,
        "most words, or tokens, kept of a text",
        at_least=2,
    )
    ngrams: int = cli.flag(
        3,
        "longest n-gram whose ratio is an input; 0: none",
        at_least=0,
        below=6,
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=rnn_layers.names())
    units: int = cli.flag(64, "size of the recurrent state", at_least=1)
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    bidirectional: bool = cli.flag(True, "read backwards as well")
    embedding_size: int = cli.flag(128, "size of a word vector", at_least=1)
    vectors: str = cli.flag("", "word2vec or GloVe text file to begin from")
    dropout: float = cli.flag(
        0.5, "share of features dropped in training", at_least=0.0, below=1.0
    )
    word_dropout: float = cli.flag(
        0.1, "share of words hidden in training", at_least=0.0, below=1.0
    )
    learning_rate: float = cli.flag(2e-3, "largest step size", at_least=0.0)
    weight_decay: float = cli.flag(1e-2, "of AdamW", at_least=0.0)
    clip_norm: float = cli.flag(1.0, "longest gradient of all", at_least=0.0)
    batch_size: int = cli.flag(
        64, "what a batch holds: examples; in translation tokens", at_least=1
    )
    epochs: int = cli.flag(
        0, "most epochs; 0: by the size of the data", at_least=0
    )
    steps_per_epoch: int = cli.flag(
        0, "batches between validations; 0: one pass over the data", at_least=0
    )
    patience: int = cli.flag(3, "epochs without a better score", at_least=1)
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
        vocabulary_size=1000,
    ),
}
