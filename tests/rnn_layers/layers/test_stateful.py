"""Chunks of streams, whose states are carried and whose rows are reset."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import rnn_layers
from tests.rnn_layers.tools import (
    FEATURES,
    UNITS,
    array,
    close,
    gradients,
    random,
    randomize,
)

ROWS, CHUNK, CHUNKS = 3, 4, 5
X = random(ROWS, CHUNK * CHUNKS, FEATURES, seed=3)
# Which rows begin another sequence with which chunk.
RESETS = np.array([[1, 0, 0, 1, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 1]], bool)


def stateful(name="lstm", **options):
    options = {"dtype": "float64", "return_sequences": True, **options}
    stack = rnn_layers.stack(name, UNITS, 2, **options)
    stack.build((ROWS, None, FEATURES))
    randomize(stack)
    return rnn_layers.StatefulStack(stack, ROWS, dtype=options["dtype"])


def chunk(number):
    return X[:, CHUNK * number : CHUNK * (number + 1)]


def pieces(row):
    """The parts of a row between its resets, as chunks (begin, end)."""
    starts = [*np.flatnonzero(RESETS[row]), CHUNKS]
    return itertools.pairwise(starts)


@pytest.mark.parametrize(
    "name",
    [
        "lstm",
        "projection_lstm",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("simple_rnn", "gru", "slstm", "sru")
        ),
    ],
)
def test_chunks_equal_each_sequence_alone(name):
    layer = stateful(name, residual=True, dropout=0.3, zoneout=0.1)
    outputs = [
        array(layer(chunk(number), RESETS[:, number]))
        for number in range(CHUNKS)
    ]
    outputs = np.concatenate(outputs, axis=1)
    for row in range(ROWS):
        for begin, end in pieces(row):
            part = slice(begin * CHUNK, end * CHUNK)
            alone = layer.stack(X[row : row + 1, part])
            close(outputs[row : row + 1, part], alone)


def test_no_row_is_reset_unless_told():
    layer = stateful("slstm")
    outputs = [array(layer(chunk(number))) for number in range(CHUNKS)]
    close(np.concatenate(outputs, axis=1), layer.stack(X))
    layer.reset_state()
    close(layer(chunk(0)), outputs[0])


def test_backward_layers_begin_anew_at_the_end_of_each_chunk():
    layer = stateful("gru", bidirectional=True)
    forward = stateful("gru")
    for own, both in zip(forward.stack.layers, layer.stack.layers, strict=True):
        assert own.cell.state_size == both.forward_layer.cell.state_size
    states = [s[: len(s) // 2] for s in layer.stack.get_initial_state(ROWS)]
    for number in range(CHUNKS):
        x = chunk(number)
        y = layer(x, RESETS[:, number])
        for index, both in enumerate(layer.stack.layers):
            zero = RESETS[:, number, None]
            start = [np.where(zero, 0, array(s)) for s in states[index]]
            one, *states[index] = both.forward_layer(x, initial_state=start)
            other, *_ = both.backward_layer(x)
            x = np.concatenate([array(one), array(other)[:, ::-1]], axis=-1)
        close(y, x)


def test_what_is_masked_changes_no_state():
    layer = stateful()
    mask = np.arange(CHUNK) < np.array([[CHUNK], [2], [0]])
    layer(chunk(0), np.ones(ROWS, bool))
    before = [[array(s) for s in own] for own in layer.states]
    layer(chunk(1), np.zeros(ROWS, bool), mask=mask)
    for own, old in zip(layer.states, before, strict=True):
        for state, first in zip(own, old, strict=True):
            close(state[2], first[2])
    layer(chunk(2))
    for row, valid in ((1, 6), (2, 4)):
        alone = np.concatenate([X[row, :valid], X[row, 8:12]])[None]
        _, last = layer.stack.run(ops.convert_to_tensor(alone))
        carried = [[state[row] for state in own] for own in layer.states]
        close(carried, [[state[0] for state in own] for own in last])


def test_a_mask_is_carried_by_the_sequences():
    one, other = stateful(), stateful()
    mask = np.arange(CHUNK) < np.array([[CHUNK], [2], [1]])
    x = keras.layers.Masking(dtype="float64")(chunk(0) * mask[..., None])
    resets = np.ones(ROWS, bool)
    close(one(x, resets), other(chunk(0) * mask[..., None], resets, mask=mask))
    close(one.states, other.states)


def test_the_gradient_ends_where_a_chunk_begins():
    """Equal to the gradient with the states before as constants."""
    layer = stateful("gru", residual=True)
    layer(chunk(0))
    states = [[array(s) for s in own] for own in layer.states]

    def loss(x):
        return ops.sum(layer(x, RESETS[:, 1]) ** 2)

    def by_hand(x):
        start = [
            [np.where(RESETS[:, 1, None], 0, s) for s in own] for own in states
        ]
        start = [[ops.convert_to_tensor(s) for s in own] for own in start]
        return ops.sum(layer.stack.run(x, start)[0] ** 2)

    found = gradients(loss, layer, [chunk(1)])
    assert len(found) == len(layer.stack.weights) + 1
    close(found, gradients(by_hand, layer, [chunk(1)]))


def test_carried_states_are_no_weights_and_are_not_saved(tmp_path):
    layer = stateful(dtype="float32")
    sequences = keras.Input(batch_shape=(ROWS, None, FEATURES))
    resets = keras.Input(batch_shape=(ROWS,), dtype="bool")
    model = keras.Model([sequences, resets], layer(sequences, resets))
    x, start = chunk(0).astype("float32"), np.ones(ROWS, bool)
    expected = array(model([x, start]))
    assert len(model.weights) == len(layer.stack.weights)
    assert len(layer.variables) == len(model.weights) + 4
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    close(again([x, ~start]), expected, 1e-6)
    whole = keras.Sequential(
        [keras.Input((None, FEATURES)), rnn_layers.stack("lstm", UNITS, 2)]
    )
    whole.set_weights(model.get_weights())
    close(whole(x), expected[:, -1], 1e-5)


def test_dropout_is_drawn_in_training_alone():
    layer = stateful(dropout=0.5, seed=1)
    resets = np.ones(ROWS, bool)
    calm = array(layer(chunk(0), resets))
    close(layer(chunk(0), resets), calm)
    assert (
        np.abs(array(layer(chunk(0), resets, training=True)) - calm).max() > 0
    )


def test_states_are_carried_in_fit_and_predict():
    """With a rate of zero: both see the chunks and resets in their order."""
    layer = stateful(dtype="float32")
    sequences = keras.Input(batch_shape=(ROWS, CHUNK, FEATURES))
    resets = keras.Input(batch_shape=(ROWS,), dtype="bool")
    model = keras.Model([sequences, resets], layer(sequences, resets))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x = np.concatenate([chunk(n) for n in range(CHUNKS)]).astype("float32")
    inputs = [x, RESETS.T.reshape(-1)]
    options = {"batch_size": ROWS, "verbose": 0}
    outputs = model.predict(inputs, **options)
    for row in range(ROWS):
        for begin, end in pieces(row):
            part = slice(begin * CHUNK, end * CHUNK)
            alone = layer.stack(X[row : row + 1, part].astype("float32"))
            together = outputs[row::ROWS][begin:end].reshape(alone.shape)
            close(together, alone, 1e-5)
    carried = [[array(s) for s in own] for own in layer.states]
    layer.reset_state()
    model.fit(inputs, outputs, shuffle=False, **options)
    close(layer.states, carried, 1e-5)
