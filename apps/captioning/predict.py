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
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import rnn_layers  # noqa: F401 (the saved model is made of its layers)
from apps.common import cli, decoding, minimum_bayes_risk, runs
from data_pipelines.files.atomic import replacing
from data_pipelines.text.tokenizers import Tokenizer
from data_pipelines.vision import images

from . import page, picture_encoder, show
from .config import Config
from .model import IncrementalDecoder

BATCH = 32
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")


@dataclasses.dataclass(frozen=True)
class Decoding:
    """Flags of how captions are searched for, by default as in training."""

    beam: int = cli.flag(0, "beam size; 0: as in training", at_least=0)
    length_penalty: float = cli.flag(
        -1.0, "larger favours longer captions; -1: as in training"
    )
    consensus: int = cli.flag(
        -1,
        "captions to sample for minimum Bayes risk decoding; 0: off, -1: as"
        " in training",
        at_least=-1,
    )

    def search(self, config, **more):
        """Return the `Search` of the flags, the rest as in training.

        Raises:
            UserError: There are no hypotheses to choose among.
        """
        beam = self.beam or config.beam
        if self.consensus > 0 and (beam == 1 or more.get("sample")):
            raise cli.UserError(
                f"--consensus {self.consensus} chooses among the hypotheses of"
                " a beam; drop it, or --beam 1, or --sample"
            )
        settings = {
            name: getattr(config if getattr(self, name) == -1 else self, name)
            for name in ("length_penalty", "consensus")
        }
        return Search(beam, **settings, **more)


@dataclasses.dataclass(frozen=True)
class Options(Decoding):
    """Describe pictures."""

    pictures: tuple = cli.positional("files and folders of pictures")
    n_best: int = cli.flag(1, "captions to print of each picture", at_least=1)
    scores: bool = cli.flag(False, "print the score of each caption")
    min_length: int = cli.flag(1, "shortest caption, in tokens", at_least=0)
    no_repeat_ngram: int = cli.flag(
        0, "never repeat an n-gram of this length; 0: off", at_least=0
    )
    sample: bool = cli.flag(False, "sample instead of beam search")
    temperature: float = cli.flag(1.0, "sampling temperature", at_least=0.01)
    top_k: int = cli.flag(
        0, "sample from the k most probable tokens; 0: all", at_least=0
    )
    top_p: float = cli.flag(
        1.0, "sample from the smallest set of this probability", at_least=0.0
    )
    seed: int = cli.flag(0, "random seed of --sample", at_least=0, below=2**32)
    page: str = cli.flag("", "HTML page to write, with the pictures")
    json: str = cli.flag("", "JSON file to write")
    run: str = cli.flag("", "name or folder of a run; empty: the newest")
    runs_path: str = cli.flag("runs", "folder of all runs")


@dataclasses.dataclass(frozen=True)
class Search:
    """How to decode; see `decoding` and `consensus`, whose words these are."""

    beam: int
    length_penalty: float
    consensus: int = 0
    n_best: int = 1
    min_length: int = 1
    no_repeat_ngram: int = 0
    sample: bool = False
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0


class Caption(typing.NamedTuple):
    """One hypothesis: readable text, its score, and its tokens with the end."""

    text: str
    score: float
    tokens: np.ndarray


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

    def decode(self, inputs: np.ndarray, search: Search) -> list[list[Caption]]:
        """Describe features or pictures `(B, ...)`; a list for each."""
        if search not in self.compiled:
            self.compiled[search] = self._graph(
                lambda inputs: self.search(inputs, search)
            )
        decoded = self.compiled[search](self._floats(inputs))
        tokens, lengths, scores, _ = map(np.asarray, decoded)  # B K L, B K ...
        return [
            [
                Caption(
                    self.tokenizer.decode(row[:length]), score, row[:length]
                )
                for row, length, score in zip(*parts, strict=True)
                if length
            ]
            for parts in zip(tokens, lengths, scores.tolist(), strict=True)
        ]

    def search(self, inputs, search):
        """Return `decoding.Decoded`, `(B, K, ...)`, of `(B, ...)`."""
        rules = decoding.Rules(
            Tokenizer.BEGIN,
            Tokenizer.END,
            self.config.max_length,
            search.min_length,
            (Tokenizer.PADDING, Tokenizer.UNKNOWN, Tokenizer.BEGIN),
            search.no_repeat_ngram,
        )
        picture = self.decoder.encode(inputs)
        state = self.decoder.initial_state(picture)

        def step(tokens, state):
            return self.decoder.step(tokens, state, picture)

        if search.sample:
            decoded = decoding.sample(
                step,
                state,
                rules,
                seed=search.seed,
                temperature=search.temperature,
                top_k=search.top_k,
                top_p=search.top_p,
            )
        elif isinstance(search.beam, int) and search.beam == 1:
            decoded = decoding.greedy(step, state, rules)
        else:
            return self._beam_search(step, state, rules, search)
        return decoding.Decoded(*(keras.ops.expand_dims(x, 1) for x in decoded))

    def _beam_search(self, step, state, rules, search):
        hypotheses = decoding.beam_search(
            step,
            state,
            rules,
            beam=search.beam,
            n_best=search.beam if search.consensus else search.n_best,
            length_penalty=search.length_penalty,
        )
        if not search.consensus:
            return hypotheses
        samples = minimum_bayes_risk.draw(step, state, rules, search.consensus)
        return minimum_bayes_risk.chosen(
            hypotheses, samples, rules, search.n_best
        )

    def attention(
        self, inputs: np.ndarray, captions: list[Caption]
    ) -> list[tuple[list[str], np.ndarray]] | None:
        """Return where the decoder looked at each word of a caption.

        Args:
            inputs: Features or pictures `(B, ...)`.
            captions: A `Caption` of each.

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
            cli.check_output(f"--{flag}", getattr(options, flag))
    captioner = Captioner.of_run(run)
    search = search_of(options, captioner.config)
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


def search_of(options: Options, config: Config) -> Search:
    """Return the `Search` of the flags, the rest as in training."""
    beam = options.beam or max(config.beam, options.n_best)
    if options.n_best > beam:
        raise cli.UserError(
            f"--n-best {options.n_best}: at most --beam, which is {beam}"
        )
    if options.sample and options.n_best > 1:
        raise cli.UserError("--sample draws one caption; drop --n-best")
    others = {f.name for f in dataclasses.fields(Search)} - {
        f.name for f in dataclasses.fields(Decoding)
    }
    return dataclasses.replace(options, beam=beam).search(
        config, **{name: getattr(options, name) for name in others}
    )


if __name__ == "__main__":
    cli.main(lambda: main(cli.parse(Options)))
