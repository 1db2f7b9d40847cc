"""What a training of this app shows: samples, report, closing summary."""

import numpy as np

from apps.common import outcome, report, runs, samples, tables
from apps.common.tensorboard import write_projector
from apps.common.terminal import echo
from data_pipelines import translation as pipeline

from . import page, scores
from .predict import EXPLANATION, Predictor
from .scores import METRICS

SAMPLES = 12
PICTURES = 3


class Samples(samples.Samples):
    """Each epoch: translations of some validation sentences.

    TensorBoard shows what some of them attend to, too.
    """

    columns = ("source", "reference", "translation")
    count = SAMPLES

    def lines(self, epoch):
        return [
            (
                self.split.source_texts[row],
                scores.nearest(text, self.validation.references[row]),
                text,
            )
            for row in self.rows
            for text in [self.validation.translations[row].text]
        ]

    def pictures(self, epoch):
        predictor = self.validation.predictor
        if not predictor.has_attention:
            return {}
        rows = self.rows[:PICTURES]
        attention = predictor.attention(
            [self.split.source_texts[row] for row in rows],
            [self.validation.translations[row] for row in rows],
        )
        return {
            f"attention/{number}": page.attention_picture(*weights)
            for number, weights in enumerate(attention, 1)
        }


def write_report(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    result: outcome.Result,
) -> None:
    """Write `report.html`, and the tokens' projector."""
    vectors = predictor.decoder.embedding.get_weights()[0]
    write_projector(run, vectors, predictor.target.pieces, special=4)
    test, outputs = data.test, result.predictions
    references = test.references
    rows = samples.instructive(
        np.exp([output.score for output in outputs]),
        scores.errors([o.text for o in outputs], references),
        SAMPLES,
    )
    explanation = "Confident and wrong ones first. What the translation and the"
    explanation += " reference do not share is underlined."
    if predictor.has_attention:
        explanation += " " + EXPLANATION
    report.of_training(
        run,
        page.TEMPLATE,
        result,
        test_set=f"{len(test):,} pairs",
        metrics=METRICS,
        baselines=scores.BASELINES,
        main="bleu",
        curves=["loss", "bleu"],
        explanation=explanation,
        examples=[
            page.example(
                predictor,
                test.source_texts[row],
                [outputs[row]],
                scores.nearest(outputs[row].text, references[row]),
            )
            for row in rows
        ],
    )


def summary(
    run: runs.Run, data: pipeline.Datasets, result: outcome.Result
) -> None:
    """Print scores beside baselines, three translations, and what is next."""
    echo(f"\nscores on the test set ({len(data.test):,} pairs)")
    echo(tables.text({run.name: result.scores, **result.baselines}, METRICS))
    echo("", *report.remarks(run, result, "bleu"), sep="\n")
    for name, signature in result.signatures.items():
        echo(f"{name}: {signature}")
    references = data.test.references
    for row in range(min(3, len(data.test))):
        translation = result.predictions[row].text
        echo(f"""
source       {data.test.source_texts[row]}
translation  {translation}
reference    {scores.nearest(translation, references[row])}""")
    echo(f"""
next
  make predict-translation ARGS="--n-best 3 --scores 'a sentence of yours'"
  make train-translation ARGS="--cell peephole_lstm"
  make train-translation \\
    ARGS="--dataset files --data-path FOLDER --languages en-de"
  make demo
  make tensorboard
  open {run.file("report.html")}""")
