"""What a step is made of, and what its way back stores."""

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("the loop of TensorFlow", allow_module_level=True)

import tensorflow as tf
from keras import ops

import rnn_layers
from rnn_layers.cells.simple_rnn import SimpleRNNCell
from tests.rnn_layers.loops import results_and_gradients
from tests.rnn_layers.tools import (
    BATCH,
    FEATURES,
    MASK,
    SEQUENCES,
    TIME,
    UNITS,
    close,
    initial_states,
    make,
)

pytestmark = pytest.mark.usefixtures("short_chunks")


class LookingCell(SimpleRNNCell):
    """A cell that does more with the projected input than to add it."""

    def step(self, projected, states, matmul):
        z = projected + matmul(states[0], self.recurrent_kernel)
        return [ops.where(projected > 0, ops.tanh(z), 0.5 * z)]


@pytest.mark.parametrize(
    ("cell_class", "index"), [(SimpleRNNCell, 0), (LookingCell, None)]
)
def test_a_sum_is_kept_only_where_nothing_else_is_seen(cell_class, index):
    cell = cell_class(UNITS, dtype="float64")
    layer = rnn_layers.Recurrent(
        cell, return_sequences=True, return_state=True, compiled=False
    )
    layer.build((BATCH, TIME, FEATURES))
    states = [tf.constant(s) for s in initial_states(layer)]
    function = results_and_gradients(layer, None, True)
    traced = tf.function(function, autograph=False)
    x = tf.constant(SEQUENCES)
    close(traced(x, *states), function(x, *states), 1e-9)
    (loop,) = layer.loop_cache.loops.values()
    assert loop.analysis.fused_product == index


@pytest.mark.parametrize(
    ("name", "options", "masked", "extra"),
    [
        ("peephole_lstm", {}, False, []),
        # With a mask the new cell state is not the state after the step.
        ("peephole_lstm", {}, True, [UNITS]),
        ("peephole_lstm", {"peephole": "full"}, False, [2 * UNITS]),
        ("ind_rnn", {}, True, []),
        ("sru", {}, False, []),
        # The reset state, which is multiplied by a matrix.
        ("mgu", {}, False, [UNITS]),
    ],
)
def test_the_way_back_keeps_only_what_is_nowhere_else(
    name, options, masked, extra
):
    """States are kept forward, and most gradients are columns of one."""
    layer = make(name, compiled=False, **options)
    mask = MASK if masked else None
    call = tf.function(lambda x: layer(x, mask=mask, training=True))
    call(SEQUENCES)
    (loop,) = layer.loop_cache.loops.values()
    assert loop.analysis.extra_widths == extra


def test_peepholes_are_read_as_kernels_and_not_in_the_loop():
    layer = make("peephole_lstm", compiled=False)
    call = tf.function(lambda x: layer(x, training=True))
    call(SEQUENCES)
    (loop,) = layer.loop_cache.loops.values()
    assert loop.analysis.matrices == [0]
    assert loop.analysis.other_variables == []


def test_dropout_costs_no_further_product():
    widths = []
    for rate in (0.0, 0.5):
        layer = make("lstm", recurrent_dropout=rate, compiled=False)
        call = tf.function(lambda x, layer=layer: layer(x, training=True))
        call(SEQUENCES)
        (loop,) = layer.loop_cache.loops.values()
        widths.append(loop.analysis.widths)
    assert widths == [[4 * UNITS]] * 2
