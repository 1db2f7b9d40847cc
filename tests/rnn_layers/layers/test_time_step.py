"""A step with its mask, its dropout and its zoneout, written out."""

import numpy as np
import pytest
from keras import ops

from rnn_layers.layers.time_step import Form, TimeStep
from tests.rnn_layers.tools import (
    BATCH,
    FEATURES,
    MASK,
    UNITS,
    array,
    close,
    initial_states,
    make,
    random,
    weights_by_name,
)

X = random(BATCH, FEATURES, seed=2)
VALID = MASK[:, :1]


def taken(layer, form, beside=(), constants=(), zoneout=0.0):
    """The states before and after a step of an LSTM."""
    states = [ops.convert_to_tensor(s) for s in initial_states(layer)]
    step = TimeStep(layer.cell, zoneout, form)
    inputs = [layer.cell.project(ops.convert_to_tensor(X)), *beside]
    after = step(inputs, states, list(constants), layer.cell.product)
    return [array(s) for s in states], [array(s) for s in after]


def plain(layer):
    return taken(layer, Form())[1]


def test_a_masked_row_copies_its_states():
    layer = make("lstm")
    mask = ops.convert_to_tensor(VALID)
    before, after = taken(layer, Form(masked=True), [mask])
    for old, new, state in zip(before, plain(layer), after, strict=True):
        close(state, np.where(VALID, new, old))


def test_zoneout_is_drawn_or_is_the_mean():
    layer = make("lstm")
    stays = [random(BATCH, UNITS, seed=k) > 0 for k in range(2)]
    beside = [ops.convert_to_tensor(VALID), *map(ops.convert_to_tensor, stays)]
    before, after = taken(layer, Form(True, True), beside, zoneout=0.3)
    _, mean = taken(layer, Form(), zoneout=0.3)
    news = plain(layer)
    for k, (old, new) in enumerate(zip(before, news, strict=True)):
        close(after[k], np.where(VALID & ~stays[k], new, old))
        close(mean[k], 0.3 * old + 0.7 * new)


@pytest.mark.parametrize("name", ["lstm", "peephole_lstm"])
def test_dropout_is_before_products_with_matrices_alone(name):
    """Of a peephole, which is a diagonal, the state is not dropped."""
    layer = make(name)
    masks = [2.0 * (random(BATCH, UNITS, seed=5) > 0)] * 2
    _, after = taken(layer, Form(), (), map(ops.convert_to_tensor, masks))
    kernel = weights_by_name(layer)["recurrent_kernel"]
    (h, c), cell = initial_states(layer), layer.cell

    def dropping(m, weight):
        if len(weight.shape) == 1:
            return m * weight
        np.testing.assert_array_equal(array(weight), kernel)
        return ops.matmul(h * masks[0], weight)

    projected = cell.project(ops.convert_to_tensor(X))
    expected = cell.step(
        projected, [ops.convert_to_tensor(s) for s in (h, c)], dropping
    )
    close(after, expected)


def test_values_take_the_place_of_weights_for_one_step():
    layer, other = make("gru"), make("gru")
    for weight in other.weights:
        weight.assign(0.5 * weight)
    states = [ops.convert_to_tensor(s) for s in initial_states(layer)]
    inputs = [other.cell.project(ops.convert_to_tensor(X))]
    values = [ops.convert_to_tensor(v) for v in other.cell.variables]
    before = weights_by_name(layer)
    result = TimeStep(layer.cell, 0.0, Form()).with_values(
        values, inputs, states, [], layer.cell.product
    )
    close(
        result,
        TimeStep(other.cell, 0.0, Form())(
            inputs, states, [], other.cell.product
        ),
    )
    for name, value in weights_by_name(layer).items():
        np.testing.assert_array_equal(value, before[name])
