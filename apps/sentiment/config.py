"""Every setting of the sentiment app: the only home of its defaults."""

import dataclasses

import rnn_layers
from apps.common import cli
from data_pipelines import sentiment as pipeline


@dataclasses.dataclass(frozen=True)
class Config:
    """Trains a classifier of texts: sentiment, topic, any label."""

    name: str = cli.flag("", "name of the run; empty: data set and cell")
    dataset: str = cli.flag("demo", "data set", choices=pipeline.SOURCES)
    data_path: str = cli.flag("", "folder of your files or of a TFDS data set")
    download: bool = cli.flag(False, "let TFDS download the data set")
    vocabulary_size: int = cli.flag(30_000, "vocabulary size", at_least=3)
    max_length: int = cli.flag(
        400, "longest text, in words; longer ones are cropped", at_least=2
    )
    ngrams: int = cli.flag(
        3,
        "longest n-gram whose log-count ratio is an input (0: none)",
        at_least=0,
        below=6,
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=rnn_layers.names())
    units: int = cli.flag(64, "units of a recurrent layer", at_least=1)
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    bidirectional: bool = cli.flag(True, "read in both directions")
    embedding_size: int = cli.flag(128, "embedding size", at_least=1)
    vectors: str = cli.flag(
        "", "word2vec or GloVe text file to initialize the embeddings"
    )
    dropout: float = cli.flag(0.5, "dropout rate", at_least=0.0, below=1.0)
    word_dropout: float = cli.flag(
        0.1, "dropout rate of whole words", at_least=0.0, below=1.0
    )
    learning_rate: float = cli.flag(2e-3, "peak learning rate", at_least=0.0)
    weight_decay: float = cli.flag(1e-2, "weight decay of AdamW", at_least=0.0)
    clip_norm: float = cli.flag(
        1.0, "clip the global gradient norm (0: off)", at_least=0.0
    )
    batch_size: int = cli.flag(64, "examples per batch", at_least=1)
    epochs: int = cli.flag(
        0, "most epochs (0: by the size of the data)", at_least=0
    )
    steps_per_epoch: int = cli.flag(
        0, "training steps per epoch (0: one pass over the data)", at_least=0
    )
    patience: int = cli.flag(
        3, "stop after this many epochs without improvement", at_least=1
    )
    seed: int = cli.flag(0, "random seed", at_least=0, below=2**32)
    jit_compile: bool = cli.flag(False, "compile the training step with XLA")
    mixed_precision: bool = cli.flag(False, "compute in float16, for GPUs")
    runs_path: str = cli.flag("runs", "folder of all runs")
    cache_path: str = cli.flag(
        "data/cache", "folder for demo data and preprocessed data"
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
