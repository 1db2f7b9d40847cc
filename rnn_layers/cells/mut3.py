"""The third mutant of an architecture search."""

import keras
from keras import ops

from rnn_layers.cells.base import GatedCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class MUT3Cell(GatedCell):
    """Third of the three mutants found by a search over architectures.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  z  = sigmoid(x @ W_z + tanh(h) @ R_z + b_z)      update gate
        (2)  r  = sigmoid(x @ W_r + h @ R_r + b_r)            reset gate
        (3)  n  = tanh((r * h) @ R_h + x @ W_h + b_h)         candidate
        (4)  h' = n * z + h * (1 - z)                         new state

    Jozefowicz, Zaremba and Sutskever, 2015, "An empirical exploration of
    recurrent network architectures", ICML, MUT3.

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
        `(U, 3 * U)` and bias `(3 * U,)`, same order; together
        `3 * U * (F + U + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("mut3", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 3

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (4)."""
        r_z, r_r, r_h = (
            self.recurrent_kernel[:, k * self.units : (k + 1) * self.units]
            for k in range(3)
        )
        (h,) = states
        x_z, x_r, x_n = ops.split(projected, 3, axis=-1)
        z = self.recurrent_activation(x_z + matmul(ops.tanh(h), r_z))
        r = self.recurrent_activation(x_r + matmul(h, r_r))
        n = self.activation(x_n + matmul(r * h, r_h))
        return [n * z + h * (1 - z)]
