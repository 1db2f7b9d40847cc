"""The first mutant of an architecture search."""

import keras
from keras import ops

from rnn_layers.cells.base import GatedCell, Tensor


@keras.saving.register_keras_serializable(package="rnn_layers")
class MUT1Cell(GatedCell):
    """First of the three mutants found by a search over architectures.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  z  = sigmoid(x @ W_z + b_z)                           update gate
        (2)  r  = sigmoid(x @ W_r + h @ R_r + b_r)                 reset gate
        (3)  n  = tanh((r * h) @ R_h + tanh(x @ W_h) + b_h)        candidate
        (4)  h' = n * z + h * (1 - z)                              new state

    Jozefowicz, Zaremba and Sutskever, 2015, "An empirical exploration of
    recurrent network architectures", ICML, MUT1. There (3) has
    tanh(x) in place of tanh(x @ W_h), which is defined only for F = U; here x
    is always projected.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.GatedCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 3 * U)`, columns in the order z, r, h; recurrent_kernel
        `(U, 2 * U)`, columns in the order r, h; bias `(3 * U,)`; together
        `3 * U * (F + 1) + 2 * U * U` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("mut1", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 3

    def build(self, input_shape: tuple) -> None:
        """Make the weights."""
        u = self.units
        self.kernel = self.add_kernel("kernel", (input_shape[-1], 3 * u))
        self.recurrent_kernel = self.add_recurrent(
            "recurrent_kernel", (u, 2 * u)
        )
        self.bias = self.add_bias("bias", (3 * u,)) if self.use_bias else None

    def project(self, inputs: Tensor) -> Tensor:
        """Return all that equations (1) to (3) need of the input."""
        x = self.product(inputs, self.kernel)
        gates, candidate = ops.split(x, [2 * self.units], axis=-1)
        projected = ops.concatenate([gates, ops.tanh(candidate)], axis=-1)
        if self.use_bias:
            projected = projected + self.bias
        return ops.cast(projected, self.compute_dtype)

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (4)."""
        r_r = self.recurrent_kernel[:, : self.units]
        r_h = self.recurrent_kernel[:, self.units :]
        (h,) = states
        x_z, x_r, x_n = ops.split(projected, 3, axis=-1)
        z = self.recurrent_activation(x_z)
        r = self.recurrent_activation(x_r + matmul(h, r_r))
        n = self.activation(x_n + matmul(r * h, r_h))
        return [n * z + h * (1 - z)]
