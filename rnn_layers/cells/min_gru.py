"""The minimal GRU."""

import keras
from keras import ops

from rnn_layers.cells.base import NO_PRODUCTS, GatedCell
from rnn_layers.cells.functions import positive_part


@keras.saving.register_keras_serializable(package="rnn_layers")
class MinGRUCell(GatedCell):
    """Gated recurrent unit whose gate and candidate see only the input.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  z  = sigmoid(x @ W_z + b_z)              update gate
        (2)  n  = g(x @ W_h + b_h)                    candidate
        (3)  h' = (1 - z) * h + z * n                 new state

        (4)  g(a) = a + 1/2 for a >= 0, and sigmoid(a) for a < 0

    Feng et al., 2024, "Were RNNs all we needed?",
    https://arxiv.org/abs/2410.01201, section 3.1; g is from its appendix. Only
    the elementwise (3) runs step by step, over products that were taken for
    the whole sequence at once; there is no recurrent product, and so no
    recurrent dropout. Unlike in `gru` a gate of one takes the new state.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.GatedCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 2 * U)`, columns in the order z, h; bias `(2 * U,)`, same
        order; together `2 * U * (F + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("min_gru", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 2
    has_products = False
    unused = NO_PRODUCTS

    def build(self, input_shape: tuple) -> None:
        """Make the weights."""
        width = self.gates * self.units
        self.kernel = self.add_kernel("kernel", (input_shape[-1], width))
        self.bias = self.add_bias("bias", (width,)) if self.use_bias else None

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (3)."""
        (h,) = states
        z, n = ops.split(projected, 2, axis=-1)
        z = self.recurrent_activation(z)
        return [(1 - z) * h + z * positive_part(n)]
