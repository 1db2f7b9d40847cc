"""What a training shows: samples, pictures, the report, the summary."""

import numpy as np

from apps.common import outcome, report, runs, samples, tables
from apps.common.tensorboard import write_projector
from apps.common.terminal import echo
from data_pipelines import captioning as pipeline
from data_pipelines.vision import images

from . import attention, page, scores
from .predict import EXPLANATION, Predictor
from .scores import BASELINES, METRICS

SAMPLES = 24
PICTURES = 6
EXAMPLES = 16


class Samples(samples.Samples):
    """Each epoch: captions of some validation pictures.

    TensorBoard shows some of the pictures with what the decoder attends to.
    """

    columns = ("picture", "reference", "caption")
    count = SAMPLES

    def lines(self, epoch):
        return [
            (
                self.split.pictures[row].name,
                self.split.pictures[row].captions[0],
                self.validation.captions[row].text,
            )
            for row in self.rows
        ]

    def pictures(self, epoch):
        return {
            f"captions/{number}": self._draw(row)
            for number, row in enumerate(self.rows[:PICTURES], 1)
        }

    def _draw(self, row):
        """Return a picture with its caption and the attention, PNG bytes."""
        captioner = self.validation.captioner
        caption = self.validation.captions[row]
        pixels = images.read(self.split.pictures[row].path, captioner.size)
        # In the picture, since TensorBoard keeps the first description only.
        if not captioner.has_attention:
            return attention.titled(pixels, caption.text)
        inputs = self.split.example_input(row)[None]
        (words_and_weights,) = captioner.attention(inputs, [caption])
        return attention.strip(pixels, *words_and_weights)


def write_report(
    run: runs.Run,
    captioner: Predictor,
    data: pipeline.Datasets,
    result: outcome.Result,
) -> None:
    """Write `report.html`, and the words' projector."""
    vectors = captioner.decoder.embedding.get_weights()[0]
    write_projector(run, vectors, captioner.tokenizer.pieces, special=4)
    test, captions = data.test, result.predictions
    rows = samples.instructive(
        np.exp([caption.score for caption in captions]),
        [
            _wrong(captions[row].text, test.pictures[row].captions, facts)
            for row, facts in enumerate(test.facts)
        ],
        EXAMPLES,
    )
    explanation = "Test pictures, confident and wrong ones first: the caption,"
    explanation += " and those of people."
    if captioner.has_attention:
        explanation += " " + EXPLANATION
    names = columns(result.scores)
    report.of_training(
        run,
        page.TEMPLATE,
        result,
        test_set=f"{len(test):,} pictures",
        metrics={name: METRICS[name] for name in names},
        baselines=BASELINES,
        main="cider",
        curves=["loss", "perplexity", "cider"],
        explanation=explanation,
        examples=[
            _example(captioner, test, row, captions[row]) for row in rows
        ],
    )


def _wrong(caption, references, facts):
    """Return how wrong a caption is, from 0 to 1."""
    wrong = errors(caption, facts)
    if wrong is None:
        return 1 - scores.agreement(caption, references)
    return float(any(wrong.values()))


def _example(captioner, split, row, caption):
    """Return a picture of the test split for the page."""
    picture = split.pictures[row]
    inputs = split.example_input(row)[None]
    return page.example(
        picture.path,
        [caption],
        captioner.attention(inputs, [caption])[0],
        picture.captions,
        errors(caption.text, split.facts[row]),
    )


def errors(
    caption: str, facts: frozenset[str] | None
) -> dict[str, list[str]] | None:
    """Return which facts of a picture a caption lacks, and which are false.

    A caption that is no sentence of the demo says nothing. `None` if the facts
    of the picture are not known.
    """
    if facts is None:
        return None
    claims = pipeline.facts(caption) or frozenset()
    return {"missing": sorted(facts - claims), "false": sorted(claims - facts)}


def columns(scores: dict) -> list[str]:
    """Return the names of the scores that fit on a line."""
    left_out = ("bleu_2", "bleu_3", "cider_greedy")
    return [name for name in METRICS if name in scores and name not in left_out]


def summary(
    run: runs.Run, data: pipeline.Datasets, result: outcome.Result
) -> None:
    """Print scores beside baselines, three captions, and what is next."""
    echo(f"\nscores on the test set ({len(data.test):,} pictures)")
    rows = {run.name: result.scores, **result.baselines}
    echo(tables.text(rows, columns(result.scores)))
    echo("", *report.remarks(run, result, "cider"), sep="\n")
    for row in range(min(3, len(data.test))):
        echo(f"""
picture    {data.test.pictures[row].name}
caption    {result.predictions[row].text}
reference  {data.test.pictures[row].captions[0]}""")
    echo(f"""
next
  make predict-captioning ARGS="photo.jpg folder/ --page captions.html"
  make train-captioning ARGS="--cell peephole_lstm --conditioning every_step"
  make train-captioning \\
    ARGS="--preset photos --dataset files --data-path FOLDER --encoder x.keras"
  make demo
  make tensorboard
  open {run.file("report.html")}, with pictures""")
