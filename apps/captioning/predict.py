"""Describes pictures with a finished run.

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
from .model import Steps

BATCH = 32
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp")


@dataclasses.dataclass(frozen=True)
class Decoding:
    """Flags of how captions are searched for, by default as in training."""

    beam: int = cli.flag(0, "hypotheses kept; 0: as in training", at_least=0)
    length_penalty: float = cli.flag(
        -1.0, "larger favours longer ones; -1: as in training"
    )
    consensus: int = cli.flag(
        -1,
        "captions drawn to choose among hypotheses by; -1: as in training",
        at_least=-1,
    )

    def search(self, config, **more):
        """Returns the `Search` of the flags, the rest as in training.

        Raises:
            UserError: There are no hypotheses to choose among.
        """
        beam = self.beam or config.beam
        if self.consensus > 0 and (beam == 1 or more.get("sample")):
            raise cli.UserError(
                f"--consensus {self.consensus} chooses among the hypotheses of"
                " a beam; drop it, or --beam 1, or --sample"
            )
        chosen = {
            name: getattr(config if getattr(self, name) == -1 else self, name)
            for name in ("length_penalty", "consensus")
        }
        return Search(beam, **chosen, **more)


@dataclasses.dataclass(frozen=True)
class Options(Decoding):
    """Describes pictures."""

    pictures: tuple = cli.positional("files and folders of pictures")
    n_best: int = cli.flag(1, "captions shown of each", at_least=1)
    scores: bool = cli.flag(False, "show the score of each caption")
    min_length: int = cli.flag(1, "fewest tokens of each", at_least=0)
    no_repeat_ngram: int = cli.flag(
        0, "no so many tokens occur twice in one; 0: they may", at_least=0
    )
    sample: bool = cli.flag(False, "draw captions instead of searching")
    temperature: float = cli.flag(
        1.0, "of --sample; less is less daring", at_least=0.01
    )
    top_k: int = cli.flag(
        0, "of --sample: draw from so many tokens; 0: all", at_least=0
    )
    top_p: float = cli.flag(
        1.0, "of --sample: draw from this much probability", at_least=0.0
    )
    seed: int = cli.flag(0, "of --sample", at_least=0, below=2**32)
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
    """Pictures in, captions out.

    Args:
        model: The captioner, a `keras.Model`; its weights may change later.
        tokenizer: Of the captions.
        config: The `Config`.
        eye: The `look.Eye`; if it is frozen the model takes its features.
    """

    def __init__(self, model, tokenizer, config, eye):
        self.model = model
        self.tokenizer = tokenizer
        self.config = config
        self.steps = Steps(model, config.picture)
        self.eye = eye
        self.compiled = {}

    @classmethod
    def of_run(cls, run):
        """Opens the best model of a run.

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
    def size(self):
        """Height and width of the pictures."""
        return self.eye.encoder.size

    def see(self, pictures):
        """Takes uint8 `(B, H, W, 3)` to what `decode` takes."""
        if self.eye.trained:
            return pictures
        # As they are on disk, so that the same picture gives the same words.
        return self.eye.encoder(pictures).astype("float16")

    def decode(self, inputs, search):
        """Describes features or pictures `(B, ...)`; a list for each."""
        if search not in self.compiled:
            self.compiled[search] = self._graph(
                lambda inputs: self.search(inputs, search)
            )
        found = self.compiled[search](self._floats(inputs))
        tokens, lengths, scores, _ = map(np.asarray, found)  # B K L, B K, B K
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
        """Returns `decoding.Decoded`, `(B, K, ...)`, of `(B, ...)`."""
        rules = decoding.Rules(
            Tokenizer.BEGIN,
            Tokenizer.END,
            self.config.max_length,
            search.min_length,
            (Tokenizer.PADDING, Tokenizer.UNKNOWN, Tokenizer.BEGIN),
            search.no_repeat_ngram,
        )
        picture = self.steps.encode(inputs)
        state = self.steps.begin(picture)

        def step(tokens, state):
            return self.steps.step(tokens, state, picture)

        if search.sample:
            found = decoding.sample(
                step,
                state,
                rules,
                seed=search.seed,
                temperature=search.temperature,
                top_k=search.top_k,
                top_p=search.top_p,
            )
        elif isinstance(search.beam, int) and search.beam == 1:
            found = decoding.greedy(step, state, rules)
        else:
            return self._beam_search(step, state, rules, search)
        return decoding.Decoded(*(keras.ops.expand_dims(x, 1) for x in found))

    def _beam_search(self, step, state, rules, search):
        found = decoding.beam_search(
            step,
            state,
            rules,
            beam=search.beam,
            n_best=search.beam if search.consensus else search.n_best,
            length_penalty=search.length_penalty,
        )
        if not search.consensus:
            return found
        drawn = minimum_bayes_risk.draw(step, state, rules, search.consensus)
        return minimum_bayes_risk.chosen(found, drawn, rules, search.n_best)

    def attention(self, inputs, captions):
        """Returns where the decoder looked at each word of a caption.

        Args:
            inputs: Features or pictures `(B, ...)`.
            captions: A `Caption` of each.

        Returns:
            List of `(words, weights (T, rows, columns))`, or `None` if this
            model does not look at regions.
        """
        if not self.steps.attends:
            return None
        most = max(len(caption.tokens) for caption in captions)
        read = np.zeros((len(captions), most), np.int32)
        for row, caption in zip(read, captions, strict=True):
            row[: len(caption.tokens)] = [Tokenizer.BEGIN, *caption.tokens[:-1]]
        if "attention" not in self.compiled:
            shape = tf.TensorSpec((None, None), tf.int32)
            self.compiled["attention"] = self._graph(
                self.steps.attention, shape
            )
        weights = self.compiled["attention"](self._floats(inputs), read)
        pieces = self.tokenizer.pieces
        return [
            (
                [pieces[token].strip("\u2581") for token in caption.tokens],
                row[: len(caption.tokens)].reshape(-1, *self.eye.encoder.grid),
            )
            for caption, row in zip(captions, np.asarray(weights), strict=True)
        ]

    def vectors(self, inputs):
        """Returns `(B, C)`, the mean region of each, to compare pictures by."""
        if self.eye.trained:
            if "vectors" not in self.compiled:
                self.compiled["vectors"] = self._graph(self.eye.encoder.model)
            inputs = np.asarray(self.compiled["vectors"](self._floats(inputs)))
        return inputs.astype("float32").mean(axis=1)

    def _floats(self, inputs):
        return keras.ops.cast(inputs, "float32")

    def _graph(self, function, *others):
        """Returns a function of `(B, ...)`, compiled once for all batches."""
        if keras.config.backend() != "tensorflow":
            return function
        shape = (None, *self.steps.look.input.shape[1:])
        signature = [tf.TensorSpec(shape, tf.float32), *others]
        return tf.function(function, input_signature=signature)


def files(paths):
    """Yields the pictures of files and folders.

    Raises:
        UserError: One of them does not exist, or a folder has no picture.
    """
    for path in map(Path, paths):
        if not path.exists():
            raise cli.UserError(f"{path}: there is no such file or folder")
        if not path.is_dir():
            yield path
            continue
        found = sorted(
            Path(folder, name)
            for folder, _, names in os.walk(path)
            for name in names
            if name.lower().endswith(ENDINGS)
        )
        if not found:
            raise cli.UserError(
                f"{path}: no picture in it; expected {', '.join(ENDINGS)}"
            )
        yield from found


def described(captioner, paths, search, bad):
    """Yields `(path, picture, captions, looked)` of pictures that can be read.

    Args:
        captioner: The `Captioner`.
        paths: List of files.
        search: The `Search`.
        bad: `images.BadPictures`, which the others are added to.
    """
    batch = []
    for number, found in images.Pictures(paths, captioner.size):
        if isinstance(found, images.PictureError):
            bad.add(found)
            print(f"left out: {found}", file=sys.stderr)
        else:
            batch.append((paths[number], found))
        if len(batch) == BATCH:
            yield from _batch(captioner, batch, search)
            batch = []
    if batch:
        yield from _batch(captioner, batch, search)


def _batch(captioner, batch, search):
    inputs = captioner.see(np.stack([picture for _, picture in batch]))
    found = captioner.decode(inputs, search)
    looked = captioner.attention(inputs, [best[0] for best in found])
    for place, (path, picture) in enumerate(batch):
        yield path, picture, found[place], looked and looked[place]


def main(options):
    """Describes all pictures, a batch at a time."""
    run = runs.open_run("captioning", options.run, options.runs_path)
    paths = list(files(options.pictures))
    if not paths:
        raise cli.UserError("no picture; give files or folders")
    for flag in ("page", "json"):
        if getattr(options, flag):
            cli.check_output(f"--{flag}", getattr(options, flag))
    captioner = Captioner.of_run(run)
    search = search_of(options, captioner.config)
    bad = images.BadPictures()
    records, articles = [], []
    for path, picture, best, looked in described(captioner, paths, search, bad):
        for caption in best:
            score = f"{caption.score:.3f}\t" if options.scores else ""
            print(f"{images.printable(path)}\t{score}{caption.text}")
        sys.stdout.flush()
        if options.json:
            records.append(
                page.record(str(path), [(c.text, c.score) for c in best])
            )
        if options.page:
            articles.append(show.article(path, picture, best, looked))
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


def search_of(options, config):
    """Returns the `Search` of the flags, the rest as in training."""
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
