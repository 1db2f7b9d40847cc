"""The independently recurrent network."""

import keras

from rnn_layers.cells.base import Cell


@keras.saving.register_keras_serializable(package="rnn_layers")
class IndRNNCell(Cell):
    """Simple recurrent cell in which each unit sees only its own past.

    One time step, with `*` elementwise and `@` the matrix product:

        (1)  h' = relu(x @ W + u * h + b)          new state and output

    Li et al., 2018, "Independently recurrent neural network (IndRNN)",
    https://arxiv.org/abs/1803.04831, section 3. The paper bounds |u| by the
    T-th root of a constant for sequences of T steps; `recurrent_constraint`
    may do so here, and u starts between 0 and 1. There is no recurrent
    product, and so no recurrent dropout.

    Args:
        units: Positive integer, the size U of the state.
        activation: Name or function, by default relu.
        recurrent_initializer: Initializer of u.
        **kwargs: The arguments of `rnn_layers.cells.base.Cell`.

    Call arguments:
        inputs: `(B, F)`.
        states: A list with one tensor, h `(B, U)`.

    Returns:
        The output `(B, U)` and the list of new states.

    Weights:
        kernel `(F, U)`, recurrent_kernel `(U,)`, the vector u, bias `(U,)`;
        together `U * (F + 2)` parameters.

    Masking:
        By `rnn_layers.Recurrent`: a masked step copies the state.

    Example:
        >>> layer = rnn_layers.rnn("ind_rnn", 4, return_sequences=True)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    has_products = False

    def __init__(
        self, units, activation="relu", recurrent_initializer=None, **kwargs
    ):
        if recurrent_initializer is None:
            recurrent_initializer = keras.initializers.RandomUniform(0.0, 1.0)
        super().__init__(
            units,
            activation=activation,
            recurrent_initializer=recurrent_initializer,
            **kwargs,
        )

    def build(self, input_shape: tuple) -> None:
        """Make the weights."""
        self.kernel = self.add_kernel("kernel", (input_shape[-1], self.units))
        self.recurrent_kernel = self.add_diagonal(
            "recurrent_kernel", (self.units,), role="recurrent"
        )
        self.bias = (
            self.add_bias("bias", (self.units,)) if self.use_bias else None
        )

    def step(self, projected, states, matmul):
        """Take one time step, equation (1)."""
        (h,) = states
        return [self.activation(projected + matmul(h, self.recurrent_kernel))]
