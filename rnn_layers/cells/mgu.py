"""The minimal gated unit."""

import keras
from keras import ops

from rnn_layers.cells.base import GatedCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class MGUCell(GatedCell):
    """Minimal gated unit: a GRU with one gate.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  f  = sigmoid(x @ W_f + h @ R_f + b_f)          gate
        (2)  n  = tanh(x @ W_h + (f * h) @ R_h + b_h)       candidate
        (3)  h' = (1 - f) * h + f * n                       new state

    Zhou et al., 2016, "Minimal gated unit for recurrent neural networks",
    https://arxiv.org/abs/1603.09420, section 3. Unlike in `gru` a gate of one
    takes the new state.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.GatedCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 2 * U)`, columns in the order f, h; recurrent_kernel
        `(U, 2 * U)` and bias `(2 * U,)`, same order; together
        `2 * U * (F + U + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("mgu", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 2

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (3)."""
        r_f = self.recurrent_kernel[:, : self.units]
        r_h = self.recurrent_kernel[:, self.units :]
        (h,) = states
        x_f, x_n = ops.split(projected, 2, axis=-1)
        f = self.recurrent_activation(x_f + matmul(h, r_f))
        n = self.activation(x_n + matmul(f * h, r_h))
        return [(1 - f) * h + f * n]
