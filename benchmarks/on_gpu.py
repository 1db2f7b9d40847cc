"""The layers on a GPU: equal to the CPU's, and times beside Keras and torch.

    python -m benchmarks.on_gpu

First every case of `CASES` runs on both devices: outputs, last states and all
gradients, masked in four ways. Then the rows of `ROWS` are measured as
`benchmarks.layers` does. Takes under five minutes, and ends with status 1 if a
result differs.
"""

import argparse
import sys

import keras
import numpy as np
import tensorflow as tf

import rnn_layers
from benchmarks import layers, layers_report

BATCH, TIME, FEATURES, UNITS = 16, 40, 24, 32
CASES = [  # cell, both directions, options
    ("lstm", False, {}),
    ("lstm", True, {}),
    ("gru", False, {}),
    ("gru", True, {}),
    ("gru", False, {"go_backwards": True}),
    ("gru", False, {"reset_after": False}),
    ("peephole_lstm", False, {}),
    ("coupled_lstm", True, {}),
    ("min_gru", False, {}),
]
ROWS = [  # cell, masked
    ("lstm", False),
    ("lstm", True),
    ("gru", False),
    ("gru", True),
    ("peephole_lstm", False),
]
TOLERANCE = 1e-4  # of the largest value, in float32 without TF32


def masks():
    """Return masks `(B, T)` by what they leave."""
    steps = np.arange(TIME)
    lengths = np.linspace(1, TIME, BATCH).astype(int)[:, None]
    right = steps < lengths
    return {
        "no mask": None,
        "right": right,
        "left": right[:, ::-1],
        "holes": right & (steps % 7 != 3),
    }


def results(layer, device, mask, x):
    """Return outputs, last states and all gradients, from a graph."""
    with tf.device(device):

        @tf.function(autograph=False)
        def run(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                parts = layer(x, mask=mask, training=True)
                loss = sum(tf.reduce_sum(tf.sin(part)) for part in parts)
            weights = [v.value for v in layer.trainable_variables]
            return [*parts, *tape.gradient(loss, [x, *weights])]

        return [part.numpy() for part in run(tf.constant(x))]


def difference(name, both, options, mask):
    """Return how far a layer on the GPU is from itself on the CPU."""

    def make(use_cudnn):
        keras.utils.set_random_seed(0)
        layer = rnn_layers.rnn(
            name,
            UNITS,
            return_sequences=True,
            return_state=True,
            use_cudnn=use_cudnn,
            **options,
        )
        return rnn_layers.Bidirectional(layer) if both else layer

    x = np.random.default_rng(0).normal(size=(BATCH, TIME, FEATURES))
    x = x.astype("float32")
    pairs = zip(
        results(make(True), "GPU:0", mask, x),
        results(make(False), "CPU:0", mask, x),
        strict=True,
    )
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in pairs)


def main():
    """Check, measure, and say whether all results agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=0.3, help="for each thing compared"
    )
    chosen = parser.parse_args()
    if not tf.config.list_physical_devices("GPU"):
        parser.error("TensorFlow sees no GPU on this machine.")
    tf.config.experimental.enable_tensor_float_32_execution(False)
    worst = 0.0
    for case in CASES:
        for kind, mask in masks().items():
            far = difference(*case, mask)
            worst = max(worst, far)
            print(f"{case[0]:14} {case[1:]} {kind:8} {far:.1e}", flush=True)
    tf.config.experimental.enable_tensor_float_32_execution(True)
    for cell, masked in ROWS:
        for what in ("training step", "predict"):
            row = layers.row(
                cell, layers.SHAPES[1], what, masked, False, chosen.seconds
            )
            print(layers_report.line(row), flush=True)
    verdict = "equal" if worst <= TOLERANCE else "NOT equal"
    print(f"largest relative difference {worst:.1e}: {verdict}")
    return worst > TOLERANCE


if __name__ == "__main__":
    sys.exit(main())
