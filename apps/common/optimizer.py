"""The optimizer of every app: AdamW that remembers what people ask about."""

import contextlib

import keras
from keras import ops


class AdamW(keras.optimizers.AdamW):
    """Keras's AdamW, which knows its gradient's length and averages weights.

    `gradient_norm` is the last step's, before clipping: that of all gradients
    together shows at a glance whether a recurrent network's gradients explode
    or vanish.  The averages of the weights over the last steps are better than
    the weights themselves (Polyak and Juditsky, 1992, "Acceleration of
    stochastic approximation by averaging"); `averaged` puts them in place.

    Args:
        *args: As Keras's AdamW has them.
        averaging: How much of the average a step keeps, at most; the first
            steps keep less, `(1 + t) / (10 + t)`.  Zero: no averages.
        slow: Variables that take smaller steps, such as those of a network that
            has been trained before.
        slowness: What their steps are multiplied by.
        **kwargs: As Keras's AdamW has them.
    """

    def __init__(self, *args, averaging=0.0, slow=(), slowness=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.averaging = averaging
        self.slow = {self._var_key(variable) for variable in slow}
        self.slowness = slowness
        self.pairs = []

    def build(self, variables):
        if not self.built:
            self.gradient_norm = self.add_variable((), name="gradient_norm")
            if self.averaging:
                self.pairs = [
                    (v, self.add_variable_from_reference(v, name="average"))
                    for v in variables
                ]
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        if self._var_key(variable) in self.slow:
            learning_rate = learning_rate * self.slowness
        super().update_step(gradient, variable, learning_rate)

    def apply(self, grads, trainable_variables=None):
        grads = [_dense(gradient) for gradient in grads]
        super().apply(grads, trainable_variables)
        squares = [
            ops.sum(ops.square(ops.cast(gradient, "float32")))
            for gradient in grads
            if gradient is not None
        ]
        self.gradient_norm.assign(ops.sqrt(sum(squares)))
        time = ops.cast(self.iterations, "float32")  # after this step
        keep = ops.minimum(self.averaging, time / (9 + time))
        for variable, average in self.pairs:
            change = (1 - keep) * (variable - average)
            average.assign_add(ops.cast(change, average.dtype))


@contextlib.contextmanager
def averaged(model):
    """Puts the averages in place of the weights of a model, for a while."""
    optimizer = model.optimizer
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    _swap(optimizer)
    try:
        yield
    finally:
        _swap(optimizer)


def _swap(optimizer):
    for variable, average in getattr(optimizer, "pairs", ()):
        value = ops.convert_to_numpy(variable)
        variable.assign(average)
        average.assign(value)


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
