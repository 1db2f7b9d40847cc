"""What a training shows: fans of fixed series, the report, the summary."""

import numpy as np
import tensorflow as tf

from apps.common import outcome, report, runs, samples, tables
from apps.common.terminal import echo
from data_pipelines import forecasting as pipeline
from data_pipelines.files.table_writer import writing

from . import charts, evaluate, scores
from .baselines import BASELINES
from .distributions import MEDIAN
from .predict import Predictor
from .scores import METRICS

SAMPLES = 6
REPORTED = 12
LAGS = 48
WINDOWS = "windows that a baseline was fitted for, if not all"
LEGEND = (
    "Of windows of test, first those that were furthest outside of their"
    " intervals. The line is the median, the shades are the intervals of 80 and"
    " 95 %, the dots what was observed, the thin line what was before."
)


class Samples(samples.Samples):
    """Each epoch: fans of some validation windows, and the loss by step."""

    columns = ("series", "mean absolute error", "inside 80 %")
    count = SAMPLES

    def lines(self, epoch):
        lines = []
        low, high = scores.INTERVALS["coverage_80"]
        for row in self.rows:
            quantiles, y = self._quantiles[row], self.split.targets[row]
            y = np.where(np.isnan(y), quantiles[:, MEDIAN], y)
            error = np.abs(y - quantiles[:, MEDIAN]).mean()
            inside = (quantiles[:, low] <= y) & (y <= quantiles[:, high])
            number = self.split.windows[0][row]
            name = self.split.store.names[number]
            lines.append((name, f"{error:.5g}", f"{inside.mean():.0%}"))
        return lines

    @property
    def _quantiles(self):
        return self.validation.quantiles

    def pictures(self, epoch):
        by_step = scores.by_step(self.validation.truth, self._quantiles)
        for number, value in enumerate(by_step["crps"], 1):
            tf.summary.scalar(f"crps_by_step/{number:03}", value)
        fans = charts.fans(self.split, self._quantiles, self.rows, columns=1)
        return {"fans": fans}


def write_report(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    truth: scores.Truth,
    result: outcome.Result,
) -> None:
    """Write `report.html`, and `horizon.csv`.

    The predictions of the result are the `(N, H, Q)` quantiles of test.
    """
    quantiles, split = result.predictions, data.test
    steps = {run.name: scores.by_step(truth, quantiles)}
    if predictor.forecaster.recursive:
        single = evaluate.one_step(predictor.forecaster, split)
        steps[f"{run.name}{charts.ONE_STEP}"] = scores.by_step(truth, single)
    _write_steps(run.file("horizon.csv"), steps)
    metric = _main(result)
    report.of_training(
        run,
        "forecasting/report.html.jinja",
        result,
        test_set=_about(data),
        metrics={**METRICS, "windows": WINDOWS},
        baselines=BASELINES,
        main=metric,
        charts=[
            (
                "Error by steps ahead",
                [
                    report.svg(
                        charts.by_step(steps, metric),
                        f"{metric} by steps ahead",
                    ),
                    report.svg(
                        charts.residuals(split, quantiles, LAGS),
                        "autocorrelation of the errors by lag",
                    ),
                ],
                "The error of each step, and how much an error tells of those"
                " behind it: where the bars are near zero, nothing is left to"
                " learn from them.",
            ),
            (
                "Forecasts",
                [
                    report.svg(charts.fan(split, quantiles, row), "forecast")
                    for row in _examples(split, quantiles)
                ],
                LEGEND,
            ),
        ],
    )


def _main(result):
    """Return the score to compare with the baselines."""
    return "rmse" if result.scores["mase"] is None else "mase"


def _examples(split, quantiles):
    """Return windows to look at: first those that are furthest outside."""
    y = np.where(
        np.isnan(split.targets), quantiles[:, :, MEDIAN], split.targets
    )
    low, high = scores.INTERVALS["coverage_80"]
    outside = np.maximum(quantiles[:, :, low] - y, y - quantiles[:, :, high])
    width = quantiles[:, :, high] - quantiles[:, :, low]
    share = np.maximum(outside, 0).mean(axis=1) / np.maximum(
        width.mean(axis=1), 1e-9
    )
    rows = np.argsort(-share, kind="stable")[: REPORTED // 2].tolist()
    others = samples.spread(len(split), REPORTED)
    return [*rows, *(row for row in others if row not in rows)][:REPORTED]


def _write_steps(path, steps):
    with writing(path) as add:
        for name, by_step in steps.items():
            for number in range(len(by_step["mase"])):
                scores_of_step = {
                    metric: f"{values[number]:.6g}"
                    for metric, values in by_step.items()
                }
                add(
                    {"forecast": name, "steps_ahead": number + 1}
                    | scores_of_step
                )


def _about(data):
    return (
        f"{len(data.test):,} windows of {len(data.test.planner.series):,}"
        f" series, horizon {data.test.horizon:,}"
    )


def summary(
    run: runs.Run, data: pipeline.Datasets, result: outcome.Result
) -> None:
    """Print scores beside baselines, and what is next."""
    echo(f"\nscores on the test set ({_about(data)})")
    rows = {run.name: result.scores, **result.baselines}
    echo(tables.text(rows, [*METRICS, "windows"]))
    lines = report.remarks(run, result, _main(result))
    echo("", *lines, sep="\n")
    echo(f"""
next
  make predict-forecasting ARGS="--input my.csv"
  make train-forecasting ARGS="--model nn_ar --horizon-mode recursive"
  make train-forecasting ARGS="--dataset files --data-path FOLDER"
  make demo
  make tensorboard
  open {run.file("report.html")}""")
