"""Every flag of the word vectors app: the only home of its defaults."""

import dataclasses
from collections.abc import Iterator

from apps.common import (
    checks,
    cli,
    distributed,
    faults,
    formats,
    runs,
    text_input,
)

SOURCES = cli.constant("data_pipelines.word_vectors.pipeline", "SOURCES")

PAIRS = cli.flag(
    "",
    "file of word pairs with scores, such as WordSim-353; empty: pairs.tsv"
    " beside the text",
)
QUESTIONS = cli.flag(
    "", "file of analogies, as word2vec's; empty: questions.txt beside the text"
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Train word vectors on a text."""

    dataset: str = cli.flag("demo", "data set", choices=SOURCES, group="data")
    data_path: str = cli.flag(
        "", "folder of your files, or one file; or folder of TFDS"
    )
    encoding: str = runs.ENCODING
    text_column: str = cli.flag(
        "", "column of the texts of a table; empty: by its usual names"
    )
    download: bool = cli.flag(False, "let TFDS download the data set")
    tokens: str = cli.flag(
        "words",
        "what a word is: cut by rules, or what stands between spaces",
        choices=cli.constant("data_pipelines.word_vectors.pipeline", "KINDS"),
    )
    vocabulary_size: int = cli.flag(
        100_000, "most words", at_least=2, at_most=1_000_000
    )
    minimum_count: int = cli.flag(
        5, "words rarer than this have no vector", at_least=1, at_most=1_000_000
    )
    pairs: str = PAIRS
    questions: str = QUESTIONS
    model: str = cli.flag(
        "skip_gram",
        "whether a word predicts its neighbours, or they predict it",
        choices=("skip_gram", "cbow"),
        group="model",
    )
    embedding_size: int = cli.flag(
        100, "size of a vector", at_least=1, at_most=4096
    )
    window: int = cli.flag(
        5,
        "words on either side in a window at most; each window's size is drawn",
        at_least=1,
        at_most=100,
    )
    negatives: int = cli.flag(
        5, "negative samples of a pair", at_least=1, at_most=100
    )
    subsample: float = cli.flag(
        1e-3,
        "share of the text above which a word is subsampled, that is, left out"
        " now and then (0: off)",
        at_least=0.0,
        at_most=1.0,
    )
    learning_rate: float = cli.flag(
        0.025,
        "first learning rate; it falls linearly to nothing",
        at_least=0.0,
        at_most=10.0,
        group="training",
    )
    epochs: int = cli.flag(
        0,
        "epochs (0: by the size of the text)",
        at_least=0,
        at_most=10_000,
    )
    train_share: float = faults.TRAIN_SHARE
    profile: bool = faults.PROFILE
    seed: int = cli.flag(0, "random seed", at_least=0, below=2**32)
    name: str = cli.flag(
        "", "name of the run; empty: data set and model", group="output"
    )
    runs_path: str = cli.flag("runs", "folder of all runs", at_least=1)
    cache_path: str = cli.flag(
        "data/cache",
        "folder for demo data and preprocessed data",
        rare=True,
        at_least=1,
    )
    preset: str = ""

    absent = dict.fromkeys(
        map(cli.dashed, distributed.NAMES),
        "word vectors train on all cores of one machine",
    )

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from checks.data_flags(self)
        if self.dataset != "files":
            yield "text_column", f"with --dataset {self.dataset}"

    def check(self) -> None:
        """Refuse what cannot be trained."""
        checks.training(self)
        checks.input_file(self.pairs)
        checks.input_file(self.questions)
        if self.train_share == 0:
            raise cli.UserError(
                "--train-share 0: no word vectors have a loss near zero; give"
                " a part of the text, such as 0.01"
            )


# Differences from the defaults, each with its purpose.
PRESETS = {
    # Seconds on a laptop: does everything work?
    "smoke": dict(dataset="demo_small", embedding_size=16, epochs=2),
    # A hundredth of the training data.
    "limit": dict(**faults.LIMIT),
}


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(runs.Options):
    """Score a finished run on its pairs and analogies, or on others."""

    app = "word_vectors"

    pairs: str = PAIRS
    questions: str = QUESTIONS
    baseline: bool = cli.flag(
        False, "compute the baseline, too, from the text of the run"
    )

    def check(self) -> None:
        """Refuse files that there are not."""
        super().check()
        checks.input_file(self.pairs)
        checks.input_file(self.questions)


@dataclasses.dataclass(frozen=True)
class PredictOptions(text_input.Options, runs.Options):
    """Find words near a word, or near a sum: king - man + woman."""

    app = "word_vectors"

    texts: tuple = cli.positional(
        "one word, or a sum of words; none: one a line from standard input"
    )
    neighbours: tuple = cli.flag(
        (), "words whose neighbours to list", several=True
    )
    similarity: tuple = cli.flag(
        (), "words to compare, each with each", several=True
    )
    count: int = cli.flag(
        10, "words to list of each", at_least=1, at_most=100_000
    )
    multiply: bool = cli.flag(
        False, "multiply similarities, as 3CosMul, instead of adding them"
    )

    def without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield fields that do nothing, and why."""
        yield from super().without_effect()
        if self.similarity:
            yield "count multiply", "with --similarity"
        if self.neighbours or self.similarity:
            flag = "similarity" if self.similarity else "neighbours"
            yield "input text_column encoding", f"with --{flag}"

    def check(self) -> None:
        """Refuse what cannot be read or written."""
        super().check()
        ways = [self.texts, self.neighbours, self.similarity]
        if sum(map(bool, ways)) > 1:
            raise cli.UserError(
                "give a sum of words, --neighbours or --similarity, one of them"
            )
        if len(self.similarity) == 1:
            raise cli.UserError("--similarity compares two words or more")


@dataclasses.dataclass(frozen=True)
class ExportOptions(formats.Options):
    """Write a finished run for others: SavedModel, ONNX, LiteRT."""

    app = "word_vectors"
