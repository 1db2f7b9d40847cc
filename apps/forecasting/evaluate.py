"""Score a run beside the baselines, or several runs and their mean.

    make evaluate-forecasting ARGS="--run demo-gru"
    make evaluate-forecasting ARGS="--run demo-gru --split valid"
    make evaluate-forecasting ARGS="--run a,b,c"

`scores.py` defines the scores, `baselines.py` the baselines. Of several runs
each is a row, and `ensemble`, the mean of the quantiles of all, another;
`compared.png` in the folder of the first has the errors by steps ahead, of
recursive runs those of one-step forecasts, too.
"""

from apps.common import cli, scoring
from apps.common.terminal import echo

from .config import EvaluateOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

import dataclasses

import keras
import numpy as np

from apps.common import ensemble, report, runs, tables
from apps.common.optimizer import averaged
from data_pipelines import forecasting as pipeline

from . import charts, model, scores
from .baselines import baselines
from .config import Config
from .distributions import ForecastLoss
from .inference import Forecaster
from .predict import Predictor
from .scores import METRICS, Truth


def datasets(
    config: Config,
    dataset: str,
    data_path: str | None,
    encoding: str,
    names: list[str] | None = None,
) -> pipeline.Datasets:
    """Return a data set as a configuration says; `names` are of an old run."""
    return pipeline.make_datasets(
        dataset,
        data_path,
        cache_path=config.cache_path,
        horizon=config.horizon,
        batch_size=config.batch_size,
        seed=config.seed,
        context=config.context,
        season=config.season,
        origins=config.origins,
        stride=config.stride,
        most_steps=config.steps_per_epoch,
        teacher=config.horizon_mode == "recursive" and config.horizon > 1,
        encoding=encoding,
        names=names,
        **config.columns(),
    )


def one_step(forecaster: Forecaster, split: pipeline.Split) -> np.ndarray:
    """Return quantiles `(N, H, Q)` of one-step forecasts.

    Each step of the horizon is forecast by the true values before it, not by
    forecasts of them.
    """
    steps = []
    single = forecaster.of_horizon(1)
    for step in range(split.horizon):
        planner = split.planner
        later = dataclasses.replace(planner, first=planner.first + step)
        moved = dataclasses.replace(split, planner=later)
        steps.append(single.of_split(moved))
    return np.concatenate(steps, axis=1)


class Validation(keras.callbacks.Callback):
    """Each epoch: the loss and the scores of the validation split.

    Attributes:
        quantiles: `(N, H, Q)`, after the last epoch; of a recursive model those
            of one step, around its point forecasts fed back.
        truth: Of the split.
    """

    def __init__(self, config: Config, data: pipeline.Datasets, forecaster):
        super().__init__()
        self.split = data.valid
        self.truth = Truth.of_split(data.valid, data.season)
        self.loss = ForecastLoss(config.output)
        self.forecaster = forecaster
        self.quantiles = None

    def on_epoch_end(self, epoch, logs=None):
        with averaged(self.model):
            self.quantiles = self.forecaster.of_split(self.split)
            outputs, targets = [], []
            for batch in self.split.planner.once():
                inputs, y = self.split.fetch(batch, 0)
                inputs = model.inputs_of(self.model, inputs)
                outputs.append(self.model.predict_on_batch(inputs))
                targets.append(y)
        loss = self.loss(np.concatenate(targets), np.concatenate(outputs))
        logs["val_loss"] = float(loss)
        of_valid = scores.score(self.truth, self.quantiles)
        for name, value in of_valid.items():
            if value is not None:
                logs[f"val_{name}"] = value


def monitored(config: Config, validation: Validation) -> str:
    """Return the score that chooses the best epoch."""
    undefined = np.isnan(validation.truth.changes).all()
    monitor = config.monitor or ("rmse" if undefined else "mase")
    if undefined and monitor in ("mase", "owa"):
        raise cli.UserError(
            f"--monitor {monitor}: all series are constant, of which it has no"
            " meaning; take rmse"
        )
    return monitor


def all_baselines(data: pipeline.Datasets, most: int) -> dict[str, dict]:
    """Return the scores of all baselines on test, and what is attainable."""
    truth = Truth.of_split(data.test, data.season)
    table = baselines(data.test, data.season, truth, most)
    if data.attainable is not None:
        table["attainable"] = scores.score(truth, data.attainable)
    return table


def main(options: Options) -> None:
    """Print the scores of runs on one split of their data, or of others."""
    opened = runs.open_runs("forecasting", options.run, options.runs_path)
    first = opened[0]
    truth, every, steps = None, {}, {}
    for run in opened:
        predictor = Predictor.of_run(run)
        config = predictor.config
        dataset, path = scoring.data_to_score(
            options, vars(config), pipeline.SOURCES
        )
        encoding = options.encoding if options.dataset else config.encoding
        context = predictor.forecaster.context
        config = dataclasses.replace(config, context=context)
        data = datasets(config, dataset, path, encoding, predictor.names)
        split = scoring.split_to_score(run, data, options)
        own = Truth.of_split(split, data.season)
        if truth is None:
            truth = own
        if own.targets.shape != truth.targets.shape:
            raise ensemble.misfit(
                run, first, "it forecasts other windows, or another horizon"
            )
        quantiles = predictor.forecaster.of_split(split)
        every[run.path] = quantiles
        steps[run.name] = scores.by_step(truth, quantiles)
        if predictor.forecaster.recursive:
            single = one_step(predictor.forecaster, split)
            steps[f"{run.name}{charts.ONE_STEP}"] = scores.by_step(
                truth, single
            )
    table, _ = ensemble.score(
        opened,
        lambda run: [every[run.path]],
        [*every.values()],
        lambda own: (scores.score(truth, np.mean(own, axis=0)), None),
        options.split,
        (dataset, path),
    )
    if len(opened) > 1:
        picture = report.png(charts.by_step(steps, "mase"))
        first.file("compared.png").write_bytes(picture)
    if options.split == "test":
        table |= all_baselines(data, options.baseline_series)
    echo(tables.text(table, [*METRICS, "windows"]))
    if len(opened) > 1:
        echo(f"wrote {first.file('compared.png')}")


if __name__ == "__main__":
    cli.main(lambda: main(options))
