"""Compilations of the loop: one for all lengths, shared, exported, the same."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import rnn_layers
from tests.rnn_layers.tools import (
    FEATURES,
    MASK,
    SEQUENCES,
    UNITS,
    close,
    make,
    random,
)

if keras.backend.backend() != "tensorflow":
    pytest.skip("the fast loop is TensorFlow's", allow_module_level=True)

import tensorflow as tf

from rnn_layers.engine.input_projection import Projection
from rnn_layers.engine.step import kernels_of, rows_of_ones

pytestmark = pytest.mark.usefixtures("short_chunks")


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


@pytest.mark.slow
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
    first, *others = (
        part.loop_cache
        for layer in stack.layers
        for part in (layer.forward_layer, layer.backward_layer)
    )
    assert all(other is first for other in others)
    assert len(first.loops) == 2  # the inputs of the two layers differ in width
    other = rnn_layers.Bidirectional(
        rnn_layers.rnn("lstm", 3),
        backward_layer=rnn_layers.rnn("gru", 3, go_backwards=True),
    )
    assert other.forward_layer.loop_cache is not other.backward_layer.loop_cache


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.parametrize("name", ["layer_norm_lstm", "gru"])
def test_a_step_is_compared_with_itself_alone(name):
    layer = make(name, compiled=False)
    tf.function(lambda x: layer(x, mask=MASK), autograph=False)(SEQUENCES)
    (loop,) = layer.loop_cache.loops.values()

    @tf.function(autograph=False)
    def check():
        sequences = tf.constant(SEQUENCES)
        mask = tf.ones((1, 1, 1), tf.bool)
        states = layer.cell.get_initial_state(1)
        projection = Projection(layer.cell, sequences)
        rows = rows_of_ones(projection, [sequences, mask], states, [])
        loop.check(rows, kernels_of(loop.step, rows))

    check()
    assert loop.analysis.other_variables
    loop.analysis.other_variables = []  # as if nothing had been read
    loop.infer = tf.function(loop._infer)
    with pytest.raises(tf.errors.InvalidArgumentError, match="step differs"):
        check.python_function()
