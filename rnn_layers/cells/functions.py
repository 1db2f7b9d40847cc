"""Functions in the equations of several cells."""

import keras
from keras import ops


def gate_share(activation, a, b):
    """Return g(a) / (g(a) + g(b)), also where both of a sigmoid g are zero."""
    if activation is keras.activations.sigmoid:
        return ops.sigmoid(ops.log_sigmoid(a) - ops.log_sigmoid(b))
    return activation(a) / (activation(a) + activation(b))


def normalized(x, epsilon=1e-5):
    """Shift and scale the last axis to mean 0 and variance 1."""
    mean = ops.mean(x, axis=-1, keepdims=True)
    centered = x - mean
    variance = ops.mean(centered * centered, axis=-1, keepdims=True)
    return centered * ops.rsqrt(variance + epsilon)


def positive_part(a):
    """Return a + 1/2 where a >= 0 and sigmoid(a) elsewhere."""
    return ops.where(a >= 0, a + 0.5, ops.sigmoid(a))
