"""What a cell computes of its inputs before the loop, on TensorFlow.

Letters of shapes: F features, W width of the projected input.
"""

import keras
import tensorflow as tf

from rnn_layers.cells.base import Cell
from rnn_layers.engine.differentiation import gradients, read_by, trace


class Projection:
    """The projection of a cell, with its weights as an argument.

    Args:
        cell: The built cell.
        inputs: A tensor `(..., F)`.

    Attributes:
        width: Columns of what is projected.
        kind: Type of that.
    """

    def __init__(self, cell: Cell, inputs: tf.Tensor):
        self.project = cell.project
        variables = cell.variables

        def project():
            x = tf.ones((1, inputs.shape[-1]), inputs.dtype)
            self.read = variables
            values = [tf.ones(v.shape, v.dtype) for v in variables]
            projected = self(x, values)
            self.width, self.kind = projected.shape[-1], projected.dtype
            self.read = [variables[k] for k in read_by([projected], values)]

        trace(project)

    def weights(self) -> list:
        """Return the values of the variables that the projection reads."""
        return [tf.convert_to_tensor(v) for v in self.read]

    def __call__(self, x: tf.Tensor, weights: list) -> tf.Tensor:
        """Project `(..., F)` to `(..., W)`, as one product."""
        mapping = list(zip(self.read, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            projected = self.project(tf.reshape(x, (-1, x.shape[-1])))
        width = projected.shape[-1]
        shape = tf.concat([tf.shape(x)[:-1], [width]], 0)
        projected = tf.reshape(projected, shape)
        return tf.ensure_shape(projected, (*x.shape[:-1], width))

    def gradients(
        self, x: tf.Tensor, weights: list, d_projected: tf.Tensor
    ) -> tuple[tf.Tensor, list]:
        """Return the gradient of the inputs, and the list of the weights'."""
        x, *weights = [tf.identity(t) for t in [x, *weights]]  # of this graph
        projected = self(x, weights)
        upstream = tf.cast(d_projected, projected.dtype)
        d_x, *d_weights = gradients([projected], [x, *weights], [upstream])
        return d_x, d_weights
