"""Gradients of gradients on TensorFlow.

The way back of the compiled loop is written by hand, and no gradient of it can
be taken. Where one is asked for, as by a penalty on gradients, the gradient is
computed once more, by a plain loop that TensorFlow can differentiate as often
as it likes. What does not ask for it pays nothing.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf


def with_second_order(
    backward: Callable,
    reference: Callable,
    tensors: Sequence,
    gradients: Sequence,
) -> list:
    """Return the gradients of a function, which have gradients themselves.

    Args:
        backward: Function without arguments that returns, for these `tensors`
            and `gradients`, the gradients of the tensors.
        reference: Function of the tensors whose gradients these are; it returns
            a list of tensors that TensorFlow can differentiate.
        tensors: The tensors.
        gradients: The gradients of what `reference` returns.
    """
    count = len(tensors)

    @tf.custom_gradient
    def run(*inputs):
        def second(*upstream):
            with tf.GradientTape() as outer:
                outer.watch(inputs)
                with tf.GradientTape() as inner:
                    inner.watch(inputs[:count])
                    results = reference(*inputs[:count])
                first = inner.gradient(
                    results,
                    inputs[:count],
                    output_gradients=inputs[count:],
                    unconnected_gradients="zero",
                )
            return outer.gradient(
                first,
                inputs,
                output_gradients=upstream,
                unconnected_gradients="zero",
            )

        return backward(), second

    return run(*tensors, *gradients)
