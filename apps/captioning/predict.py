"""Describe pictures with a finished run.

    make predict-captioning ARGS="photo.jpg holiday/"
    make predict-captioning ARGS="--n-best 3 --scores photo.jpg"
    make predict-captioning ARGS="holiday/ --page holiday.html --json h.json"
    python -m apps.captioning.predict --run demo-gru photo.jpg

One line for each caption: the file, a tab, the caption; with `--scores` its
score before it. Of a folder every file that is a picture by its name is read,
in the order of the names, and folders within. A picture that cannot be read is
reported and left out; the exit status is 2 if none can.
"""

from apps.common import cli
from apps.common.terminal import echo

from .config import PredictOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import (
    checks,
    ensemble,
    generation,
    graph,
    report,
    runs,
)
from apps.common.decoding import Decoded
from apps.common.generation import Hypothesis
from apps.common.search import BeamSearch, Search
from data_pipelines.files.atomic import replacing
from data_pipelines.files.names import is_hidden, printable
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.vision import images
from data_pipelines.vision.image_sequence import SUFFIXES

from . import page, picture_encoder
from .config import Config
from .model import IncrementalDecoder

BATCH = 32
EXPLANATION = (
    "Below, for each word of the caption, what the decoder attends to: the rest"
    " is in fog."
)


class Predictor:
    """A finished run: pictures in, captions out.

    Args:
        model: The captioner; its weights may change later.
        tokenizer: Of the captions.
        config: The `Config`.
        encoder: The `PictureEncoder`; if it is frozen the model takes its
            features.
        eager: Whether to compile nothing, which is faster for a batch or two.
    """

    def __init__(
        self,
        model: keras.Model,
        tokenizer: Tokenizer,
        config: Config,
        encoder: picture_encoder.PictureEncoder,
        eager: bool = False,
    ):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.decoder = IncrementalDecoder(model, config.conditioning)
        self.encoder = encoder
        self.input_shape = self.decoder.picture.input.shape[1:]
        self.eager = eager
        self.compiled = {}

    @classmethod
    def of_run(cls, run: runs.Run, eager: bool = False) -> "Predictor":
        """Open the best model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        config = run.config(Config)
        tokenizer = Tokenizer.load(run.file("vocabulary.txt"), config.tokens)
        if model.get_layer("tokens").input_dim != len(tokenizer):
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another"
                " vocabulary.txt"
            )
        encoder = picture_encoder.of_run(run, model)
        return cls(model, tokenizer, config, encoder, eager)

    @classmethod
    def of_runs(
        cls, opened: Sequence[runs.Run], eager: bool = False
    ) -> "Predictor":
        """Open the best models of runs as one.

        Raises:
            UserError: They do not fit together.
        """
        ensemble.check(opened, Config, ["vocabulary.txt"], ["tokens"])
        members = [cls.of_run(run, eager) for run in opened]
        one = members[0]
        if len(members) > 1:
            for run, member in zip(opened, members, strict=True):
                if member.encoder.reads != one.encoder.reads:
                    raise ensemble.misfit(
                        run,
                        opened[0],
                        "they read pictures by other encoders or of another"
                        " size",
                    )
            models = [member.model for member in members]
            one.decoder = ensemble.Decoders([m.decoder for m in members])
            one.model = ensemble.joined(models, ensemble.logits)
        return one

    def __call__(
        self, paths: Sequence[str | Path], search: Search | None = None
    ) -> list[list[Hypothesis]]:
        """Return the best captions of each picture, by default as in training.

        Raises:
            PictureError: One cannot be read.
        """
        search = search or BeamSearch().search(self.config)
        return [
            captions
            for _, pictures in batches(paths, self.size)
            for captions in self.decode(self.model_inputs(pictures), search)
        ]

    @property
    def has_attention(self) -> bool:
        """Whether the decoder attends to regions."""
        return self.decoder.has_attention

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
        """Describe features or pictures `(B, ...)`; return a list for each."""
        decoded = self._run(
            search, lambda inputs: self.search(inputs, search), inputs
        )
        return generation.hypotheses(decoded, self.tokenizer)

    def search(self, inputs, search: Search) -> Decoded:
        """Return the tokens of the captions of `(B, ...)`, `(B, K, L)`."""
        picture = self.decoder.encode(inputs)

        def attention(state):
            return state["weights"]

        return generation.generate(
            lambda tokens, state: self.decoder.step(tokens, state, picture),
            self.decoder.initial_state(picture),
            search,
            self.config.max_length,
            attention if self.has_attention else None,
        )

    def attention(
        self, inputs: np.ndarray, captions: Sequence[Hypothesis]
    ) -> list[tuple[list[str], np.ndarray] | None]:
        """Return what the decoder attends to at each word of a caption.

        Returns:
            List of words and weights `(T, rows, columns)`; of `None` if this
            model has no attention.
        """
        if not self.has_attention:
            return [None] * len(captions)
        rows = [[Tokenizer.BEGIN, *c.tokens[:-1]] for c in captions]
        tokens = keras.utils.pad_sequences(rows, padding="post")
        weights = self._run(
            "attention", self.decoder.attention, inputs, tokens
        )  # B T R
        pieces, grid = self.tokenizer.pieces, self.encoder.network.grid
        results = []
        for caption, row in zip(captions, np.asarray(weights), strict=True):
            words = [
                pieces[token].strip("\u2581")
                for token in caption.tokens
                if token != Tokenizer.END
            ]
            results.append((words, row[: len(words)].reshape(-1, *grid)))
        return results

    def vectors(self, inputs: np.ndarray) -> np.ndarray:
        """Return `(B, C)`, the mean region of each, to compare pictures by."""
        if self.encoder.trained:
            regions = self._run("regions", self.encoder.network.model, inputs)
            inputs = np.asarray(regions)
        return inputs.astype("float32").mean(axis=1)

    def _run(self, key, function, inputs, *tokens):
        """Run a function of `(B, ...)`, compiled once under a key."""
        if key not in self.compiled:
            shape = (None, *self.input_shape)
            ids = [((None, None), "int32") for _ in tokens]
            self.compiled[key] = graph.compile_once(
                function, (shape, "float32"), *ids, eager=self.eager
            )
        return self.compiled[key](keras.ops.cast(inputs, "float32"), *tokens)


def picture_files(paths: Iterable[str]) -> Iterator[Path]:
    """Yield the pictures of files and folders.

    Raises:
        UserError: One of them does not exist, a folder has no picture, or
            there is nothing.
    """
    for path in checks.inputs(paths, "picture"):
        if not path.is_dir():
            yield path
            continue
        pictures = []
        for folder, folders, names in os.walk(path, onerror=_unreadable):
            folders[:] = itertools.filterfalse(is_hidden, folders)
            pictures += [
                Path(folder, name)
                for name in itertools.filterfalse(is_hidden, names)
                if name.lower().endswith(SUFFIXES)
            ]
        if not pictures:
            raise cli.UserError(
                f"{path}: no picture in it; expected {', '.join(SUFFIXES)}"
            )
        yield from sorted(pictures)


def _unreadable(error):
    raise error


def batches(
    paths: Sequence[str | Path],
    size: tuple[int, int],
    bad: images.BadFiles | None = None,
) -> Iterator[tuple[list[Path], np.ndarray]]:
    """Yield files and their pictures, uint8 `(B, H, W, 3)`.

    Those that cannot be read are added to `bad` and named on standard error.

    Raises:
        PictureError: One cannot be read, and there is no `bad`.
    """
    files, pictures = [], []
    decoded = images.in_order(lambda path: images.read(path, size), paths)
    for path, picture in zip(paths, decoded, strict=True):
        if not isinstance(picture, images.PictureError):
            files.append(Path(path))
            pictures.append(picture)
        elif bad is None:
            raise picture
        else:
            bad.add(picture)
            echo(f"left out: {picture}", file=sys.stderr)
        if len(files) == BATCH:
            yield files, np.stack(pictures)
            files, pictures = [], []
    if files:
        yield files, np.stack(pictures)


def main(options: Options) -> None:
    """Describe all pictures, a batch at a time."""
    opened = runs.open_runs("captioning", options.run, options.runs_path)
    paths = list(picture_files(options.pictures))
    captioner = Predictor.of_runs(opened, eager=len(paths) <= BATCH)
    search = options.search(captioner.config)
    bad = images.BadFiles()
    records, examples = [], []
    for files, pictures in batches(paths, captioner.size, bad):
        inputs = captioner.model_inputs(pictures)
        captions = captioner.decode(inputs, search)
        for path, hypotheses in zip(files, captions, strict=True):
            for caption in hypotheses:
                score = f"{caption.score:.3f}\t" if options.scores else ""
                echo(f"{printable(path)}\t{score}{caption.text}")
            records.append(
                {
                    "image": str(path),
                    "captions": [
                        {"caption": c.text, "score": c.score}
                        for c in hypotheses
                    ],
                }
            )
        sys.stdout.flush()
        if options.page:
            weights = captioner.attention(
                inputs, [best[0] for best in captions]
            )
            examples += map(page.example, files, captions, weights)
    if len(bad) == len(paths):
        raise cli.UserError(bad.report(len(paths)))
    if options.json:
        Path(options.json).parent.mkdir(parents=True, exist_ok=True)
        with replacing(options.json) as temporary:
            text = json.dumps(records, indent=2, ensure_ascii=False)
            # Bytes of a file's name that are no UTF-8 as JSON writes them.
            temporary.write_text(text + "\n", "utf-8", "backslashreplace")
        echo(f"wrote {options.json}", file=sys.stderr)
    if options.page:
        report.render(
            options.page,
            page.TEMPLATE,
            title=ensemble.title(opened),
            explanation=EXPLANATION if captioner.has_attention else "",
            examples=examples,
        )
        echo(f"wrote {options.page}", file=sys.stderr)


if __name__ == "__main__":
    cli.main(lambda: main(options))
