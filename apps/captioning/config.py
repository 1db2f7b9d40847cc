"""Every setting of the captioning app: the only home of its defaults."""

import dataclasses

import rnn_layers
from apps.common import cli, encoders
from data_pipelines import captioning as pipeline

from . import decoders


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a network that describes pictures."""

    name: str = cli.flag(
        "", "name of the run; made from data set and cell if empty"
    )
    dataset: str = cli.flag("demo", "data set", choices=pipeline.SOURCES)
    data_path: str = cli.flag("", "folder of your files, or of a TFDS data set")
    download: bool = cli.flag(False, "let TFDS download the data set")
    allow_outside: bool = cli.flag(
        False, "let names of pictures in your tables leave your folder"
    )
    encoder: str = cli.flag(
        encoders.SMALL,
        f"picture encoder: {', '.join(encoders.names())}, or the file of a"
        " Keras model",
    )
    encoder_layer: str = cli.flag(
        "", "layer of the encoder whose output is used; empty: the last"
    )
    encoder_pixels: str = cli.flag(
        "raw",
        "pixel range that the encoder file expects",
        choices=encoders.PIXELS,
    )
    download_encoder: bool = cli.flag(
        False, "let Keras download the encoder's weights"
    )
    finetune: bool = cli.flag(False, "train the encoder with the decoder")
    finetune_from: str = cli.flag(
        "", "first layer of the encoder to train; empty: all layers"
    )
    finetune_rate: float = cli.flag(
        0.05,
        "learning rate of the encoder as a fraction of the decoder's",
        at_least=0.0,
    )
    picture_size: int = cli.flag(
        0, "height and width of pictures; 0: the encoder's own", at_least=0
    )
    grid: int = cli.flag(
        6,
        "average the regions to at most this many rows and columns; 0: keep"
        " all",
        at_least=0,
    )
    conditioning: str = cli.flag(
        "attention",
        "how the decoder is conditioned on the picture",
        choices=decoders.CONDITIONING,
    )
    attention_score: str = cli.flag(
        "additive", "attention score", choices=decoders.ATTENTION_SCORES
    )
    attention_penalty: float = cli.flag(
        0.0,
        "weight of the doubly stochastic attention penalty; 0: off",
        at_least=0.0,
    )
    normalize_captions: bool = cli.flag(
        True, "learn captions in lower case, without punctuation"
    )
    vocabulary_size: int = cli.flag(10_000, "vocabulary size", at_least=6)
    minimum_count: int = cli.flag(
        3,
        "words that are rarer in the training captions are unknown",
        at_least=1,
    )
    max_length: int = cli.flag(
        30, "longest caption, in words; longer ones are cut", at_least=2
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=rnn_layers.names())
    units: int = cli.flag(128, "size of the recurrent state", at_least=1)
    depth: int = cli.flag(1, "number of recurrent layers", at_least=1, below=5)
    embedding_size: int = cli.flag(128, "size of a word embedding", at_least=1)
    vectors: str = cli.flag(
        "", "word2vec or GloVe text file to initialize the embeddings"
    )
    tied: bool = cli.flag(
        True, "share the weights of the embedding and the output layer"
    )
    dropout: float = cli.flag(0.1, "dropout rate", at_least=0.0, below=1.0)
    smoothing: float = cli.flag(0.0, "label smoothing", at_least=0.0, below=1.0)
    learning_rate: float = cli.flag(3e-3, "peak learning rate", at_least=0.0)
    weight_decay: float = cli.flag(0.0, "weight decay of AdamW", at_least=0.0)
    clip_norm: float = cli.flag(
        1.0, "clip the global gradient norm; 0: off", at_least=0.0
    )
    averaging: float = cli.flag(
        0.998,
        "decay of the exponential moving average of the weights; 0: off",
        at_least=0.0,
        below=1.0,
    )
    batch_size: int = cli.flag(64, "captions in a batch", at_least=1)
    epochs: int = cli.flag(
        0, "most epochs; 0: by the size of the data", at_least=0
    )
    steps_per_epoch: int = cli.flag(
        0, "batches between validations; 0: one pass over the data", at_least=0
    )
    patience: int = cli.flag(
        4, "stop after this many epochs without a better score", at_least=1
    )
    beam: int = cli.flag(5, "beam size", at_least=1)
    length_penalty: float = cli.flag(
        1.0,
        "length penalty of beam search; larger favours longer captions",
        at_least=0.0,
    )
    mbr_samples: int = cli.flag(
        0,
        "captions to sample for minimum Bayes risk decoding; 0: off",
        at_least=0,
    )
    seed: int = cli.flag(0, "random seed", at_least=0, below=2**32)
    jit_compile: bool = cli.flag(False, "compile the training step with XLA")
    mixed_precision: bool = cli.flag(False, "compute in float16, for GPUs")
    runs_path: str = cli.flag("runs", "folder of all runs")
    cache_path: str = cli.flag(
        "data/cache", "folder of demo data, features and encoded captions"
    )


# Differences from the defaults, each with its purpose.
PRESETS = {
    # Thousands of photographs with several captions each.
    "photos": dict(
        units=512,
        embedding_size=256,
        dropout=0.5,
        learning_rate=2e-3,
        epochs=6,
        length_penalty=0.5,
        mbr_samples=16,
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
