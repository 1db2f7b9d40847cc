"""The minimal LSTM."""

import keras
from keras import ops

from rnn_layers.cells.base import NO_PRODUCTS, ForgetCell
from rnn_layers.cells.functions import gate_share, positive_part


@keras.saving.register_keras_serializable(package="rnn_layers")
class MinLSTMCell(ForgetCell):
    """LSTM whose gates and content see only the input.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  f  = sigmoid(x @ W_f + b_f)              forget gate
        (2)  i  = sigmoid(x @ W_i + b_i)              input gate
        (3)  n  = g(x @ W_h + b_h)                    new content
        (4)  h' = (f * h + i * n) / (f + i)           new state

        (5)  g(a) = a + 1/2 for a >= 0, and sigmoid(a) for a < 0

    Feng et al., 2024, "Were RNNs all we needed?",
    https://arxiv.org/abs/2410.01201, section 3.2; g is from its appendix. Only
    the elementwise (4) runs step by step, over products that were taken for
    the whole sequence at once; there is no recurrent product, and so no
    recurrent dropout. Where both gates are zero, as a `hard_sigmoid` can be,
    (4) takes the mean of h and n.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.ForgetCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 3 * U)`, columns in the order f, i, h; bias `(3 * U,)`, same
        order; together `3 * U * (F + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("min_lstm", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 3
    has_products = False
    unused = NO_PRODUCTS

    def build(self, input_shape: tuple) -> None:
        """Make the weights."""
        width = self.gates * self.units
        self.kernel = self.add_kernel("kernel", (input_shape[-1], width))
        self.bias = self.add_bias("bias", (width,)) if self.use_bias else None

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (4)."""
        (h,) = states
        f, i, n = ops.split(projected, 3, axis=-1)
        share = gate_share(self.recurrent_activation, f, i)
        return [share * h + (1 - share) * positive_part(n)]
