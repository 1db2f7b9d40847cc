"""Four models of the future of a window, from raw numbers to raw numbers.

    ar      a linear function of the window, by least squares
    nn_ar   dense layers on the window
    rnn     a recurrent encoder of the window, and decoder of the horizon
    hmm     a hidden Markov model: Baum-Welch, the filtered state, its forecast

`inputs` scales the window, `distributions` makes numbers forecasts. What is
between is a network: a function that makes its layers and returns one of a
window and features `(B, C + N, F)` to raw numbers `(B, N, P)`.

`direct` models forecast the horizon at once, H steps; `recursive` ones the next
step alone, H = 1 below, and go on with what they have forecast (`inference`).
The latter are trained on the whole horizon, by its true values.

With a season each step of the recurrent model has the values one, two, ...
seasons before as inputs too, so that its encoder is no longer than what is left
of the window.

Letters of shapes: B batch, C context, H horizon, L context and the true values
of the horizon, N steps that are forecast, P numbers of a step, S season, K
seasonal lags, F features of a step, U units.
"""

import dataclasses
import functools

import keras
import numpy as np
from keras import layers, ops

import rnn_layers
from apps.common.optimizer import adamw, compiled
from apps.common.transfer import Names, Origin
from data_pipelines.forecasting import Datasets

from . import autoregression, distributions, hmm
from .config import Config
from .distributions import ForecastLoss
from .inputs import Features, Shape, Window, tiled


@dataclasses.dataclass(frozen=True)
class Models:
    """The models of a configuration, which share all weights.

    Attributes:
        trained: What `fit` trains.
        forecaster: What forecasts, and is saved.
        scaled: Of series `(B, C)` to their scaled values, `(B, C)`, which are
            observed, `(B, C)`, shift and scale, `(B, 1)`, and base, `(B, N)`.
    """

    trained: keras.Model
    forecaster: keras.Model
    scaled: keras.Model


def build(
    config: Config,
    data: Datasets,
    periods: tuple[int, ...],
    compile_loops: bool = False,
) -> Models:
    """Return the models for a data set.

    Args:
        config: The `Config`.
        data: The data set.
        periods: Of `inputs.periods_of`.
        compile_loops: Whether XLA compiles the recurrent ones.
    """
    shape = Shape(
        data.train.context,
        config.horizon,
        data.season,
        len(data.train.known),
        len(data.names),
        periods,
        data.store.frequency.seconds,
    )
    recursive = config.horizon_mode == "recursive"
    rnn = functools.partial(_rnn, compile_loops=compile_loops)
    networks = {
        "ar": autoregression.network,
        "nn_ar": _nn_ar,
        "rnn": rnn,
        "hmm": hmm.network,
    }
    forward = networks[config.model](config, shape)
    features = Features(config, shape, data)

    def model(future):
        """Return the model that is given so many true values."""
        inputs = {"series": keras.Input((shape.context,), name="series")}
        full = inputs["series"]
        if future:
            inputs["future"] = keras.Input((future,), name="future")
            full = ops.concatenate([full, inputs["future"]], axis=1)  # B L
        window = Window(full, config, shape, recursive)
        steps = window.steps if recursive else shape.horizon
        known = features(inputs, shape.context + steps)
        raw = forward(window, known)  # B N P
        values = distributions.numbers(config.output, raw, window.base)
        outputs = window.unscaled(config.output, values)
        scaled = window.shift, window.scale, window.base
        scaled = [window.z, window.observed, *scaled]
        return (
            keras.Model(inputs, outputs, name="forecasting"),
            None if future else keras.Model(inputs["series"], scaled),
        )

    forecaster, scaled = model(0)
    trained = forecaster
    if recursive and config.horizon > 1:
        trained = model(config.horizon - 1)[0]
    return Models(trained, forecaster, scaled)


def _nn_ar(config, shape):
    recursive = config.horizon_mode == "recursive"
    width = distributions.width(config.output)
    first = layers.Conv1D(config.units, shape.context, name="window")
    ahead = layers.Dense(config.units, use_bias=False, name="ahead")
    dense = [layers.Dense(config.units) for _ in range(config.depth - 1)]
    drop = layers.Dropout(config.dropout)
    out = layers.Dense(
        width * (1 if recursive else shape.horizon), name="numbers"
    )

    def forward(window, known):
        both = ops.stack([window.z, window.observed], axis=-1)  # B L 2
        x = first(both)  # B N U or B 1 U
        if known is not None:
            known = known[:, shape.context :]  # B N F
            if not recursive:
                flat = shape.horizon * known.shape[-1]
                known = layers.Reshape((1, flat))(known)
            x = x + ahead(known)
        x = drop(ops.relu(x))
        for layer in dense:
            x = x + drop(ops.relu(layer(x)))
        x = out(x)
        return x if recursive else layers.Reshape((shape.horizon, width))(x)

    return forward


def _rnn(config, shape, compile_loops):
    width = distributions.width(config.output)
    options = dict(
        dropout=config.dropout, return_sequences=True, compiled=compile_loops
    )
    if config.horizon_mode == "recursive":
        decoder = rnn_layers.stack(
            config.cell,
            config.units,
            config.depth,
            name="recurrent",
            **options,
        )
        encoder = None
    else:
        encoder = rnn_layers.stack(
            config.cell,
            config.units,
            config.depth,
            dropout=config.dropout,
            return_state=True,
            compiled=compile_loops,
            name="encoder",
        )
        decoder = rnn_layers.stack(
            config.cell, config.units, config.depth, name="decoder", **options
        )
    drop = layers.Dropout(config.dropout)
    out = layers.Dense(width, name="numbers")
    context, season, lags = shape.context, shape.season, shape.lags

    def steps_of(window, known, ahead):
        """Return the inputs of steps in the window, and those `ahead`."""
        begin, length = lags * season, window.z.shape[1]
        parts = [window.z[:, begin:], window.observed[:, begin:]]
        for lag in range(1, lags + 1):
            start = begin - lag * season + ahead
            parts.append(window.filled[:, start : start + length - begin])
        x = ops.stack(parts, axis=-1)  # B L-KS 2+K
        if known is None:
            return x
        known = known[:, begin + ahead : length + ahead]
        return ops.concatenate([x, known], axis=-1)

    def recursive(window, known):
        x = decoder(steps_of(window, known, 1))
        return out(drop(x[:, -window.steps :]))

    def direct(window, known):
        x, states = encoder(steps_of(window, known, 0))
        place = np.linspace(0, 1, shape.horizon, dtype="float32")[:, None]
        parts = [0 * window.z[:, :1, None] + place]  # B H 1
        if season > 1:
            seasons = (lags + 1) * season
            last = window.filled[:, context - seasons : context]
            last = ops.reshape(last, (-1, lags + 1, season))
            last = ops.transpose(last, (0, 2, 1))  # B S K+1
            parts.append(tiled(last, shape.horizon))
        if known is not None:
            parts.append(known[:, context:])
        x = ops.concatenate(parts, axis=-1)  # B H ...
        return out(drop(decoder(x, initial_state=states)))

    return direct if encoder else recursive


def initialize(models: Models, config: Config, data: Datasets) -> None:
    """Set what is not learned by gradients: least squares, Baum-Welch."""
    fit = {"ar": autoregression.fit, "hmm": hmm.fit}.get(config.model)
    if fit:
        fit(models.forecaster, models.scaled, config, data)


def as_long(origin: Origin | None, config: Config) -> Config:
    """Return a configuration with the context of a run to go on from."""
    if origin is None:
        return config
    context = origin.model.input["series"].shape[1]
    return dataclasses.replace(config, context=context)


def names(
    origin: Origin | None, config: Config, data: Datasets
) -> dict[str, Names]:
    """Return what rows of weights belong to, in a run and in the data."""
    if origin is None or not config.embedding_size:
        return {}
    # The first row is that of series that no training has seen.
    old, new = (["", *own] for own in (origin.lines("series.txt"), data.names))
    return {"series_embedding": Names("series", old, new)}


def compile_model(trained: keras.Model, config: Config, steps: int) -> None:
    """Set optimizer and loss; `steps` is the length of training."""
    trained.compile(
        adamw(
            config,
            steps,
            warmup=steps // 20,
            floor=0.01,
            averaging=config.averaging,
        ),
        loss=ForecastLoss(config.output),
        jit_compile=compiled(config),
    )


def inputs_of(model: keras.Model, inputs: dict) -> dict:
    """Return the inputs of a batch that a model takes."""
    return {name: inputs[name] for name in model.input}
