"""The optimizer of every app: AdamW that remembers the gradient's length."""

import keras
from keras import ops


class AdamW(keras.optimizers.AdamW):
    """Keras's AdamW; `gradient_norm` is the last step's, before clipping.

    The norm is that of all gradients together, which shows at a glance whether
    a recurrent network's gradients explode or vanish.
    """

    def build(self, variables):
        if not self.built:
            self.gradient_norm = self.add_variable((), name="gradient_norm")
        super().build(variables)

    def apply(self, grads, trainable_variables=None):
        grads = [_dense(gradient) for gradient in grads]
        super().apply(grads, trainable_variables)
        squares = [
            ops.sum(ops.square(ops.cast(gradient, "float32")))
            for gradient in grads
            if gradient is not None
        ]
        self.gradient_norm.assign(ops.sqrt(sum(squares)))


def _dense(gradient):
    """Adds up the rows of an embedding's gradient that belong to one word.

    TensorFlow gives them one by one, and Keras would take the norm of those
    rows when it clips, not the norm of the gradient.
    """
    if not hasattr(gradient, "dense_shape"):
        return gradient
    return ops.segment_sum(
        gradient.values,
        gradient.indices,
        num_segments=gradient.shape[0],
    )
