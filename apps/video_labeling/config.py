"""Every flag of the video labelling app: the only home of its defaults."""

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
    transfer,
)

CELLS = cli.constant("rnn_layers.cells.catalogue", "CELLS")
SOURCES = cli.constant("data_pipelines.video_labeling.pipeline", "SOURCES")
MODES = ("offline", "live")
REGIONS = ("flatten", "mean", "max")


@dataclasses.dataclass(frozen=True)
class Config(distributed.Flags):
    """Train a network that labels every frame of a video."""

    dataset: str = cli.flag("demo", "data set", choices=SOURCES, group="data")
    data_path: str = cli.flag("", "folder of your files, or of a TFDS data set")
    encoding: str = runs.ENCODING
    download: bool = cli.flag(False, "let TFDS download the data set")
    allow_outside: bool = cli.flag(
        False, "let names of videos in your tables leave your folder"
    )
    frames_first: bool = cli.flag(
        False, "precomputed features are (frames, channels), not the reverse"
    )
    fps: float = cli.flag(
        0.0,
        "frame rate to read videos at; 0: every frame",
        at_least=0.0,
        at_most=1000.0,
    )
    frame_height: int = cli.flag(
        48, "frame height in pixels", at_least=8, at_most=2048
    )
    frame_width: int = cli.flag(
        48, "frame width in pixels", at_least=8, at_most=2048
    )
    framing: str = cli.flag(
        "stretch",
        "how frames get that size",
        choices=cli.constant("data_pipelines.vision.images", "MODES"),
        rare=True,
    )
    encoder: str = cli.flag(
        checks.SMALL_CNN,
        f"frame encoder: {', '.join(checks.ENCODERS)}, or the file of a"
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
    grid: int = cli.flag(
        6,
        "average the regions to at most this many rows and columns; 0: keep"
        " all",
        at_least=0,
        rare=True,
        at_most=1000,
    )
    regions: str = cli.flag(
        "flatten", "how the regions of a frame are pooled", choices=REGIONS
    )
    region_size: int = cli.flag(
        32,
        "size of the vector of a region",
        at_least=1,
        rare=True,
        at_most=4096,
    )
    motion: str = cli.flag(
        "regions",
        "where the difference to the previous frame is an input",
        choices=cli.constant("apps.video_labeling.motion", "MOTIONS"),
        rare=True,
    )
    vector_size: int = cli.flag(
        64, "size of the vector of a frame", at_least=1, rare=True, at_most=8192
    )
    mode: str = cli.flag(
        "offline",
        "offline: a label may depend on later frames; live: on earlier ones"
        " only",
        choices=MODES,
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=CELLS)
    units: int = cli.flag(
        64, "size of the recurrent state", at_least=1, at_most=8192
    )
    depth: int = cli.flag(1, "number of recurrent layers", at_least=1, below=5)
    refine: int = cli.flag(
        0,
        "stages that refine the probabilities of the stage before, each with"
        " a recurrent layer of its own",
        at_least=0,
        below=5,
        rare=True,
    )
    chunk: int = cli.flag(
        32,
        "frames of truncated backpropagation through time",
        at_least=2,
        at_most=10_000,
    )
    from_run: str = transfer.FROM_RUN
    mirror: bool = cli.flag(
        False,
        "mirror half of the training videos; not if labels tell left from"
        " right",
        group="training",
    )
    dropout: float = cli.flag(0.2, "dropout rate", at_least=0.0, below=1.0)
    class_weights: str = cli.flag(
        "none",
        "balanced: rare labels weigh as much as frequent ones",
        choices=cli.constant("apps.video_labeling.loss", "CLASS_WEIGHTS"),
    )
    smoothing_loss: float = cli.flag(
        0.0,
        "weight of the smoothing loss between neighbouring frames; 0: off",
        at_least=0.0,
        rare=True,
        at_most=1000.0,
    )
    learning_rate: float = cli.flag(
        3e-3, "peak learning rate", at_least=0.0, at_most=10.0
    )
    weight_decay: float = cli.flag(
        1e-2, "weight decay of AdamW", at_least=0.0, rare=True, at_most=10.0
    )
    clip_norm: float = cli.flag(
        1.0,
        "clip the global gradient norm; 0: off",
        at_least=0.0,
        rare=True,
        at_most=1e6,
    )
    averaging: float = cli.flag(
        0.99,
        "decay of the exponential moving average of the weights; 0: off",
        at_least=0.0,
        below=1.0,
        rare=True,
    )
    batch_size: int = cli.flag(8, "videos in a batch", at_least=1, at_most=4096)
    epochs: int = cli.flag(
        0, "most epochs; 0: by the size of the data", at_least=0, at_most=10_000
    )
    monitor: str = cli.flag(
        "",
        "validation score that chooses the best epoch; empty: roc_auc of two"
        " labels, macro_f1 of more",
        choices=["", *cli.constant("apps.video_labeling.scores", "METRICS")],
        rare=True,
    )
    train_share: float = faults.TRAIN_SHARE
    profile: bool = faults.PROFILE
    patience: int = cli.flag(
        8,
        "stop after this many epochs, and 20 steps, without a better score"
        " or a lower loss",
        at_least=1,
        at_most=10_000,
    )
    background: str = cli.flag(
        cli.constant("apps.video_labeling.scores", "BACKGROUND"),
        "labels, separated by commas, whose segments are not scored",
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
        "folder of demo data, frames and features",
        rare=True,
        at_least=1,
    )
    preset: str = ""

    # Of a run to go on from: what its weights depend on, and what else is
    # its own where no flag says otherwise.
    architecture = (
        "frame_height",
        "frame_width",
        "encoder",
        "encoder_layer",
        "encoder_pixels",
        "grid",
        "regions",
        "region_size",
        "motion",
        "vector_size",
        "mode",
        "cell",
        "units",
        "depth",
    )
    inherited = ("fps", "framing", "frames_first", "chunk", "background")

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from checks.data_flags(self)
        yield from checks.encoder_flags(self)

    def check(self) -> None:
        """Refuse what cannot be trained."""
        checks.training(self)
        if not self.from_run:  # whose encoder is in its folder
            checks.encoder(self.encoder)
        frozen = self.encoder != checks.SMALL_CNN
        if frozen and self.motion == "pixels":
            raise cli.UserError(
                "--motion pixels needs a network that is trained with the"
                " rest; a frozen encoder has --motion regions"
            )
        if frozen and self.mirror:
            raise cli.UserError(
                "--mirror needs pictures; the features of a frozen encoder"
                " cannot be mirrored"
            )
        if 0 < self.fps < 0.01:
            raise cli.UserError(f"--fps {self.fps} is less than 0.01")


# Differences from the defaults, each with its purpose.
PRESETS = {
    # Seconds on a laptop: does everything work?
    "smoke": dict(
        dataset="demo_small", units=8, region_size=8, vector_size=8, epochs=1
    ),
    # Does the loss on one batch come near zero?
    "overfit": dict(
        **faults.OVERFIT,
        dropout=0.0,
        weight_decay=0.0,
        averaging=0.0,
    ),
    # A hundredth of the training data.
    "limit": dict(**faults.LIMIT),
}


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(scoring.ScoringOptions):
    """Score a finished run."""

    app = "video_labeling"

    dataset: str = scoring.scored_dataset(SOURCES)
    background: str = cli.flag(
        "",
        "labels, separated by commas, whose segments are not scored; empty: as"
        " in training",
    )


@dataclasses.dataclass(frozen=True)
class PredictOptions(runs.EnsembleOptions):
    """Label videos."""

    app = "video_labeling"

    videos: tuple = cli.positional("videos, or folders of them")
    output: str = cli.flag(
        "", "folder to write to; empty: predictions/ of the run"
    )

    def check(self) -> None:
        """Refuse what cannot be read or written."""
        super().check()
        checks.inputs(self.videos, "video")
        if self.output:
            checks.folder("output", self.output)


@dataclasses.dataclass(frozen=True)
class StreamOptions(runs.Options):
    """Label a video frame by frame."""

    app = "video_labeling"

    source: tuple = cli.positional(
        "the video, a folder of pictures, or a file of features"
    )
    frames: int = cli.flag(
        1, "frames to label at once", at_least=1, at_most=1000
    )
    every: bool = cli.flag(False, "print every frame, not only changes")

    def check(self) -> None:
        """Refuse what cannot be read."""
        super().check()
        if len(self.source) != 1:
            raise cli.UserError("give one video, or a folder of pictures")
        checks.inputs(self.source, "video")


@dataclasses.dataclass(frozen=True)
class ExportOptions(formats.Options):
    """Write a finished run for others: SavedModel, ONNX, LiteRT."""

    app = "video_labeling"
