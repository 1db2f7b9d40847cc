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
    steps: int | None,
    sequences: list,
    saved: list,
    carried: list,
    output_specs: list,
    reverse: bool = False,
) -> tuple[list, list]:
    """Run a function over the chunks of sequences, one after the other.

    Up to `MAX_UNROLLED_CHUNKS` chunks stand side by side in the graph.

    Args:
        run: Function `(n, chunk, saved, carried)` of the number of steps that a
            chunk has before its padding, and of three lists of tensors. It
            returns a list of tensors, and the list of what is carried on.
        steps: Number of steps of a chunk, or `None` for a single chunk.
        sequences: List of tensors `(T, B, ...)`, cut to `(P, B, ...)`.
        saved: List of what was returned for a way over the same chunks.
        carried: List of tensors that go from chunk to chunk.
        output_specs: What the tensors are that `run` returns first.
        reverse: Whether to go from the last chunk to the first.

    Returns:
        For each of these tensors a list with one for each chunk, or an array
        where the chunks are not side by side; and what is carried.
    """
    n = _length(sequences)
    if steps is None:
        first = [parts[0] for parts in saved]
        values, carried = run(
            tf.convert_to_tensor(n), sequences, first, carried
        )
        return [[value] for value in values], carried
    number = -(-n // steps)
    is_known = isinstance(n, int)
    number = max(number, 1) if is_known else tf.maximum(number, 1)
    chunks = [_cut(x, number, steps) for x in sequences]  # (N, P, B, ...)

    def run_one(index, saved, carried):
        length = tf.minimum(steps, n - index * steps)
        values, new = run(length, [x[index] for x in chunks], saved, carried)
        return values, with_shapes(new, carried)

    if is_known and number <= MAX_UNROLLED_CHUNKS:
        parts = [[None] * number for _ in output_specs]
        for i in range(number):
            index = number - 1 - i if reverse else i
            now = [values[index] for values in saved]
            values, carried = run_one(index, now, carried)
            for part, value in zip(parts, values, strict=True):
                part[index] = value
        return parts, carried

    def body(i, carried, arrays):
        index = number - 1 - i if reverse else i
        now = [array.read(index) for array in saved]
        values, carried = run_one(index, now, carried)
        arrays = [
            array.write(index, value)
            for array, value in zip(arrays, values, strict=True)
        ]
        return i + 1, carried, arrays

    arrays = [
        tf.TensorArray(
            spec.dtype, number, element_shape=spec.shape, clear_after_read=False
        )
        for spec in output_specs
    ]
    _, carried, arrays = tf.while_loop(
        lambda i, *_: i < number, body, (0, list(carried), arrays)
    )
    return arrays, carried


def stop_gradients(chunks: list | tf.TensorArray) -> list | tf.TensorArray:
    """Let no gradient go from what `run_chunks` returned to its run."""
    if isinstance(chunks, list):
        return [tf.stop_gradient(x) for x in chunks]
    return tf.TensorArray(
        chunks.dtype,
        clear_after_read=False,
        infer_shape=False,
        flow=tf.stop_gradient(chunks.flow),
    )


def join_chunks(chunks: list | tf.TensorArray, like: tf.Tensor) -> tf.Tensor:
    """Join chunks `(P, B, ...)` to one tensor, as long as another one."""
    if isinstance(chunks, list):
        whole = tf.concat(chunks, 0)
    else:
        stack = chunks.stack()  # (N, P, B, ...)
        whole = tf.reshape(stack, tf.concat([[-1], tf.shape(stack)[2:]], 0))
        whole = tf.ensure_shape(whole, (None, *stack.shape[2:]))
    whole = whole[: tf.shape(like)[0]]
    return tf.ensure_shape(whole, (*like.shape[:2], *whole.shape[2:]))


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
