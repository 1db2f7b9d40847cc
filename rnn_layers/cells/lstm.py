"""Long short-term memory with a forget gate."""

import keras
from keras import ops

from rnn_layers.cells.base import ForgetCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class LSTMCell(ForgetCell):
    """Long short-term memory with input, forget and output gates.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  i  = sigmoid(x @ W_i + h @ R_i + b_i)     input gate
        (2)  f  = sigmoid(x @ W_f + h @ R_f + b_f)     forget gate
        (3)  g  = tanh(x @ W_c + h @ R_c + b_c)        new content
        (4)  o  = sigmoid(x @ W_o + h @ R_o + b_o)     output gate
        (5)  c' = f * c + i * g                        cell state
        (6)  h' = o * tanh(c')                         output

    Hochreiter and Schmidhuber, 1997, "Long short-term memory", Neural
    Computation 9(8), section 4; the forget gate is from Gers, Schmidhuber and
    Cummins, 2000, "Learning to forget", Neural Computation 12(10), section 3.
    Unlike 1997 the gradient is not truncated. The same function, weights and
    order of gates as `keras.layers.LSTM`.

    Args:
        units: Positive integer, the size U of both states.
        **kwargs: The arguments of `rnn_layers.cells.base.ForgetCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of two tensors, h and c, both `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 4 * U)`, columns in the order i, f, c, o;
        recurrent_kernel `(U, 4 * U)` and bias `(4 * U,)`, same order; together
        `4 * U * (F + U + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("lstm", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 4
    cudnn_mode = "lstm"
    forget_gate = 1
    state_count = 2

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (6)."""
        sigma, tanh = self.recurrent_activation, self.activation
        h, c = states
        z = projected + matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(z, 4, axis=-1)
        c = sigma(f) * c + sigma(i) * tanh(g)
        h = sigma(o) * tanh(c)
        return [h, c]
