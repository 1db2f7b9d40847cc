"""LSTM with a projected output."""

from typing import Any

import keras
from keras import ops

from rnn_layers.cells.base import positive_int
from rnn_layers.cells.lstm import LSTMCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class ProjectionLSTMCell(LSTMCell):
    """LSTM whose output, and what feeds back, is narrower than its cell state.

    One time step, with `*` elementwise and `@` the matrix product, P the width
    of the output:

        (1)  i  = sigmoid(x @ W_i + h @ R_i + b_i)     input gate
        (2)  f  = sigmoid(x @ W_f + h @ R_f + b_f)     forget gate
        (3)  g  = tanh(x @ W_c + h @ R_c + b_c)        new content
        (4)  o  = sigmoid(x @ W_o + h @ R_o + b_o)     output gate
        (5)  c' = f * c + i * g                        cell state
        (6)  h' = (o * tanh(c')) @ V                   output

    Sak, Senior and Beaufays, 2014, "Long short-term memory based recurrent
    neural network architectures for large vocabulary speech recognition",
    https://arxiv.org/abs/1402.1128, section 2, the recurrent projection alone,
    without peepholes and without the second, non-recurrent projection.
    `torch.nn.LSTM` with `proj_size` is the same.

    Args:
        units: Positive integer, the size U of the state.
        projection: Positive integer P, by default half of `units`.
        **kwargs: The arguments of `rnn_layers.cells.lstm.LSTMCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of two tensors, h `(B, P)` and c `(B, U)`.

    Returns:
        The output `(B, P)` and the list of new states.

    Weights:
        kernel `(F, 4 * U)`, columns in the order i, f, c, o; recurrent_kernel
        `(P, 4 * U)` and bias `(4 * U,)`, same order; projection_kernel
        `(U, P)`; together `4 * U * (F + P + 1) + U * P` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("projection_lstm", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 2])
    """

    def __init__(self, units, projection=None, **kwargs):
        super().__init__(units, **kwargs)
        width = self.output_width(self.units, projection)
        self.projection = positive_int("projection", width)
        self.state_size = [self.projection, self.units]
        self.output_size = self.projection

    @classmethod
    def output_width(
        cls, units: int, projection: int | None = None, **_: Any
    ) -> int:
        """Return P, by default half of the units."""
        return max(1, units // 2) if projection is None else projection

    def build(self, input_shape: tuple) -> None:
        """Make the weights."""
        u, p = self.units, self.projection
        self.kernel = self.add_kernel("kernel", (input_shape[-1], 4 * u))
        self.recurrent_kernel = self.add_recurrent(
            "recurrent_kernel", (p, 4 * u)
        )
        self.projection_kernel = self.add_recurrent("projection_kernel", (u, p))
        self.bias = self.add_bias("bias", (4 * u,)) if self.use_bias else None

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (6)."""
        sigma, tanh = self.recurrent_activation, self.activation
        h, c = states
        z = projected + matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(z, 4, axis=-1)
        c = sigma(f) * c + sigma(i) * tanh(g)
        h = matmul(sigma(o) * tanh(c), self.projection_kernel)
        return [h, c]

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "projection": self.projection}
