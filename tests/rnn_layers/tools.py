"""What the tests of the layers share: cases, weights, gradients."""

import zlib

import keras
import numpy as np
import pytest
from keras import ops

import rnn_layers
from rnn_layers.cells.slstm import SLSTMCell
from tests.rnn_layers import numpy_cells

# Elsewhere Keras 3.15 computes much of float64 in float32: tanh on JAX,
# matrix products and choices on torch.
PRECISE = keras.backend.backend() == "tensorflow"
EXACT = 1e-12 if PRECISE else 1e-4
BATCH, TIME, FEATURES, UNITS = 5, 6, 3, 4

CASES = [
    (name, options)
    for name in rnn_layers.names()
    for options in ({}, *numpy_cells.FORMS.get(name, []))
]
CASE_IDS = ["-".join([n, *map(str, o.values())]) for n, o in CASES]

# Cells of which `make test` runs every test; of the others it runs a tenth.
SAMPLE = ("lstm", "peephole_lstm", "slstm", "gru")


def every_case(test):
    """Run a test on every cell in each of its forms.

    Which of them are slow depends on nothing but the names of test and case.
    """
    cases = []
    for (name, options), case in zip(CASES, CASE_IDS, strict=True):
        marks = sampled(test, case, name)
        cases.append(pytest.param(name, options, id=case, marks=marks))
    return pytest.mark.parametrize(("name", "options"), cases)(test)


def every_cell(test):
    """Run a test on every cell in its usual form, as `every_case` does."""
    names = rnn_layers.names()
    cases = [pytest.param(n, marks=sampled(test, n, n)) for n in names]
    return pytest.mark.parametrize("name", cases)(test)


def sampled(test, case, name):
    """The marks of a case: slow, unless the sample has it or its cell."""
    draw = zlib.crc32(f"{test.__name__} {case}".encode()) % 10
    return pytest.mark.slow if draw and name not in SAMPLE else ()


def sampled_cases(cases, *sample):
    """Cases for `parametrize`, of which `make test` runs the sample alone."""
    return [
        case if case in sample else pytest.param(*case, marks=pytest.mark.slow)
        for case in cases
    ]


# One row each: right, left, holes, whole row, none.
MASK = np.array(
    [
        [1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 1],
        [0, 1, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 1],
    ],
    bool,
)


def random(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape)


SEQUENCES = random(BATCH, TIME, FEATURES)
TOKENS = np.where(MASK, np.arange(1, TIME + 1), 0)


def embedded(mask_zero=True):
    """An embedding of `TOKENS`, of which zero is masked."""
    layer = keras.layers.Embedding(
        TIME + 1, FEATURES, mask_zero=mask_zero, dtype="float64"
    )
    layer.build()
    layer.set_weights([random(TIME + 1, FEATURES)])
    return layer


def make(name, options=None, dtype="float64", **kwargs):
    """A layer with random weights, so that no two gates are alike."""
    layer = rnn_layers.rnn(
        name, UNITS, dtype=dtype, **{**(options or {}), **kwargs}
    )
    layer.build((BATCH, TIME, FEATURES))
    randomize(layer)
    return layer


def randomize(layer):
    for seed, weight in enumerate(layer.trainable_variables):
        weight.assign(0.7 * random(*weight.shape, seed=seed))


def initial_states(layer, batch=BATCH):
    states = [
        0.6 * random(batch, size, seed=9 + k)
        for k, size in enumerate(layer.cell.state_size)
    ]
    if isinstance(layer.cell, SLSTMCell):
        states[2] = 1 + np.abs(states[2])  # it divides
    return states


def unscaled(layer, states):
    """States of an sLSTM without their scale, which is zero then."""
    states = [array(state) for state in states]
    if isinstance(layer.cell, SLSTMCell):
        h, c, n, m = states
        states = [h, c * np.exp(m), n * np.exp(m), 0 * m]
    return states


def weights_by_name(layer):
    return {w.name: array(w) for w in layer.cell.weights}


def array(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def arrays(tensors):
    return [array(tensor) for tensor in keras.tree.flatten(tensors)]


def close(actual, expected, tolerance=1e-10 if PRECISE else 1e-4):
    actual, expected = arrays(actual), arrays(expected)
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def gradients(function, layer, inputs):
    """Gradients of function(*inputs) by the weights of a layer and inputs."""
    variables = layer.trainable_variables
    inputs = [ops.convert_to_tensor(x) for x in inputs]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = function(*inputs)
        found = tape.gradient(
            loss,
            [v.value for v in variables] + inputs,
            unconnected_gradients="zero",
        )
        return arrays(found)
    if keras.backend.backend() == "torch":
        import torch

        inputs = [x.detach().requires_grad_() for x in inputs]
        found = torch.autograd.grad(
            function(*inputs),
            [v.value for v in variables] + inputs,
            materialize_grads=True,
        )
        return arrays(found)
    import jax

    def loss(values, inputs):
        pairs = zip(variables, values, strict=True)
        with keras.StatelessScope(state_mapping=list(pairs)):
            return function(*inputs)

    return arrays(jax.grad(loss, (0, 1))([v.value for v in variables], inputs))
