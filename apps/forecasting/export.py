"""Write the SavedModel of a run: raw series in, quantiles out.

make export-forecasting ARGS="--run demo-gru"

`--format onnx,litert` writes networks for other runtimes: `docs/formats.md`.
"""

from apps.common import cli

from .config import ExportOptions as Options

if __name__ == "__main__":  # before TensorFlow is imported, which takes seconds
    options = cli.command(Options)

from pathlib import Path

import numpy as np
import tensorflow as tf

import rnn_layers
from apps.common import export, networks, runs
from apps.common.networks import Network, Portable, Tensor
from data_pipelines.forecasting.datasets import LEVELS

from . import distributions, evaluate
from .predict import Predictor


@rnn_layers.plain_loops()
def write(run: runs.Run, predictor: Predictor) -> None:
    """Write `export/`.

    Signature `serve`: `series (B, T)` float32 of any length, the last value on
    the right, NaN where a value is missing; `time (B,)` int64, seconds from
    1970 on of the first step to forecast, if the model knows the calendar;
    `id (B,)` int32, the line of a series in `series.txt`, 0 for others, if it
    has an embedding; `covariates (B, T + H, V)` if it has any. To a dict of
    `quantiles (B, H, Q)`, `levels (B, Q)`, `median (B, H)`, and `status (B,)`:
    "ok", or "empty" where no value is known: its quantiles are NaN.

    Signature `step`, for one value after another, of a model without
    covariates: `value (B,)`, `state (B, C)`, and `time` and `id` as above, to
    the quantiles of the next value, `quantiles (B, Q)`, and `state`. The state
    is the last C values; `initial_state` gives that before the first.
    """
    forecaster, context = predictor.forecaster, predictor.forecaster.context
    names = [name for name in forecaster.model.input if name != "series"]
    shapes = {
        "series": ((None, None), tf.float32),
        "time": ((None,), tf.int64),
        "id": ((None,), tf.int32),
        "covariates": ((None, None, len(predictor.columns)), tf.float32),
    }

    def specs(*names):
        return [tf.TensorSpec(*shapes[name], name=name) for name in names]

    def serve(series, *more):
        inputs = dict(zip(names, more, strict=True))
        empty = tf.reduce_all(tf.math.is_nan(series[:, -context:]), axis=1)
        inputs["series"] = _padded(series, context)
        if "covariates" in inputs:
            length = context + forecaster.horizon
            inputs["covariates"] = _padded(inputs["covariates"], length)
        quantiles = forecaster(inputs)  # B H Q
        nan = tf.constant(np.nan, tf.float32)
        quantiles = tf.where(empty[:, None, None], nan, quantiles)
        levels = tf.constant(LEVELS, tf.float32)[None]
        return {
            "quantiles": quantiles,
            "levels": tf.repeat(levels, tf.shape(series)[0], axis=0),
            "median": quantiles[:, :, distributions.MEDIAN],
            "status": tf.where(empty, "empty", "ok"),
        }

    single = forecaster.of_horizon(1)

    def step(value, state, *more):
        inputs = dict(zip(names, more, strict=True))
        state = tf.concat([state[:, 1:], value[:, None]], axis=1)
        quantiles = single({"series": state, **inputs})[:, 0]
        return {"quantiles": quantiles, "state": state}

    def initial_state():
        return {"state": tf.fill((1, context), np.float32(np.nan))}

    more = []
    if "covariates" not in names:
        step_specs = [
            tf.TensorSpec((None,), tf.float32, name="value"),
            tf.TensorSpec((None, context), tf.float32, name="state"),
            *specs(*names),
        ]
        series, *others = _example(predictor, names, context)
        example = [series[:, -1], _padded(series[:, :-1], context), *others]
        more = [
            export.Endpoint("initial_state", initial_state, [], [()]),
            export.Endpoint("step", step, step_specs, [example]),
        ]
    export.write(
        run,
        forecaster.model,
        serve,
        specs("series", *names),
        predict=serve,
        examples=[_example(predictor, names, n) for n in (3, context + 5)],
        more=more,
    )


def _padded(x, length):
    """Return the last steps `(B, length, ...)`, NaN before the first."""
    rest = [[0, 0]] * (len(x.shape) - 2)
    before = [[0, 0], [length, 0], *rest]
    x = tf.pad(x, before, constant_values=np.float32(np.nan))
    x = x[:, -length:]
    return tf.ensure_shape(x, (x.shape[0], length, *x.shape[2:]))


def _example(predictor, names, length):
    """Return inputs of `serve` of every kind: values, gaps, nothing."""
    random = np.random.default_rng(0)
    series = 10 + random.standard_normal((3, length)).cumsum(axis=1)
    series[1, length // 2] = np.nan
    series[2] = np.nan
    steps = length + predictor.forecaster.horizon
    values = {
        "time": np.array([1.6e9, 1.7e9, 0], np.int64),
        "id": np.array([0, 1, 1], np.int32),
        "covariates": random.random((3, steps, len(predictor.columns))),
    }
    kinds = {"covariates": tf.float32}
    return [
        tf.constant(series, tf.float32),
        *(tf.constant(values[name], kinds.get(name)) for name in names),
    ]


def portable(run: runs.Run, predictor: Predictor) -> Portable:
    """Return the forecaster for other runtimes: a window to quantiles."""
    forecaster, context = predictor.forecaster, predictor.forecaster.context
    names = [name for name in forecaster.model.input if name != "series"]
    length = context + forecaster.horizon
    known = {
        "time": Tensor(
            "time",
            ("batch",),
            "int64",
            "of the first step to forecast, seconds from 1970 on",
        ),
        "id": Tensor(
            "id", ("batch",), "int32", "line of series.txt, 0 for others"
        ),
        "covariates": Tensor(
            "covariates",
            ("batch", length, len(predictor.columns)),
            "float32",
            "of the window and the horizon, columns.txt",
        ),
    }
    inputs = [
        Tensor(
            "series",
            ("batch", context),
            "float32",
            "the last values, NaN where one is missing",
        ),
        *(known[name] for name in names),
    ]
    # A window of which nothing is known has no forecast.
    example = [x.numpy()[:2] for x in _example(predictor, names, context)]
    network = Network(
        "forecaster",
        lambda *window: {
            "quantiles": forecaster(
                dict(zip(("series", *names), window, strict=True))
            )
        },
        inputs,
        {"quantiles": "of each step of the horizon, at the levels"},
        [tuple(example), tuple(x[:1] for x in example)],
    )
    return Portable(
        [network],
        {"series.txt": "series", "columns.txt": "covariates"},
        {"levels": [float(level) for level in LEVELS]},
        score=lambda folder: score(run, predictor, folder),
    )


def score(run: runs.Run, predictor: Predictor, folder: Path) -> dict:
    """Return the mean absolute error of the median on windows of valid."""
    config, errors = predictor.config, []
    data = evaluate.datasets(
        config,
        config.dataset,
        config.data_path or None,
        config.encoding,
        predictor.names,
    )
    network = networks.Written(folder / "forecaster.onnx")
    for inputs, targets in networks.examples(data.valid):
        inputs = {n: inputs[n] for n in network.inputs}
        quantiles = network(**inputs)["quantiles"]
        errors += [*np.abs(quantiles[..., distributions.MEDIAN] - targets)]
    return {"mean_absolute_error": float(np.nanmean(errors))}


def main(options: Options) -> None:
    """Export a run again."""
    run = runs.open_run("forecasting", options.run, options.runs_path)
    predictor = Predictor.of_run(run)
    networks.write(
        run,
        options,
        lambda: write(run, predictor),
        lambda: portable(run, predictor),
        rnn_layers.plain_loops,
    )


if __name__ == "__main__":
    cli.main(lambda: main(options))
