"""Functions in equations, by their definitions, also at the ends."""

import keras
import numpy as np
import pytest
from keras import ops

from rnn_layers.cells.functions import gate_share, normalized, positive_part
from tests.rnn_layers.tools import (
    SEQUENCES,
    array,
    close,
    gradients,
    make,
    random,
)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_a_share_of_two_gates():
    a, b = 3 * random(2, 5, 4)
    for name, function in (("sigmoid", sigmoid), ("softplus", None)):
        activation = keras.activations.get(name)
        if function is None:
            function = lambda x: np.log1p(np.exp(x))  # noqa: E731
        expected = function(a) / (function(a) + function(b))
        close(gate_share(activation, a, b), expected, 1e-6)


def test_shares_of_shut_gates_are_finite():
    sums = np.array([-1e4, -1e3, 0.0])
    share = array(gate_share(keras.activations.sigmoid, sums, sums[::-1]))
    np.testing.assert_allclose(share, [0, 0.5, 1], atol=1e-6)


def test_gates_that_are_both_shut_share_alike_and_pass_a_gradient():
    layer = make("min_lstm", {"recurrent_activation": "hard_sigmoid"})
    layer.set_weights(
        [0 * w for w in layer.get_weights()[:1]]
        + [-9 + 0 * b for b in layer.get_weights()[1:]]
    )
    states = [random(5, 4)]
    result = array(layer(SEQUENCES[:, :1], initial_state=states))
    content = sigmoid(-9.0)
    close(result, (states[0] + content) / 2)
    slopes = gradients(lambda x: ops.sum(layer(x)), layer, [SEQUENCES])
    assert all(np.isfinite(slope).all() for slope in slopes)


def test_normalized_rows_have_mean_0_and_variance_1():
    x = 3 * random(5, 40) + 2
    y = array(normalized(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(axis=1), 1, rtol=1e-4)
    constant = array(normalized(ops.ones((2, 4))))
    np.testing.assert_array_equal(constant, 0)


def test_the_positive_part_is_positive_and_continuous():
    a = np.array([-4.0, -1e-9, 0.0, 3.0])
    expected = [sigmoid(-4.0), 0.5, 0.5, 3.5]
    np.testing.assert_allclose(array(positive_part(a)), expected, atol=1e-6)


@pytest.mark.parametrize("wide", [100.0, 1e4])
def test_a_min_lstm_whose_gates_are_both_shut_stays_finite(wide):
    layer = make("min_lstm", dtype="float32", return_sequences=True)
    x = (wide * SEQUENCES).astype("float32")
    assert np.isfinite(array(layer(x))).all()
    expected = make("min_lstm", return_sequences=True)(SEQUENCES)
    close(layer(SEQUENCES.astype("float32")), expected, 1e-5)

    def loss(x):
        return ops.sum(layer(x))

    for gradient in gradients(loss, layer, [x]):
        assert np.isfinite(gradient).all()
