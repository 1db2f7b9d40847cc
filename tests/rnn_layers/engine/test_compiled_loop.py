"""The compiled loop on TensorFlow against the plain loop and its autodiff."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

import rnn_layers
from rnn_layers.cells.simple_rnn import SimpleRNNCell
from tests.rnn_layers.tools import (
    BATCH,
    CASE_IDS,
    CASES,
    FEATURES,
    MASK,
    SEQUENCES,
    TIME,
    UNITS,
    array,
    close,
    initial_states,
    make,
    random,
)

if keras.backend.backend() != "tensorflow":
    pytest.skip("the fast loop is TensorFlow's", allow_module_level=True)

import tensorflow as tf

from rnn_layers.engine import batch_split, time_chunks
from tests.rnn_layers.loops import (
    DYNAMIC,
    LOOPS,
    check,
    results_and_gradients,
)


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch):
    """Chunks that do not divide the length, for all of a batch at once."""
    for name in ("MAX_CHUNK_ELEMENTS", "MIN_CHUNK_STEPS", "MAX_CHUNK_STEPS"):
        monkeypatch.setattr(time_chunks, name, 4)
    monkeypatch.setattr(batch_split, "cores", lambda: 1)


@pytest.mark.parametrize(("name", "options"), CASES, ids=CASE_IDS)
def test_graph_loop_is_exact(name, options):
    check(name, options, *LOOPS["graph-any-length"], masked=True)


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("name", "options"), CASES, ids=CASE_IDS)
def test_compiled_loop_is_exact(name, options, masked):
    check(name, options, *LOOPS["compiled-in-chunks"], masked=masked)


@pytest.mark.parametrize(
    ("loop", "masked"),
    [("compiled", False), ("compiled-in-chunks", True), ("graph", False)],
)
def test_every_kind_of_loop_is_exact(loop, masked):
    options = {"peephole": "full"}
    check("peephole_lstm", options, *LOOPS[loop], masked=masked)


def test_a_single_chunk_is_exact(monkeypatch):
    for name in ("MIN_CHUNK_STEPS", "MAX_CHUNK_STEPS"):
        monkeypatch.setattr(time_chunks, name, TIME + 3)
    check("lstm", {}, *LOOPS["compiled-in-chunks"], masked=True)


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


@tf.function(autograph=False)
def of_squares(layer, x):
    """Gradients of the summed squares of the outputs, by all weights."""
    with tf.GradientTape() as tape:
        outputs = layer(x, mask=MASK, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") ** 2)
    return tape.gradient(loss, [v.value for v in layer.trainable_variables])


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_weights_in_half_precision_have_close_gradients(kind):
    # Peepholes are kernels of diagonals, a bias and gains are read in the loop.
    for name in ("peephole_lstm", "gru", "layer_norm_gru", "sru"):
        found = []
        for dtype in (kind, "float32"):
            layer = make(name, dtype=dtype, compiled=False)
            for weight in layer.weights:  # that half precision can tell
                rounded = ops.cast(ops.cast(weight, kind), weight.dtype)
                weight.assign(rounded)
            gradients = of_squares(layer, tf.constant(SEQUENCES, dtype))
            kinds = [v.value.dtype for v in layer.trainable_variables]
            assert [d.dtype for d in gradients] == kinds
            found.append([tf.cast(d, "float32") for d in gradients])
        close(*found, 0.05 if kind == "float16" else 0.4)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("loop", LOOPS)
def test_gradients_have_exact_gradients(loop, training):
    compiled, spec = LOOPS[loop]
    layer = make("peephole_lstm", compiled=compiled, return_sequences=True)
    variables = [v.value for v in layer.trainable_variables]
    first = [tf.constant(s) for s in initial_states(layer)]

    def penalty_and_gradients(sequences):
        watched = [sequences, *first]
        with tf.GradientTape() as outer:
            outer.watch(watched)
            with tf.GradientTape() as inner:
                inner.watch(watched)
                outputs = layer(
                    sequences, initial_state=first, mask=MASK, training=training
                )
                loss = tf.reduce_sum(tf.sin(outputs))
            found = inner.gradient(loss, [*watched, *variables])
            penalty = sum(tf.reduce_sum(d * d) for d in found)
        return [penalty, *outer.gradient(penalty, [*watched, *variables])]

    traced = tf.function(
        penalty_and_gradients, input_signature=[spec], autograph=False
    )
    x = tf.constant(SEQUENCES)
    # Eagerly TensorFlow differentiates each operation by itself.
    close(traced(x), penalty_and_gradients(x), 1e-9)


def test_a_penalty_on_gradients_is_learned_from():
    layer = make("gru", dtype="float32")
    inputs = keras.Input((None, FEATURES))
    x = tf.constant(SEQUENCES, tf.float32)

    class Smooth(keras.Model):
        def train_step(self, data):
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    y = self(x, training=True)
                slope = inner.gradient(y, x)
                penalty = tf.reduce_mean(slope**2)
            variables = self.trainable_variables
            found = outer.gradient(penalty, variables)
            self.optimizer.apply_gradients(zip(found, variables, strict=True))
            return {"penalty": penalty}

    model = Smooth(inputs, layer(inputs))
    model.compile(keras.optimizers.Adam(0.02))
    history = model.fit(x, batch_size=BATCH, epochs=5, verbose=0).history
    assert history["penalty"][-1] < 0.8 * history["penalty"][0]


def test_gradient_without_training_is_exact():
    check("lstm", {}, *LOOPS["graph"], masked=True, training=False)


@pytest.mark.parametrize(
    "loop", ["graph", pytest.param("compiled", marks=pytest.mark.slow)]
)
def test_dropout_and_zoneout_are_exact(loop):
    # Masks come out alike, since both draw from the same seed.
    check(
        "gru",
        {"reset_after": False},
        *LOOPS[loop],
        masked=True,
        recurrent_dropout=0.5,
        zoneout=0.25,
        dropout=0.25,
        seed=3,
    )


def test_dropout_costs_no_further_product():
    widths = []
    for rate in (0.0, 0.5):
        layer = make("lstm", recurrent_dropout=rate, compiled=False)
        call = tf.function(lambda x, layer=layer: layer(x, training=True))
        call(SEQUENCES)
        (loop,) = layer.loop_cache.loops.values()
        widths.append(loop.analysis.widths)
    assert widths == [[4 * UNITS]] * 2


def test_backwards_is_exact():
    check("gru", {}, *LOOPS["graph"], masked=True, go_backwards=True)


@pytest.mark.slow
def test_model_compiled_as_a_whole_gives_the_same_gradients():
    layer = make("peephole_lstm", return_sequences=True, return_state=True)
    states = [tf.constant(s) for s in initial_states(layer)]
    function = results_and_gradients(layer, tf.constant(MASK), True)
    whole = tf.function(function, jit_compile=True, autograph=False)
    expected = function(tf.constant(SEQUENCES), *states)
    close(whole(tf.constant(SEQUENCES), *states), expected, 1e-9)


def test_half_precision_gradients_are_close():
    found = []
    for dtype in ("float32", "mixed_float16"):
        layer = make("lstm", dtype=dtype, compiled=False)
        found.append(of_squares(layer, tf.constant(SEQUENCES, tf.float32)))
    close(*found, 0.05)


def test_every_length_is_computed():
    layer = make("lstm", dtype="float32", compiled=True)
    function = tf.function(
        lambda x: layer(x),
        input_signature=[tf.TensorSpec((None, None, FEATURES))],
    )
    for length in (1, 4, 5, 11):
        x = random(2, length, FEATURES).astype("float32")
        close(function(x), layer(x), 1e-5)
    (loop,) = layer.loop_cache.loops.values()
    assert loop.infer.experimental_get_tracing_count() == 1


COUNTING = """
import glob, sys
import tensorflow as tf
import rnn_layers

layer = rnn_layers.rnn("lstm", 4, compiled=True)
layer.build((None, None, 3))

@tf.function(input_signature=[tf.TensorSpec((None, None, 3))], autograph=False)
def gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x, training=True))
    return tape.gradient(loss, x)

for length in map(int, sys.argv[2:]):
    gradient(tf.ones((2, length, 3)))
    print(len(glob.glob(sys.argv[1] + "/*before_optimizations.txt")))
"""


def test_one_compilation_serves_every_length(tmp_path):
    """Counted in what XLA writes down, since a trace is not a compilation."""
    flags = f"--xla_dump_to={tmp_path} --xla_dump_hlo_as_text"
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, str(tmp_path), "5", "9", "40", "3"],
        env={**os.environ, "XLA_FLAGS": flags},
        **dict(capture_output=True, text=True, check=False),
    )
    assert done.returncode == 0, done.stderr
    counts = list(map(int, done.stdout.split()[-4:]))
    assert counts == [2] * 4  # forward and backward


def test_equal_cells_share_their_compilations():
    stack = rnn_layers.stack(
        "lstm",
        UNITS,
        depth=2,
        bidirectional=True,
        dtype="float64",
        compiled=False,
    )
    x = SEQUENCES
    traced = tf.function(lambda x: stack(x, mask=MASK), autograph=False)
    close(traced(x), stack(x, mask=MASK))
    loops = {
        id(part.loop_cache)
        for layer in stack.layers
        for part in (layer.forward_layer, layer.backward_layer)
    }
    assert len(loops) == 1
    other = rnn_layers.Bidirectional(
        rnn_layers.rnn("lstm", 3),
        backward_layer=rnn_layers.rnn("gru", 3, go_backwards=True),
    )
    assert other.forward_layer.loop_cache is not other.backward_layer.loop_cache


def test_same_seed_gives_the_same_bits(tmp_path):
    """Two processes that train alike under deterministic ops agree."""
    script = """
import json, keras, numpy as np, tensorflow as tf, rnn_layers
keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()
model = keras.Sequential([
    keras.layers.Embedding(9, 8, mask_zero=True),
    rnn_layers.stack("peephole_lstm", 8, recurrent_dropout=0.1,
                     bidirectional=True),
    keras.layers.Dense(1),
])
model.compile("adam", "mse")
tokens = np.random.default_rng(0).integers(0, 9, (12, 40))
history = model.fit(tokens, tokens[:, 0], batch_size=4, verbose=0)
sums = [float(np.sum(np.abs(w))) for w in model.get_weights()]
print(json.dumps([history.history["loss"], sums]))
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()[-1]
        for _ in range(2)
    ]
    assert json.loads(runs[0]) == json.loads(runs[1])


LOAD = """
import sys
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
np.save(sys.argv[3], served.serve(np.load(sys.argv[2])))
assert "rnn_layers" not in sys.modules
"""


def test_exported_model_serves_without_this_package(tmp_path):
    inputs = keras.Input((None, FEATURES))
    layer = rnn_layers.stack("peephole_lstm", UNITS, bidirectional=True)
    model = keras.Model(inputs, layer(keras.layers.Masking()(inputs)))
    x = random(3, 7, FEATURES).astype("float32")
    x[0, 4:] = 0
    model.export(tmp_path / "export", verbose=False)
    paths = [str(tmp_path / p) for p in ("export", "x.npy", "y.npy")]
    np.save(paths[1], x)
    subprocess.run([sys.executable, "-c", LOAD, *paths], check=True)
    close(np.load(paths[2]), model(x), 1e-6)


def test_stateful_layer_refuses_another_batch_size_in_a_graph():
    layer = make("lstm", stateful=True)
    function = tf.function(lambda x: layer(x), input_signature=[DYNAMIC])
    close(function(SEQUENCES), make("lstm")(SEQUENCES))
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="built for batches of 5"
    ):
        array(function(SEQUENCES[:2]))
