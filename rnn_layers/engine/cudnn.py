"""LSTM and GRU by NVIDIA's cuDNN, in training on a GPU.

cuDNN runs a whole sequence in one call. It knows no peepholes, no other
activations and no zoneout, so it serves two cells of this library, and only as
they are by default (`fits`); it is given no masks, of which it knows only those
at the end. Everything else runs in `chunked_run.py`, and so does what is not
training: what was saved on a machine with a GPU must run on one without.

The equations, the order of gates and that of weights are those of NVIDIA's
cuDNN API reference under `cudnnRNNMode_t` and `cudnnGetRNNWeightParams`.

Letters of shapes: B batch, T time, F features, U units.
"""

import keras
import tensorflow as tf

from rnn_layers.cells.base import Cell

# Where Keras's gates stand among cuDNN's: i, f, c, o; reset, update, new.
LSTM_GATES = 0, 1, 2, 3
GRU_GATES = 1, 0, 2


def available() -> bool:
    """Return whether TensorFlow has cuDNN and may use a GPU."""
    built = tf.sysconfig.get_build_info()["is_cuda_build"]
    return built and bool(tf.config.get_visible_devices("GPU"))


def fits(cell: Cell) -> bool:
    """Return whether cuDNN computes what this cell does."""
    if mode(cell) is None:
        return False
    return (
        getattr(cell, "reset_after", True)
        and cell.use_bias
        and cell.activation is keras.activations.tanh
        and cell.recurrent_activation is keras.activations.sigmoid
        and cell.state_dtype == cell.compute_dtype  # not in mixed precision
    )


def mode(cell: Cell) -> str | None:
    """Return cuDNN's name of what a cell computes, or None.

    Only the class that names it: what derives from it computes otherwise.
    """
    return vars(type(cell)).get("cudnn_mode")


def run(
    cell: Cell, sequences: tf.Tensor, states: list
) -> tuple[tf.Tensor, list]:
    """Run a cell that `fits` over sequences.

    Args:
        cell: The built cell.
        sequences: `(T, B, F)`.
        states: List of the states before the first step, `(B, U)`.

    Returns:
        The first state of every step `(T, B, U)`, and the last states.
    """
    length, batch = tf.shape(sequences)[0], tf.shape(sequences)[1]
    lstm = mode(cell) == "lstm"
    outputs, h, c, _, _ = tf.raw_ops.CudnnRNNV3(
        input=tf.cast(sequences, cell.compute_dtype),
        input_h=states[0][None],
        input_c=states[1][None] if lstm else 0,
        params=parameters(cell),
        sequence_lengths=tf.fill([batch], length),
        rnn_mode=mode(cell),
        is_training=True,
        time_major=True,
    )
    last = [h[0], c[0]] if lstm else [h[0]]
    return outputs, last


def parameters(cell: Cell) -> tf.Tensor:
    """Return all weights of a cell as the one vector that cuDNN takes.

    First the kernels of all gates, then their recurrent kernels, row by row of
    their transposes; then the biases of both, likewise: together
    `(gates * U * (F + U + 2),)`.
    """
    lstm = mode(cell) == "lstm"
    gates = LSTM_GATES if lstm else GRU_GATES
    bias = tf.convert_to_tensor(cell.bias)
    if lstm:  # whose bias belongs to the recurrent kernel
        bias = tf.stack([tf.zeros_like(bias), bias])
    parts = []
    for kernel in (cell.kernel, cell.recurrent_kernel):
        of_gates = tf.split(tf.convert_to_tensor(kernel), len(gates), axis=1)
        parts += [tf.transpose(of_gates[gate]) for gate in gates]
    for row in tf.unstack(bias):
        of_gates = tf.split(row, len(gates))
        parts += [of_gates[gate] for gate in gates]
    return tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)
