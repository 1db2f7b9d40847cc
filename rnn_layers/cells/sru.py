"""The simple recurrent unit."""

import keras
from keras import ops

from rnn_layers.cells.base import NO_PRODUCTS, ForgetCell, Tensor


@keras.saving.register_keras_serializable(package="rnn_layers")
class SRUCell(ForgetCell):
    """Simple recurrent unit: gates see the past only unit by unit.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  f  = sigmoid(x @ W_f + v_f * c + b_f)     forget gate
        (2)  r  = sigmoid(x @ W_r + v_r * c + b_r)     reset gate
        (3)  c' = f * c + (1 - f) * (x @ W_c)          cell state
        (4)  h' = r * c' + (1 - r) * (x @ W_x)         output

    Lei et al., 2018, "Simple recurrent units for highly parallelizable
    recurrence", https://arxiv.org/abs/1709.02755, section 3. There (4) has x in
    place of x @ W_x where F = U, times a constant; here x is always projected.
    There is no recurrent product, and so no recurrent dropout. The old output
    does not enter the step. Since f sees c, (3) is not linear in c, and the
    loop cannot be a parallel scan.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.ForgetCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of two tensors, h and c, both `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 4 * U)`, columns in the order f, r, c, x; peephole `(2, U)`,
        rows v_f, v_r; bias `(2 * U,)`, in the order f, r; together
        `4 * U * F + 4 * U` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("sru", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 2
    state_count = 2
    has_products = False
    unused = NO_PRODUCTS

    def build(self, input_shape: tuple) -> None:
        """Make the weights."""
        u = self.units
        self.kernel = self.add_kernel("kernel", (input_shape[-1], 4 * u))
        self.peepholes = self.add_diagonal("peephole", (2, u))
        self.bias = self.add_bias("bias", (2 * u,)) if self.use_bias else None

    def input_bias(self) -> Tensor:
        """Return the bias, with zeros for what has none."""
        return ops.pad(self.bias.value, [[0, 2 * self.units]])

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (4)."""
        _, c = states
        f, r, x_c, x_h = ops.split(projected, 4, axis=-1)
        f = self.recurrent_activation(f + matmul(c, self.peepholes[0]))
        r = self.recurrent_activation(r + matmul(c, self.peepholes[1]))
        c = f * c + (1 - f) * x_c
        h = r * c + (1 - r) * x_h
        return [h, c]
