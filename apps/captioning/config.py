"""Every setting of the captioning app: the only home of its defaults."""

import dataclasses

import rnn_layers
from apps.common import cli, encoders
from data_pipelines import captioning as pipeline

from . import decoders

SCORES = ("additive", "general", "dot")


@dataclasses.dataclass(frozen=True)
class Config:
    """Trains a network that describes pictures."""

    name: str = cli.flag(
        "", "name of the run; made from data and cell if empty"
    )
    dataset: str = cli.flag(
        "demo", "where the data come from", choices=pipeline.SOURCES
    )
    data_path: str = cli.flag("", "folder of your files, or of a TFDS set")
    download: bool = cli.flag(False, "let TFDS download the data set")
    encoder: str = cli.flag(
        encoders.SMALL,
        f"what looks at pictures: {', '.join(encoders.names())}, or the file"
        " of a Keras model",
    )
    encoder_layer: str = cli.flag(
        "", "layer of the encoder whose output is used; empty: the last"
    )
    encoder_pixels: str = cli.flag(
        "raw", "what pixels the file's model wants", choices=encoders.PIXELS
    )
    download_encoder: bool = cli.flag(
        False, "let Keras download the encoder's weights"
    )
    finetune: bool = cli.flag(False, "train the encoder, too")
    finetune_from: str = cli.flag(
        "", "first layer of the encoder that is trained; empty: all are"
    )
    finetune_rate: float = cli.flag(
        0.05, "share of the step size that its weights get", at_least=0.0
    )
    picture_size: int = cli.flag(
        0, "height and width of pictures; 0: as the encoder wants", at_least=0
    )
    grid: int = cli.flag(
        6,
        "most rows and columns of regions, by averaging; 0: all",
        at_least=0,
    )
    picture: str = cli.flag(
        "attention", "how the picture enters the decoder", choices=decoders.WAYS
    )
    attention_score: str = cli.flag(
        "additive", "how attention compares", choices=SCORES
    )
    attention_penalty: float = cli.flag(
        0.0, "on regions that are looked at too little", at_least=0.0
    )
    normalize_captions: bool = cli.flag(
        True, "learn captions in lower case, without punctuation"
    )
    vocabulary_size: int = cli.flag(10_000, "most words kept", at_least=6)
    minimum_count: int = cli.flag(
        3, "words that are rarer in training are unknown", at_least=1
    )
    max_length: int = cli.flag(
        30, "most words, or tokens, kept of a text", at_least=2
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=rnn_layers.names())
    units: int = cli.flag(128, "size of the recurrent state", at_least=1)
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    embedding_size: int = cli.flag(128, "size of a word vector", at_least=1)
    vectors: str = cli.flag("", "word2vec or GloVe text file to begin from")
    tied: bool = cli.flag(True, "predict tokens by their word vectors")
    dropout: float = cli.flag(
        0.1, "share of features dropped in training", at_least=0.0, below=1.0
    )
    smoothing: float = cli.flag(
        0.0,
        "probability that label smoothing spreads",
        at_least=0.0,
        below=1.0,
    )
    learning_rate: float = cli.flag(3e-3, "largest step size", at_least=0.0)
    weight_decay: float = cli.flag(0.0, "of AdamW", at_least=0.0)
    clip_norm: float = cli.flag(1.0, "longest gradient of all", at_least=0.0)
    averaging: float = cli.flag(
        0.998,
        "how much of the mean of weights a step keeps; 0: no mean",
        at_least=0.0,
        below=1.0,
    )
    batch_size: int = cli.flag(
        64, "what a batch holds: examples; in translation tokens", at_least=1
    )
    epochs: int = cli.flag(
        0, "most epochs; 0: by the size of the data", at_least=0
    )
    steps_per_epoch: int = cli.flag(
        0, "batches between validations; 0: one pass over the data", at_least=0
    )
    patience: int = cli.flag(4, "epochs without a better score", at_least=1)
    beam: int = cli.flag(5, "hypotheses kept by beam search", at_least=1)
    length_penalty: float = cli.flag(
        1.0, "larger favours longer hypotheses", at_least=0.0
    )
    consensus: int = cli.flag(
        0,
        "captions drawn to choose among hypotheses by; 0: the most probable",
        at_least=0,
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
    # Thousands of photographs and all that people say about them.
    "photos": dict(
        units=512,
        embedding_size=256,
        dropout=0.5,
        learning_rate=2e-3,
        epochs=6,
        length_penalty=0.5,
        consensus=16,
    ),
    # Seconds on a laptop: does everything work?
    "smoke": dict(
        dataset="demo_small",
        units=8,
        embedding_size=8,
        epochs=1,
        picture_size=32,
    ),
}
