"""LSTM whose gates see each other's past."""

import keras
from keras import ops

from rnn_layers.cells.lstm import LSTMCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class FullGateLSTMCell(LSTMCell):
    """Peephole LSTM with full gate recurrence: gates see the last gates.

    One time step, with `*` elementwise, `@` the matrix product, and
    a = [i, f, o] the gates of the last step:

        (1)  i' = sigmoid(x @ W_i + h @ R_i + a @ S_i + p_i * c + b_i)
        (2)  f' = sigmoid(x @ W_f + h @ R_f + a @ S_f + p_f * c + b_f)
        (3)  g  = tanh(x @ W_c + h @ R_c + b_c)
        (4)  c' = f' * c + i' * g
        (5)  o' = sigmoid(x @ W_o + h @ R_o + a @ S_o + p_o * c' + b_o)
        (6)  h' = o' * tanh(c')

    Greff et al., 2017, "LSTM: A search space odyssey",
    https://arxiv.org/abs/1503.04069, variant FGR: nine matrices from the last
    gates beside the vanilla LSTM, whose output gate looks at the new cell state
    (section 2), and so does this one. The gates before the first step are zero.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.lstm.LSTMCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of five tensors, h, c, i, f and o, all `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 4 * U)`, columns in the order i, f, c, o; recurrent_kernel
        `(U, 4 * U)` and bias `(4 * U,)`, same order; gate_kernel
        `(3 * U, 3 * U)`, rows and columns in the order i, f, o; peephole
        `(3, U)`, rows i, f, o; together
        `4 * U * (F + U + 1) + 9 * U * U + 3 * U` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("full_gate_lstm", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    state_count = 5

    def build(self, input_shape: tuple) -> None:
        """Make the weights of the LSTM, of the gates, and the peepholes."""
        super().build(input_shape)
        self.gate_kernel = self.add_recurrent(
            "gate_kernel", (3 * self.units, 3 * self.units)
        )
        self.peepholes = self.add_diagonal("peephole", (3, self.units))

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (6)."""
        sigma, tanh = self.recurrent_activation, self.activation
        p_i, p_f, p_o = (self.peepholes[row] for row in range(3))
        h, c, *a = states
        z = projected + matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(z, 4, axis=-1)
        s_i, s_f, s_o = self._seen_of_gates(a, matmul)
        i = sigma(i + s_i + matmul(c, p_i))
        f = sigma(f + s_f + matmul(c, p_f))
        c = f * c + i * tanh(g)
        o = sigma(o + s_o + matmul(c, p_o))
        return [o * tanh(c), c, i, f, o]

    def _seen_of_gates(self, gates, matmul):
        u = self.units
        sums = sum(
            matmul(gate, self.gate_kernel[k * u : (k + 1) * u])
            for k, gate in enumerate(gates)
        )
        return ops.split(sums, 3, axis=-1)
