"""Sequences piece by piece on TensorFlow.

What is wide stays in the cache of the processor between the products and the
loop when it is made for one piece at a time, and the gradient of the projected
input is never in memory as a whole. And XLA, which compiles a loop for one
shape, compiles one for all lengths.

Letters of shapes: B batch, T time, N number of pieces, P steps of a piece.
"""

import tensorflow as tf

from rnn_layers.engine.while_loop import alike

WIDE = 2**20  # numbers in the projected input of a piece
LEAST = 16  # steps of a piece, unless there are less
MOST = 32  # steps of a piece of a sequence of unknown length
ROWS = 32  # size of a batch whose size is unknown
FEW = 16  # pieces that stand in a graph side by side, and in no loop


def size(length, rows, width):
    """Returns how many steps a piece has.

    Args:
        length: Number of all steps, or `None`.
        rows: Size of the batch, or `None`.
        width: Columns of the projected input.
    """
    steps = max(WIDE // ((rows or ROWS) * width), LEAST)
    if length is None:
        return min(steps, MOST)
    number = max(-(-length // steps), 1)
    return max(-(-length // number), 1)


def in_turn(run, steps, sequences, kept, carried, made, reverse=False):
    """Runs a function over the pieces of sequences, one after the other.

    Args:
        run: Function `(n, pieces, kept, carried)` of the number of steps that a
            piece has before its padding, and of three lists of tensors. It
            returns a list of tensors, and the list of what is carried on.
        steps: Number of steps of a piece.
        sequences: List of tensors `(T, B, ...)`, cut to `(P, B, ...)`.
        kept: List of `TensorArray`s with one element for each piece.
        carried: List of tensors that go from piece to piece.
        made: List of `TensorSpec`s of the tensors that `run` returns first.
        reverse: Whether `run` goes from the last piece to the first.

    Returns:
        These tensors as `TensorArray`s, and what is carried.
    """
    n = _length(sequences)
    number = -(-n // steps)
    is_known = isinstance(n, int)
    number = max(number, 1) if is_known else tf.maximum(number, 1)
    pieces = [_cut(x, number, steps) for x in sequences]  # (N, P, B, ...)
    arrays = [
        tf.TensorArray(
            spec.dtype,
            number,
            element_shape=spec.shape,
            clear_after_read=False,
        )
        for spec in made
    ]

    def take(i, carried, arrays):
        here = number - 1 - i if reverse else i
        values, new = run(
            tf.minimum(steps, n - here * steps),
            [x[here] for x in pieces],
            [array.read(here) for array in kept],
            carried,
        )
        arrays = [
            array.write(here, value)
            for array, value in zip(arrays, values, strict=True)
        ]
        return i + 1, alike(new, carried), arrays

    if is_known and number <= FEW:
        carried = list(carried)
        for i in range(number):
            _, carried, arrays = take(i, carried, arrays)
    else:
        _, carried, arrays = tf.while_loop(
            lambda i, *_: i < number, take, (0, list(carried), arrays)
        )
    return arrays, carried


def joined(array, like):
    """Joins pieces `(P, B, ...)` to one tensor, as long as another one."""
    stack = array.stack()  # (N, P, B, ...)
    whole = tf.reshape(stack, tf.concat([[-1], tf.shape(stack)[2:]], 0))
    whole = whole[: tf.shape(like)[0]]
    return tf.ensure_shape(whole, (*like.shape[:2], *stack.shape[3:]))


def _length(sequences):
    """Returns the length, an integer if one of the sequences knows it."""
    known = [x.shape[0] for x in sequences if x.shape[0] is not None]
    return known[0] if known else tf.shape(sequences[0])[0]


def _cut(x, number, steps):
    """Cuts `(T, B, ...)` into `(N, P, B, ...)`, with zeros at the end."""
    missing = number * steps - _length([x])
    if not isinstance(missing, int) or missing:
        x = tf.pad(x, [[0, missing]] + [[0, 0]] * (len(x.shape) - 1))
    pieces = tf.reshape(x, tf.concat([[number, steps], tf.shape(x)[1:]], 0))
    return tf.ensure_shape(pieces, (None, steps, *x.shape[1:]))
