"""Long short-term memory whose gates look at the cell state."""

import keras
from keras import ops

from rnn_layers.cells.base import option
from rnn_layers.cells.lstm import LSTMCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class PeepholeLSTMCell(LSTMCell):
    """LSTM whose gates look at the cell state through peepholes.

    One time step, with `*` elementwise, `@` the matrix product, and `p . c`
    either `p * c` (`peephole="diagonal"`) or `c @ P` (`peephole="full"`):

        (1)  i  = sigmoid(x @ W_i + h @ R_i + p_i . c + b_i)     input gate
        (2)  f  = sigmoid(x @ W_f + h @ R_f + p_f . c + b_f)     forget gate
        (3)  g  = tanh(x @ W_c + h @ R_c + b_c)                  new content
        (4)  c' = f * c + i * g                                  cell state
        (5)  o  = sigmoid(x @ W_o + h @ R_o + p_o . c' + b_o)    output gate
        (6)  h' = o * tanh(c')                                   output

    The output gate looks at the new cell state, the other two at the old one.

    Diagonal: Gers and Schmidhuber, 2000, "Recurrent nets that time and count",
    IJCNN; written so in Greff et al., 2017, "LSTM: A search space odyssey",
    https://arxiv.org/abs/1503.04069, section 2, as the vanilla LSTM. Full: the
    form `f_t = sigmoid(W_f [c_{t-1}, h_{t-1}, x_t] + b_f)` found in tutorials,
    such as Olah, 2015, "Understanding LSTM networks", section "Variants on
    long short-term memory"; with diagonal matrices it is the diagonal one.
    Unlike in the paper of 2000 the gradient is not truncated, and, as in Greff
    et al., the output squashes the cell state (6); that of
    `no_output_activation_lstm` does not.

    Args:
        units: Positive integer, the size U of both states.
        peephole: `"diagonal"` or `"full"`.
        **kwargs: The arguments of `rnn_layers.cells.lstm.LSTMCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of two tensors, h and c, both `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 4 * U)`, columns in the order i, f, c, o;
        recurrent_kernel `(U, 4 * U)`, same order; peephole `(3, U)`, rows i,
        f, o, or if full peephole_kernel `(U, 3 * U)`, columns i, f, o; bias
        `(4 * U,)`. Together `4 * U * (F + U + 1) + 3 * U` parameters if
        diagonal, `4 * U * (F + U + 1) + 3 * U * U` if full.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("peephole_lstm", 4, peephole="full")
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 4])
    """

    def __init__(self, units, peephole="diagonal", **kwargs):
        super().__init__(units, **kwargs)
        self.peephole = option("peephole", peephole, ("diagonal", "full"))

    def build(self, input_shape: tuple) -> None:
        """Make the weights of the LSTM and the peepholes."""
        super().build(input_shape)
        if self.peephole == "full":
            self.peephole_kernel = self.add_recurrent(
                "peephole_kernel", (self.units, 3 * self.units)
            )
        else:
            self.peepholes = self.add_diagonal("peephole", (3, self.units))

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (6)."""
        sigma, tanh = self.recurrent_activation, self.activation
        look_back, look_now = self._peepholes(matmul)
        h, c = states
        z = projected + matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(z, 4, axis=-1)
        p_i, p_f = look_back(c)
        c = sigma(f + p_f) * c + sigma(i + p_i) * tanh(g)
        h = sigma(o + look_now(c)) * tanh(c)
        return [h, c]

    def _peepholes(self, matmul):
        """Return what i and f see of the old c, and o of the new one."""
        if self.peephole == "full":
            old = self.peephole_kernel[:, : 2 * self.units]
            new = self.peephole_kernel[:, 2 * self.units :]
            return (
                lambda c: ops.split(matmul(c, old), 2, axis=-1),
                lambda c: matmul(c, new),
            )
        p_i, p_f, p_o = (self.peepholes[row] for row in range(3))
        return (
            lambda c: (matmul(c, p_i), matmul(c, p_f)),
            lambda c: matmul(c, p_o),
        )

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "peephole": self.peephole}
