"""Gradients by the graph, and layers at the borders of what others record."""

import itertools
import threading

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("gradients of TensorFlow", allow_module_level=True)

import tensorflow as tf
from keras import ops

import rnn_layers
from rnn_layers.cells.simple_rnn import SimpleRNNCell
from rnn_layers.engine import differentiation
from tests.rnn_layers.tools import (
    FEATURES,
    SEQUENCES,
    close,
    make,
    sampled_cases,
)

X = tf.constant(SEQUENCES)


def both(function, *arguments):
    """Compare what a function returns in a graph and eagerly."""
    traced = tf.function(function, autograph=False)(*arguments)
    close(traced, function(*arguments), 1e-9)


def loss_and_gradients(layer, run, loss=lambda y: tf.reduce_sum(y**2)):
    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(run(x))
        weights = [v.value for v in layer.trainable_variables]
        return [value, *tape.gradient(value, [x, *weights])]

    return function


def test_what_is_read_is_told_by_the_graph():
    results = []

    @tf.function(autograph=False)
    def run(a, b, c):
        y = tf.stop_gradient(a) + tf.cond(c[0] > 0, lambda: 2 * c, lambda: c)
        results.append(differentiation.read_by([y], [a, b, c]))
        return differentiation.gradients(
            [tf.gather(b, [1])], [a, b], [tf.constant([3.0])]
        )

    x = tf.ones(2)
    close(run(x, x, x), [tf.zeros(2), tf.constant([0.0, 3.0])])
    assert results == [[0, 2]]


def test_variables_of_others_are_refused():
    other = tf.Variable(1.0, name="other")

    @tf.function(autograph=False)
    def run():
        differentiation.trace(lambda: other * 2)

    with pytest.raises(ValueError, match="reads the variables other:0, which"):
        run()


class GainCell(SimpleRNNCell):
    """A cell that reads a weight through which no gradient goes."""

    def build(self, input_shape):
        super().build(input_shape)
        self.gain = self.add_scale("gain", (self.units,))

    def step(self, projected, states, matmul):
        gain = ops.stop_gradient(self.gain)
        z = projected + gain * matmul(states[0], self.recurrent_kernel)
        matmul(z, self.recurrent_kernel)  # and nobody looks at this one
        return [ops.tanh(ops.take(z, [3, 2, 1, 0], axis=-1))]


def test_a_weight_without_gradient_is_read():
    cell = GainCell(4, dtype="float64")
    layer = rnn_layers.Recurrent(cell, compiled=False)
    layer.build(SEQUENCES.shape)
    cell.gain.assign([0.5, 2.0, 3.0, 4.0])
    cell.gain.trainable = False
    both(loss_and_gradients(layer, lambda x: layer(x, training=True)), X)


@pytest.mark.parametrize(
    ("which", "training"),
    sampled_cases(
        itertools.product(
            ["output", "states", "both directions"], [True, False]
        ),
        ("states", True),
        ("both directions", False),
    ),
)
def test_upstream_gradients_can_be_sparse(which, training):
    layer = make("lstm", compiled=False, return_state=which != "output")
    if which == "both directions":
        layer = rnn_layers.Bidirectional(layer, dtype="float64")
        layer.build(SEQUENCES.shape)

    def loss(results):
        if which == "output":
            results = [results]
        return sum(
            tf.reduce_sum(ops.take(y, [0, 1, 1], axis=0) ** 2)
            for y in results[1 if which == "states" else 0 :]
        )

    run = loss_and_gradients(layer, lambda x: layer(x, training=training), loss)
    both(run, X)


def test_a_model_trains_on_some_rows_of_the_last_output():
    inputs = keras.Input((None, FEATURES))
    h = rnn_layers.rnn("gru", 3, compiled=False)(inputs)
    model = keras.Model(inputs, ops.take(h, [0, 1], axis=0))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(SEQUENCES[:2], SEQUENCES[:2, 0], batch_size=2, verbose=0)
    assert abs(before[1] - model.get_weights()[1]).max() > 0


def recomputed(call):
    return tf.recompute_grad(call)


def by_hand(call):
    """A custom gradient that runs the layer once more."""

    @tf.custom_gradient
    def run(x):
        def gradient(d, variables=None):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = call(x)
            d_x, *d_variables = tape.gradient(y, [x, *variables], d)
            return d_x, d_variables

        return call(x), gradient

    return run


def unrecorded(call):
    """The way forward as it is traced where nothing is recorded."""
    from tensorflow.python.eager import record

    def run(x):
        with record.stop_recording():
            call(x)
        return call(x)

    return run


@pytest.mark.parametrize(
    "around",
    [recomputed, by_hand, pytest.param(unrecorded, marks=pytest.mark.slow)],
)
def test_a_layer_is_exact_whatever_records_it(around):
    layer = make("peephole_lstm", compiled=False)

    def call(x):
        return layer(x, training=True)

    function = loss_and_gradients(layer, around(call))
    traced = tf.function(function, autograph=False)
    expected = loss_and_gradients(layer, call)(X)
    close(traced(X), expected, 1e-9)
    # What was traced there is right everywhere else.
    both(loss_and_gradients(layer, call), X)
    both(layer, X)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_near_whatever_records_it(dtype):
    """Recomputed on the way back, and under a penalty on gradients."""
    half, single = (
        make("gru", dtype=d, compiled=False) for d in (dtype, "float32")
    )

    def slopes(layer, around):
        call = around(lambda x: layer(x, training=True))
        return loss_and_gradients(
            layer, call, lambda y: tf.reduce_sum(tf.cast(y, tf.float32) ** 2)
        )

    def penalty(layer, _):
        first = slopes(layer, lambda call: call)
        return loss_and_gradients(
            layer, first, lambda found: tf.reduce_sum(found[1] ** 2)
        )

    x = tf.cast(X, tf.float32)
    for function in (slopes, penalty):
        expected = function(single, lambda call: call)(x)
        traced = tf.function(function(half, recomputed), autograph=False)
        for one, other in zip(traced(x), expected, strict=True):
            far = tf.reduce_max(abs(one - other)) / tf.reduce_max(abs(other))
            assert far < (0.01 if dtype == "mixed_float16" else 0.1)


@pytest.mark.parametrize(
    ("name", "training"),
    [("lstm", True), pytest.param("gru", False, marks=pytest.mark.slow)],
)
def test_a_layer_in_a_branch_is_exact(name, training):
    layer = make(name, compiled=True)

    def either(x):
        return tf.cond(
            tf.reduce_any(x > 0),
            lambda: layer(x, training=training),
            lambda: x[:, 0, :1] + tf.zeros(4, x.dtype),
        )

    traced = tf.function(loss_and_gradients(layer, either), autograph=False)
    expected = loss_and_gradients(layer, lambda x: layer(x, training=True))
    close(traced(X), expected(X), 1e-9)


@pytest.mark.parametrize("persistent", [False, True])
def test_tapes_stop_and_persist(persistent):
    layer = make("gru", compiled=False)

    def function(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = layer(x, training=True)
            with tape.stop_recording():
                slope = tape.gradient(y, x)
            z = tf.reduce_sum(layer(slope, training=True))
        weights = [v.value for v in layer.trainable_variables]
        found = [tape.gradient(z, weights), tape.gradient(y, weights)]
        return [slope, *tf.nest.flatten(found)]

    both(function, X)
    # An eager tape that persists looks at all that the way back reads.
    traced = tf.function(lambda x: layer(x, training=True), autograph=False)
    with tf.GradientTape(persistent=persistent) as tape:
        tape.watch(X)
        z = tf.reduce_sum(traced(X) ** 2)
    _, expected, *_ = loss_and_gradients(layer, layer)(X)
    close(tape.gradient(z, X), expected, 1e-9)


def test_forward_accumulators_are_exact():
    layer = make("gru", compiled=False)
    found = []
    call = tf.function(lambda x: layer(x, training=True), autograph=False)
    for run in (call, call.python_function):
        with tf.autodiff.ForwardAccumulator(X, 2 * X) as accumulator:
            y = run(X)
        found.append(accumulator.jvp(y))
    close(*found, 1e-9)


def weighed(layer):
    """The weights, and one direction for each."""
    weights = [v.value for v in layer.trainable_variables]
    return weights, [2 * w for w in weights]


@pytest.mark.parametrize(
    "of_gradients", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_forward_accumulators_in_a_graph_are_exact(of_gradients):
    """Tangents; and those of gradients, which are products with the Hessian."""
    layer = make("gru" if of_gradients else "simple_rnn", compiled=False)
    weights, directions = weighed(layer)
    slopes = loss_and_gradients(layer, lambda x: layer(x, training=True))

    def function(x):
        primals, tangents = [x, *weights], [3 * x, *directions]
        with tf.autodiff.ForwardAccumulator(primals, tangents) as accumulator:
            found = slopes(x) if of_gradients else [layer(x, training=True)]
        return list(map(accumulator.jvp, found))

    both(function, X)


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
def test_accumulators_within_a_tape_in_a_graph_are_exact(training):
    layer = make("gru", compiled=False)
    weights, directions = weighed(layer)

    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            with tf.autodiff.ForwardAccumulator(weights, directions) as one:
                loss = tf.reduce_sum(layer(x, training=training) ** 2)
            tangent = one.jvp(loss)
        return tape.gradient(tangent, x)

    both(function, X)


def test_threads_trace_at_once():
    layer = make("lstm", compiled=False)
    results = [None] * 4

    def trace(k):
        call = tf.function(lambda x: layer(x, training=k % 2), autograph=False)
        results[k] = call(X)

    threads = [threading.Thread(target=trace, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close(results, [layer(X)] * 4)


def test_weights_that_thaw_or_are_replaced_are_learned():
    layer = make("lstm", compiled=False)
    run = loss_and_gradients(layer, lambda x: layer(x, training=True))
    layer.trainable = False
    both(run, X)
    layer.trainable = True
    both(run, X)

    class LowRank(type(layer.cell)):
        """A kernel and recurrent kernel with an update of low rank."""

        def adapt(self):
            shape = self.recurrent_kernel.shape
            self._tracker.unlock()
            self.left = self.add_weight((shape[0], 1), "ones")
            self.right = self.add_weight((1, shape[1]), "random_normal")
            self._tracker.lock()
            self.whole = self.recurrent_kernel
            self.whole.trainable = False

        def step(self, projected, states, matmul):
            update = ops.matmul(self.left, self.right)
            return super().step(
                projected, states, lambda m, kernel: matmul(m, kernel + update)
            )

    layer.cell.__class__ = LowRank
    layer.cell.adapt()
    assert len(layer.trainable_variables) == 4
    both(run, X)
