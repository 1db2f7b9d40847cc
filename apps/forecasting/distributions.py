"""What a model forecasts of each step: numbers, their loss, their quantiles.

    gaussian    location and scale, loss: negative log-likelihood
    student_t   the same of a Student t with `DEGREES` degrees of freedom, for
                errors with outliers
    quantiles   those of `LEVELS`, loss: pinball
    point       one number, the median, loss: mean absolute error

Letters of shapes: B batch, H horizon, P numbers of a step, Q levels.
"""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops
from scipy import stats

from data_pipelines.forecasting.datasets import LEVELS

OUTPUTS = ("gaussian", "student_t", "quantiles", "point")
DEGREES = 4.0
MEDIAN = LEVELS.index(0.5)

_STANDARD = {"gaussian": stats.norm(), "student_t": stats.t(DEGREES)}


def width(output: str) -> int:
    """Return P."""
    return {"quantiles": len(LEVELS), "point": 1}.get(output, 2)


def numbers(output: str, raw, base):
    """Return the numbers `(B, H, P)` of an output, from those of a network.

    Args:
        output: One of `OUTPUTS`.
        raw: `(B, H, P)` of any size.
        base: `(B, H)`, what is added to locations.
    """
    base = base[:, :, None]
    if output in _STANDARD:
        scale = ops.softplus(raw[:, :, 1:]) + 1e-4
        return ops.concatenate([raw[:, :, :1] + base, scale], axis=-1)
    return (
        ops.sort(raw + base, axis=-1) if output == "quantiles" else raw + base
    )


def raw_spread(output: str, deviation: np.ndarray) -> np.ndarray:
    """Return what a network adds to a location for errors of this size.

    Args:
        output: One of `OUTPUTS`.
        deviation: `(H,)` standard deviations.

    Returns:
        `(H, P)` for "quantiles" and "point", to be added to the location,
        and `(H, 1)` for the others, the raw scale.
    """
    deviation = np.maximum(np.asarray(deviation, "float64"), 1e-3)[:, None]
    if output == "quantiles":
        return deviation * stats.norm.ppf(LEVELS)
    if output == "point":
        return 0 * deviation
    return np.log(np.expm1(np.minimum(deviation, 30)))


def learned_spread(output: str, steps: int) -> Callable:
    """Return a layer `spread`, numbers beside a location, as a function.

    It takes a location `(B, N)` to numbers `(B, N, P)`, or `(B, N, 1)` where
    they are a scale, which are the same for every window.

    Args:
        output: One of `OUTPUTS`.
        steps: N of a model that forecasts them at once, or 1.
    """
    numbers = 1 if output in _STANDARD else width(output)
    layer = layers.Dense(
        steps * numbers, kernel_initializer="zeros", name="spread"
    )

    def spread(location):
        if steps == 1:
            return layer(0 * location[:, :, None])
        x = layer(0 * location[:, :1])
        return layers.Reshape((steps, numbers))(x)

    return spread


def around(output: str, location, spread):
    """Return the raw numbers of a location `(B, N)` and its spread."""
    if output in _STANDARD:
        return ops.concatenate([location[:, :, None], spread], axis=-1)
    return location[:, :, None] + spread


def quantiles(output: str, values) -> np.ndarray:
    """Return the quantiles `(B, H, Q)` of numbers `(B, H, P)`."""
    if output == "quantiles":
        return values
    if output == "point":
        return ops.repeat(values, len(LEVELS), axis=-1)
    standard = _STANDARD[output].ppf(LEVELS).astype("float32")
    return values[:, :, :1] + values[:, :, 1:] * standard


def mean(quantiles: np.ndarray) -> np.ndarray:
    """Return the means of distributions by their quantiles `(..., Q)`.

    Beyond the last levels the quantiles are taken as those of the levels.
    """
    edges = np.array([0, *LEVELS, 1])
    ends = [(0, 0)] * (quantiles.ndim - 1) + [(1, 1)]
    return np.trapezoid(np.pad(quantiles, ends, "edge"), edges, axis=-1)


def noise(output: str, paths: int, horizon: int, seed: int) -> np.ndarray:
    """Return what `draw` makes draws of, `(paths, horizon)` float32."""
    uniform = np.random.default_rng(seed).random((paths, horizon))
    if output in _STANDARD:
        uniform = _STANDARD[output].ppf(uniform)
    return uniform.astype("float32")


def draw(output: str, values, noise):
    """Return draws `(B,)` of one step, by its numbers `(B, P)`.

    Args:
        output: One of `OUTPUTS`.
        values: Numbers.
        noise: `(B,)` of `noise`.
    """
    if output in _STANDARD:
        return values[:, 0] + values[:, 1] * noise
    if output == "point":
        return values[:, 0]
    # Between two levels the quantile function is a line.
    levels = np.array(LEVELS, "float32")
    place = (noise[:, None] - levels[:-1]) / np.diff(levels)
    rises = ops.clip(place, 0, 1) * (values[:, 1:] - values[:, :-1])
    return values[:, 0] + ops.sum(rises, axis=-1)


def of_paths(paths):
    """Return the quantiles `(..., Q)` of drawn values `(..., paths)`."""
    return ops.moveaxis(ops.quantile(paths, LEVELS, axis=-1), 0, -1)


class ForecastLoss(keras.losses.Loss):
    """The proper loss of an output; missing targets do not count.

    The last of the numbers that a network gives is the size of an error in its
    window, so that series of any size weigh the same.

    Args:
        output: One of `OUTPUTS`.

    Call arguments: targets `(B, H)`, NaN where missing, and `(B, H, P + 1)`.
    """

    def __init__(self, output, name="forecast_loss"):
        super().__init__(name=name)
        self.output = output

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the loss of a batch, a number."""
        y_pred = ops.cast(y_pred, "float32")
        targets = ops.cast(y_true, "float32")
        real = ops.logical_not(ops.isnan(targets))
        values, size = y_pred[:, :, :-1], y_pred[:, :, -1]
        targets = ops.where(real, targets, values[:, :, 0])
        losses = self._losses(targets, values, size)
        real = ops.cast(real, "float32")
        return ops.sum(losses * real) / ops.maximum(ops.sum(real), 1.0)

    def _losses(self, targets, values, size):
        errors = targets[:, :, None] - values
        if self.output == "point":
            return ops.abs(errors[:, :, 0]) / size
        if self.output == "quantiles":
            levels = np.array(LEVELS, "float32")
            pinball = ops.maximum(levels * errors, (levels - 1) * errors)
            return 2 * ops.mean(pinball, axis=-1) / size
        scale = values[:, :, 1]
        z = errors[:, :, 0] / scale
        if self.output == "gaussian":
            log = 0.5 * ops.square(z) + 0.5 * math.log(2 * math.pi)
        else:
            constant = -float(stats.t(DEGREES).logpdf(0))
            log = (DEGREES + 1) / 2 * ops.log1p(ops.square(z) / DEGREES)
            log += constant
        return log + ops.log(scale / size)
