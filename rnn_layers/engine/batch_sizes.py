"""Batches filled up to a few sizes on TensorFlow.

XLA compiles a loop for one size of a batch, which takes half a second. The last
batch of a data set, or whatever is to be predicted, has any size: it gets rows
that nobody looks at, so that neighbouring sizes share a compilation. Above 32
rows a quarter at most are added, and to the sizes that are usual none.

Letters of shapes: B batch, T time, U units.
"""

from collections.abc import Callable

import tensorflow as tf

SIZES = [0, 1, 2, 4, 8, 16, 24]
SIZES += [k << e for e in range(3, 20) for k in (4, 5, 6, 7)]  # 32, 40, 48, ...


def filled_size(rows: tf.Tensor, halves: bool) -> tf.Tensor:
    """Return the size to which a batch is filled up, an even one for halves."""
    sizes = [size for size in SIZES if not (halves and size % 2)]
    index = tf.searchsorted(sizes, tf.minimum(rows, sizes[-1])[None])[0]
    return tf.maximum(tf.gather(sizes, index), rows)


def run_filled(
    run: Callable, inputs: list, states: list, constants: list, halves: bool
) -> tuple[tf.Tensor, list]:
    """Run a loop over a batch of unknown size that is filled up.

    The rows that are added have zeros as inputs, and begin with the states of
    the last row, with which a cell can surely compute.

    Args:
        run: Function `(inputs, states, constants)` as below, which returns the
            outputs `(T, B, U)` and the last states.
        inputs: List of tensors `(T, B, ...)`.
        states: List of tensors `(B, U)`.
        constants: List of tensors `(B, U)`.
        halves: Whether `run` cuts the batch into halves.

    Returns:
        What `run` returns for the batch.
    """
    rows = tf.shape(states[0])[0]
    size = filled_size(rows, halves)

    def fill(x, axis):
        paddings = [[0, 0] for _ in x.shape]
        paddings[axis][1] = size - rows
        return tf.pad(x, paddings)

    source = tf.minimum(tf.range(size), rows - 1)
    outputs, last = run(
        [fill(x, 1) for x in inputs],
        [tf.gather(state, source) for state in states],
        [fill(x, 0) for x in constants],
    )

    # Not by brackets, whose gradient is a copy even of a whole tensor.
    def cut(x, axis):
        sizes = [-1 for _ in x.shape]
        sizes[axis] = rows
        return tf.slice(x, [0 for _ in x.shape], sizes)

    outputs = tf.ensure_shape(cut(outputs, 1), outputs.shape)
    return outputs, [tf.ensure_shape(cut(x, 0), x.shape) for x in last]
