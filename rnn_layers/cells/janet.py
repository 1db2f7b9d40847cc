"""The LSTM reduced to its forget gate."""

import keras
from keras import ops

from rnn_layers.cells.base import ForgetCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class JANETCell(ForgetCell):
    """Long short-term memory with nothing but a forget gate.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  f  = sigmoid(x @ W_f + c @ R_f + b_f)     forget gate
        (2)  g  = tanh(x @ W_c + c @ R_c + b_c)        new content
        (3)  c' = f * c + (1 - f) * g                  state and output

    Van der Westhuizen and Lasenby, 2018, "The unreasonable effectiveness of the
    forget gate", https://arxiv.org/abs/1804.04849, section 3, equation 2. The
    offset that the paper then puts between the gates of (3) and its initial
    values for long sequences are left out; the bias of the forget gate starts
    at one. Without the offset it is the same function as `ugrnn`.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.ForgetCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, c `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 2 * U)`, columns in the order f, c; recurrent_kernel
        `(U, 2 * U)` and bias `(2 * U,)`, same order; together
        `2 * U * (F + U + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("janet", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 2

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (3)."""
        (c,) = states
        z = projected + matmul(c, self.recurrent_kernel)
        f, g = ops.split(z, 2, axis=-1)
        f = self.recurrent_activation(f)
        return [f * c + (1 - f) * self.activation(g)]
