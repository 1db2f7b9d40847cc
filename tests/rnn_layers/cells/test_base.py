"""What all cells have in common: sizes, weights, arguments that are refused."""

import keras
import numpy as np
import pytest

import rnn_layers
from rnn_layers.cells.base import clone_initializer, option, positive_int
from tests.rnn_layers.tools import BATCH, SEQUENCES, UNITS, array


def test_trap_initializers_draw_anew_for_every_weight():
    layer = rnn_layers.rnn(
        "peephole_lstm", UNITS, recurrent_initializer="glorot_uniform"
    )
    layer.build((None, None, UNITS))
    weights = [array(weight) for weight in layer.weights]
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


@pytest.mark.parametrize("name", ["peephole_lstm", "sru", "ind_rnn"])
def test_a_constraint_takes_each_entry_of_a_diagonal_for_a_column(name):
    """As it does for the matrix with this diagonal."""
    role = "recurrent" if name == "ind_rnn" else "kernel"
    rule = keras.constraints.MaxNorm(0.5)
    layer = rnn_layers.rnn(name, UNITS, **{f"{role}_constraint": rule})
    layer.build((None, None, UNITS))
    cell = layer.cell
    (vector,) = (
        getattr(cell, name)
        for name in ("peepholes", "recurrent_kernel")
        if len(getattr(cell, name, np.zeros(())).shape) in (1, 2)
        and getattr(cell, name).shape[-1] == UNITS
        and getattr(cell, name).shape != (UNITS, UNITS)
    )
    values = np.linspace(-1, 1, int(np.prod(vector.shape)), dtype="float32")
    vector.assign(values.reshape(vector.shape))
    expected = [
        np.diag(array(rule(np.diag(row))))
        for row in array(vector).reshape(-1, UNITS)
    ]
    constrained = array(vector.constraint(vector.value))
    np.testing.assert_allclose(
        constrained.reshape(-1, UNITS), expected, atol=1e-6
    )


def test_trap_numpy_integers_are_units():
    layer = rnn_layers.rnn("lstm", np.int64(UNITS))
    assert type(layer.units) is int
    assert layer(SEQUENCES.astype("float32")).shape == (BATCH, UNITS)


def test_a_clone_of_an_initializer_draws_other_values():
    one = keras.initializers.GlorotUniform()
    values = [array(clone_initializer(one)((2, 3))) for _ in range(2)]
    assert np.abs(values[0] - values[1]).max() > 0

    def constant(shape, dtype=None):
        return np.ones(shape)

    assert clone_initializer(constant) is constant


@pytest.mark.parametrize("value", [0, -1, 2.0, "2", None, True])
def test_only_positive_integers_are_sizes(value):
    with pytest.raises(ValueError, match="`size` must be a positive integer"):
        positive_int("size", value)


def test_a_choice_is_one_of_those_there_are():
    assert option("form", None, (None, 1)) is None
    with pytest.raises(
        ValueError, match=r"`form` must be one of None, 1, not 2"
    ):
        option("form", 2, (None, 1))
