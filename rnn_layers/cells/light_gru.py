"""The light gated recurrent unit."""

import keras
from keras import ops

from rnn_layers.cells.base import GatedCell, Tensor
from rnn_layers.cells.functions import normalized


@keras.saving.register_keras_serializable(package="rnn_layers")
class LightGRUCell(GatedCell):
    """Gated recurrent unit without a reset gate, rectified and normalized.

    One time step, with `*` elementwise, `@` the matrix product, and N the
    shift and scale of a vector to mean 0 and variance 1:

        (1)  z  = sigmoid(p_z * N(x @ W_z) + b_z + h @ R_z)     update gate
        (2)  n  = relu(p_h * N(x @ W_h) + b_h + h @ R_h)        candidate
        (3)  h' = z * h + (1 - z) * n                           new state

    Ravanelli et al., 2018, "Light gated recurrent units for speech
    recognition", https://arxiv.org/abs/1803.10225, section 3. There N is over
    the batch; here it is over the units, for each block apart, so that a
    sequence does not depend on those beside it, nor a step on later ones.

    Args:
        units: Positive integer, the size U of the state.
        activation: Name or function, by default relu.
        **kwargs: The arguments of `rnn_layers.cells.base.GatedCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 2 * U)`, columns in the order z, h; recurrent_kernel
        `(U, 2 * U)`, bias `(2 * U,)` and gain `(2 * U,)`, same order; together
        `2 * U * (F + U + 2)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("light_gru", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 2

    def __init__(self, units, activation="relu", **kwargs):
        super().__init__(units, activation=activation, **kwargs)

    def build(self, input_shape: tuple) -> None:
        """Make the weights and the gain of the normalization."""
        super().build(input_shape)
        self.gain = self.add_scale("gain", (2 * self.units,))

    def project(self, inputs: Tensor) -> Tensor:
        """Return `p * N(inputs @ W) + b`, for gate and candidate apart."""
        x = self.product(inputs, self.kernel)
        blocks = [normalized(block) for block in ops.split(x, 2, axis=-1)]
        projected = self.gain * ops.concatenate(blocks, axis=-1)
        if self.use_bias:
            projected = projected + self.bias
        return ops.cast(projected, self.compute_dtype)

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (3)."""
        (h,) = states
        sums = projected + matmul(h, self.recurrent_kernel)
        z, n = ops.split(sums, 2, axis=-1)
        z = self.recurrent_activation(z)
        return [z * h + (1 - z) * self.activation(n)]
