"""Gradients of gradients on TensorFlow.

The way back of the compiled loop is written by hand, and no gradient of it can
be taken. Where one is asked for, as by a penalty on gradients, the gradient is
computed once more, by a plain loop that TensorFlow can differentiate as often
as it likes. What does not ask for it pays nothing.
"""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

from rnn_layers.engine.differentiation import (
    custom_gradient,
    dense,
    gradients,
)


def with_second_order(
    backward: Callable,
    reference: Callable,
    fixed: Sequence,
    tensors: Sequence,
    upstream: Sequence,
) -> list:
    """Return the gradients of a function, which have gradients themselves.

    Args:
        backward: Function without arguments that returns, for these `tensors`
            and `upstream`, the gradients of the tensors.
        reference: Function of `fixed` and of the tensors whose gradients these
            are; it returns a list of tensors that TensorFlow can differentiate.
        fixed: Tensors that have no gradients, such as masks.
        tensors: The tensors.
        upstream: The gradients of what `reference` returns.
    """
    first = functools.partial(_gradients, reference, len(tensors))
    inputs = [*tensors, *upstream]
    return _differentiated(first, lambda *_: backward(), fixed, inputs)


def _gradients(function, count, fixed, *inputs):
    """Return the gradients of `function(fixed, *inputs[:count])`."""
    results = function(fixed, *inputs[:count])
    return gradients(results, inputs[:count], inputs[count:])


def _differentiated(function, compute, fixed, inputs):
    """Return `compute(fixed, *inputs)`, with the gradients of `function`.

    Each further order is a function of its own, for tapes do not know what the
    gradient of a loop adds to the loop.
    """
    # Of this graph, so that `gradient` finds them wherever it is called.
    fixed = [tf.identity(x) for x in fixed]

    @custom_gradient
    def run(*inputs):
        results = compute(fixed, *inputs)

        def gradient(*upstream):
            following = functools.partial(_gradients, function, len(inputs))
            upstream = dense(upstream, results)
            further = [*inputs, *upstream]
            return _differentiated(following, following, fixed, further)

        return results, gradient

    return run(*[tf.identity(x) for x in inputs])
