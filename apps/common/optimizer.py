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
        # The gradient of an embedding comes as rows of which several may
        # belong to one word; as a dense tensor they are added up.
        grads = [g if g is None else ops.convert_to_tensor(g) for g in grads]
        super().apply(grads, trainable_variables)
        squares = [
            ops.sum(ops.square(ops.cast(g, "float32")))
            for g in grads
            if g is not None
        ]
        self.gradient_norm.assign(ops.sqrt(sum(squares)))
