"""Four models of the future of a window, from raw numbers to raw numbers.

    raw [B, C], NaN where missing -> scaled [B, C] -> numbers of each step
    [B, H, P] -> raw numbers, beside the size of an error [B, H, P + 1]

    ar      a linear function of the window, by least squares
    nn_ar   dense layers on the window
    rnn     a recurrent encoder of the window, and decoder of the horizon
    hmm     a hidden Markov model: Baum-Welch, the filtered state, its forecast

`direct` models forecast the horizon at once, H steps; `recursive` ones the next
step alone, H = 1 below, and go on with what they have forecast (`inference`).
The latter are trained on the whole horizon, by its true values.

With a season each step of the recurrent model has the values one, two, ...
seasons before as inputs too, so that its encoder is no longer than what is left
of the window.

Letters of shapes: B batch, C context, H horizon, L context and the true values
of the horizon, N steps that are forecast, P numbers of a step, S season, K
seasonal lags, V covariates, F features of a step.
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
from data_pipelines.forecasting.frequency import DAY, WEEK, YEAR

from . import distributions, hmm
from .config import Config
from .distributions import ForecastLoss

# Seasons back in which what stands for a missing value is looked for.
_LOOKED_BACK = 8

# Of the mean absolute value of a window: smaller values are forecast no
# more exactly for that.
_LEAST_LEVEL = 0.2

# Sizes of a window beyond which least squares leave targets out.
_MOST_DEVIATIONS = 20

# Relative ridge of least squares. Windows that are scaled by themselves have a
# mean or a size of one: that leaves a direction without a meaning.
_RIDGE, _RIDGE_UNSCALED = 1e-4, 1e-9


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


@dataclasses.dataclass(frozen=True)
class _Shape:
    """What a network has to know of its data."""

    context: int
    horizon: int
    season: int
    covariates: int
    series: int
    periods: tuple[int, ...]
    seconds: int

    @property
    def lags(self) -> int:
        """K: as many as leave the encoder a season at least."""
        return self.context // self.season - 1 if self.season > 1 else 0


def build(
    config: Config,
    data: Datasets,
    compile_loops: bool = False,
    periods: tuple[int, ...] | None = None,
) -> Models:
    """Return the models for a data set.

    Args:
        config: The `Config`.
        data: The data set.
        compile_loops: Whether XLA compiles the recurrent ones.
        periods: Of `periods_of`; `None`: those of the data.
    """
    if periods is None:
        periods = periods_of(None, config, data)
    shape = _Shape(
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
    network = {"ar": _ar, "nn_ar": _nn_ar, "rnn": rnn, "hmm": _hmm}
    forward = network[config.model](config, shape)
    features = _Features(config, shape, _statistics(data))

    def model(future):
        """Return the model that is given so many true values."""
        inputs = {"series": keras.Input((shape.context,), name="series")}
        full = inputs["series"]
        if future:
            inputs["future"] = keras.Input((future,), name="future")
            full = ops.concatenate([full, inputs["future"]], axis=1)  # B L
        window = _Window(full, config, shape, recursive)
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


class _Window:
    """A window, scaled by its own context.

    Attributes:
        z: Scaled values `(B, L)`, zero where missing.
        observed: One where they are not, `(B, L)`.
        filled: The same as z, or, where missing, the value a season before.
        base: What is added to forecasts, `(B, N)`.
        steps: N of a recursive model.
        shift, scale: `(B, 1)`.
        size: Of an error, `(B, N)`: the harmonic mean of a twentieth of the
            value a season before and of the mean absolute change over a season.
            So errors count as in sMAPE and as in MASE.
    """

    def __init__(self, full, config, shape, recursive):
        context, season = shape.context, shape.season
        missing = ops.isnan(full)
        self.observed = ops.cast(ops.logical_not(missing), "float32")  # B L
        values = ops.where(missing, 0.0, full)
        x, there = values[:, :context], self.observed[:, :context]
        count = ops.maximum(ops.sum(there, 1, keepdims=True), 1.0)
        level = ops.sum(ops.abs(x), 1, keepdims=True) / count
        mean = ops.sum(x, 1, keepdims=True) / count
        spread = ops.sqrt(
            ops.sum(ops.square((x - mean) * there), 1, keepdims=True) / count
        )
        both = there[:, season:] * there[:, :-season]
        changes = ops.abs(x[:, season:] - x[:, :-season]) * both
        change = ops.sum(changes, 1, keepdims=True) / ops.maximum(
            ops.sum(both, 1, keepdims=True), 1.0
        )
        if context < 2 * season:
            change = spread
        self.shift, self.scale = {
            "none": (ops.zeros_like(mean), ops.ones_like(mean)),
            "mean": (ops.zeros_like(mean), level),
            "instance": (mean, spread),
            "seasonal": (mean, change),
        }[config.scaling]
        floor = 1e-3 * level
        if config.scaling != "none":
            scale = ops.maximum(self.scale, floor)
            self.scale = ops.where(level > 0, scale, 1.0)
        change = ops.maximum(change, floor)
        self.z = (values - self.shift) / self.scale * self.observed
        self.filled = self.z
        for _ in range(min(_LOOKED_BACK, context // season)):
            before = _later(self.filled, season)
            self.filled = ops.where(missing, before, self.z)
        self.steps = full.shape[1] - context + 1
        if recursive:
            end = context - season
            base = self.filled[:, end : end + self.steps]  # B N
        else:
            season_before = self.filled[:, context - season : context]
            base = _tiled(season_before, shape.horizon)  # B H
        self.base = base if config.residual else ops.zeros_like(base)
        before = ops.abs(base * self.scale + self.shift)
        before = ops.maximum(before, _LEAST_LEVEL * level)
        size = 2 / (20 / (before + 1e-30) + 1 / (change + 1e-30))
        # A window of zeros says nothing of the size of errors.
        self.size = ops.where(level > 0, size, 1.0)

    def unscaled(self, output, values):
        """Return numbers in the unit of the series, and the size of errors."""
        shift, scale = self.shift[:, :, None], self.scale[:, :, None]
        if output in ("gaussian", "student_t"):
            parts = [values[:, :, :1] * scale + shift, values[:, :, 1:] * scale]
        else:
            parts = [values * scale + shift]
        return ops.concatenate([*parts, self.size[:, :, None]], axis=-1)


def _later(x, steps):
    """Return values `(B, L)` so many steps later; before them are zeros."""
    return ops.concatenate([0 * x[:, :steps], x[:, :-steps]], axis=1)


def _tiled(x, length):
    """Repeat `(B, S, ...)` to so many steps."""
    times = -(-length // x.shape[1])
    return ops.concatenate([x] * times, axis=1)[:, :length]


def periods_of(
    origin: Origin | None, config: Config, data: Datasets
) -> tuple[int, ...]:
    """Return the seconds of the periods that the training has seen twice.

    Where it goes on from a run, they are those of the run.
    """
    if origin and (origin.path / "periods.txt").exists():
        return tuple(map(int, origin.lines("periods.txt")))
    step = data.store.frequency.seconds
    longest = step * int(data.valid.begins.max())
    if not config.calendar or config.model in ("ar", "hmm"):
        return ()
    return tuple(
        period
        for period in (DAY, WEEK, YEAR)
        if 2 * step < period and 2 * period <= longest
    )


def _statistics(data):
    """Return mean and deviation of the covariates in train, `(V,)` each."""
    width = len(data.train.known)
    if not width:
        return np.zeros(0), np.ones(0)
    rows = np.concatenate(
        [
            data.store.covariates[s].reshape(-1, width)[: data.valid.begins[s]]
            for s in data.train.planner.series
        ]
    ).astype("float64")
    count = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
    mean = np.nansum(rows, axis=0) / count
    deviation = np.sqrt(np.nansum((rows - mean) ** 2, axis=0) / count)
    return mean, np.where(deviation > 0, deviation, 1.0)


class _Features:
    """What is known of each step beside the values."""

    def __init__(self, config, shape, statistics):
        self.shape = shape
        self.mean, self.deviation = (
            np.asarray(x, "float32") for x in statistics
        )
        self.embedding = None
        if config.embedding_size and config.model in ("nn_ar", "rnn"):
            # Series that no training has seen are number 0.
            self.embedding = layers.Embedding(
                shape.series + 1, config.embedding_size, name="series_embedding"
            )
        self.covariates = shape.covariates * (config.model in ("nn_ar", "rnn"))

    def __call__(self, inputs, length):
        """Add inputs; return the features `(B, length, F)`, or `None`."""
        shape, parts = self.shape, []
        if shape.periods:
            time = keras.Input((), dtype="int64", name="time")
            inputs["time"] = time
            steps = np.arange(length, dtype="int64") - shape.context
            seconds = time[:, None] + steps * shape.seconds  # B length
            for period in shape.periods:
                turn = ops.cast(ops.mod(seconds, period), "float32")
                for harmonic in (1, 2):
                    angle = turn * (2 * np.pi * harmonic / period)
                    parts += [ops.sin(angle), ops.cos(angle)]
            parts = [ops.stack(parts, axis=-1)]
        if self.covariates:
            given = keras.Input((length, self.covariates), name="covariates")
            inputs["covariates"] = given
            there = ops.logical_not(ops.isnan(given))
            values = (given - self.mean) / self.deviation
            values = ops.clip(ops.where(there, values, 0.0), -10, 10)
            parts += [values, ops.cast(there, "float32")]
        if self.embedding:
            number = keras.Input((), dtype="int32", name="id")
            inputs["id"] = number
            vectors = self.embedding(number)[:, None]  # B 1 D
            parts.append(ops.repeat(vectors, length, axis=1))
        return ops.concatenate(parts, axis=-1) if parts else None


# The networks: functions that make their layers and return a function of a
# window and features `(B, C + N, F)` to raw numbers `(B, N, P)`.


def _spread(config, shape):
    """Return a function to numbers beside a location, which are learned.

    They are `(B, N, P)`, or `(B, N, 1)` where they are a scale.
    """
    numbers = distributions.width(config.output)
    width = 1 if config.output in ("gaussian", "student_t") else numbers
    steps = 1 if config.horizon_mode == "recursive" else shape.horizon
    layer = layers.Dense(
        steps * width, kernel_initializer="zeros", name="spread"
    )

    def spread(location):
        if steps == 1:
            return layer(0 * location[:, :, None])
        x = layer(0 * location[:, :1])
        return layers.Reshape((steps, width))(x)

    return spread


def _around(config, location, spread):
    """Return the raw numbers of a location `(B, N)` and its spread."""
    if config.output in ("gaussian", "student_t"):
        return ops.concatenate([location[:, :, None], spread], axis=-1)
    return location[:, :, None] + spread


def _ar(config, shape):
    recursive = config.horizon_mode == "recursive"
    linear = layers.Conv1D(
        1 if recursive else shape.horizon,
        shape.context,
        trainable=False,
        name="autoregression",
    )
    spread = _spread(config, shape)

    def forward(window, known):
        location = linear(window.z[:, :, None])  # B N 1 or B 1 H
        location = location[:, :, 0] if recursive else location[:, 0]
        return _around(config, location, spread(location))

    return forward


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
            parts.append(_tiled(last, shape.horizon))
        if known is not None:
            parts.append(known[:, context:])
        x = ops.concatenate(parts, axis=-1)  # B H ...
        return out(drop(decoder(x, initial_state=states)))

    return direct if encoder else recursive


def _hmm(config, shape):
    size = config.states

    def parameter(name, width):
        layer = layers.Dense(width, use_bias=False, trainable=False, name=name)
        return lambda window: layer(0 * window.z[:1, :1] + 1)[0]

    start, transition = (
        parameter("start", size),
        parameter("transition", size * size),
    )
    means, deviations = parameter("means", size), parameter("deviations", size)
    spread = _spread(config, shape)

    def forward(window, known):
        values, observed = hidden_markov_values(
            window.z, window.observed, config.residual, shape.season
        )
        between = ops.reshape(transition(window), (size, size))
        m, d = means(window), deviations(window)
        logs = hmm.log_densities(values, observed, m, d)
        state, _ = hmm.filtered(logs, start(window), between)
        mean, deviation = hmm.forecast(state, between, m, d, shape.horizon)
        x = spread(mean)
        if config.output in ("gaussian", "student_t"):
            x = x + ops.log(ops.expm1(ops.minimum(deviation, 30.0)))[:, :, None]
        elif config.output == "quantiles":
            standard = distributions.raw_spread("quantiles", np.ones(1))
            x = x + deviation[:, :, None] * standard.astype("float32")
        return _around(config, mean, x)

    return forward


def hidden_markov_values(z, observed, residual: bool, season: int):
    """Return what the hidden Markov model emits, and where it is observed.

    These are the values `(B, C)`, or their changes over a season.
    """
    if not residual:
        return z, observed
    both = observed[:, season:] * observed[:, :-season]
    return (z[:, season:] - z[:, :-season]) * both, both


def initialize(models: Models, config: Config, data: Datasets) -> None:
    """Set what is not learned by gradients: least squares, Baum-Welch."""
    if config.model == "ar":
        _least_squares(models, config, data)
    if config.model == "hmm":
        windows = data.train.planner.plan(config.seed, 0)
        values = []
        for batch in windows[:200]:
            inputs, _ = data.train.fetch(batch, 0)
            z, observed, *_ = models.scaled.predict_on_batch(inputs["series"])
            z, observed = hidden_markov_values(
                z, observed, config.residual, data.season
            )
            values.append(z[observed.all(axis=1)])
        fitted = hmm.baum_welch(
            np.concatenate(values), config.states, config.seed
        )
        for name, value in fitted.items():
            layer = models.forecaster.get_layer(name)
            layer.set_weights([np.reshape(value, (1, -1))])


def _least_squares(models, config, data):
    """Set the autoregression to the least squares of all training windows."""
    steps = 1 if config.horizon_mode == "recursive" else config.horizon
    size = data.train.context + 1
    gram, moment = np.zeros((size, size)), np.zeros((size, steps))
    squares, count = np.zeros(steps), 0
    for batch in data.train.planner.once():
        inputs, targets = data.train.fetch(batch, 0)
        z, observed, shift, scale, base = (
            np.asarray(x, "float64")
            for x in models.scaled.predict_on_batch(inputs["series"])
        )
        y = (targets[:, :steps] - shift) / scale - base[:, :steps]
        # A window of a few like values is no measure for what comes.
        whole = ~np.isnan(y).any(axis=1) & (observed.mean(axis=1) > 0.5)
        if config.scaling != "none":
            whole &= np.abs(np.nan_to_num(y)).max(axis=1) < _MOST_DEVIATIONS
        x, y = np.hstack([z, np.ones((len(z), 1))])[whole], y[whole]
        gram += x.T @ x
        moment += x.T @ y
        squares += np.square(y).sum(axis=0)
        count += len(y)
    size = _RIDGE_UNSCALED if config.scaling == "none" else _RIDGE
    ridge = np.diag(size * np.diag(gram))
    weights = np.linalg.solve(gram + ridge, moment)  # C+1 N
    left = squares - 2 * (weights * moment).sum(axis=0)
    left += np.einsum("in,ij,jn->n", weights, gram, weights)
    deviation = np.sqrt(np.maximum(left, 0) / max(count, 1))
    models.forecaster.get_layer("autoregression").set_weights(
        [weights[:-1, None], weights[-1]]
    )
    spread = models.forecaster.get_layer("spread")
    kernel, _ = spread.get_weights()
    raw = distributions.raw_spread(config.output, deviation)
    spread.set_weights([kernel, raw.ravel()])


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
