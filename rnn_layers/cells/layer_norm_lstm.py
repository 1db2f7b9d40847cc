"""LSTM with layer normalization."""

import keras
from keras import ops

from rnn_layers.cells.base import Tensor
from rnn_layers.cells.functions import normalized
from rnn_layers.cells.lstm import LSTMCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class LayerNormLSTMCell(LSTMCell):
    """LSTM with layer normalization.

    One time step, with `*` elementwise, `@` the matrix product, and N the
    shift and scale of a vector to mean 0 and variance 1:

        (1)  [i, f, g, o] = p * N(x @ W) + q * N(h @ R) + b
        (2)  c' = sigmoid(f) * c + sigmoid(i) * tanh(g)      cell state
        (3)  h' = sigmoid(o) * tanh(s * N(c') + d)           output

    Ba, Kiros and Hinton, 2016, "Layer normalization",
    https://arxiv.org/abs/1607.06450, section 3.1 and the equations of the LSTM
    in the supplement. N in (1) is over all four blocks together.
    The cell state that is carried on is c', not its normalization. The two
    shifts of (1) are one, b.

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
        `(U, 4 * U)` and bias `(4 * U,)`, same order; gain `(2, 4 * U)`, rows
        p, q; cell_gain `(U,)`, s; cell_bias `(U,)`, d; together
        `4 * U * (F + U + 1) + 10 * U` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("layer_norm_lstm", 4)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 4])
    """

    def build(self, input_shape: tuple) -> None:
        """Make the weights of the LSTM and of the normalization."""
        super().build(input_shape)
        self.gain = self.add_scale("gain", (2, 4 * self.units))
        self.cell_gain = self.add_scale("cell_gain", (self.units,))
        self.cell_bias = self.add_shift("cell_bias", (self.units,))

    def project(self, inputs: Tensor) -> Tensor:
        """Return `p * N(inputs @ W) + b`."""
        x = self.product(inputs, self.kernel)
        projected = self.gain[0] * normalized(x)
        if self.use_bias:
            projected = projected + self.bias
        return ops.cast(projected, self.compute_dtype)

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (3)."""
        sigma, tanh = self.recurrent_activation, self.activation
        h, c = states
        recurrent = normalized(matmul(h, self.recurrent_kernel))
        z = projected + self.gain[1] * recurrent
        i, f, g, o = ops.split(z, 4, axis=-1)
        c = sigma(f) * c + sigma(i) * tanh(g)
        scaled = self.cell_gain * normalized(c) + self.cell_bias
        return [sigma(o) * tanh(scaled), c]
