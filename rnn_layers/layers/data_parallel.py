"""Loops over batches that `keras.distribution` divides among devices.

XLA adds up the gradients of a weight over the devices wherever they arise:
inside the loop, at every time step. So each device gets a copy of the weights,
and steps through its rows with that; the gradients of a copy stay where it is,
and are added up once, behind the loop. The numbers are the same.

Letters of shapes: B batch, P parts of it, one a device.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from rnn_layers.layers.time_step import TimeStep


def parts(batch_size: int | None) -> int:
    """Return among how many devices a batch of rows is divided."""
    distribution = keras.distribution.distribution()
    if not isinstance(distribution, keras.distribution.DataParallel):
        return 1
    devices = distribution.device_mesh.devices.size
    # Where it does not divide, it is not divided.
    return 1 if batch_size is None or batch_size % devices else devices


def divided(step: TimeStep, parts: int) -> Callable[..., list]:
    """Return a step that takes the rows of each part with its own weights."""
    weights = [_copies(variable, parts) for variable in step.cell.variables]

    def of_parts(tensors):
        return [ops.reshape(x, (parts, -1, *x.shape[1:])) for x in tensors]

    def divided_step(
        inputs: list, states: list, constants: list, matmul: Callable
    ) -> list:
        new = ops.vectorized_map(
            lambda part: step.with_values(*part, matmul),
            (weights, *map(of_parts, (inputs, states, constants))),
        )
        return [ops.reshape(x, (-1, *x.shape[2:])) for x in new]  # B ...

    return divided_step


def _copies(variable: keras.Variable, parts: int) -> Any:
    """Return a copy of a variable for each part, `(P, ...)`, where it is."""
    value = ops.convert_to_tensor(variable)
    copies = ops.broadcast_to(value, (parts, *value.shape))
    layout = keras.distribution.distribution().get_data_layout(copies.shape)
    return keras.distribution.distribute_tensor(copies, layout)
