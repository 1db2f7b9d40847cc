"""The optimizer of every app: AdamW, its learning rate, its averages."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from apps.common import distributed


class AdamW(keras.optimizers.AdamW):
    """Keras's AdamW that records the gradient norm and averages the weights.

    `gradient_norm` is the global norm of the last step, before clipping: it
    shows at a glance whether a recurrent network's gradients explode or vanish.
    The averages of the weights over the last steps are better than the weights
    themselves (Polyak and Juditsky, 1992, "Acceleration of stochastic
    approximation by averaging"); `averaged` puts them in place.

    Args:
        *args: As Keras's AdamW has them.
        averaging: Decay of the moving average; that of step t is at most
            `(1 + t) / (10 + t)`. Zero: no averages.
        slow: Variables with a smaller learning rate, such as those of a
            pretrained network.
        slowness: Factor of their learning rate.
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
                pairs = [
                    (v, self.add_variable_from_reference(v, name="average"))
                    for v in variables
                ]
                # Past Keras, which would take the model's for its own: on JAX
                # the training step would get them twice, and refuse.
                object.__setattr__(self, "pairs", pairs)
        super().build(variables)

    def update_step(self, gradient, variable, learning_rate):
        rate = self._rate(variable, learning_rate)
        super().update_step(gradient, variable, rate)

    def _rate(self, variable, learning_rate):
        """Return the learning rate of a variable."""
        if self._var_key(variable) in self.slow:
            return learning_rate * self.slowness
        return learning_rate

    # On one device TensorFlow has each of these as one operation, where Keras
    # takes fifteen, and computes the learning rate for each variable anew.

    def _apply_weight_decay(self, variables):
        if not distributed.on_one_device():
            super()._apply_weight_decay(variables)

    def _backend_update_step(self, grads, variables, learning_rate):
        if not distributed.on_one_device():
            super()._backend_update_step(grads, variables, learning_rate)
            return
        decay = (self.weight_decay or 0.0) * learning_rate
        time = ops.cast(self.iterations + 1, "float32")
        powers = ops.power(self.beta_1, time), ops.power(self.beta_2, time)
        for gradient, variable in zip(grads, variables, strict=True):
            if self.weight_decay and self._use_weight_decay(variable):
                _move(variable, variable.value, decay)
            rate = self._rate(variable, learning_rate)
            self._adam(gradient, variable, rate, powers)

    def _adam(self, gradient, variable, rate, powers):
        """Do what Keras's Adam does, by one operation of TensorFlow."""
        import tensorflow as tf

        index = self._get_variable_index(variable)
        numbers = {
            "beta1_power": powers[0],
            "beta2_power": powers[1],
            "lr": rate,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "epsilon": self.epsilon,
            "grad": gradient,
        }
        tf.raw_ops.ResourceApplyAdam(
            var=variable.value.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            **{k: tf.cast(x, variable.dtype) for k, x in numbers.items()},
        )

    def apply(self, grads, trainable_variables=None):
        grads = [_dense(gradient) for gradient in grads]
        replicas = distributed.replicas()
        if replicas > 1:
            grads = [g if g is None else distributed.total(g) for g in grads]
        squares = [
            ops.sum(ops.square(ops.cast(gradient, "float32")))
            for gradient in grads
            if gradient is not None
        ]
        norm = ops.sqrt(sum(squares))
        if replicas > 1:
            # Keras clips what one replica has, and adds up all of them then.
            clip = self.global_clipnorm or np.inf
            scale = ops.minimum(1.0, clip / ops.maximum(norm, 1e-12)) / replicas
            grads = [
                g if g is None else g * ops.cast(scale, g.dtype) for g in grads
            ]
        super().apply(grads, trainable_variables)
        self.gradient_norm.assign(norm)
        time = ops.cast(self.iterations, "float32")  # after this step
        decay = ops.minimum(self.averaging, time / (9 + time))
        if distributed.on_one_device():
            for variable, average in self.pairs:
                _move(average, average.value - variable.value, 1 - decay)
            return
        for variable, average in self.pairs:
            change = (1 - decay) * (variable - average)
            average.assign_add(ops.cast(change, average.dtype))


def _move(variable, direction, rate):
    """Subtract `rate * direction`, by one operation of TensorFlow."""
    import tensorflow as tf

    tf.raw_ops.ResourceApplyGradientDescent(
        var=variable.value.handle,
        alpha=tf.cast(rate, variable.dtype),
        delta=direction,
    )


def adamw(config, steps: int, *, warmup: int, floor: float, **options) -> AdamW:
    """Return the optimizer of a configuration.

    The learning rate rises linearly to `config.learning_rate`, and falls along
    a cosine.

    Args:
        config: With `learning_rate`, `weight_decay` and `clip_norm`.
        steps: Length of the whole training, in batches.
        warmup: Batches until the peak is reached.
        floor: Share of the peak that is left after the last step.
        **options: Of `AdamW`.
    """
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        decay_steps=max(steps - warmup, 1),
        alpha=floor,
        warmup_target=config.learning_rate,
        warmup_steps=warmup,
    )
    return AdamW(
        rate,
        weight_decay=config.weight_decay,
        global_clipnorm=config.clip_norm or None,
        **options,
    )


def compiled(config) -> bool:
    """Return whether XLA compiles the training step: always on JAX.

    There Keras would run it op by op, and each op be compiled by itself.
    """
    return config.jit_compile or keras.config.backend() == "jax"


@contextlib.contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Put the averages in place of the weights of a model, for a while."""
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
    """Add up the rows of an embedding's gradient that belong to one word.

    TensorFlow returns one for each occurrence, and Keras clips by the norm of
    those rows, not by the norm of the gradient.
    """
    if not hasattr(gradient, "dense_shape"):
        return gradient
    return ops.segment_sum(
        gradient.values,
        gradient.indices,
        num_segments=gradient.shape[0],
    )
