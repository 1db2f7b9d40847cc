"""A loop over the steps of sequences on TensorFlow, whole or in pieces.

XLA compiles a loop for one shape. A sequence of unknown length is therefore
run in pieces of `PIECE` steps, so that one compilation serves every length.

Letters of shapes: B batch, T time, N number of pieces, P steps of a piece,
U units.
"""

import tensorflow as tf

PIECE = 32  # steps


def eager_loop(step, inputs, states, constants, product):
    """Runs a step over time without compilation, for use outside of graphs.

    Args:
        step: As in `fast_loop.FastLoop`.
        inputs: List of tensors `(T, B, ...)`.
        states: List of tensors `(B, U)`.
        constants: List of tensors.
        product: Function of two tensors.

    Returns:
        The first state of every step `(T, B, U)`, and the last states.
    """
    outputs = []
    for t in range(inputs[0].shape[0]):
        states = step([x[t] for x in inputs], states, constants, product)
        outputs.append(states[0])
    if not outputs:
        return tf.zeros((0, *states[0].shape), states[0].dtype), states
    return tf.stack(outputs), states


def loop(step, n, inputs, carried, widths, reverse=False):
    """Runs n steps; returns what each gave, stacked, and what is carried.

    Forward, each step reads the inputs of the next one: what is carried stands
    in buffers of its own, from which XLA computes several times faster than
    from a slice at a variable place of a long one. In reverse it does not, and
    what a step reads of itself saves two copies.
    """
    size, kind = tf.shape(inputs[0])[0], carried[0].dtype
    size = size if inputs[0].shape[0] is None else inputs[0].shape[0]
    buffers = [
        tf.TensorArray(kind, size, element_shape=(carried[0].shape[0], width))
        for width in widths
    ]

    def read(t):
        t = tf.clip_by_value(t, 0, tf.maximum(n - 1, 0))
        # Not by brackets: XLA would compile them anew for every n.
        return [tf.gather(x, n - 1 - t if reverse else t) for x in inputs]

    def body(t, now, carried, buffers):
        values, new = step(read(t) if reverse else now, carried)
        here = n - 1 - t if reverse else t
        buffers = [
            buffer.write(here, tf.cast(value, kind))
            for buffer, value in zip(buffers, values, strict=True)
        ]
        following = [] if reverse else read(t + 1)
        return t + 1, following, _alike(new, carried), buffers

    first = [] if reverse else read(0)
    _, _, carried, buffers = tf.while_loop(
        lambda t, *_: t < n, body, (0, first, list(carried), buffers)
    )
    return [buffer.stack() for buffer in buffers], carried


def in_pieces(run, count, sequences, carried, rest, reverse):
    """Calls a compiled loop on sequences of an unknown length.

    Args:
        run: Function `(n, sequences, carried, *rest)` that runs n steps.
        count: Number of the stacks that it returns.
        sequences: List of tensors `(T, B, ...)`.
        carried: List of tensors that go from step to step.
        rest: What else `run` takes.
        reverse: Whether `run` goes from the last step to the first.

    Returns:
        A list of `count` stacks `(T, B, ...)`, and what is carried.
    """
    n = tf.shape(sequences[-1])[0]

    def one_piece():  # without the copies that several pieces need
        pieces = [_pieces(x, 1)[0] for x in sequences]
        stacks, last = run(n, pieces, list(carried), *rest)
        return [stack[:n] for stack in stacks], _alike(last, carried)

    def many_pieces():
        return _in_turn(run, count, sequences, carried, rest, reverse)

    stacks, last = tf.cond(n <= PIECE, one_piece, many_pieces)
    size = carried[0].shape[0]
    stacks = [tf.ensure_shape(x, (None, size, x.shape[-1])) for x in stacks]
    return stacks, _alike(last, carried)


def _in_turn(run, count, sequences, carried, rest, reverse):
    """Calls a compiled loop on one piece of the sequences after the other."""
    n = tf.shape(sequences[-1])[0]
    number = (n + PIECE - 1) // PIECE
    pieces = [_pieces(x, number) for x in sequences]  # (N, P, B, ...)
    arrays = [tf.TensorArray(carried[0].dtype, number) for _ in range(count)]

    def body(i, carried, arrays):
        here = number - 1 - i if reverse else i
        length = tf.minimum(PIECE, n - here * PIECE)
        stacks, new = run(length, [x[here] for x in pieces], carried, *rest)
        arrays = [
            array.write(here, stack)
            for array, stack in zip(arrays, stacks, strict=True)
        ]
        return i + 1, _alike(new, carried), arrays

    _, carried, arrays = tf.while_loop(
        lambda i, *_: i < number, body, (0, list(carried), arrays)
    )
    return [_joined(array.stack(), n) for array in arrays], carried


def _pieces(x, number):
    """Cuts `(T, B, ...)` into `(N, P, B, ...)`, with zeros at the end."""
    missing = number * PIECE - tf.shape(x)[0]
    x = tf.pad(x, [[0, missing]] + [[0, 0]] * (len(x.shape) - 1))
    pieces = tf.reshape(x, tf.concat([[number, PIECE], tf.shape(x)[1:]], 0))
    return tf.ensure_shape(pieces, (None, PIECE, *x.shape[1:]))


def _joined(stack, n):
    """Joins pieces `(N, P, B, U)` to `(T, B, U)`."""
    joined = tf.reshape(stack, tf.concat([[-1], tf.shape(stack)[2:]], 0))
    return joined[:n]


def _alike(tensors, others):
    """Tells of tensors the shapes of others, where they know more."""
    return [
        tf.ensure_shape(tensor, other.shape)
        for tensor, other in zip(tensors, others, strict=True)
    ]
