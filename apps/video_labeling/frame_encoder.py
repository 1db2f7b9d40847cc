"""A pretrained network as the frozen encoder of frames."""

import itertools

import numpy as np

from apps.common import checkpoint, encoders, runs
from apps.common.transfer import Origin
from data_pipelines import video_labeling as pipeline
from data_pipelines.vision import video

from .config import Config

# Frames on which the range of the pixels is checked.
FRAMES = 16


def build(
    config: Config, run: runs.Run, origin: Origin | None = None
) -> encoders.Encoder | None:
    """Open the encoder of a configuration, and save it to the run.

    That of a run to go on from is the one in its folder.

    It is `None` if a network that is trained with the rest encodes the frames.

    Raises:
        UserError: There is no such network.
    """
    if config.encoder == encoders.SMALL:
        return None
    if origin:
        encoder = encoders.load(origin.path / "encoder.keras")
    else:
        encoder = encoders.open_encoder(
            config.encoder,
            layer=config.encoder_layer,
            size=(config.frame_height, config.frame_width),
            grid=config.grid,
            pixels=config.encoder_pixels,
            download=config.download_encoder,
        )
    if not run.begun:
        checkpoint.save_model(encoder.model, run.file("encoder.keras"))
    return encoder


def check(
    encoder: encoders.Encoder | None, config: Config, data: pipeline.Datasets
) -> None:
    """Refuse pixels of another kind than the encoder was trained on.

    A public set has no files to look into: there nothing is compared.

    Raises:
        UserError: They are of another kind.
    """
    if encoder is None:
        return
    path = data.train.videos[0].path
    if not path.exists():
        return
    frames = video.frames(path, encoder.size, mode=config.framing)
    encoder.check(np.stack(list(itertools.islice(frames, FRAMES))))
