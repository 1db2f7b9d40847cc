"""LSTM and GRU by NVIDIA's cuDNN, on a GPU.

cuDNN runs a whole sequence in one call. It knows no peepholes, no other
activations and no zoneout, so it serves two cells of this library, and only as
they are by default (`fits`), and masks that leave one block of steps of each
row (`has_one_block`), such as padding. Everything else runs in
`chunked_run.py`, and so does what is traced in `plain_loops`: an exported model
must run on a machine without a GPU. cuDNN has no gradient of its gradient.

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


def has_one_block(mask: tf.Tensor) -> tf.Tensor:
    """Return whether a mask `(T, B)` leaves each row one block of steps."""
    before = tf.pad(mask[:-1], [[1, 0], [0, 0]])
    begins = tf.logical_and(mask, tf.logical_not(before))
    return tf.reduce_all(tf.math.count_nonzero(begins, axis=0) == 1)


def run_masked(
    cell: Cell, sequences: tf.Tensor, states: list, mask: tf.Tensor
) -> tuple[tf.Tensor, list]:
    """Run a cell that `fits` over the one block of each row, as `run` does.

    Behind the block the output is its last one, as at all masked steps; what
    stands before it nobody sees.

    Args:
        cell: The built cell.
        sequences: `(T, B, F)`.
        states: List of the states before the first step, `(B, U)`.
        mask: Boolean `(T, B)` that `has_one_block`.
    """
    mask = tf.cast(mask, "int32")
    first, lengths = (
        tf.argmax(mask, output_type="int32"),
        tf.reduce_sum(mask, 0),
    )
    steps = tf.range(tf.shape(mask)[0])[:, None]  # (T, 1)
    rows = tf.range(tf.shape(mask)[1])[None] + 0 * steps

    def at(x, step):
        return tf.gather_nd(x, tf.stack([step, rows], axis=-1))

    moved = at(sequences, tf.math.floormod(steps + first, tf.shape(mask)[0]))
    outputs, last = run(cell, moved, states, lengths)
    return at(outputs, tf.clip_by_value(steps - first, 0, lengths - 1)), last


def run(
    cell: Cell,
    sequences: tf.Tensor,
    states: list,
    lengths: tf.Tensor | None = None,
) -> tuple[tf.Tensor, list]:
    """Run a cell that `fits` over sequences.

    Args:
        cell: The built cell.
        sequences: `(T, B, F)`.
        states: List of the states before the first step, `(B, U)`.
        lengths: Integers `(B,)` of at least 1, by default all T.

    Returns:
        The first state of every step `(T, B, U)`, zero from a row's length on,
        and the last states.
    """
    length, batch = tf.shape(sequences)[0], tf.shape(sequences)[1]
    lstm = mode(cell) == "lstm"
    outputs, h, c, _, _ = tf.raw_ops.CudnnRNNV3(
        input=tf.cast(sequences, cell.compute_dtype),
        input_h=states[0][None],
        input_c=states[1][None] if lstm else 0,
        params=parameters(cell),
        sequence_lengths=tf.fill([batch], length)
        if lengths is None
        else lengths,
        rnn_mode=mode(cell),
        is_training=True,  # in inference, too: else there is no gradient
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
