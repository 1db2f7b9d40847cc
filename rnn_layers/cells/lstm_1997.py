"""Long short-term memory as first published."""

import keras
from keras import ops

from rnn_layers.cells.base import GatedCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class LSTM1997Cell(GatedCell):
    """Long short-term memory without a forget gate.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  i  = sigmoid(x @ W_i + h @ R_i + b_i)     input gate
        (2)  g  = tanh(x @ W_c + h @ R_c + b_c)        new content
        (3)  o  = sigmoid(x @ W_o + h @ R_o + b_o)     output gate
        (4)  c' = c + i * g                            cell state
        (5)  h' = o * tanh(c')                         output

    Hochreiter and Schmidhuber, 1997, "Long short-term memory", Neural
    Computation 9(8), section 4. Unlike there each unit is its own memory cell
    block, both squashing functions are tanh, and the gradient is not truncated.

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
        `(U, 3 * U)` and bias `(3 * U,)`, same order; together
        `3 * U * (F + U + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("lstm_1997", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 3
    state_count = 2

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (5)."""
        sigma, tanh = self.recurrent_activation, self.activation
        h, c = states
        z = projected + matmul(h, self.recurrent_kernel)
        i, g, o = ops.split(z, 3, axis=-1)
        c = c + sigma(i) * tanh(g)
        h = sigma(o) * tanh(c)
        return [h, c]
