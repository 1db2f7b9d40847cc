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

    name: str = cli.flag("", "name of the run; empty: data set and cell")
    dataset: str = cli.flag("demo", "data set", choices=pipeline.SOURCES)
    data_path: str = cli.flag("", "folder of your files or of a TFDS data set")
    languages: str = cli.flag(
        "", "source and target language, as file endings: en-de"
    )
    download: bool = cli.flag(False, "let TFDS download the data set")
    tokens: str = cli.flag("subwords", "token kind", choices=tokenizers.KINDS)
    vocabulary_size: int = cli.flag(4000, "vocabulary size", at_least=6)
    subword_dropout: float = cli.flag(
        0.0,
        "BPE dropout: how often a merge is skipped in training",
        at_least=0.0,
        below=1.0,
    )
    max_length: int = cli.flag(
        100, "longest sentence, in tokens; longer ones are cut", at_least=2
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=rnn_layers.names())
    decoder_cell: str = cli.flag(
        "",
        "recurrent cell of the decoder; empty: as the encoder",
        choices=["", *rnn_layers.names()],
    )
    units: int = cli.flag(256, "units of a recurrent layer", at_least=1)
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    attention: str = cli.flag(
        "additive",
        "score of the attention; none: one vector for the whole source",
        choices=ATTENTION,
    )
    embedding_size: int = cli.flag(256, "embedding size", at_least=1)
    tied: bool = cli.flag(
        True, "tie the weights of the decoder's embeddings and its output"
    )
    dropout: float = cli.flag(0.2, "dropout rate", at_least=0.0, below=1.0)
    smoothing: float = cli.flag(0.1, "label smoothing", at_least=0.0, below=1.0)
    scheduled_sampling: float = cli.flag(
        0.0,
        "share of target tokens replaced by the model's own in training",
        at_least=0.0,
        below=1.0,
    )
    learning_rate: float = cli.flag(2e-3, "peak learning rate", at_least=0.0)
    weight_decay: float = cli.flag(0.0, "weight decay of AdamW", at_least=0.0)
    clip_norm: float = cli.flag(
        1.0, "clip the global gradient norm (0: off)", at_least=0.0
    )
    averaging: float = cli.flag(
        0.998,
        "decay of the moving average of the weights (0: off)",
        at_least=0.0,
        below=1.0,
    )
    batch_tokens: int = cli.flag(
        1000, "tokens per batch, padding counted, on each side", at_least=1
    )
    epochs: int = cli.flag(
        0, "most epochs (0: by the size of the data)", at_least=0
    )
    steps_per_epoch: int = cli.flag(
        0, "training steps per epoch (0: one pass over the data)", at_least=0
    )
    patience: int = cli.flag(
        5, "stop after this many epochs without improvement", at_least=1
    )
    beam: int = cli.flag(5, "beam size", at_least=1)
    length_penalty: float = cli.flag(
        1.5,
        "length penalty of beam search, larger favours longer outputs",
        at_least=0.0,
    )
    mbr_samples: int = cli.flag(
        0,
        "rerank the beam by minimum Bayes risk on this many samples (0: off)",
        at_least=0,
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
        vocabulary_size=300,
        max_length=40,
    ),
}
