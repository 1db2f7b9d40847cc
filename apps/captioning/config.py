"""Every flag of the captioning app: the only home of its defaults."""

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
    transfer,
)

CELLS = cli.constant("rnn_layers.cells.catalogue", "CELLS")
SOURCES = cli.constant("data_pipelines.captioning.pipeline", "SOURCES")


@dataclasses.dataclass(frozen=True)
class Config(distributed.Flags):
    """Train a network that describes pictures."""

    dataset: str = cli.flag("demo", "data set", choices=SOURCES, group="data")
    data_path: str = cli.flag("", "folder of your files, or of a TFDS data set")
    encoding: str = runs.ENCODING
    download: bool = cli.flag(False, "let TFDS download the data set")
    allow_outside: bool = cli.flag(
        False, "let names of pictures in your tables leave your folder"
    )
    encoder: str = cli.flag(
        checks.SMALL_CNN,
        f"picture encoder: {', '.join(checks.ENCODERS)}, or the file of a"
        " Keras model",
        group="model",
        at_least=1,
    )
    encoder_layer: str = cli.flag(
        "",
        "layer of the encoder whose output is used, or several, between"
        " commas; empty: the last",
        rare=True,
    )
    encoder_pixels: str = cli.flag(
        "raw",
        "pixel range that the encoder file expects",
        choices=cli.constant("apps.common.encoders", "PIXELS"),
        rare=True,
    )
    download_encoder: bool = cli.flag(
        False, "let Keras download the encoder's weights"
    )
    finetune: bool = cli.flag(False, "train the encoder with the decoder")
    finetune_from: str = cli.flag(
        "", "first layer of the encoder to train; empty: all layers", rare=True
    )
    finetune_rate: float = cli.flag(
        0.05,
        "learning rate of the encoder as a fraction of the decoder's",
        at_least=0.0,
        rare=True,
        at_most=1.0,
    )
    picture_size: int = cli.flag(
        0,
        "height and width of pictures; 0: the encoder's own",
        at_least=0,
        at_most=2048,
    )
    grid: int = cli.flag(
        6,
        "average the regions to at most this many rows and columns; 0: keep"
        " all",
        at_least=0,
        rare=True,
        at_most=1000,
    )
    conditioning: str = cli.flag(
        "attention",
        "how the decoder is conditioned on the picture",
        choices=cli.constant("apps.captioning.decoders", "CONDITIONING"),
    )
    attention_score: str = cli.flag(
        "additive",
        "attention score",
        choices=cli.constant("apps.captioning.decoders", "ATTENTION_SCORES"),
    )
    attention_units: int = cli.flag(
        0,
        "width of the hidden layer of the additive score; 0: as --units",
        at_least=0,
        rare=True,
        at_most=8192,
    )
    attention_penalty: float = cli.flag(
        0.0,
        "weight of the doubly stochastic attention penalty; 0: off",
        at_least=0.0,
        rare=True,
        at_most=1000.0,
    )
    normalize_captions: bool = cli.flag(
        True, "learn captions in lower case, without punctuation", rare=True
    )
    tokens: str = cli.flag(
        "words",
        "token kind; the others are for scripts without spaces",
        choices=cli.constant("data_pipelines.text.tokenizers", "KINDS"),
    )
    vocabulary_size: int = cli.flag(
        10_000, "vocabulary size", at_least=6, at_most=1_000_000
    )
    minimum_count: int = cli.flag(
        3,
        "words that are rarer in the training captions are unknown",
        at_least=1,
        rare=True,
        at_most=1_000_000,
    )
    max_length: int = cli.flag(
        30,
        "longest caption, in words; longer ones are cut",
        at_least=2,
        at_most=10_000,
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=CELLS)
    units: int = cli.flag(
        128, "size of the recurrent state", at_least=1, at_most=8192
    )
    depth: int = cli.flag(1, "number of recurrent layers", at_least=1, below=5)
    embedding_size: int = cli.flag(
        128, "size of a word embedding", at_least=1, at_most=8192
    )
    vectors: str = cli.flag(
        "", "word2vec or GloVe text file to initialize the embeddings"
    )
    tied: bool = cli.flag(
        True,
        "share the weights of the embedding and the output layer",
        rare=True,
    )
    from_run: str = transfer.FROM_RUN
    extend_vocabulary: bool = transfer.EXTEND
    dropout: float = cli.flag(
        0.1, "dropout rate", at_least=0.0, below=1.0, group="training"
    )
    smoothing: float = cli.flag(
        0.0, "label smoothing", at_least=0.0, below=1.0, rare=True
    )
    learning_rate: float = cli.flag(
        3e-3, "peak learning rate", at_least=0.0, at_most=10.0
    )
    weight_decay: float = cli.flag(
        0.0, "weight decay of AdamW", at_least=0.0, rare=True, at_most=10.0
    )
    clip_norm: float = cli.flag(
        1.0,
        "clip the global gradient norm; 0: off",
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
        64, "captions in a batch", at_least=1, at_most=16_384
    )
    captions_per_picture: int = cli.flag(
        0,
        "captions of a picture that share a batch, and so its encoding;"
        " 0: 1 with a frozen encoder, else as many as pay off",
        at_least=0,
        rare=True,
        at_most=1000,
    )
    epochs: int = cli.flag(
        0, "most epochs; 0: by the size of the data", at_least=0, at_most=10_000
    )
    steps_per_epoch: int = cli.flag(
        0,
        "batches between validations; 0: one pass over the data",
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
    beam: int = cli.flag(
        5, "beam size", at_least=1, group="decoding", at_most=256
    )
    length_penalty: float = cli.flag(
        1.0,
        "length penalty of beam search; larger favours longer captions",
        at_least=0.0,
        at_most=100.0,
    )
    mbr_samples: int = cli.flag(
        0,
        "captions to sample for minimum Bayes risk decoding; 0: off",
        at_least=0,
        at_most=1000,
    )
    seed: int = cli.flag(0, "random seed", at_least=0, below=2**32)
    jit_compile: bool = cli.flag(
        False, "compile the training step with XLA", rare=True
    )
    mixed_precision: str = runs.MIXED_PRECISION
    name: str = cli.flag(
        "",
        "name of the run; made from data set and cell if empty",
        group="output",
    )
    runs_path: str = cli.flag("runs", "folder of all runs", at_least=1)
    cache_path: str = cli.flag(
        "data/cache",
        "folder of demo data, features and encoded captions",
        rare=True,
        at_least=1,
    )
    preset: str = ""

    # Of a run to go on from: what its weights depend on, and what else is
    # its own where no flag says otherwise.
    architecture = (
        "encoder",
        "encoder_layer",
        "encoder_pixels",
        "finetune",
        "picture_size",
        "grid",
        "conditioning",
        "attention_score",
        "attention_units",
        "tokens",
        "cell",
        "units",
        "depth",
        "embedding_size",
        "tied",
    )
    inherited = (
        "normalize_captions",
        "max_length",
        "beam",
        "length_penalty",
        "mbr_samples",
    )

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from checks.data_flags(self)
        yield from checks.encoder_flags(self)
        if self.encoder == checks.SMALL_CNN:
            yield "finetune", "with small_cnn, which is always trained"
        if not self.finetune:
            yield "finetune_from finetune_rate", "without --finetune"
        if self.conditioning != "attention":
            names = "attention_score attention_units attention_penalty"
            yield names, "without --conditioning attention"
        elif self.attention_score != "additive":
            yield "attention_units", "without --attention-score additive"
        if self.vectors:
            yield "embedding_size", "with --vectors, whose size counts"
        if self.beam == 1:
            yield "length_penalty mbr_samples", "with --beam 1"
        if not self.from_run:
            yield "extend_vocabulary", "without --from-run"
        else:
            yield "vectors", "with --from-run, whose vectors count"

    def check(self) -> None:
        """Refuse what cannot be trained."""
        checks.training(self)
        if not self.from_run:  # whose encoder is in its folder
            checks.encoder(self.encoder)


# Differences from the defaults, each with its purpose.
PRESETS = {
    # Thousands of photographs with several captions each.
    "photos": dict(
        minimum_count=5,
        units=512,
        attention_units=128,
        embedding_size=256,
        dropout=0.4,
        averaging=0.995,
        batch_size=125,
        captions_per_picture=5,
        epochs=3,
        beam=10,
        mbr_samples=32,
    ),
    # Seconds on a laptop: does everything work?
    "smoke": dict(
        dataset="demo_small",
        units=8,
        embedding_size=8,
        epochs=1,
        picture_size=32,
    ),
    # Does the loss on one batch come near zero?
    "overfit": dict(
        **faults.OVERFIT,
        dropout=0.0,
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

    app = "captioning"

    dataset: str = scoring.scored_dataset(SOURCES)
    meteor: bool = cli.flag(False, "add METEOR; needs Java")

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from search.BeamSearch.without_effect(self)
        yield from scoring.ScoringOptions.without_effect(self)


@dataclasses.dataclass(frozen=True)
class PredictOptions(search.Generation, runs.EnsembleOptions):
    """Describe pictures."""

    app = "captioning"

    pictures: tuple = cli.positional("files and folders of pictures")
    page: str = cli.flag("", "HTML page to write, with the pictures")
    json: str = cli.flag("", "JSON file to write")

    def check(self) -> None:
        """Refuse what cannot be read or written."""
        super().check()
        checks.inputs(self.pictures, "picture")
        checks.output_file("page", self.page)
        checks.output_file("json", self.json)


@dataclasses.dataclass(frozen=True)
class ExportOptions(formats.Options):
    """Write a finished run for others: SavedModel, ONNX, LiteRT."""

    app = "captioning"
