"""Gradients of gradients on TensorFlow.

The way back of the compiled loop is written by hand, and no gradient of it can
be taken. Where one is asked for, as by a penalty on gradients, the gradient is
computed once more, by a plain loop that TensorFlow can differentiate as often
as it likes. What does not ask for it pays nothing.
"""

import tensorflow as tf


def differentiable(backward, plain, tensors, gradients):
    """Returns the gradients of a function, which have gradients themselves.

    Args:
        backward: Function without arguments that returns, for given `tensors`
            and `gradients`, the gradients of the tensors.
        plain: Function of the tensors whose gradients these are; it returns a
            list of tensors that TensorFlow can differentiate.
        tensors: List of tensors.
        gradients: List of the gradients of what `plain` returns.
    """
    count = len(tensors)

    @tf.custom_gradient
    def run(*given):
        def second(*upstream):
            with tf.GradientTape() as outer:
                outer.watch(given)
                with tf.GradientTape() as inner:
                    inner.watch(given[:count])
                    results = plain(*given[:count])
                first = inner.gradient(
                    results,
                    given[:count],
                    output_gradients=given[count:],
                    unconnected_gradients="zero",
                )
            return outer.gradient(
                first,
                given,
                output_gradients=upstream,
                unconnected_gradients="zero",
            )

        return backward(), second

    return run(*tensors, *gradients)
