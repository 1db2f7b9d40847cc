"""A linear autoregression on the window, by the least squares of all windows.

Letters of shapes: B batch, C context, H horizon, N steps that are forecast.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from apps.common import cli
from data_pipelines.forecasting import Datasets

from . import distributions
from .config import Config
from .inputs import Shape

# Sizes of a window beyond which least squares leave targets out.
_MOST_DEVIATIONS = 20

# Relative ridge of least squares. Windows that are scaled by themselves have a
# mean or a size of one: that leaves a direction without a meaning.
_RIDGE, _RIDGE_UNSCALED = 1e-4, 1e-9


def network(config: Config, shape: Shape) -> Callable:
    """Return a function of a window and features to raw numbers `(B, N, P)`."""
    recursive = config.horizon_mode == "recursive"
    steps = 1 if recursive else shape.horizon
    linear = layers.Conv1D(
        steps,
        shape.context,
        trainable=False,
        name="autoregression",
    )
    spread = distributions.learned_spread(config.output, steps)

    def forward(window, known):
        location = linear(window.z[:, :, None])  # B N 1 or B 1 H
        location = location[:, :, 0] if recursive else location[:, 0]
        return distributions.around(config.output, location, spread(location))

    return forward


def fit(
    forecaster: keras.Model,
    scaled: keras.Model,
    config: Config,
    data: Datasets,
) -> None:
    """Set the autoregression to the least squares of all training windows."""
    steps = 1 if config.horizon_mode == "recursive" else config.horizon
    size = data.train.context + 1
    gram, moment = np.zeros((size, size)), np.zeros((size, steps))
    squares, count = np.zeros(steps), 0
    for batch in data.train.planner.once():
        inputs, targets = data.train.fetch(batch, 0)
        z, observed, shift, scale, base = (
            np.asarray(x, "float64")
            for x in scaled.predict_on_batch(inputs["series"])
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
    if not count:
        raise cli.UserError(
            "--model ar: every window of train has missing targets, or more"
            " than half of its values missing; try a shorter --horizon, or"
            " --model rnn"
        )
    size = _RIDGE_UNSCALED if config.scaling == "none" else _RIDGE
    # A lag that is always zero gets a weight of zero.
    ridge = np.diag(np.maximum(size * np.diag(gram), 1e-9))
    weights = np.linalg.solve(gram + ridge, moment)  # C+1 N
    left = squares - 2 * (weights * moment).sum(axis=0)
    left += np.einsum("in,ij,jn->n", weights, gram, weights)
    deviation = np.sqrt(np.maximum(left, 0) / count)
    forecaster.get_layer("autoregression").set_weights(
        [weights[:-1, None], weights[-1]]
    )
    spread = forecaster.get_layer("spread")
    kernel, _ = spread.get_weights()
    raw = distributions.raw_spread(config.output, deviation)
    spread.set_weights([kernel, raw.ravel()])
