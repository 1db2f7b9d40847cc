"""What looks at the pictures of a run: a frozen encoder, or one trained along.

A frozen encoder sees each picture once: its features are kept on disk, and the
captioner takes features.  One that is trained is a part of the captioner, which
then takes pictures; so that it has to look at each only once a step, several
captions of a picture are read together.
"""

import dataclasses

import numpy as np

from apps.common import cli, encoders
from apps.common.checkpoint import save_model
from data_pipelines import captioning as pipeline
from data_pipelines.text import bpe
from data_pipelines.text.vocabulary import SPECIALS, Vocabulary
from data_pipelines.text.word_vectors import load_vectors

# Captions of a picture that are read together where the encoder is trained.
CAPTIONS = 5

# Height and width of pictures for a network that is made anew.
SMALL_SIZE = 96

# So many pictures show whether their pixels are what the encoder is used to.
CHECKED = 16


@dataclasses.dataclass(frozen=True)
class Eye:
    """An encoder, and whether it is trained along.

    Attributes:
        encoder: The `encoders.Encoder`.
        trained: Whether its weights change.
    """

    encoder: encoders.Encoder
    trained: bool

    @property
    def frozen(self):
        """The encoder whose features are kept, `None` if it is trained."""
        return None if self.trained else self.encoder

    @property
    def captions(self):
        """How many captions of a picture are read together in training."""
        return CAPTIONS if self.trained else 1

    @property
    def source(self):
        """What `model.build` wants: the network, or the features' shape."""
        if self.trained:
            return self.encoder.model
        return self.encoder.model.output_shape[1:]


def open(config):
    """Returns the `Eye` of a `Config`.

    Raises:
        UserError: The encoder cannot be had, or not in this way.
    """
    if config.finetune_from and not config.finetune:
        raise cli.UserError(
            f"--finetune-from {config.finetune_from}: nothing of the encoder is"
            " trained without --finetune"
        )
    if config.encoder == encoders.SMALL:
        size = config.picture_size or SMALL_SIZE
        network = encoders.small_cnn((size, size), wider=(0, 1, 3))
        return Eye(encoders.Encoder(network), True)
    encoder = encoders.open(
        config.encoder,
        layer=config.encoder_layer,
        size=config.picture_size,
        grid=config.grid,
        pixels=config.encoder_pixels,
        download=config.download_encoder,
    )
    if config.finetune:
        encoder.model.trainable = True
        encoders.keep_statistics(encoder.model)
        encoders.freeze_below(encoder.model, config.finetune_from)
    return Eye(encoder, config.finetune)


def of_run(run, model):
    """Returns the `Eye` of a finished run and its captioner."""
    if run.file("encoder.keras").exists():
        return Eye(encoders.load(run.file("encoder.keras")), False)
    inside = model.get_layer("picture").get_layer("encoder")
    return Eye(encoders.Encoder(inside), True)


def datasets(config, eye, tokenizer=None):
    """Returns the data of a `Config` as an `Eye` sees them.

    Args:
        config: The `Config`.
        eye: The `Eye`.
        tokenizer: Of an old run, instead of a new one.
    """
    return pipeline.make_datasets(
        config.dataset,
        config.data_path or None,
        cache_path=config.cache_path,
        encoder=eye.frozen,
        picture_size=eye.encoder.size,
        normalize_captions=config.normalize_captions,
        vocabulary_size=config.vocabulary_size,
        minimum_count=config.minimum_count,
        max_length=config.max_length,
        batch_size=config.batch_size,
        captions_per_picture=eye.captions,
        seed=config.seed,
        download=config.download,
        tokenizer=tokenizer,
    )


def keep(run, eye, data):
    """Writes into the run what belongs to its pictures.

    `encoder.keras`, if it is frozen and so no part of `model.keras`, and
    `bad_pictures.txt`, those that cannot be read, if there are any.

    Raises:
        UserError: The encoder was trained on other pixels.
    """
    if eye.trained:
        rows = range(min(CHECKED, len(data.train)))
        eye.encoder.check(
            np.stack([data.train.example_input(row) for row in rows])
        )
    elif not run.file("encoder.keras").exists():
        save_model(eye.encoder.model, run.file("encoder.keras"))
    if data.bad:
        data.bad.write(run.file("bad_pictures.txt"))


def word_vectors(config, tokenizer):
    """Returns `(V, D)` vectors of the words from the file of `--vectors`.

    `None` if there is none.
    """
    if not config.vectors:
        return None
    # Words are as in other texts where they stand after a space.
    words = [
        piece[1:] if piece.startswith("\u2581") else "\u2581" + piece
        for piece in tokenizer.pieces[len(SPECIALS) :]
    ]
    vectors, found = load_vectors(
        config.vectors, Vocabulary([*SPECIALS, *words]), seed=config.seed
    )
    known = len(tokenizer) - len(bpe.SPECIALS)
    print(f"vectors  {found:,} of {known:,} words found")
    return vectors
