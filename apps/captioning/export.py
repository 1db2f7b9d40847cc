"""Write a run's SavedModel: bytes of pictures in, captions and scores out.

    make export-captioning ARGS="--run demo-gru"

Training has written it already; this writes it again, for instance after a
change to what it returns. It needs nothing but tensorflow, encoder included:

    served = tf.saved_model.load("runs/captioning/demo-gru/export")
    picture = tf.io.read_file("photo.jpg")
    result = served.serve(picture[None], beam=5, length_penalty=1.0)
    result["text"][0, 0]  # the best of five
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from apps.common import export, runs
from apps.common.generation import Search

from .predict import Predictor

# The usual formats; animations and pictures that are larger than
# `images.MOST_PIXELS` must be kept away by whoever serves this.
FORMATS = ("JPEG", "PNG", "BMP")


def write(run: runs.Run, captioner: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `image (N,)` strings, N at least 1, each the bytes of a
    JPEG, PNG, BMP or GIF file, `beam ()` int32 and `length_penalty ()` float32
    to a dict of `text (N, beam)` strings, the best first, and their
    `score (N, beam)`, -inf where there are fewer.
    """
    track = list(captioner.tokenizer.tables)
    if captioner.encoder.frozen:
        track.append(captioner.encoder.frozen.model)

    def serve(image, beam, length_penalty):
        pictures = tf.map_fn(
            lambda content: read_pixels(content, captioner.size),
            image,
            fn_output_signature=tf.TensorSpec((*captioner.size, 3)),
        )
        decoded = captioner.search(
            model_inputs(captioner, pictures),
            Search(
                beam, length_penalty, captioner.config.mbr_samples, n_best=beam
            ),
        )
        return {
            "text": captioner.tokenizer.decode_tensor(decoded.tokens),
            "score": decoded.scores,
        }

    export.write(
        run,
        captioner.model,
        serve,
        [
            tf.TensorSpec((None,), tf.string, name="image"),
            tf.TensorSpec((), tf.int32, name="beam"),
            tf.TensorSpec((), tf.float32, name="length_penalty"),
        ],
        track=track,
        examples=[
            (tf.constant(examples()), tf.constant(beam), tf.constant(penalty))
            for beam, penalty in ((1, 0.0), (4, 1.0))
        ],
    )


def read_pixels(content: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Read the bytes of a picture as `images.read` does, in a graph.

    Not turned as its EXIF data say, and decoded by another library, so that a
    pixel may differ by a little.
    """
    picture = tf.io.decode_image(content, channels=3, expand_animations=False)
    picture = tf.image.resize(picture, size, antialias=True)
    # As a file of pixels would hold it.
    return tf.clip_by_value(tf.round(picture), 0, 255)


def model_inputs(captioner: Predictor, pictures: tf.Tensor) -> tf.Tensor:
    """Take float pictures `(B, H, W, 3)` to what the captioner takes."""
    if captioner.encoder.trained:
        return pictures
    features = captioner.encoder.frozen.model(pictures, training=False)
    # As they are on disk, so that the same picture gives the same words.
    return tf.cast(tf.cast(features, tf.float16), tf.float32)


def examples() -> list[bytes]:
    """Return the bytes of three pictures: noise, in three formats."""
    random = np.random.default_rng(0)
    contents = []
    for number, kind in enumerate(FORMATS):
        colours = random.integers(0, 256, (3 + number, 4, 3), np.uint8)
        picture = Image.fromarray(colours).resize((100 + 20 * number, 80))
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        contents.append(buffer.getvalue())
    return contents


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("captioning", options.run, options.runs_path)
    write(run, Predictor.of_run(run))


if __name__ == "__main__":
    cli.main(lambda: main(options))
