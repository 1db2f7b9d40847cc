"""GRUs with slimmer gates."""

import keras
from keras import ops

from rnn_layers.cells.base import GatedCell, Tensor, option


@keras.saving.register_keras_serializable(package="rnn_layers")
class SlimGRUCell(GatedCell):
    """Gated recurrent unit whose gates do not see the input.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  z  = sigmoid(h @ R_z + b_z)                   update gate
        (2)  r  = sigmoid(h @ R_r + b_r)                   reset gate
        (3)  n  = tanh(x @ W + (r * h) @ R_h + b_h)        candidate
        (4)  h' = z * h + (1 - z) * n                      new state

    With `form=1` as written; with `form=2` the gates have no b, with `form=3`
    nothing but b.

    Dey and Salem, 2017, "Gate-variants of gated recurrent unit (GRU) neural
    networks", https://arxiv.org/abs/1701.05923, GRU1 to GRU3. As in `gru` a
    gate z of one keeps the old state.

    Args:
        units: Positive integer, the size U of the state.
        form: 1, 2 or 3.
        **kwargs: The arguments of `rnn_layers.cells.base.GatedCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, U)`; recurrent_kernel `(U, 3 * U)`, columns in the order z,
        r, h, or `(U, U)` with `form=3`; bias `(3 * U,)`, same order, or `(U,)`
        with `form=2`. Together `U * (F + U + 1) + 2 * U * (U + 1)` parameters,
        `U * (F + U + 1) + 2 * U * U` with `form=2`, and
        `U * (F + U + 1) + 2 * U` with `form=3`.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("slim_gru", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 3

    def __init__(self, units, form=1, **kwargs):
        super().__init__(units, **kwargs)
        self.form = option("form", form, (1, 2, 3))

    def build(self, input_shape: tuple) -> None:
        """Make the weights."""
        u = self.units
        columns = u if self.form == 3 else 3 * u
        biases = u if self.form == 2 else 3 * u
        self.kernel = self.add_kernel("kernel", (input_shape[-1], u))
        self.recurrent_kernel = self.add_recurrent(
            "recurrent_kernel", (u, columns)
        )
        self.bias = self.add_bias("bias", (biases,)) if self.use_bias else None

    def input_bias(self) -> Tensor:
        """Return the part of the bias that belongs to the candidate."""
        return self.bias[-self.units :]

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (4)."""
        r_h = self.recurrent_kernel[:, -self.units :]
        (h,) = states
        sums = self._sums_of_gates(h, matmul)
        z, r = ops.split(self.recurrent_activation(sums), 2, axis=-1)
        n = self.activation(projected + matmul(r * h, r_h))
        return [z * h + (1 - z) * n]

    def _sums_of_gates(self, h, matmul):
        sums = ops.zeros_like(ops.concatenate([h, h], axis=-1))
        if self.form != 3:
            sums = matmul(h, self.recurrent_kernel[:, : 2 * self.units])
        if self.form != 2 and self.use_bias:
            sums = sums + self.bias[: 2 * self.units]
        return sums

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "form": self.form}
