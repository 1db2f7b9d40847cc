"""LSTM with peepholes, without a forget gate."""

import keras
from keras import ops

from rnn_layers.cells.base import GatedCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class NoForgetGateLSTMCell(GatedCell):
    """Peephole LSTM without a forget gate: nothing is forgotten.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  i  = sigmoid(x @ W_i + h @ R_i + p_i * c + b_i)     input gate
        (2)  g  = tanh(x @ W_c + h @ R_c + b_c)                  new content
        (3)  c' = c + i * g                                      cell state
        (4)  o  = sigmoid(x @ W_o + h @ R_o + p_o * c' + b_o)    output gate
        (5)  h' = o * tanh(c')                                   output

    Greff et al., 2017, "LSTM: A search space odyssey",
    https://arxiv.org/abs/1503.04069, variant NFG.
    Without its peepholes it is `lstm_1997`.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.GatedCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of two tensors, h and c, both `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 3 * U)`, columns in the order i, c, o; recurrent_kernel
        `(U, 3 * U)` and bias `(3 * U,)`, same order; peephole `(2, U)`, rows
        i, o; together `3 * U * (F + U + 1) + 2 * U` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("no_forget_gate_lstm", 4)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 4])
    """

    gates = 3
    state_count = 2

    def build(self, input_shape: tuple) -> None:
        """Make the weights of the LSTM and the peepholes."""
        super().build(input_shape)
        self.peepholes = self.add_diagonal("peephole", (2, self.units))

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (5)."""
        sigma, tanh = self.recurrent_activation, self.activation
        p_i, p_o = self.peepholes[0], self.peepholes[1]
        h, c = states
        z = projected + matmul(h, self.recurrent_kernel)
        i, g, o = ops.split(z, 3, axis=-1)
        c = c + sigma(i + matmul(c, p_i)) * tanh(g)
        h = sigma(o + matmul(c, p_o)) * tanh(c)
        return [h, c]
