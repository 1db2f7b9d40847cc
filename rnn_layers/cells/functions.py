"""Functions in the equations of several cells."""

from collections.abc import Callable

import keras
from keras import ops

from rnn_layers.cells.base import Tensor


def gate_share(activation: Callable, a: Tensor, b: Tensor) -> Tensor:
    """Return g(a) / (g(a) + g(b)), and 1/2 where both of them are zero."""
    if activation is keras.activations.sigmoid:
        return ops.sigmoid(ops.log_sigmoid(a) - ops.log_sigmoid(b))
    a, total = activation(a), activation(a) + activation(b)
    shut = ops.equal(total, 0)
    return ops.where(shut, 0.5, a / ops.where(shut, 1.0, total))


def normalized(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Shift and scale the last axis to mean 0 and variance 1."""
    mean = ops.mean(x, axis=-1, keepdims=True)
    centered = x - mean
    variance = ops.mean(centered * centered, axis=-1, keepdims=True)
    return centered * ops.rsqrt(variance + epsilon)


def positive_part(a: Tensor) -> Tensor:
    """Return a + 1/2 where a >= 0 and sigmoid(a) elsewhere."""
    return ops.where(a >= 0, a + 0.5, ops.sigmoid(a))
