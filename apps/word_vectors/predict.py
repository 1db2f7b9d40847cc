"""List the words near a word, or near a sum of words, with a finished run.

    make predict-word-vectors ARGS="king - man + woman"
    make predict-word-vectors ARGS="--neighbours paris rome --count 5"
    make predict-word-vectors ARGS="--similarity cat dog horse"
    python -m apps.word_vectors.predict --input sums.txt --output near.csv

Words of the sum are not among the answers. With --multiply similarities are
multiplied and divided, as 3CosMul does.
"""

from apps.common import cli
from apps.common.terminal import echo

from .config import PredictOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import difflib
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from apps.common import runs, text_input
from data_pipelines.files.tables import Row
from data_pipelines.text.words import SPECIALS, UNKNOWN, Vocabulary

from . import scores

# Words that an unknown one is compared with.
_COMPARED = 50_000


class Sum(NamedTuple):
    """What is added, and what is taken away."""

    positive: list[str]
    negative: list[str]


class Predictor:
    """Words in, words near them out.

    Args:
        model: The Keras model; its vectors are copied.
        vocabulary: Its words.
        name: What messages call it.
    """

    def __init__(self, model, vocabulary: Vocabulary, name: str):
        self.model = model
        self.vocabulary = vocabulary
        self.name = name
        self.vectors = model.get_layer("vectors").get_weights()[0]
        self.unit = scores.lengths_one(self.vectors)

    @classmethod
    def of_run(cls, run: runs.Run) -> "Predictor":
        """Open the model of a run.

        Raises:
            UserError: The files of the run do not belong together.
        """
        model = runs.load_model(run.file("model.keras"))
        vocabulary = Vocabulary.load(run.file("vocabulary.txt"))
        if model.get_layer("vectors").input_dim != len(vocabulary):
            raise cli.UserError(
                f"{run.path}: model.keras was trained for another"
                " vocabulary.txt"
            )
        return cls(model, vocabulary, str(run.path))

    def ids(self, words: Sequence[str]) -> list[int]:
        """Return the ids of words.

        Raises:
            UserError: There is no such word; what is spelled alike is named.
        """
        ids = scores.ids_of(self.vocabulary, words)
        for word, number in zip(words, ids, strict=True):
            if number == UNKNOWN:
                known = self.vocabulary.words[len(SPECIALS) :]
                near = difflib.get_close_matches(
                    word.lower(), known[:_COMPARED], 3
                )
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise cli.UserError(
                    f"{word!r} is not among the {len(known):,} words of"
                    f" {self.name}{hint}"
                )
        return ids.tolist()

    def near(
        self, query: Sum, count: int, multiply: bool = False
    ) -> list[tuple[str, float]]:
        """Return the words nearest to a sum, and how near each is.

        That is the cosine with the sum of unit vectors, or the product of
        similarities.
        """
        plus, minus = self.ids(query.positive), self.ids(query.negative)
        if multiply:
            alike = (1 + self.unit @ self.unit[plus + minus].T) / 2
            values = alike[:, : len(plus)].prod(axis=1)
            values /= (alike[:, len(plus) :] + scores.EPSILON).prod(axis=1)
        else:
            total = self.unit[plus].sum(axis=0) - self.unit[minus].sum(axis=0)
            values = self.unit @ total
            values /= max(float(np.linalg.norm(total)), 1e-12)
        values[: len(SPECIALS)] = -np.inf
        values[plus + minus] = -np.inf
        best = np.argsort(-values, kind="stable")[:count]
        return [
            (self.vocabulary.words[i], float(values[i]))
            for i in best
            if np.isfinite(values[i])
        ]

    def similarity(self, first: str, second: str) -> float:
        """Return the cosine of two words."""
        one, other = self.ids([first, second])
        return float(self.unit[one] @ self.unit[other])


def parsed(text: str) -> Sum:
    """Return what `king - man + woman` adds up.

    Raises:
        UserError: It is something else.
    """
    query, sign, wants_word = Sum([], []), "+", True
    for word in text.split():
        if word in ("+", "-") and not wants_word:
            sign, wants_word = word, True
        elif wants_word and word not in ("+", "-"):
            (query.positive if sign == "+" else query.negative).append(word)
            wants_word = False
        else:
            wants_word = True
            break
    if wants_word:
        raise cli.UserError(
            f"{text[:80]!r}: expected words with + or - between, such as king"
            " - man + woman"
        )
    return query


def sums(options: Options) -> Iterator[Row]:
    """Yield the sums, one a row."""
    if options.texts:
        text = " ".join(options.texts)
        yield Row({"text": text}, 1, {"text": text})
    elif options.neighbours:
        for number, word in enumerate(options.neighbours, 1):
            yield Row({"text": word}, number, {"text": word})
    else:
        yield from text_input.read(options, "sum")


def compare(predictor: Predictor, options: Options, answer) -> None:
    """Answer with the cosine of each pair of words."""
    pairs = itertools.combinations(options.similarity, 2)
    for number, (first, second) in enumerate(pairs, 1):
        cosine = round(predictor.similarity(first, second), 4)
        row = Row({}, number, {"first": first, "second": second})
        line = f"{first}\t{second}\t{cosine:.4f}"
        answer(row, line, {"similarity": cosine})


def main(options: Options) -> None:
    """Answer every sum."""
    run = runs.open_run("word_vectors", options.run, options.runs_path)
    predictor = Predictor.of_run(run)
    with text_input.answers(options, run.path) as answer:
        if options.similarity:
            compare(predictor, options, answer)
            return
        for number, row in enumerate(sums(options)):
            if not row["text"]:
                continue
            try:
                near = predictor.near(
                    parsed(row["text"]), options.count, options.multiply
                )
            except cli.UserError as error:
                where = f"{row.where}: " if row.file else ""
                raise cli.UserError(f"{where}{error}") from None
            if not (options.output or options.json):
                echo("\n" * bool(number) + row["text"])
            for rank, (word, value) in enumerate(near, 1):
                value = round(value, 4)
                cells = {"rank": rank, "word": word, "similarity": value}
                answer(row, f"  {value:.4f}  {word}", cells)


if __name__ == "__main__":
    cli.main(lambda: main(options))
