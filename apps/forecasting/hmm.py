"""A hidden Markov model with Gaussian emissions, as a network.

    (1)  a_1(k)   = p_k b_1(k)
    (2)  a_t(k)   = sum_j a_(t-1)(j) A_jk b_t(k)

b_t(k) is the density of value t in state k, one where the value is missing, A
the transitions, p the first state. The filtered state is a_T over its sum,
whose logarithm is the log-likelihood. (2) is a product of matrices A diag(b_t),
which is associative: it is computed in a tree, log2 T products deep.

Letters of shapes: B batch, T values, K states, H horizon.
"""

import math
import warnings
from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from apps.common import cli
from data_pipelines.forecasting import Datasets

from . import distributions
from .config import Config
from .inputs import Shape

# Batches and values that Baum-Welch reads: more would tell it nothing new.
_MOST_BATCHES = 200
_MOST_VALUES = 100_000


def network(config: Config, shape: Shape) -> Callable:
    """Return a function of a window and features to raw numbers `(B, H, P)`."""
    size = config.states

    def parameter(name, width):
        layer = layers.Dense(width, use_bias=False, trainable=False, name=name)
        return lambda window: layer(0 * window.z[:1, :1] + 1)[0]

    start, transition = (
        parameter("start", size),
        parameter("transition", size * size),
    )
    means, deviations = parameter("means", size), parameter("deviations", size)
    spread = distributions.learned_spread(config.output, shape.horizon)

    def forward(window, known):
        values, observed = _emitted(
            window.z, window.observed, config.residual, shape.season
        )
        between = ops.reshape(transition(window), (size, size))
        m, d = means(window), deviations(window)
        logs = log_densities(values, observed, m, d)
        state, _ = filtered(logs, start(window), between)
        mean, deviation = forecast(state, between, m, d, shape.horizon)
        x = spread(mean)
        if config.output in ("gaussian", "student_t"):
            x = x + ops.log(ops.expm1(ops.minimum(deviation, 30.0)))[:, :, None]
        elif config.output == "quantiles":
            standard = distributions.raw_spread("quantiles", np.ones(1))
            x = x + deviation[:, :, None] * standard.astype("float32")
        return distributions.around(config.output, mean, x)

    return forward


def _emitted(z, observed, residual, season):
    """Return the values `(B, C)`, or their changes over a season.

    Return where they are observed, too.
    """
    if not residual:
        return z, observed
    both = observed[:, season:] * observed[:, :-season]
    return (z[:, season:] - z[:, :-season]) * both, both


def fit(
    forecaster: keras.Model,
    scaled: keras.Model,
    config: Config,
    data: Datasets,
) -> None:
    """Set the model by Baum-Welch on training windows without gaps."""
    values = []
    for batch in data.train.planner.plan(config.seed, 0)[:_MOST_BATCHES]:
        inputs, _ = data.train.fetch(batch, 0)
        z, observed, *_ = scaled.predict_on_batch(inputs["series"])
        z, observed = _emitted(z, observed, config.residual, data.season)
        values.append(z[observed.all(axis=1)])
    sequences = np.concatenate(values)
    if not len(sequences):
        raise cli.UserError(
            "--model hmm: every window of train has missing values; try a"
            " smaller --context, or --model rnn"
        )
    fitted = baum_welch(sequences, config.states, config.seed)
    for name, value in fitted.items():
        forecaster.get_layer(name).set_weights([np.reshape(value, (1, -1))])


def log_densities(values, observed, means, deviations):
    """Return log b, `(B, T, K)`, of values and whether they are observed."""
    z = (values[:, :, None] - means) / deviations
    logs = -0.5 * ops.square(z) - ops.log(deviations * math.sqrt(2 * math.pi))
    return logs * observed[:, :, None]


def filtered(logs, start, transition):
    """Return the filtered state `(B, K)` and the log-likelihood `(B,)`.

    Args:
        logs: log b, `(B, T, K)`; T is known.
        start: p, `(K,)`.
        transition: A, `(K, K)`.
    """
    highest = ops.max(logs, axis=-1, keepdims=True)  # B T 1
    densities = ops.exp(logs - highest)
    total = ops.sum(highest, axis=(1, 2))  # B
    state = start * densities[:, 0]  # B K
    product = transition * densities[:, 1:, None, :]  # B T-1 K K
    while product.shape[1] > 1:
        if product.shape[1] % 2:
            last, product = product[:, -1:], product[:, :-1]
        else:
            last = None
        product = ops.matmul(product[:, ::2], product[:, 1::2])
        size = ops.max(product, axis=(2, 3), keepdims=True)
        product = product / size
        total = total + ops.sum(ops.log(size), axis=(1, 2, 3))
        if last is not None:
            product = ops.concatenate([product, last], axis=1)
    if product.shape[1]:
        state = ops.matmul(state[:, None], product[:, 0])[:, 0]
    size = ops.sum(state, axis=-1, keepdims=True)
    return state / size, total + ops.log(size[:, 0])


def forecast(state, transition, means, deviations, horizon: int):
    """Return mean and standard deviation of what comes, `(B, H)` each.

    Args:
        state: Filtered, `(B, K)`.
        transition: `(K, K)`.
        means: `(K,)` of the emissions.
        deviations: `(K,)` of the emissions.
        horizon: H.
    """
    moments = ops.stack([means, means**2 + deviations**2], axis=-1)  # K 2
    steps = []
    for _ in range(horizon):
        state = ops.matmul(state, transition)
        steps.append(ops.matmul(state, moments))  # B 2
    steps = ops.stack(steps, axis=1)  # B H 2
    mean = steps[:, :, 0]
    variance = ops.maximum(steps[:, :, 1] - ops.square(mean), 1e-8)
    return mean, ops.sqrt(variance)


def baum_welch(sequences: np.ndarray, states: int, seed: int) -> dict:
    """Fit a model to sequences `(N, T)` without missing values.

    Return `start`, `transition`, `means` and `deviations`.
    """
    from hmmlearn.hmm import GaussianHMM

    sequences = np.asarray(sequences, "float64")
    sequences = sequences[: max(1, _MOST_VALUES // sequences.shape[1])]
    fitted = GaussianHMM(states, n_iter=50, random_state=seed)
    with warnings.catch_warnings():
        # Fewer different values than states.
        warnings.simplefilter("ignore")
        lengths = [sequences.shape[1]] * len(sequences)
        fitted.fit(sequences.reshape(-1, 1), lengths)
    # A start of zero would forbid a state for good.
    start = fitted.startprob_ + 1e-3
    return {
        "start": start / start.sum(),
        "transition": fitted.transmat_,
        "means": fitted.means_[:, 0],
        "deviations": np.sqrt(fitted.covars_.reshape(-1)),
    }
