"""Every setting of the video labelling app: the only home of its defaults."""

import dataclasses

import rnn_layers
from apps.common import cli, encoders
from data_pipelines import video_labeling as pipeline
from data_pipelines.vision import images

from . import motion, scores
from .loss import CLASS_WEIGHTS
from .model import REGIONS

MODES = ("offline", "live")


@dataclasses.dataclass(frozen=True)
class Config:
    """Trains a network that labels every frame of a video."""

    name: str = cli.flag(
        "", "name of the run; made from data and cell if empty"
    )
    dataset: str = cli.flag(
        "demo", "where the data come from", choices=pipeline.SOURCES
    )
    data_path: str = cli.flag("", "folder of your files, or of a TFDS set")
    download: bool = cli.flag(False, "let TFDS download the data set")
    fps: float = cli.flag(
        0.0, "frames a second that are read; 0: all of them", at_least=0.0
    )
    frame_height: int = cli.flag(48, "of the frames, in pixels", at_least=8)
    frame_width: int = cli.flag(48, "of the frames, in pixels", at_least=8)
    framing: str = cli.flag(
        "stretch", "how frames get their size", choices=images.MODES
    )
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
    grid: int = cli.flag(
        6,
        "most rows and columns of regions, by averaging; 0: all",
        at_least=0,
    )
    regions: str = cli.flag(
        "flatten", "how regions become the vector of a frame", choices=REGIONS
    )
    region_size: int = cli.flag(
        32, "numbers that are kept of a region", at_least=1
    )
    motion: str = cli.flag(
        "regions",
        "where changes since the frame before are seen, too",
        choices=motion.WAYS,
    )
    vector_size: int = cli.flag(64, "size of a frame's vector", at_least=1)
    mode: str = cli.flag(
        "offline",
        "offline sees what comes after a frame, live does not",
        choices=MODES,
    )
    cell: str = cli.flag("gru", "recurrent cell", choices=rnn_layers.names())
    units: int = cli.flag(64, "size of the recurrent state", at_least=1)
    depth: int = cli.flag(1, "recurrent layers", at_least=1, below=5)
    chunk: int = cli.flag(
        32, "frames between two cuts of the gradient", at_least=2
    )
    mirror: bool = cli.flag(
        False,
        "show half of the videos mirrored in training; not where labels tell"
        " left from right",
    )
    dropout: float = cli.flag(
        0.2, "share of features dropped in training", at_least=0.0, below=1.0
    )
    class_weights: str = cli.flag(
        "none",
        "balanced: rare labels weigh as much as frequent ones",
        choices=CLASS_WEIGHTS,
    )
    smoothing_loss: float = cli.flag(
        0.0, "weight of the loss of labels that flicker", at_least=0.0
    )
    learning_rate: float = cli.flag(3e-3, "largest step size", at_least=0.0)
    weight_decay: float = cli.flag(1e-2, "of AdamW", at_least=0.0)
    clip_norm: float = cli.flag(1.0, "longest gradient of all", at_least=0.0)
    averaging: float = cli.flag(
        0.99,
        "how much of the mean of weights a step keeps; 0: no mean",
        at_least=0.0,
        below=1.0,
    )
    batch_size: int = cli.flag(
        8, "what a batch holds: examples; in translation tokens", at_least=1
    )
    epochs: int = cli.flag(
        0, "most epochs; 0: by the size of the data", at_least=0
    )
    monitor: str = cli.flag(
        "",
        "score by which the best epoch is chosen; empty: roc_auc of two"
        " labels, macro_f1 of more",
        choices=["", *scores.SCORES],
    )
    patience: int = cli.flag(8, "epochs without a better score", at_least=1)
    background: str = cli.flag(
        scores.BACKGROUND,
        "labels, with commas, whose segments do not count in the scores",
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
        dataset="demo_small", units=8, region_size=8, vector_size=8, epochs=1
    ),
}
