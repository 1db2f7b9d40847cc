"""Long short-term memory with coupled input and forget gates."""

import keras
from keras import ops

from rnn_layers.cells.base import option
from rnn_layers.cells.lstm import LSTMCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class CoupledLSTMCell(LSTMCell):
    """LSTM that writes only where it forgets.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  f  = sigmoid(x @ W_f + h @ R_f + p_f * c + b_f)     forget gate
        (2)  g  = tanh(x @ W_c + h @ R_c + b_c)                  new content
        (3)  c' = f * c + (1 - f) * g                            cell state
        (4)  o  = sigmoid(x @ W_o + h @ R_o + p_o * c' + b_o)    output gate
        (5)  h' = o * tanh(c')                                   output

    The terms with p are there only with `peephole="diagonal"`.

    Olah, 2015, "Understanding LSTM networks", section "Variants on long
    short-term memory"; variant CIFG of Greff et al., 2017, "LSTM: A search
    space odyssey", https://arxiv.org/abs/1503.04069. Here, as in Olah's
    writing, the forget gate is learned and the input gate is 1 - f.
    Greff et al. learn the input gate and take f = 1 - i; since
    1 - sigmoid(a) = sigmoid(-a) their weights are those of f with the
    opposite sign, W_i = -W_f, R_i = -R_f, p_i = -p_f, b_i = -b_f.

    Args:
        units: Positive integer, the size U of both states.
        peephole: `None` or `"diagonal"`.
        **kwargs: The arguments of `rnn_layers.cells.lstm.LSTMCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of two tensors, h and c, both `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 3 * U)`, columns in the order f, c, o; recurrent_kernel
        `(U, 3 * U)` and bias `(3 * U,)`, same order; with peepholes also
        peephole `(2, U)`, rows f, o. Together `3 * U * (F + U + 1)`
        parameters, with peepholes `3 * U * (F + U + 1) + 2 * U`.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("coupled_lstm", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 3
    forget_gate = 0

    def __init__(self, units, peephole=None, **kwargs):
        super().__init__(units, **kwargs)
        self.peephole = option("peephole", peephole, (None, "diagonal"))

    def build(self, input_shape: tuple) -> None:
        """Make the weights of the LSTM and the peepholes, if any."""
        super().build(input_shape)
        if self.peephole:
            self.peepholes = self.add_diagonal("peephole", (2, self.units))

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (5)."""
        sigma, tanh = self.recurrent_activation, self.activation
        look_back, look_now = self._peepholes(matmul)
        h, c = states
        z = projected + matmul(h, self.recurrent_kernel)
        f, g, o = ops.split(z, 3, axis=-1)
        f = sigma(f + look_back(c))
        c = f * c + (1 - f) * tanh(g)
        h = sigma(o + look_now(c)) * tanh(c)
        return [h, c]

    def _peepholes(self, matmul):
        """Return what f sees of the old c, and o of the new one."""
        if self.peephole is None:
            return lambda c: 0.0, lambda c: 0.0
        p_f, p_o = self.peepholes[0], self.peepholes[1]
        return lambda c: matmul(c, p_f), lambda c: matmul(c, p_o)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "peephole": self.peephole}
