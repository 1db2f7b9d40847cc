"""Describe pictures with a finished run.

    make predict-captioning ARGS="photo.jpg holiday/"
    make predict-captioning ARGS="--n-best 3 --scores photo.jpg"
    make predict-captioning ARGS="holiday/ --page holiday.html --json h.json"
    python -m apps.captioning.predict --run demo-gru photo.jpg

One line for each caption: the file, a tab, the caption; with `--scores` its
score before it.  Of a folder every file that is a picture by its name is read,
in the order of the names, and folders within.  A picture that cannot be read is
reported and left out; the exit status is 2 if none can.
"""

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import cli, generation, runs, text_input
from apps.common.decoding import Decoded
from apps.common.generation import Hypothesis, Search
from data_pipelines.files.atomic import replacing
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.vision import images

from . import page, picture_encoder, show
from .config import Config
from .model import IncrementalDecoder

BATCH = 32
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")


@dataclasses.dataclass(frozen=True)
class Options(generation.Generation):
    """Describe pictures."""

    pictures: tuple = cli.positional("files and folders of pictures")
    page: str = cli.flag("", "HTML page to write, with the pictures")
    json: str = cli.flag("", "JSON file to write")
    run: str = cli.flag("", "name or folder of a run; empty: the newest")
    runs_path: str = cli.flag("runs", "folder of all runs")


class Captioner:
    """A finished run: pictures in, captions out.

    Args:
        model: The captioner, a `keras.Model`; its weights may change later.
        tokenizer: Of the captions.
        config: The `Config`.
        encoder: The `PictureEncoder`; if it is frozen the model takes its
            features.
    """

    def __init__(self, model, tokenizer, config, encoder):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.decoder = IncrementalDecoder(model, config.conditioning)
        self.encoder = encoder
        self.compiled = {}

    @classmethod
    def of_run(cls, run: runs.Run) -> "Captioner":
        """Open the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        tokenizer = Tokenizer.load(run.file("vocabulary.txt"), "words")
        if model.get_layer("tokens").input_dim != len(tokenizer):
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another"
                " vocabulary.txt"
            )
        config = Config(**run.record["config"])
        return cls(model, tokenizer, config, picture_encoder.of_run(run, model))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures."""
        return self.encoder.network.size

    def model_inputs(self, pictures: np.ndarray) -> np.ndarray:
        """Take uint8 `(B, H, W, 3)` to what `decode` takes."""
        if self.encoder.trained:
            return pictures
        # As they are on disk, so that the same picture gives the same words.
        return self.encoder.frozen(pictures).astype("float16")

    def decode(
        self, inputs: np.ndarray, search: Search
    ) -> list[list[Hypothesis]]:
        """Describe features or pictures `(B, ...)`; a list for each."""
        if search not in self.compiled:
            self.compiled[search] = self._graph(
                lambda inputs: self.search(inputs, search)
            )
        decoded = self.compiled[search](self._floats(inputs))
        return generation.hypotheses(decoded, self.tokenizer)

    def search(self, inputs, search: Search) -> Decoded:
        """Return `decoding.Decoded`, `(B, K, ...)`, of `(B, ...)`."""
        picture = self.decoder.encode(inputs)
        attention = None
        if self.decoder.has_attention:
            attention = lambda state: state["weights"]  # noqa: E731
        return generation.generate(
            lambda tokens, state: self.decoder.step(tokens, state, picture),
            self.decoder.initial_state(picture),
            search,
            self.config.max_length,
            attention,
        )

    def attention(
        self, inputs: np.ndarray, captions: list[Hypothesis]
    ) -> list[tuple[list[str], np.ndarray]] | None:
        """Return where the decoder looked at each word of a caption.

        Args:
            inputs: Features or pictures `(B, ...)`.
            captions: A `Hypothesis` of each.

        Returns:
            List of `(words, weights (T, rows, columns))`, or `None` if this
            model does not look at regions.
        """
        if not self.decoder.has_attention:
            return None
        most = max(len(caption.tokens) for caption in captions)
        tokens = np.zeros((len(captions), most), np.int32)
        for row, caption in zip(tokens, captions, strict=True):
            row[: len(caption.tokens)] = [Tokenizer.BEGIN, *caption.tokens[:-1]]
        if "attention" not in self.compiled:
            shape = tf.TensorSpec((None, None), tf.int32)
            self.compiled["attention"] = self._graph(
                self.decoder.attention, shape
            )
        weights = self.compiled["attention"](self._floats(inputs), tokens)
        pieces, grid = self.tokenizer.pieces, self.encoder.network.grid
        return [
            (
                [pieces[token].strip("\u2581") for token in caption.tokens],
                row[: len(caption.tokens)].reshape(-1, *grid),
            )
            for caption, row in zip(captions, np.asarray(weights), strict=True)
        ]

    def vectors(self, inputs: np.ndarray) -> np.ndarray:
        """Return `(B, C)`, the mean region of each, to compare pictures by."""
        if self.encoder.trained:
            if "vectors" not in self.compiled:
                self.compiled["vectors"] = self._graph(
                    self.encoder.network.model
                )
            inputs = np.asarray(self.compiled["vectors"](self._floats(inputs)))
        return inputs.astype("float32").mean(axis=1)

    def _floats(self, inputs):
        return keras.ops.cast(inputs, "float32")

    def _graph(self, function, *others):
        """Return a function of `(B, ...)`, compiled once for all batches."""
        if keras.config.backend() != "tensorflow":
            return function
        shape = (None, *self.decoder.picture.input.shape[1:])
        signature = [tf.TensorSpec(shape, tf.float32), *others]
        return tf.function(function, input_signature=signature)


def picture_files(paths: Iterable[str]) -> Iterator[Path]:
    """Yield the pictures of files and folders.

    Raises:
        UserError: One of them does not exist, or a folder has no picture.
    """
    for path in map(Path, paths):
        if not path.exists():
            raise cli.UserError(f"{path}: there is no such file or folder")
        if not path.is_dir():
            yield path
            continue
        pictures = sorted(
            Path(folder, name)
            for folder, _, names in os.walk(path)
            for name in names
            if name.lower().endswith(ENDINGS)
        )
        if not pictures:
            raise cli.UserError(
                f"{path}: no picture in it; expected {', '.join(ENDINGS)}"
            )
        yield from pictures


def described(
    captioner: Captioner,
    paths: list[Path],
    search: Search,
    bad: images.BadFiles,
) -> Iterator[tuple]:
    """Yield `(path, picture, captions, attention)` of readable pictures.

    Args:
        captioner: The `Captioner`.
        paths: List of files.
        search: The `Search`.
        bad: `images.BadFiles`, which the others are added to.
    """
    batch = []
    for number, picture in images.Pictures(paths, captioner.size):
        if isinstance(picture, images.PictureError):
            bad.add(picture)
            print(f"left out: {picture}", file=sys.stderr)
        else:
            batch.append((paths[number], picture))
        if len(batch) == BATCH:
            yield from _batch(captioner, batch, search)
            batch = []
    if batch:
        yield from _batch(captioner, batch, search)


def _batch(captioner, batch, search):
    inputs = captioner.model_inputs(np.stack([pixels for _, pixels in batch]))
    captions = captioner.decode(inputs, search)
    attention = captioner.attention(inputs, [best[0] for best in captions])
    for row, (path, picture) in enumerate(batch):
        yield path, picture, captions[row], attention and attention[row]


def main(options: Options) -> None:
    """Describe all pictures, a batch at a time."""
    run = runs.open_run("captioning", options.run, options.runs_path)
    paths = list(picture_files(options.pictures))
    if not paths:
        raise cli.UserError("no picture; give files or folders")
    for flag in ("page", "json"):
        if getattr(options, flag):
            text_input.check_output(f"--{flag}", getattr(options, flag))
    captioner = Captioner.of_run(run)
    search = options.search(captioner.config)
    bad = images.BadFiles()
    records, articles = [], []
    for path, picture, best, attention in described(
        captioner, paths, search, bad
    ):
        for caption in best:
            score = f"{caption.score:.3f}\t" if options.scores else ""
            print(f"{images.printable(path)}\t{score}{caption.text}")
        sys.stdout.flush()
        if options.json:
            records.append(
                page.record(str(path), [(c.text, c.score) for c in best])
            )
        if options.page:
            articles.append(show.article(path, picture, best, attention))
    if len(bad) == len(paths):
        raise cli.UserError(bad.report(len(paths)))
    if options.json:
        with replacing(options.json) as temporary:
            text = json.dumps(records, indent=2, ensure_ascii=False)
            # Bytes of a file's name that are no UTF-8 as JSON writes them.
            temporary.write_text(text + "\n", "utf-8", "backslashreplace")
        print(f"wrote {options.json}", file=sys.stderr)
    if options.page:
        show.write_captions(options.page, run.name, articles)
        print(f"wrote {options.page}", file=sys.stderr)


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
