"""Sequences chunk by chunk on TensorFlow.

What is wide stays in the cache of the processor between the products and the
loop when it is computed for one chunk at a time, and the gradient of the
projected input is never in memory as a whole. And XLA, which compiles a loop
for one shape, compiles one for all lengths.

Letters of shapes: B batch, T time, N number of chunks, P steps of a chunk.
"""

from collections.abc import Callable

import tensorflow as tf

from rnn_layers.engine.while_loop import with_shapes

MAX_CHUNK_ELEMENTS = 2**20  # numbers in the projected input of a chunk
MIN_CHUNK_STEPS = 16  # steps of a chunk, unless there are fewer
MAX_CHUNK_STEPS = 32  # steps of a chunk of a sequence of unknown length
ASSUMED_BATCH = 32  # size of a batch whose size is unknown
MAX_UNROLLED_CHUNKS = 16  # chunks side by side in a graph, in no loop


def chunk_steps(length: int | None, rows: int | None, width: int) -> int:
    """Return how many steps a chunk has.

    Args:
        length: Number of all steps, or `None`.
        rows: Size of the batch, or `None`.
        width: Columns of the projected input.
    """
    steps = MAX_CHUNK_ELEMENTS // ((rows or ASSUMED_BATCH) * width)
    steps = max(steps, MIN_CHUNK_STEPS)
    if length is None:
        return min(steps, MAX_CHUNK_STEPS)
    number = max(-(-length // steps), 1)
    return max(-(-length // number), 1)


def run_chunks(
    run: Callable,
    steps: int,
    sequences: list,
    saved: list,
    carried: list,
    output_specs: list,
    reverse: bool = False,
) -> tuple[list, list]:
    """Run a function over the chunks of sequences, one after the other.

    Args:
        run: Function `(n, chunk, saved, carried)` of the number of steps that a
            chunk has before its padding, and of three lists of tensors. It
            returns a list of tensors, and the list of what is carried on.
        steps: Number of steps of a chunk.
        sequences: List of tensors `(T, B, ...)`, cut to `(P, B, ...)`.
        saved: List of arrays with one element for each chunk.
        carried: List of tensors that go from chunk to chunk.
        output_specs: What the tensors are that `run` returns first.
        reverse: Whether to go from the last chunk to the first.

    Returns:
        These tensors as arrays, and what is carried.
    """
    n = _length(sequences)
    number = -(-n // steps)
    is_known = isinstance(n, int)
    number = max(number, 1) if is_known else tf.maximum(number, 1)
    chunks = [_cut(x, number, steps) for x in sequences]  # (N, P, B, ...)
    arrays = [
        tf.TensorArray(
            spec.dtype, number, element_shape=spec.shape, clear_after_read=False
        )
        for spec in output_specs
    ]

    def body(i, carried, arrays):
        index = number - 1 - i if reverse else i
        values, new = run(
            tf.minimum(steps, n - index * steps),
            [x[index] for x in chunks],
            [array.read(index) for array in saved],
            carried,
        )
        arrays = [
            array.write(index, value)
            for array, value in zip(arrays, values, strict=True)
        ]
        return i + 1, with_shapes(new, carried), arrays

    if is_known and number <= MAX_UNROLLED_CHUNKS:
        carried = list(carried)
        for i in range(number):
            _, carried, arrays = body(i, carried, arrays)
    else:
        _, carried, arrays = tf.while_loop(
            lambda i, *_: i < number, body, (0, list(carried), arrays)
        )
    return arrays, carried


def join_chunks(array: tf.TensorArray, like: tf.Tensor) -> tf.Tensor:
    """Join chunks `(P, B, ...)` to one tensor, as long as another one."""
    stack = array.stack()  # (N, P, B, ...)
    whole = tf.reshape(stack, tf.concat([[-1], tf.shape(stack)[2:]], 0))
    whole = whole[: tf.shape(like)[0]]
    return tf.ensure_shape(whole, (*like.shape[:2], *stack.shape[3:]))


def _length(sequences):
    """Return the length, an integer if one of the sequences knows it."""
    known = [x.shape[0] for x in sequences if x.shape[0] is not None]
    return known[0] if known else tf.shape(sequences[0])[0]


def _cut(x, number, steps):
    """Cut `(T, B, ...)` into `(N, P, B, ...)`, with zeros at the end."""
    missing = number * steps - _length([x])
    if not isinstance(missing, int) or missing:
        x = tf.pad(x, [[0, missing]] + [[0, 0]] * (len(x.shape) - 1))
    chunks = tf.reshape(x, tf.concat([[number, steps], tf.shape(x)[1:]], 0))
    return tf.ensure_shape(chunks, (None, steps, *x.shape[1:]))
