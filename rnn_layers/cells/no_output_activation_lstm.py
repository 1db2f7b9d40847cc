"""LSTM with a linear view of the cell state."""

import keras
from keras import ops

from rnn_layers.cells.lstm import LSTMCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class NoOutputActivationLSTMCell(LSTMCell):
    """Peephole LSTM whose output is linear in the cell state.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  i  = sigmoid(x @ W_i + h @ R_i + p_i * c + b_i)     input gate
        (2)  f  = sigmoid(x @ W_f + h @ R_f + p_f * c + b_f)     forget gate
        (3)  g  = tanh(x @ W_c + h @ R_c + b_c)                  new content
        (4)  c' = f * c + i * g                                  cell state
        (5)  o  = sigmoid(x @ W_o + h @ R_o + p_o * c' + b_o)    output gate
        (6)  h' = o * c'                                         output

    Greff et al., 2017, "LSTM: A search space odyssey",
    https://arxiv.org/abs/1503.04069, variant NOAF.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.lstm.LSTMCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of two tensors, h and c, both `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 4 * U)`, columns in the order i, f, c, o; recurrent_kernel
        `(U, 4 * U)` and bias `(4 * U,)`, same order; peephole `(3, U)`, rows
        i, f, o; together `4 * U * (F + U + 1) + 3 * U` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("no_output_activation_lstm", 4)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 4])
    """

    def build(self, input_shape: tuple) -> None:
        """Make the weights of the LSTM and the peepholes."""
        super().build(input_shape)
        self.peepholes = self.add_diagonal("peephole", (3, self.units))

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (6)."""
        sigma, tanh = self.recurrent_activation, self.activation
        p_i, p_f, p_o = (self.peepholes[row] for row in range(3))
        h, c = states
        z = projected + matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(z, 4, axis=-1)
        c = sigma(f + matmul(c, p_f)) * c + sigma(i + matmul(c, p_i)) * tanh(g)
        h = sigma(o + matmul(c, p_o)) * c
        return [h, c]
