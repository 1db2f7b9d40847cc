"""Write a run's SavedModel: bytes of pictures in, captions and scores out.

    make export-captioning ARGS="--run demo-gru"

Training has written it already; this writes it again, for instance after a
change to what it returns. It needs nothing but tensorflow, encoder included:

    served = tf.saved_model.load("runs/captioning/demo-gru/export/1")
    picture = tf.io.read_file("photo.jpg")
    result = served.serve(picture[None], beam=5, length_penalty=1.0)
    result["text"][0, 0]  # the best of five

`--format onnx,litert` writes networks for other runtimes: `docs/formats.md`.
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import io
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

import rnn_layers
from apps.common import export, generation, networks, runs
from apps.common.networks import Portable, Tensor
from apps.common.search import Search
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.vision import graph_images, images

from . import evaluate, scores
from .predict import Predictor, batches


@rnn_layers.plain_loops()
def write(run: runs.Run, captioner: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `image (N,)` strings, each the bytes of a JPEG, PNG, BMP,
    GIF or WebP file, `beam ()` int32 and `length_penalty ()` float32 to a dict
    of `text (N, beam)` strings, the best first, their `score (N, beam)`, -inf
    where there are fewer, and `status (N,)`: "ok", or "unreadable", of which
    there is no caption.
    """
    track = list(captioner.tokenizer.tables)
    if captioner.encoder.frozen:
        track.append(captioner.encoder.frozen.model)
    config = captioner.config

    def serve(image, beam, length_penalty):
        pictures, readable = graph_images.read(image, captioner.size)
        decoded = captioner.search(
            model_inputs(captioner, pictures),
            Search(beam, length_penalty, config.mbr_samples, n_best=beam),
        )
        texts = captioner.tokenizer.decode_tensor(decoded.tokens)
        return {
            "text": tf.where(readable[:, None], texts, ""),
            "score": tf.where(readable[:, None], decoded.scores, -np.inf),
            "status": tf.where(readable, "ok", "unreadable"),
        }

    live = Predictor(
        captioner.model,
        captioner.tokenizer,
        config,
        captioner.encoder,
        eager=True,
    )

    def predict(image, beam, length_penalty):
        search = generation.as_served(config, beam, length_penalty)
        captions, pictures = {}, {}
        for number, content in enumerate(image.numpy()):
            try:
                pictures[number] = images.read(content, live.size)
            except images.PictureError:
                captions[number] = []
        inputs = live.model_inputs(np.stack([*pictures.values()]))
        decoded = live.decode(inputs, search)
        captions |= zip(pictures, decoded, strict=True)
        rows = [captions[number] for number in range(len(captions))]
        return {
            **generation.as_arrays(rows, int(beam)),
            "status": [b"ok" if row else b"unreadable" for row in rows],
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
        predict=predict,
        track=track,
        examples=[
            (tf.constant(examples()), tf.constant(beam), tf.constant(penalty))
            for beam, penalty in ((1, 0.0), (4, 1.0))
        ],
    )


def model_inputs(captioner: Predictor, pictures: tf.Tensor) -> tf.Tensor:
    """Take float pictures `(B, H, W, 3)` to what the captioner takes."""
    if captioner.encoder.trained:
        return pictures
    features = captioner.encoder.frozen.model(pictures, training=False)
    # As they are on disk, so that the same picture gives the same words.
    return tf.cast(tf.cast(features, tf.float16), tf.float32)


def examples() -> list[bytes]:
    """Return pictures of every kind that predict reads, and some bad ones."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (5, 7, 4), np.uint8)
    clear = Image.fromarray(noise).resize((90, 70))
    plain = clear.convert("RGB")
    deep = Image.fromarray(random.integers(0, 2**16, (30, 40)).astype("uint16"))
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds = [
        (plain, "JPEG", {"exif": turned}),
        (plain.convert("L"), "JPEG", {}),
        (plain.convert("CMYK"), "JPEG", {}),
        (clear, "PNG", {}),
        (clear.convert("LA"), "PNG", {}),
        (plain.quantize(9), "PNG", {"transparency": 2}),
        (deep, "PNG", {}),
        (plain, "BMP", {}),
        (plain.convert("1"), "BMP", {}),
        (plain.quantize(9), "GIF", {"transparency": 2}),
        (clear, "WEBP", {}),
        (plain, "GIF", {"save_all": True, "append_images": [plain.rotate(9)]}),
    ]
    contents = []
    for picture, kind, options in kinds:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        contents.append(buffer.getvalue())
    return [*contents, contents[0][:-400], b"", b"no picture"]


class _OfPictures:
    """A decoder that encodes pictures, through a frozen encoder if need be."""

    def __init__(self, captioner: Predictor):
        self.captioner = captioner
        self.initial_state = captioner.decoder.initial_state
        self.step = captioner.decoder.step

    def encode(self, pictures):
        """Return what the steps need of pictures."""
        inputs = model_inputs(self.captioner, pictures)
        return self.captioner.decoder.encode(inputs)


def portable(run: runs.Run, captioner: Predictor) -> Portable:
    """Return the encoder and a step of the decoder for other runtimes."""
    random = np.random.default_rng(0)
    shape = (*captioner.size, 3)
    pictures = random.integers(0, 256, (2, *shape)).astype("float32")
    return Portable(
        networks.encoder_and_step(
            _OfPictures(captioner),
            Tensor("pictures", ("batch", *shape), "float32", "RGB, 0 to 255"),
            [pictures, pictures[:1]],
            Tokenizer.BEGIN,
        ),
        {"vocabulary.txt": "tokens"},
        generation.settings(captioner.config.max_length),
        networks.GREEDY,
        score=lambda folder: score(run, captioner, folder),
    )


def score(run: runs.Run, captioner: Predictor, folder: Path) -> dict:
    """Return scores of what `greedy.py` says of some pictures of valid."""
    from apps.common.onnx_greedy import greedy  # needs onnxruntime

    config, outputs = captioner.config, []
    data = evaluate.datasets(
        captioner, config.dataset, config.data_path or None, config.encoding
    )
    pictures = data.valid.pictures[: networks.MOST_EXAMPLES]
    paths = [picture.path for picture in pictures]
    for _, pixels in batches(paths, captioner.size):
        for tokens in greedy(folder, pictures=pixels.astype("float32")):
            outputs.append(captioner.tokenizer.decode(tokens[tokens > 0]))
    references = [picture.captions for picture in pictures]
    metrics = scores.scores(outputs, references)
    return {name: metrics[name] for name in ("bleu_4", "cider")}


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("captioning", options.run, options.runs_path)
    captioner = Predictor.of_run(run)
    networks.write(
        run,
        options,
        lambda: write(run, captioner),
        lambda: portable(run, captioner),
        rnn_layers.plain_loops,
    )


if __name__ == "__main__":
    cli.main(lambda: main(options))
