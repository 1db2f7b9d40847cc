"""A loop over the steps of sequences on TensorFlow.

Letters of shapes: B batch, T time, U units.
"""

import tensorflow as tf


def eager_loop(step, inputs, states, constants, product):
    """Runs a step over time without compilation, for use outside of graphs.

    Args:
        step: As in `compiled_loop.FastLoop`.
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

    The inputs are as long as their shapes say; what is behind n is not read.

    Forward, each step reads the inputs of the next one: what is carried stands
    in buffers of its own, from which XLA computes several times faster than
    from a slice at a variable place of a long one. In reverse it does not, and
    what a step reads of itself saves two copies.
    """
    size, kind = inputs[0].shape[0], carried[0].dtype
    if size is None:
        size = tf.shape(inputs[0])[0]
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
        return t + 1, following, alike(new, carried), buffers

    first = [] if reverse else read(0)
    _, _, carried, buffers = tf.while_loop(
        lambda t, *_: t < n, body, (0, first, list(carried), buffers)
    )
    return [buffer.stack() for buffer in buffers], carried


def alike(tensors, others):
    """Tells of tensors the shapes of others, where they know more."""
    return [
        tf.ensure_shape(tensor, other.shape)
        for tensor, other in zip(tensors, others, strict=True)
    ]
