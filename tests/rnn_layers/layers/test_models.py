"""Every cell in each of its forms inside of whole models, all in one."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import rnn_layers
from tests.rnn_layers.tools import (
    BATCH,
    CASE_IDS,
    CASES,
    FEATURES,
    MASK,
    SAMPLE,
    SEQUENCES,
    TIME,
    UNITS,
    close,
    make,
    random,
    randomize,
)


@pytest.fixture(params=["sample", pytest.param("all", marks=pytest.mark.slow)])
def cases(request):
    """Case -> name of the cell and its options."""
    return {
        case: (name, options)
        for (name, options), case in zip(CASES, CASE_IDS, strict=True)
        if request.param == "all" or (name in SAMPLE and not options)
    }


def model_of(cases, **kwargs):
    """A functional model of unknown length with one output per case."""
    inputs = keras.Input((None, FEATURES), name="sequences")
    masked = keras.layers.Masking()(inputs)
    outputs = {
        case: keras.layers.Dense(1, name=case)(
            rnn_layers.rnn(name, UNITS, **options, **kwargs)(masked)
        )
        for case, (name, options) in cases.items()
    }
    return keras.Model(inputs, outputs)


# JAX, if not told to compile the step, compiles each loop anew at every step.
@pytest.mark.parametrize(
    ("dtype", "jit_compile"),
    [
        ("float32", keras.backend.backend() == "jax"),
        pytest.param("float32", True, marks=pytest.mark.slow),
        pytest.param("mixed_float16", False, marks=pytest.mark.slow),
    ],
    ids=["usual", "compiled", "half"],
)
def test_a_step_of_fit_lowers_every_loss(cases, dtype, jit_compile):
    keras.utils.set_random_seed(0)
    model = model_of(cases, compiled=False, dtype=dtype)
    model.compile(
        keras.optimizers.Adam(0.02), loss="mse", jit_compile=jit_compile
    )
    sequences = (random(BATCH, TIME, FEATURES) * MASK[..., None]).astype(
        "float32"
    )
    target = np.arange(BATCH, dtype="float32")[:, None] / BATCH
    targets = dict.fromkeys(cases, target)
    history = model.fit(
        sequences, targets, batch_size=BATCH, epochs=2, verbose=0
    ).history
    for case in cases:
        first, second = history[f"{case}_loss"]
        assert second < first, case


LOAD_AND_PREDICT = """
import sys
import keras, numpy as np
import rnn_layers
model = keras.models.load_model(sys.argv[1])
sequences = np.load(sys.argv[2])
results = model.predict(sequences, verbose=0)
np.savez(sys.argv[3], **results)
"""


@pytest.mark.slow
@pytest.mark.parametrize("cases", ["all"], indirect=True)
def test_saved_model_loads_in_a_new_process(cases, tmp_path):
    """There it sees other lengths, and here a batch of one."""
    model = model_of(cases, dropout=0.1, compiled=False)
    for layer in model.layers:
        randomize(layer)
    sequences = random(2, 9, FEATURES).astype("float32")
    sequences[0, 5:] = 0
    longer = np.zeros((2, 12, FEATURES), "float32")  # zeros are masked
    longer[:, :9] = sequences
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "sequences.npy", longer)
    paths = [
        str(tmp_path / name)
        for name in ("model.keras", "sequences.npy", "results.npz")
    ]
    subprocess.run(
        [sys.executable, "-c", LOAD_AND_PREDICT, *paths],
        check=True,
        cwd=os.getcwd(),
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    results = np.load(paths[-1])
    for row in range(2):
        alone = model.predict(sequences[row : row + 1], verbose=0)
        for case, expected in alone.items():
            close(results[case][row : row + 1], expected, 1e-6)


class Subclassed(keras.Model):
    """A model that is a class: the layers see masks and lengths at call."""

    def __init__(self, layers):
        super().__init__()
        self.supports_masking = True
        self.rows = layers

    def call(self, sequences, mask=None):
        return [layer(sequences, mask=mask) for layer in self.rows]


def test_a_subclassed_model_sees_masks_lengths_and_a_batch_of_one():
    layers = [make(name, options) for name, options in CASES]
    model = Subclassed(layers)
    masked = model(SEQUENCES, mask=MASK)
    for row in (0, 4):  # right-padded, and whole
        alone = model(SEQUENCES[row : row + 1, : MASK[row].sum()])
        close(alone, [outputs[row : row + 1] for outputs in masked])


@pytest.mark.parametrize(
    "layer",
    [
        lambda: rnn_layers.AttentionPooling(),
        lambda: rnn_layers.AttentionPooling(return_weights=True),
        lambda: rnn_layers.stack("gru", 2, depth=2, bidirectional=True),
        lambda: rnn_layers.stack("projection_lstm", 4, return_sequences=True),
    ],
)
def test_shapes_are_known_without_a_run(layer):
    layer = layer()
    x = random(BATCH, TIME, 4).astype("float32")
    found = keras.tree.map_structure(lambda y: tuple(y.shape), layer(x))
    assert layer.compute_output_shape(x.shape) == found
    if isinstance(found[0], int):
        inputs = keras.Input((None, TIME, 4))
        outputs = keras.layers.TimeDistributed(layer)(inputs)
        assert outputs.shape == (None, None, *found[1:])


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_states_from_outside_survive_saving(ending, tmp_path):
    sequences, state = keras.Input((None, FEATURES)), keras.Input((UNITS,))
    outputs = rnn_layers.rnn("gru", UNITS)(sequences, initial_state=state)
    model = keras.Model([sequences, state], outputs)
    path = tmp_path / f"model.{ending}"
    model.save(path)
    inputs = [random(2, TIME, FEATURES), random(2, UNITS)]
    close(keras.models.load_model(path)(inputs), model(inputs))


@pytest.mark.slow
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow"
)
@pytest.mark.parametrize("length", [None, 5])
def test_a_training_endpoint_goes_on_as_the_model_does(length, tmp_path):
    """Of unknown length, too, where the way back captures arrays."""
    import tensorflow as tf

    inputs = keras.Input((length, 3))
    layer = rnn_layers.rnn("peephole_lstm", 4, seed=0)
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)

    def train(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    specs = [tf.TensorSpec((None, length, 3)), tf.TensorSpec((None, 1))]
    trained = tf.function(train, specs, autograph=False)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(optimizer)
    archive.add_endpoint("train", trained)
    archive.write_out(str(tmp_path / "saved"), verbose=False)
    with warnings.catch_warnings(action="ignore"):
        loaded = tf.saved_model.load(str(tmp_path / "saved"))
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
    y = np.ones((4, 1), "float32")
    for _ in range(3):
        np.testing.assert_allclose(loaded.train(x, y), trained(x, y), 1e-5)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="graphs of TensorFlow"
)
def test_plain_loops_serve_every_batch_and_hold_no_custom_gradient():
    import tensorflow as tf

    layer = rnn_layers.rnn("peephole_lstm", 3, return_sequences=True)
    x = np.random.default_rng(0).normal(size=(5, 7, 2)).astype("float32")
    mask = np.arange(7) < np.array([[7], [3], [1], [7], [0]])
    expected = layer(x, mask=mask)

    def infer(x, mask):
        return layer(x, mask=mask, training=False)

    specs = [tf.TensorSpec((None, None, 2)), tf.TensorSpec((None, None), bool)]
    with rnn_layers.plain_loops():
        served = tf.function(infer, specs).get_concrete_function()
    compiled = tf.function(infer, specs).get_concrete_function()
    np.testing.assert_allclose(served(x, mask), expected, atol=1e-6)
    np.testing.assert_allclose(served(x[:2], mask[:2]), expected[:2], atol=1e-6)
    for function, is_plain in ((served, True), (compiled, False)):
        text = str(function.graph.as_graph_def())
        assert ("_gradient_op_type" not in text) == is_plain
        assert ("_XlaMustCompile" not in text) == is_plain
