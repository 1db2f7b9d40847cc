"""LSTM without an input gate."""

import keras
from keras import ops

from rnn_layers.cells.lstm import LSTMCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class NoInputGateLSTMCell(LSTMCell):
    """Peephole LSTM without an input gate: all new content is written.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  f  = sigmoid(x @ W_f + h @ R_f + p_f * c + b_f)     forget gate
        (2)  g  = tanh(x @ W_c + h @ R_c + b_c)                  new content
        (3)  c' = f * c + g                                      cell state
        (4)  o  = sigmoid(x @ W_o + h @ R_o + p_o * c' + b_o)    output gate
        (5)  h' = o * tanh(c')                                   output

    Greff et al., 2017, "LSTM: A search space odyssey",
    https://arxiv.org/abs/1503.04069, variant NIG.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.lstm.LSTMCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of two tensors, h and c, both `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 3 * U)`, columns in the order f, c, o; recurrent_kernel
        `(U, 3 * U)` and bias `(3 * U,)`, same order; peephole `(2, U)`, rows
        f, o; together `3 * U * (F + U + 1) + 2 * U` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("no_input_gate_lstm", 4)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 4])
    """

    gates = 3
    forget_gate = 0

    def build(self, input_shape: tuple) -> None:
        """Make the weights of the LSTM and the peepholes."""
        super().build(input_shape)
        self.peepholes = self.add_diagonal("peephole", (2, self.units))

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (5)."""
        sigma, tanh = self.recurrent_activation, self.activation
        p_f, p_o = self.peepholes[0], self.peepholes[1]
        h, c = states
        z = projected + matmul(h, self.recurrent_kernel)
        f, g, o = ops.split(z, 3, axis=-1)
        c = sigma(f + matmul(c, p_f)) * c + tanh(g)
        h = sigma(o + matmul(c, p_o)) * tanh(c)
        return [h, c]
