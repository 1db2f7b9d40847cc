"""Functions in the equations of several cells."""

from collections.abc import Callable

import keras
from keras import ops

from rnn_layers.cells.base import Tensor


def gate_share(activation: Callable, a: Tensor, b: Tensor) -> Tensor:
    """Return g(a) / (g(a) + g(b)), also where both of a sigmoid g are zero."""
    if activation is keras.activations.sigmoid:
        return ops.sigmoid(ops.log_sigmoid(a) - ops.log_sigmoid(b))
    return activation(a) / (activation(a) + activation(b))


def normalized(x: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Shift and scale the last axis to mean 0 and variance 1."""
    mean = ops.mean(x, axis=-1, keepdims=True)
    centered = x - mean
    variance = ops.mean(centered * centered, axis=-1, keepdims=True)
    return centered * ops.rsqrt(variance + epsilon)


def positive_part(a: Tensor) -> Tensor:
    """Return a + 1/2 where a >= 0 and sigmoid(a) elsewhere."""
    return ops.where(a >= 0, a + 0.5, ops.sigmoid(a))
