"""The network that encodes the pictures of a run: frozen, or trained along.

A frozen encoder reads each picture once: its features are stored on disk, and
the captioner takes features. One that is trained is a part of the captioner,
which then takes pictures; so that it encodes each only once a step, several
captions of a picture share a batch.
"""

import dataclasses

import keras
import numpy as np

from apps.common import cli, encoders, runs
from apps.common.checkpoint import save_model
from data_pipelines import captioning as pipeline

from .config import Config

# Captions of a picture that share a batch where the encoder is trained.
CAPTIONS_PER_PICTURE = 5

# Height and width of pictures for the small network.
SMALL_SIZE = 96

# Pictures on which the range of the pixels is checked.
CHECKED = 16


@dataclasses.dataclass(frozen=True)
class PictureEncoder:
    """An encoder, and whether it is trained along.

    Attributes:
        network: The `encoders.Encoder`.
        trained: Whether its weights change.
    """

    network: encoders.Encoder
    trained: bool

    @property
    def frozen(self) -> encoders.Encoder | None:
        """The network whose features are stored, `None` if it is trained."""
        return None if self.trained else self.network

    @property
    def captions_per_picture(self) -> int:
        """How many captions of a picture share a batch of training."""
        return CAPTIONS_PER_PICTURE if self.trained else 1

    @property
    def source(self) -> keras.Model | tuple[int, int]:
        """What `model.build` takes: the network, or its features' shape."""
        if self.trained:
            return self.network.model
        return self.network.model.output_shape[1:]

    def check(self, split: pipeline.Split) -> None:
        """Check the pixels of pictures for an encoder that is trained along.

        A frozen one checks the first pictures that it encodes.

        Raises:
            UserError: The network was trained on another range of pixels.
        """
        if self.trained:
            rows = range(min(CHECKED, len(split)))
            self.network.check(
                np.stack([split.example_input(row) for row in rows])
            )

    def save_to_run(self, run: runs.Run) -> None:
        """Write a frozen encoder, which is no part of `model.keras`."""
        if not self.trained and not run.begun:
            save_model(self.network.model, run.file("encoder.keras"))


def build(config: Config) -> PictureEncoder:
    """Return the encoder of a configuration.

    Raises:
        UserError: There is no such network, or it cannot be used in this way.
    """
    if config.finetune_from and not config.finetune:
        raise cli.UserError(
            f"--finetune-from {config.finetune_from}: nothing of the encoder is"
            " trained without --finetune"
        )
    if config.encoder == encoders.SMALL:
        size = config.picture_size or SMALL_SIZE
        network = encoders.small_cnn((size, size), extra=(0, 1, 3))
        return PictureEncoder(encoders.Encoder(network), True)
    network = encoders.open_encoder(
        config.encoder,
        layer=config.encoder_layer,
        size=config.picture_size,
        grid=config.grid,
        pixels=config.encoder_pixels,
        download=config.download_encoder,
    )
    if config.finetune:
        network.model.trainable = True
        encoders.freeze_batch_normalization(network.model)
        encoders.freeze_below(network.model, config.finetune_from)
    return PictureEncoder(network, config.finetune)


def of_run(run: runs.Run, model: keras.Model) -> PictureEncoder:
    """Return the encoder of a finished run and its captioner."""
    if run.file("encoder.keras").exists():
        network = encoders.load(run.file("encoder.keras"))
        return PictureEncoder(network, False)
    inside = model.get_layer("picture").get_layer("encoder")
    return PictureEncoder(encoders.Encoder(inside), True)
