"""What a training of this app shows: samples, report, closing summary."""

import typing
import zlib
from collections.abc import Sequence

import numpy as np

from apps.common import outcome, report, runs, samples, tables
from apps.common.tensorboard import write_projector
from apps.common.terminal import echo
from data_pipelines import tagging as pipeline
from data_pipelines.tagging.schemes import are_spans, spans

from .baselines import BASELINES
from .evaluate import by_type, main_score, metrics
from .predict import Prediction, line
from .scores import COLUMNS

SAMPLES = 12
EXAMPLES = 40  # in the report
LONGEST = 60  # words of one of them

# Sizes in the drawing of a parse.
LETTER, GAP, LEVEL = 9, 30, 22


class Samples(samples.Samples):
    """Each epoch: predictions for some validation sentences."""

    columns = ("sentence", "target", "predicted")
    count = SAMPLES

    def lines(self, epoch):
        lines = []
        for row in self.rows:
            sentence = self.split.sentences[row]
            words = sentence.words
            both = target_of(sentence), self.validation.predictions[row]
            line = " ".join(words), *(as_line(words, one) for one in both)
            lines.append(tuple(part.replace("\t", " ")[:300] for part in line))
        return lines


def target_of(sentence: pipeline.Sentence) -> Prediction:
    """Return what a perfect model would say."""
    ones = [1.0] * len(sentence.words)
    return Prediction(sentence.tags, ones, sentence.heads, sentence.intent, 1.0)


def as_line(words: Sequence[str], prediction: Prediction) -> str:
    """Return a sentence on one line; in a parse behind each word its head."""
    if not prediction.heads:
        return line(words, prediction)
    rows = zip(words, prediction.heads, prediction.tags, strict=True)
    return " ".join(f"{word}<{head}:{tag}" for word, head, tag in rows)


class Segment(typing.NamedTuple):
    """Words with one background.

    Attributes:
        text: The words.
        label: Of the span, or of the word; "" outside.
        hue: Of its colour, in degrees.
        wrong: Whether the other line has it otherwise.
    """

    text: str
    label: str
    hue: int
    wrong: bool


def segments(
    words: Sequence[str], tags: Sequence[str], others: Sequence[str]
) -> list[Segment]:
    """Return a sentence in segments, compared with other labels."""
    if are_spans([*tags, *others]):
        labelled, right = spans(tags), {*spans(others)}
    else:
        labelled = [(n, n + 1, tag) for n, tag in enumerate(tags)]
        right = {(n, n + 1, tag) for n, tag in enumerate(others)}
    parts, place = [], 0
    for span in [*labelled, (len(words), len(words), "")]:
        start, end, label = span
        if place < start:
            parts.append(Segment(" ".join(words[place:start]), "", 0, False))
        if start < end:
            text = " ".join(words[start:end])
            hue = zlib.crc32(label.encode()) % 360
            parts.append(Segment(text, label, hue, span not in right))
        place = end
    return parts


class Arc(typing.NamedTuple):
    """An arc from a head to a word, as a path of SVG, and its label."""

    path: str
    label: str
    x: float
    y: float
    wrong: bool


class Drawing(typing.NamedTuple):
    """A parse: its words at their places, arcs above them."""

    width: float
    height: float
    words: list[tuple[float, str]]
    arcs: list[Arc]


def drawing(
    words: Sequence[str], prediction: Prediction, target: Prediction
) -> Drawing:
    """Place words beside each other and arcs over them, long ones highest."""
    places, x = [], 10.0
    for word in words:
        width = LETTER * max(len(word), 3)
        places.append(x + width / 2)
        x += width + GAP
    levels: dict[int, int] = {}
    order = sorted(
        range(len(words)),
        key=lambda n: (
            abs(prediction.heads[n] - n - 1) if prediction.heads[n] else 0
        ),
    )
    for n in order:
        head = prediction.heads[n]
        low, high = sorted((n, head - 1)) if head else (n, n)
        under = [
            levels[m]
            for m in levels
            if head
            and prediction.heads[m]
            and low <= min(m, prediction.heads[m] - 1)
            and max(m, prediction.heads[m] - 1) <= high
        ]
        levels[n] = 1 + max(under, default=0)
    top = LEVEL * (max(levels.values()) + 1)
    arcs = []
    for n, (head, label) in enumerate(
        zip(prediction.heads, prediction.tags, strict=True)
    ):
        wrong = (head, label) != (target.heads[n], target.tags[n])
        y = top - LEVEL * levels[n]
        end = places[n]
        if head:
            start = places[head - 1] + (4 if head - 1 < n else -4)
            path = f"M{start:.0f},{top} V{y} H{end:.0f} V{top}"
        else:
            # Its label is at the top, beside it, where no arc is.
            start, y = end + 2 * LEVEL, LEVEL / 2
            path = f"M{end:.0f},0 V{top}"
        arcs.append(Arc(path, label, (start + end) / 2, y - 3, wrong))
    pairs = list(zip(places, words, strict=True))
    return Drawing(x, top + 20, pairs, arcs)


def write_report(
    run: runs.Run, data: pipeline.Datasets, result: outcome.Result
) -> None:
    """Write `report.html`, and the words' projector."""
    vectors = result.model.get_layer("words").get_weights()[0]
    write_projector(run, vectors, data.features.words.words, special=2)
    test, predictions = data.test, result.predictions
    classes = {} if test.is_parse else by_type(test, predictions)
    report.of_training(
        run,
        "tagging/report.html.jinja",
        result,
        test_set=f"{len(test):,} sentences",
        metrics=metrics(data),
        baselines=BASELINES,
        main=main_score(data),
        curves=["loss", main_score(data)],
        classes=classes,
        examples=list(_examples(test, predictions)),
        is_parse=test.is_parse,
    )


def _examples(split: pipeline.Split, predictions: list[Prediction]):
    """Yield sentences for the report, sure and wrong ones first."""
    targets = [target_of(sentence) for sentence in split.sentences]
    short = [
        row
        for row, target in enumerate(targets)
        if 0 < len(target.tags) <= LONGEST
    ]
    rows = samples.instructive(
        np.array([np.mean(predictions[row].probabilities) for row in short]),
        [wrong(targets[row], predictions[row]) for row in short],
        EXAMPLES,
    )
    for row in (short[place] for place in rows):
        words, target = split.sentences[row].words, targets[row]
        prediction = predictions[row]
        if split.is_parse:
            yield (
                drawing(words, prediction, target),
                drawing(words, target, prediction),
            )
            continue
        lines = [
            (name, segments(words, one.tags, other.tags), one.intent)
            for name, one, other in (
                ("correct", target, prediction),
                ("predicted", prediction, target),
            )
        ]
        yield lines[: 1 + wrong(target, prediction)]


def wrong(target: Prediction, prediction: Prediction) -> bool:
    """Return whether labels, heads or intent differ."""
    return any(
        getattr(target, name) != getattr(prediction, name)
        for name in ("tags", "heads", "intent")
    )


def summary(
    run: runs.Run, data: pipeline.Datasets, result: outcome.Result
) -> None:
    """Print scores beside baselines, three predictions, and what is next."""
    echo(f"\nscores on the test set ({len(data.test):,} sentences)")
    rows = {run.name: result.scores, **result.baselines}
    echo(tables.text(rows, metrics(data)))
    if "f1" in result.scores:
        rows = by_type(data.test, result.predictions)
        echo("\n" + tables.text(rows, COLUMNS))
    echo("", *report.remarks(run, result, main_score(data)), sep="\n")
    echo()
    for sentence, prediction in zip(
        data.test.sentences[:3], result.predictions, strict=False
    ):
        echo(as_line(sentence.words, prediction)[:200])
    echo(f"""
next
  make predict-tagging ARGS="'a sentence of your own'"
  make train-tagging ARGS="--output softmax"
  make train-tagging ARGS="--dataset files --data-path FOLDER"
  make demo
  make tensorboard
  open {run.file("report.html")}""")
