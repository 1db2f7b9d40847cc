"""Loops over the steps of sequences on TensorFlow.

Letters of shapes: B batch, T time, U units.
"""

from collections.abc import Callable, Iterable

import tensorflow as tf


def while_loop(
    step: Callable,
    n: tf.Tensor,
    inputs: list,
    carried: list,
    widths: list[int],
    reverse: bool = False,
    differentiable: bool = False,
) -> tuple[list, list]:
    """Run n steps; return what each gave, stacked, and what is carried.

    The inputs are as long as their shapes say; what is behind n is not read.

    Forward, each step reads the inputs of the next one: what is carried stands
    in buffers of its own, from which XLA computes several times faster than
    from a slice at a variable index of a long one. In reverse it does not, and
    what a step reads of itself saves two copies.

    Args:
        step: Function of a list of inputs, one step of each, and of what is
            carried, to a list of tensors `(B, width)` and what is carried on.
        n: The number of steps.
        inputs: List of tensors `(T, B, ...)`.
        carried: List of tensors.
        widths: The last dimensions of what `step` returns first.
        reverse: Whether to run from the last step to the first.
        differentiable: Whether TensorFlow has to find gradients of the loop,
            which XLA compiles only if it knows how many steps there can be.
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
        index = n - 1 - t if reverse else t
        buffers = [
            buffer.write(index, tf.cast(value, kind))
            for buffer, value in zip(buffers, values, strict=True)
        ]
        following = [] if reverse else read(t + 1)
        return t + 1, following, with_shapes(new, carried), buffers

    first = [] if reverse else read(0)
    _, _, carried, buffers = tf.while_loop(
        lambda t, *_: t < n,
        body,
        (0, first, list(carried), buffers),
        maximum_iterations=size if differentiable else None,
    )
    return [buffer.stack() for buffer in buffers], carried


def with_shapes(
    tensors: Iterable[tf.Tensor], others: Iterable[tf.Tensor]
) -> list:
    """Copy static shape information from other tensors to tensors."""
    return [
        tf.ensure_shape(tensor, other.shape)
        for tensor, other in zip(tensors, others, strict=True)
    ]


def split(items: Iterable, sizes: Iterable[int]) -> list[list]:
    """Split a list into lists of these sizes, and one of what is left."""
    parts, items = [], list(items)
    for size in sizes:
        parts.append(items[:size])
        items = items[size:]
    return [*parts, items]
