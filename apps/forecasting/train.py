"""Train a model that forecasts series, test it once, export it.

make train-forecasting
make train-forecasting ARGS="--dataset files --data-path my-series --horizon 48"
python -m apps.forecasting.train --model nn_ar --horizon-mode recursive
"""

from apps.common import cli, outcome
from apps.common.terminal import echo

from .config import PRESETS, Config

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    config = cli.command(Config, PRESETS)

import keras
import numpy as np

from apps.common import checkpoint, compilation, faults, runs, transfer
from apps.common.tensorboard import TensorBoard

from . import evaluate, export, inputs, model, scores, show
from .inference import Forecaster
from .predict import Predictor


def train(config: Config) -> dict:
    """Run one training from series to exported model; return its record."""
    # 1. Run folder.
    with runs.start("forecasting", config) as run:
        runs.make_deterministic(config.seed, config.jit_compile)

        # 2. Data.
        origin = transfer.origin(run, config)
        config = model.as_long(origin, config)
        data = evaluate.datasets(
            config, config.dataset, config.data_path or None, config.encoding
        )
        runs.keep_lines(run, "series.txt", data.names)
        runs.keep_lines(run, "columns.txt", data.store.covariate_names)
        frequency = data.store.frequency
        lines = [frequency.unit, str(frequency.step)]
        runs.keep_lines(run, "frequency.txt", lines)
        runs.keep_data(run, data)
        echo(*data.report(), sep="\n")

        # 3. Model.
        if config.mixed_precision:
            keras.config.set_dtype_policy(f"mixed_{config.mixed_precision}")
        steps = faults.steps(config.train_share, data.train)
        epochs = config.epochs or checkpoint.epochs(steps, 4000, 3, 40)
        compiles = config.model == "rnn" and compilation.pays_off(
            epochs * steps
        )
        periods = inputs.periods_of(origin, config, data)
        runs.keep_lines(run, "periods.txt", map(str, periods))
        models = model.build(config, data, periods, compiles)
        model.initialize(models, config, data)
        transfer.transfer(
            origin, models.forecaster, model.names(origin, config, data)
        )

        # 4. Objective.
        model.compile_model(models.trained, config, epochs * steps)

        # 5. Training.
        progress = checkpoint.resume(run, models.trained)
        forecaster = Forecaster.of_config(
            models.forecaster, config, frequency.seconds, paths=0
        )
        validation = evaluate.Validation(config, data, forecaster)
        first = progress.epoch * steps
        batches = faults.dataset(
            config.train_share, data.train, first, run.machines.shard
        )
        length = data.train.context + config.horizon
        run.machines.fit(
            models.trained,
            batches.map(lambda x, y: (model.inputs_of(models.trained, x), y)),
            progress,
            epochs,
            steps,
            callbacks=[
                validation,
                TensorBoard(
                    run,
                    steps * config.batch_size,
                    np.array([length]),
                    config.profile,
                ),
                show.Samples(run, data, validation),
                checkpoint.Checkpoint(
                    run,
                    progress,
                    models.forecaster,
                    monitor=f"val_{evaluate.monitored(config, validation)}",
                    mode="min",
                    patience=checkpoint.patience(config.patience, steps),
                ),
            ],
        )

        # 6. Test, with the best weights.
        best = Predictor.of_run(run)
        truth = scores.Truth.of_split(data.test, data.season)
        quantiles = best.forecaster.of_split(data.test)
        result = outcome.Result(
            best.forecaster.model,
            scores.score(truth, quantiles),
            evaluate.all_baselines(data, config.baseline_series),
            progress,
            data.examples,
            quantiles,
            {"season": data.season, "levels": scores.LEVELS},
        )
        show.write_report(run, best, data, truth, result)
        export.write(run, best)
        record = outcome.finish(run, result)
        show.summary(run, data, result)
        return record


if __name__ == "__main__":
    cli.main(lambda: train(config))
