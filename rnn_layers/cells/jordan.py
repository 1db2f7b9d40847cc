"""The network of Jordan."""

import keras

from rnn_layers.cells.base import Cell


@keras.saving.register_keras_serializable(package="rnn_layers")
class JordanCell(Cell):
    """Simple recurrent cell whose output, not its hidden layer, feeds back.

    One time step, with `@` the matrix product:

        (1)  h  = tanh(x @ W + y @ R + b)      hidden layer
        (2)  y' = tanh(h @ V + d)              output and state

    Jordan, 1986, "Serial order: a parallel distributed processing approach",
    ICS report 8604, the network whose output units feed back. Unlike there
    the state is the last output alone, without a decaying trace of the earlier
    ones, and the output layer has as many units as the hidden one.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.Cell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, y `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, U)`, recurrent_kernel `(U, U)`, bias `(U,)`, output_kernel
        `(U, U)`, output_bias `(U,)`; together `U * (F + U + 1) + U * (U + 1)`
        parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("jordan", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    def build(self, input_shape: tuple) -> None:
        """Make the weights of both layers."""
        super().build(input_shape)
        self.output_kernel = self.add_recurrent(
            "output_kernel", (self.units, self.units)
        )
        if self.use_bias:
            self.output_bias = self.add_bias("output_bias", (self.units,))

    def step(self, projected, states, matmul):
        """Take one time step, equations (1) and (2)."""
        (y,) = states
        h = self.activation(projected + matmul(y, self.recurrent_kernel))
        y = matmul(h, self.output_kernel)
        if self.use_bias:
            y = y + self.output_bias
        return [self.activation(y)]
