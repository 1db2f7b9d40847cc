"""The filter beside a sum over all paths, and beside hmmlearn."""

import itertools

import numpy as np
import pytest
from hmmlearn.hmm import GaussianHMM
from scipy import stats

from apps.forecasting import hmm

START = np.array([0.6, 0.3, 0.1])
TRANSITION = np.array([[0.7, 0.2, 0.1], [0.3, 0.5, 0.2], [0.1, 0.1, 0.8]])
MEANS, DEVIATIONS = np.array([-1.0, 0.5, 3.0]), np.array([0.5, 1.0, 0.3])


def filtered(values, observed):
    logs = hmm.log_densities(
        *(np.asarray(x, "float32") for x in (values, observed)),
        *(np.asarray(x, "float32") for x in (MEANS, DEVIATIONS)),
    )
    parts = (START.astype("float32"), TRANSITION.astype("float32"))
    return [np.asarray(x) for x in hmm.filtered(logs, *parts)]


def by_brute_force(values, observed):
    """The probability of each last state, and the log of their sum."""
    densities = stats.norm.pdf(np.array(values)[:, None], MEANS, DEVIATIONS)
    densities[np.array(observed) == 0] = 1
    last = np.zeros(3)
    for path in itertools.product(range(3), repeat=len(values)):
        p = START[path[0]]
        for a, b in itertools.pairwise(path):
            p *= TRANSITION[a, b]
        last[path[-1]] += p * np.prod(densities[range(len(path)), path])
    return last / last.sum(), np.log(last.sum())


@pytest.mark.parametrize("length", [1, 2, 3, 6, 7])
def test_the_filter_is_the_sum_over_all_paths(length):
    random = np.random.default_rng(length)
    values = 2 * random.standard_normal((2, length))
    observed = np.ones((2, length))
    observed[1, length // 2] = 0
    state, logs = filtered(values, observed)
    for row in range(2):
        expected, log = by_brute_force(values[row], observed[row])
        np.testing.assert_allclose(state[row], expected, atol=1e-5)
        np.testing.assert_allclose(logs[row], log, rtol=1e-5, atol=1e-6)


def test_long_sequences_are_scored_as_by_hmmlearn():
    model = GaussianHMM(3)
    model.startprob_, model.transmat_ = START, TRANSITION
    model.means_, model.covars_ = MEANS[:, None], DEVIATIONS[:, None] ** 2
    values, _ = model.sample(700, random_state=0)
    _, log = filtered(values.T, np.ones((1, 700)))
    np.testing.assert_allclose(log, model.score(values), rtol=1e-5)


def test_the_forecast_has_the_moments_of_the_mixture():
    state = np.array([[0.2, 0.5, 0.3]], "float32")
    mean, deviation = hmm.forecast(
        state, *(np.asarray(x, "float32") for x in (TRANSITION, MEANS)),
        DEVIATIONS.astype("float32"), 3,
    )  # fmt: skip
    belief = state[0].astype("float64")
    for step in range(3):
        belief = belief @ TRANSITION
        expected = belief @ MEANS
        variance = belief @ (DEVIATIONS**2 + MEANS**2) - expected**2
        np.testing.assert_allclose(mean[0, step], expected, rtol=1e-5)
        np.testing.assert_allclose(deviation[0, step], variance**0.5, rtol=1e-5)


def test_baum_welch_recovers_two_levels():
    random = np.random.default_rng(0)
    states = (np.cumsum(random.random((20, 100)) > 0.95, axis=1)) % 2
    values = np.array([1.0, 3.0])[states]
    values = values + 0.3 * random.standard_normal(values.shape)
    fitted = hmm.baum_welch(values, 2, 0)
    np.testing.assert_allclose(sorted(fitted["means"]), [1, 3], atol=0.1)
    np.testing.assert_allclose(fitted["deviations"], 0.3, atol=0.05)
    np.testing.assert_allclose(np.diag(fitted["transition"]), 0.95, atol=0.02)
    np.testing.assert_allclose(fitted["start"].sum(), 1)
