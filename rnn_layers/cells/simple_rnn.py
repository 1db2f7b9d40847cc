"""The simple recurrent network of Elman."""

import keras

from rnn_layers.cells.base import Cell


@keras.saving.register_keras_serializable(package="rnn_layers")
class SimpleRNNCell(Cell):
    """Simple recurrent cell: the output feeds back.

    One time step, with `@` the matrix product:

        (1)  h' = tanh(x @ W + h @ R + b)          new state and output

    Elman, 1990, "Finding structure in time", Cognitive Science 14(2), the
    network of figure 2, whose context units are the copy of h. Unlike the
    paper the activation is tanh, as in `keras.layers.SimpleRNN`, with which
    weights can be exchanged.

    Args:
        units: Positive integer, the size U of the state.
        **kwargs: The arguments of `rnn_layers.cells.base.Cell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, U)`, recurrent_kernel `(U, U)`, bias `(U,)`; together
        `U * (F + U + 1)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("simple_rnn", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    def step(self, projected, states, matmul):
        """Take one time step, equation (1)."""
        (h,) = states
        h = self.activation(projected + matmul(h, self.recurrent_kernel))
        return [h]
