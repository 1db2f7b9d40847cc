"""The update gate recurrent network."""

import keras
from keras import ops

from rnn_layers.cells.base import ForgetCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class UGRNNCell(ForgetCell):
    """Simple recurrent cell with an update gate.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  z  = sigmoid(x @ W_z + h @ R_z + b_z)     update gate
        (2)  n  = tanh(x @ W_h + h @ R_h + b_h)        candidate
        (3)  h' = z * h + (1 - z) * n                  new state

    Collins, Sohl-Dickstein and Sussillo, 2017, "Capacity and trainability in
    recurrent neural networks", https://arxiv.org/abs/1611.09913, section 1.4,
    equations 2 to 4. The bias of the gate starts at one.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.ForgetCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 2 * U)`, columns in the order z, h; recurrent_kernel
        `(U, 2 * U)` and bias `(2 * U,)`, same order; together
        `2 * U * (F + U + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("ugrnn", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 2

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (3)."""
        (h,) = states
        sums = projected + matmul(h, self.recurrent_kernel)
        z, n = ops.split(sums, 2, axis=-1)
        z = self.recurrent_activation(z)
        return [z * h + (1 - z) * self.activation(n)]
