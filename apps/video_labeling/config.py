"""Every setting of the video labelling app: the only home of its defaults."""

import dataclasses

import rnn_layers
from apps.common import cli, encoders
from data_pipelines import video_labeling as pipeline
from data_pipelines.vision import images

from . import scores
from .loss import CLASS_WEIGHTS
from .motion import MOTIONS

MODES = ("offline", "live")
REGIONS = ("flatten", "mean", "max")


@dataclasses.dataclass(frozen=True)
class Config:
    """Train a network that labels every frame of a video."""

    name: str = cli.flag(
        "", "name of the run; made from data set and cell if empty"
    )
    dataset: str = cli.flag("demo", "data set", choices=pipeline.SOURCES)
    data_path: str = cli.flag("", "folder of your files, or of a TFDS data set")
    download: bool = cli.flag(False, "let TFDS download the data set")
    allow_outside: bool = cli.flag(
        False, "let names of videos in your tables leave your folder"
    )
    frames_first: bool = cli.flag(
        False, "precomputed features are (frames, channels), not the reverse"
    )
    fps: float = cli.flag(
        0.0, "frame rate to read videos at; 0: every frame", at_least=0.0
    )
    frame_height: int = cli.flag(48, "frame height in pixels", at_least=8)
    frame_width: int = cli.flag(48, "frame width in pixels", at_least=8)
    framing: str = cli.flag(
        "stretch", "how frames get that size", choices=images.MODES
    )
    encoder: str = cli.flag(
        encoders.SMALL,
        f"frame encoder: {', '.join(encoders.names())}, or the file of a"
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
    grid: int = cli.flag(
        6,
        "average the regions to at most this many rows and columns; 0: keep"
        " all",
        at_least=0,
    )
    regions: str = cli.flag(
        "flatten", "how the regions of a frame are pooled", choices=REGIONS
    )
    region_size: int = cli.flag(
        32, "size of the vector of a region", at_least=1
    )
    motion: str = cli.flag(
        "regions",
        "where the difference to the previous frame is an input",
        choices=MOTIONS,
    )
    vector_size: int = cli.flag(64, "size of the vector of a frame", at_least=1)
    mode: str = cli.flag(
        "offline",
        "offline: a label may depend on later frames; live: on earlier ones"
        " only",
        choices=MODES,
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=rnn_layers.names())
    units: int = cli.flag(64, "size of the recurrent state", at_least=1)
    depth: int = cli.flag(1, "number of recurrent layers", at_least=1, below=5)
    chunk: int = cli.flag(
        32, "frames of truncated backpropagation through time", at_least=2
    )
    mirror: bool = cli.flag(
        False,
        "mirror half of the training videos; not if labels tell left from"
        " right",
    )
    dropout: float = cli.flag(0.2, "dropout rate", at_least=0.0, below=1.0)
    class_weights: str = cli.flag(
        "none",
        "balanced: rare labels weigh as much as frequent ones",
        choices=CLASS_WEIGHTS,
    )
    smoothing_loss: float = cli.flag(
        0.0,
        "weight of the smoothing loss between neighbouring frames; 0: off",
        at_least=0.0,
    )
    learning_rate: float = cli.flag(3e-3, "peak learning rate", at_least=0.0)
    weight_decay: float = cli.flag(1e-2, "weight decay of AdamW", at_least=0.0)
    clip_norm: float = cli.flag(
        1.0, "clip the global gradient norm; 0: off", at_least=0.0
    )
    averaging: float = cli.flag(
        0.99,
        "decay of the exponential moving average of the weights; 0: off",
        at_least=0.0,
        below=1.0,
    )
    batch_size: int = cli.flag(8, "videos in a batch", at_least=1)
    epochs: int = cli.flag(
        0, "most epochs; 0: by the size of the data", at_least=0
    )
    monitor: str = cli.flag(
        "",
        "validation score that chooses the best epoch; empty: roc_auc of two"
        " labels, macro_f1 of more",
        choices=["", *scores.METRICS],
    )
    patience: int = cli.flag(
        8, "stop after this many epochs without a better score", at_least=1
    )
    background: str = cli.flag(
        scores.BACKGROUND,
        "labels, separated by commas, whose segments are not scored",
    )
    seed: int = cli.flag(0, "random seed", at_least=0, below=2**32)
    jit_compile: bool = cli.flag(False, "compile the training step with XLA")
    mixed_precision: bool = cli.flag(False, "compute in float16, for GPUs")
    runs_path: str = cli.flag("runs", "folder of all runs")
    cache_path: str = cli.flag(
        "data/cache", "folder of demo data, frames and features"
    )


# Differences from the defaults, each with its purpose.
PRESETS = {
    # Seconds on a laptop: does everything work?
    "smoke": dict(
        dataset="demo_small", units=8, region_size=8, vector_size=8, epochs=1
    ),
}
