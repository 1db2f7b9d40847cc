"""The gated recurrent unit, with the reset after or before the product."""

import keras
from keras import ops

from rnn_layers.cells.base import GatedCell, Tensor


@keras.saving.register_keras_serializable(package="rnn_layers")
class GRUCell(GatedCell):
    """Gated recurrent unit.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  z  = sigmoid(x @ W_z + b_z + h @ R_z + d_z)        update gate
        (2)  r  = sigmoid(x @ W_r + b_r + h @ R_r + d_r)        reset gate
        (3)  n  = tanh(x @ W_h + b_h + r * (h @ R_h + d_h))     candidate
        (3') n  = tanh(x @ W_h + b_h + (r * h) @ R_h)           candidate
        (4)  h' = z * h + (1 - z) * n                           new state

    With `reset_after=True` the candidate is (3); with `reset_after=False` it
    is (3'), and the recurrent biases d are absent.

    Cho et al., 2014, "Learning phrase representations using RNN
    encoder-decoder for statistical machine translation",
    https://arxiv.org/abs/1406.1078, section 2.3, equations 5 to 8 of the third
    version for (3'); the first version and cuDNN have (3). As there a gate z of
    one keeps the old state; in Chung et al., 2014,
    https://arxiv.org/abs/1412.3555, one takes the new state: the weights of z
    have the opposite sign (`convert.flip_gate`). The same function, weights
    and order of gates as `keras.layers.GRU`.

    Args:
        units: Positive integer, the size U of the state.
        reset_after: Whether the reset gate acts after the matrix product.
        **kwargs: The arguments of `rnn_layers.cells.base.GatedCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 3 * U)`, columns in the order z, r, h; recurrent_kernel
        `(U, 3 * U)`, same order; bias `(2, 3 * U)`, rows b and d, or
        `(3 * U,)` with `reset_after=False`. Together `3 * U * (F + U + 2)`
        parameters, or `3 * U * (F + U + 1)` with `reset_after=False`.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("gru", 4, reset_after=False)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 4])
    """

    gates = 3
    cudnn_mode = "gru"

    def __init__(self, units, reset_after=True, **kwargs):
        super().__init__(units, **kwargs)
        self.reset_after = reset_after

    def add_bias(self, name: str, shape: tuple) -> keras.Variable:
        """Add the bias, with a second row if the reset comes after."""
        shape = (2, *shape) if self.reset_after else shape
        return super().add_bias(name, shape)

    def input_bias(self) -> Tensor:
        """Return b, the row that belongs to the projection."""
        return self.bias[0] if self.reset_after else self.bias

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (4)."""
        step = self._step_after if self.reset_after else self._step_before
        return [step(projected, *states, matmul)]

    def _step_after(self, projected, h, matmul):
        sigma, tanh = self.recurrent_activation, self.activation
        recurrent = matmul(h, self.recurrent_kernel)
        if self.use_bias:
            recurrent = recurrent + self.bias[1]
        x_z, x_r, x_n = ops.split(projected, 3, axis=-1)
        h_z, h_r, h_n = ops.split(recurrent, 3, axis=-1)
        z = sigma(x_z + h_z)
        r = sigma(x_r + h_r)
        n = tanh(x_n + r * h_n)
        return z * h + (1 - z) * n

    def _step_before(self, projected, h, matmul):
        sigma, tanh = self.recurrent_activation, self.activation
        gates = self.recurrent_kernel[:, : 2 * self.units]
        candidate = self.recurrent_kernel[:, 2 * self.units :]
        x_z, x_r, x_n = ops.split(projected, 3, axis=-1)
        h_z, h_r = ops.split(matmul(h, gates), 2, axis=-1)
        z = sigma(x_z + h_z)
        r = sigma(x_r + h_r)
        n = tanh(x_n + matmul(r * h, candidate))
        return z * h + (1 - z) * n

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "reset_after": self.reset_after}
