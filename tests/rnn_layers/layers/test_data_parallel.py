"""A batch that two devices share: the same numbers, one sum of gradients."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.apps.tools import ROOT

SCRIPT = """
import re, sys
import jax, keras
import numpy as np
import rnn_layers
from keras import ops

def train(distribution):
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    keras.distribution.set_distribution(distribution)
    options = dict(return_sequences=True, dropout=0.2, recurrent_dropout=0.3)
    layer = rnn_layers.rnn(sys.argv[1], 4, **options)
    x = keras.Input((6, 3))
    model = keras.Model(x, layer(x, mask=ops.any(x != 0, axis=-1)))
    model.compile(keras.optimizers.SGD(0.5), "mse", jit_compile=True)
    data = np.random.default_rng(0).normal(size=(8, 6, 3)).astype("float32")
    data[3:, 4:] = 0
    options = dict(epochs=3, batch_size=8, shuffle=False, verbose=0)
    model.fit(data, np.ones((8, 6, 4), "float32"), **options)
    return model, data

both = keras.distribution.DataParallel(
    devices=keras.distribution.list_devices(), auto_shard_dataset=False
)
assert both.device_mesh.devices.size == 2
alone, data = train(None)
model, _ = train(both)
for one, two in zip(alone.get_weights(), model.get_weights(), strict=True):
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)

def loss(weights, others, x):
    outputs, _ = model.stateless_call(weights, others, x, training=True)
    return ops.sum(outputs**2)

values = [
    [v.value for v in variables]
    for variables in (model.trainable_variables, model.non_trainable_variables)
]
x = jax.device_put(data, both.get_data_layout(data.shape).backend_layout)
text = jax.jit(jax.grad(loss)).lower(*values, x).compile().as_text()
sums = r" (all-reduce|all-gather|all-to-all|collective-permute)\\("
parts = [p for p in re.split(r"\\n(?=\\S)", text) if re.search(sums, p)]
assert parts and all(p.startswith("ENTRY") for p in parts), parts
"""


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="no JAX: make install-jax"
)
@pytest.mark.parametrize("cell", ["gru", "peephole_lstm"])
def test_devices_add_up_gradients_behind_the_loop(cell):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, cell],
        cwd=ROOT,
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
