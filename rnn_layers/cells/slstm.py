"""The scalar LSTM of xLSTM."""

import keras
from keras import ops

from rnn_layers.cells.base import ForgetCell


@keras.saving.register_keras_serializable(package="rnn_layers")
class SLSTMCell(ForgetCell):
    """LSTM with exponential gates, normalized and stabilized.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  [a, b, g, o] = x @ W + h @ R + bias
        (2)  m' = max(log sigmoid(b) + m, a)           stabilizer
        (3)  i  = exp(a - m')                          input gate
        (4)  f  = exp(log sigmoid(b) + m - m')         forget gate
        (5)  c' = f * c + i * tanh(g)                  cell state
        (6)  n' = f * n + i                            normalizer
        (7)  h' = sigmoid(o) * c' / n'                 output

    Beck et al., 2024, "xLSTM: Extended long short-term memory",
    https://arxiv.org/abs/2405.04517, section 2.2, with the forget gate in its
    sigmoid form, and with one head. Without the stabilizer, which cancels in
    (7), i is exp(a) and f is sigmoid(b). The stabilizer starts so low that the
    first step has m' = a.

    Args:
        units: Positive integer, the size U of the state.
        recurrent_activation: That of the output gate in (7) alone: the other
            gates are exponential.
        **kwargs: The arguments of `rnn_layers.cells.base.ForgetCell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list of four tensors, h, c, n and m, all `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, 4 * U)`, columns in the order i, f, c, o; recurrent_kernel
        `(U, 4 * U)` and bias `(4 * U,)`, same order; together
        `4 * U * (F + U + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the states.

    Example:
        >>> layer = rnn_layers.rnn("slstm", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    gates = 4
    forget_gate = 1
    state_count = 4

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Return zeros, and a stabilizer that loses to any other."""
        *zeros, m = super().get_initial_state(batch_size)
        return [*zeros, m - 1e30]

    def zoneout_select(self, stays: list, old: list, new: list) -> list:
        """Select as all cells do; c, n and m, which mean one thing, as one."""
        h, c, *_ = stays
        return super().zoneout_select([h, c, c, c], old, new)

    def zoneout_mean(self, rate: float, old: list, new: list) -> list:
        """Take the mean as all cells do, c and n at the larger scale m."""
        m = ops.maximum(old[3], new[3])
        old, new = (
            [h, c * ops.exp(scale - m), n * ops.exp(scale - m)]
            for h, c, n, scale in (old, new)
        )
        return [*super().zoneout_mean(rate, old, new), m]

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) to (7)."""
        h, c, n, m = states
        z = projected + matmul(h, self.recurrent_kernel)
        a, b, g, o = ops.split(z, 4, axis=-1)
        decayed = ops.log_sigmoid(b) + m
        m = ops.maximum(decayed, a)
        i, f = ops.exp(a - m), ops.exp(decayed - m)
        c = f * c + i * self.activation(g)
        n = f * n + i
        h = self.recurrent_activation(o) * c / n
        return [h, c, n, m]
