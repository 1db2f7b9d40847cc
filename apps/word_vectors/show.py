"""What a training of this app shows: neighbours, report, closing summary."""

from collections.abc import Sequence

import keras

from apps.common import digests, outcome, report, runs, samples, tables
from apps.common.tensorboard import write_projector
from apps.common.terminal import echo
from data_pipelines import word_vectors as pipeline
from data_pipelines.text.words import SPECIALS, UNKNOWN, Vocabulary

from . import scores
from .baselines import BASELINES
from .evaluate import by_section
from .predict import Predictor, Sum

TEMPLATE = "word_vectors/report.html.jinja"
# Words whose neighbours are shown, and how many of each.
SHOWN, NEAREST = 8, 6
# Without pairs these words are frequent, but for those that all texts have.
_FUNCTION_WORDS = 100


def shown_words(vocabulary: Vocabulary, data: pipeline.Datasets) -> list[str]:
    """Return some words to show: of questions, of pairs, or frequent ones."""
    questions = [(question.a, question.c) for question in data.questions]
    pairs = [(pair.first, pair.second) for pair in data.pairs]
    words: list[str] = []
    for tests in (questions, pairs):
        every = list(dict.fromkeys(word for test in tests for word in test))
        known = scores.ids_of(vocabulary, every) != UNKNOWN
        every = [word for word, own in zip(every, known, strict=True) if own]
        words += [every[i] for i in samples.spread(len(every), SHOWN // 2)]
    if not words:
        all_words = vocabulary.words[len(SPECIALS) :]
        words = [w for w in all_words[_FUNCTION_WORDS:] if len(w) > 3]
        words = (words or list(all_words))[:SHOWN]
    return list(dict.fromkeys(words))


def neighbours(
    predictor: Predictor, words: Sequence[str]
) -> list[tuple[str, str]]:
    """Return words, and their nearest with cosines, as texts."""
    return [
        (
            word,
            ", ".join(
                f"{other} {cosine:.2f}"
                for other, cosine in predictor.near(Sum([word], []), NEAREST)
            ),
        )
        for word in words
    ]


class Neighbours(samples.Samples):
    """Each epoch: the neighbours of some words.

    Args:
        run: The run.
        data: Its data.
        model: Of words to vectors; its weights change.
    """

    columns = ("word", "neighbours")
    count = SHOWN

    def __init__(
        self, run: runs.Run, data: pipeline.Datasets, model: keras.Model
    ):
        super().__init__(run, data, None)
        self.words = shown_words(data.vocabulary, data)
        self.word_vectors = model

    def lines(self, epoch):
        predictor = Predictor(self.word_vectors, self.data.vocabulary, "")
        return neighbours(predictor, self.words)


def write_vectors(run: runs.Run, predictor: Predictor) -> None:
    """Write `vectors.txt` in word2vec's text form, the most frequent first."""
    words = predictor.vocabulary.words[len(SPECIALS) :]
    vectors = predictor.vectors[len(SPECIALS) :]
    with (
        digests.replacing(run.file("vectors.txt")) as temporary,
        open(temporary, "w", encoding="utf-8") as file,
    ):
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        for word, vector in zip(words, vectors, strict=True):
            numbers = " ".join(f"{number:.6g}" for number in vector.tolist())
            file.write(f"{word} {numbers}\n")


def write_report(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: outcome.Result,
) -> None:
    """Write `report.html`, and the words' projector."""
    words = shown_words(data.vocabulary, data)
    write_projector(
        run,
        predictor.vectors,
        predictor.vocabulary.words,
        special=len(SPECIALS),
    )
    sections = result.predictions.sections
    report.of_training(
        run,
        TEMPLATE,
        result,
        test_set=(
            f"{len(data.pairs):,} pairs, {len(data.questions):,} questions"
        ),
        metrics=scores.METRICS,
        baselines=BASELINES,
        main="analogy_accuracy",
        curves=["loss"],
        sections={name: own._asdict() for name, own in sections.items()},
        fields=scores.Section._fields,
        neighbours=neighbours(predictor, words),
    )


def summary(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: outcome.Result,
) -> None:
    """Print scores beside baselines, neighbours, and what is next."""
    echo(
        f"\nscores on {len(data.pairs):,} pairs and"
        f" {len(data.questions):,} questions"
    )
    rows = {run.name: result.scores, **result.baselines}
    echo(tables.text(rows, scores.METRICS))
    remarks = report.remarks(run, result, "analogy_accuracy")
    echo("", *remarks, sep="\n")
    for name, signature in result.signatures.items():
        echo(f"{name}: {signature}")
    if data.questions:
        echo("", by_section(result.predictions), sep="\n")
    echo()
    for word, near in neighbours(predictor, shown_words(data.vocabulary, data)):
        echo(f"{word:12} {near}")
    words = shown_words(data.vocabulary, data)
    query = next(
        (
            f"{question.b} - {question.a} + {question.c}"
            for question in data.questions
            if UNKNOWN not in scores.ids_of(data.vocabulary, question[1:])
        ),
        words[0],
    )
    echo(f"""
next
  make predict-word-vectors ARGS="{query}"
  make evaluate-word-vectors ARGS="--pairs wordsim353.tsv"
  make train-word-vectors ARGS="--model cbow"
  make train-word-vectors ARGS="--dataset files --data-path FOLDER"
  make train-sentiment ARGS="--vectors {run.file("vectors.txt")}"
  make demo
  make tensorboard
  open {run.file("report.html")}""")
