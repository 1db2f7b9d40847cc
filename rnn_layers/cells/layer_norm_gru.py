"""GRU with layer normalization."""

import keras
from keras import ops

from rnn_layers.cells.base import GatedCell, Tensor
from rnn_layers.cells.functions import normalized


@keras.saving.register_keras_serializable(package="rnn_layers")
class LayerNormGRUCell(GatedCell):
    """Gated recurrent unit with layer normalization.

    One time step, with `*` elementwise, `@` the matrix product, and N the
    shift and scale of a vector to mean 0 and variance 1:

        (1)  [z, r] = sigmoid(p * N(x @ W_zr) + q * N(h @ R_zr) + b_zr)
        (2)  n  = tanh(p_h * N(x @ W_h) + b_h + r * (q_h * N(h @ R_h) + s))
        (3)  h' = z * h + (1 - z) * n                  new state

    Ba, Kiros and Hinton, 2016, "Layer normalization",
    https://arxiv.org/abs/1607.06450, section 3.1 and the equations of the GRU
    in the supplement: N in (1) is over both gates together. As in `gru`, and
    unlike there, a gate z of one keeps the old state; the two shifts of each
    sum are one, b, but for s, which the reset gate scales. Without
    `recurrent_shift`, s is zero.

    Args:
        units: Positive integer, the size U of the state.
        recurrent_shift: Whether there is a shift s, as in the paper.
        **kwargs: The arguments of `rnn_layers.cells.base.GatedCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 3 * U)`, columns in the order z, r, h; recurrent_kernel
        `(U, 3 * U)` and bias `(3 * U,)`, same order; gain `(2, 3 * U)`, rows
        p, q; together `3 * U * (F + U + 1) + 6 * U` parameters; with
        `recurrent_shift` recurrent_shift `(U,)`.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("layer_norm_gru", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 3

    def __init__(self, units, recurrent_shift=False, **kwargs):
        super().__init__(units, **kwargs)
        self.recurrent_shift = recurrent_shift

    def build(self, input_shape: tuple) -> None:
        """Make the weights of the GRU and of the normalization."""
        super().build(input_shape)
        self.gain = self.add_scale("gain", (2, 3 * self.units))
        if self.recurrent_shift:
            self.shift = self.add_shift("recurrent_shift", (self.units,))

    def project(self, inputs: Tensor) -> Tensor:
        """Return `p * N(inputs @ W) + b`, for gates and candidate apart."""
        x = self.product(inputs, self.kernel)
        projected = self.gain[0] * self._normalized(x)
        if self.use_bias:
            projected = projected + self.bias
        return ops.cast(projected, self.compute_dtype)

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (3)."""
        sigma, tanh = self.recurrent_activation, self.activation
        (h,) = states
        recurrent = self._normalized(matmul(h, self.recurrent_kernel))
        x_z, x_r, x_n = ops.split(projected, 3, axis=-1)
        h_z, h_r, h_n = ops.split(self.gain[1] * recurrent, 3, axis=-1)
        z = sigma(x_z + h_z)
        r = sigma(x_r + h_r)
        if self.recurrent_shift:
            h_n = h_n + self.shift
        n = tanh(x_n + r * h_n)
        return [z * h + (1 - z) * n]

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "recurrent_shift": self.recurrent_shift,
        }

    def _normalized(self, x):
        gates, candidate = ops.split(x, [2 * self.units], axis=-1)
        return ops.concatenate(
            [normalized(gates), normalized(candidate)], axis=-1
        )
