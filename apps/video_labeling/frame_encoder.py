"""A network that has been trained already, as what looks at frames."""

import itertools

import numpy as np

from apps.common import checkpoint, encoders
from apps.common.cli import UserError
from data_pipelines.vision import video

# Frames that are looked at before the training begins.
FRAMES = 16


def open_encoder(config, run):
    """Opens the encoder of a configuration, and keeps it in the run.

    Args:
        config: The `Config`.
        run: The `runs.Run`, which gets an `encoder.keras`.

    Returns:
        The `encoders.Encoder`, or `None` if the frames are seen by a network
        that is trained with the rest.

    Raises:
        UserError: There is no such network, or it cannot see changes of pixels.
    """
    if config.encoder == encoders.SMALL:
        return None
    if config.motion == "pixels":
        raise UserError(
            "--motion pixels needs a network that is trained with the rest; a"
            " frozen encoder has --motion regions"
        )
    encoder = encoders.open(
        config.encoder,
        layer=config.encoder_layer,
        size=(config.frame_height, config.frame_width),
        grid=config.grid,
        pixels=config.encoder_pixels,
        download=config.download_encoder,
    )
    checkpoint.save_model(encoder.model, run.file("encoder.keras"))
    return encoder


def check(encoder, config, data):
    """Refuses pixels of another kind than the encoder was trained on.

    A public set has no files to look into: there nothing is compared.

    Args:
        encoder: What `open_encoder` returned.
        config: The `Config`.
        data: The `Datasets`.

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
