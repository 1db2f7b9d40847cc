"""What a training shows: fans of fixed series, the report, the summary."""

import csv

import numpy as np
import tensorflow as tf

from apps.common import report, runs, samples, tables
from apps.common.terminal import echo
from data_pipelines import forecasting as pipeline
from data_pipelines.files.atomic import replacing

from . import charts, evaluate, scores
from .distributions import MEDIAN
from .predict import Predictor
from .scores import METRICS

SAMPLES = 6
REPORTED = 12
LAGS = 48


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
        found = scores.by_step(self.validation.truth, self._quantiles)
        for number, value in enumerate(found["crps"], 1):
            tf.summary.scalar(f"crps_by_step/{number:03}", value)
        fans = charts.fans(self.split, self._quantiles, self.rows)
        return {"fans": fans}


def write_report(
    run: runs.Run,
    predictor: Predictor,
    data: pipeline.Datasets,
    truth: scores.Truth,
    result: runs.Result,
) -> None:
    """Write `report.html` with its pictures, and `horizon.csv`.

    The predictions of the result are the `(N, H, Q)` quantiles of test.
    """
    quantiles, split = result.predictions, data.test
    steps = {run.name: scores.by_step(truth, quantiles)}
    if predictor.forecaster.recursive:
        single = evaluate.one_step(predictor.forecaster, split)
        steps[f"{run.name}, one step"] = scores.by_step(truth, single)
    _write_steps(run.file("horizon.csv"), steps)
    rows = samples.spread(len(split), REPORTED)
    undefined = result.scores["mase"] is None
    pictures = [
        ("Forecasts of test", charts.fans(split, quantiles, rows)),
        (
            "Error by steps ahead",
            charts.by_step(steps, "rmse" if undefined else "mase"),
        ),
        (
            "Autocorrelation of the errors",
            charts.residuals(split, quantiles, LAGS),
        ),
        ("Training", report.curve(result.progress.rows, ["loss"])),
    ]
    for name, (_, picture) in zip(
        ("fans", "horizon", "residuals", "curve"), pictures, strict=True
    ):
        run.file(f"{name}.png").write_bytes(picture)
    report.render(
        run.file("report.html"),
        "forecasting/report.html.jinja",
        title=run.name,
        test_set=_about(data),
        scores={run.name: result.scores, **result.baselines},
        metrics=[*METRICS, "windows"],
        pictures=pictures,
    )


def _write_steps(path, steps):
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(["forecast", "steps_ahead", *METRICS])
        for name, found in steps.items():
            for step, values in enumerate(zip(*found.values(), strict=True), 1):
                table.writerow([name, step, *(f"{v:.6g}" for v in values)])


def _about(data):
    return (
        f"{len(data.test):,} windows of {len(data.test.planner.series):,}"
        f" series, horizon {data.test.horizon:,}"
    )


def summary(
    run: runs.Run, data: pipeline.Datasets, result: runs.Result
) -> None:
    """Print scores beside baselines, and what is next."""
    echo(f"\nscores on the test set ({_about(data)})")
    rows = {run.name: result.scores, **result.baselines}
    echo(tables.text(rows, [*METRICS, "windows"]))
    metric = "rmse" if result.scores["mase"] is None else "mase"
    lines = report.remarks(run, result, metric, lower=True)
    echo("", *lines, sep="\n")
    echo(f"""
next
  make predict-forecasting ARGS="--input my.csv"
  make train-forecasting ARGS="--model nn_ar --horizon-mode recursive"
  make train-forecasting ARGS="--dataset files --data-path FOLDER"
  make demo
  make tensorboard
  open {run.file("report.html")}""")
