"""Recurrent layers on top of each other.

Letters of shapes: B batch, T time, F features, U units, W width of an output.
"""

import keras
from keras import ops

from rnn_layers.cells.base import positive_int
from rnn_layers.cells.catalogue import cell_options
from rnn_layers.layers.bidirectional import Bidirectional
from rnn_layers.layers.recurrent import rate, share_loops
from rnn_layers.layers.rnn import layer_options, rnn, seeded

MAXIMUM_DEPTH = 4


def stack(
    name,
    /,
    units,
    depth=1,
    bidirectional=False,
    dropout=0.0,
    residual=False,
    return_sequences=False,
    **kwargs,
):
    """Returns `depth` recurrent layers on top of each other, as one layer.

    Args:
        name: One of `rnn_layers.names()`.
        units: Positive integer, the size of the state in each direction.
        depth: Integer from 1 to 4.
        bidirectional: Whether each layer runs in both directions.
        dropout: Rate in [0, 1) of the dropout between layers.
        residual: Whether the input of a layer is added to its output, from the
            second layer on, where the two have the same width; to a last output
            the last output of the layer below.
        return_sequences: Whether to return all outputs or only the last one.
        **kwargs: Other options of `rnn_layers.rnn`, for every layer; a `seed`
            is that of the first, and each further one has the next.

    Returns:
        A `Stack`.
    """
    return Stack(
        name,
        units,
        depth,
        bidirectional,
        dropout,
        residual,
        return_sequences,
        options=kwargs,
    )


@keras.saving.register_keras_serializable(package="rnn_layers", name="Stack")
class Stack(keras.layers.Layer):
    """Recurrent layers on top of each other: see `stack`.

    Args:
        cell: One of `rnn_layers.names()`.
        units: Positive integer, the size of the state in each direction.
        depth: Integer from 1 to 4.
        bidirectional: Whether each layer runs in both directions.
        dropout: Rate in [0, 1) of the dropout between layers.
        residual: Whether inputs are added to outputs from the second layer on.
        return_sequences: Whether to return all outputs or only the last one.
        options: Dict, other options of `rnn_layers.rnn`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        sequences: `(B, T, F)`.
        mask: Boolean `(B, T)`, or `None`.
        training: Whether to drop.

    Returns:
        `(B, T, U)` or `(B, U)`, with 2 * U in place of U if bidirectional.

    Masking:
        Each layer masks, and the mask is passed on with
        `return_sequences=True`. At masked steps the outputs are those of
        `Recurrent`, or of `Bidirectional`.

    Example:
        >>> layers = rnn_layers.stack("gru", 4, depth=2, residual=True)
        >>> layers(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        cell,
        units,
        depth=1,
        bidirectional=False,
        dropout=0.0,
        residual=False,
        return_sequences=False,
        options=None,
        **kwargs,
    ):
        options = dict(options or {})
        for key in ("name", "dtype", "trainable"):
            if key in options:
                kwargs[key] = options.pop(key)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.cell = cell
        self.units = positive_int("units", units)
        self.depth = positive_int("depth", depth)
        if self.depth > MAXIMUM_DEPTH:
            raise ValueError(
                f"`depth` must be at most {MAXIMUM_DEPTH}, not {depth!r}."
            )
        self.bidirectional = bidirectional
        self.dropout = rate("dropout", dropout)
        self.residual = residual
        self.return_sequences = return_sequences
        self.options = _stackable(cell, options)
        self.layers = [self._layer(index) for index in range(self.depth)]
        share_loops(
            part
            for layer in self.layers
            for part in (
                getattr(layer, "forward_layer", layer),
                getattr(layer, "backward_layer", layer),
            )
        )
        self.between = keras.layers.Dropout(
            self.dropout,
            seed=seeded(self.options, self.depth).get("seed"),
            dtype=self.dtype_policy,
        )

    def _layer(self, index):
        layer = rnn(
            self.cell,
            self.units,
            name=f"layer_{index + 1}",
            dtype=self.dtype_policy,
            return_sequences=self.return_sequences or index < self.depth - 1,
            **seeded(self.options, index),
        )
        if not self.bidirectional:
            return layer
        return Bidirectional(
            layer, name=f"layer_{index + 1}", dtype=self.dtype_policy
        )

    def build(self, sequences_shape):
        """Builds the layers from below to above."""
        shape = tuple(sequences_shape)
        for layer in self.layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def call(self, sequences, mask=None, training=False):
        """Runs the layers from below to above."""
        x = self.layers[0](sequences, mask=mask, training=training)
        for layer in self.layers[1:]:
            y = layer(
                self.between(x, training=training), mask=mask, training=training
            )
            if self.residual and x.shape[-1] == y.shape[-1]:
                y = y + (x if len(y.shape) == 3 else self._ends(x, mask))
            x = y
        return x

    def _ends(self, x, mask):
        """Picks what the layer below would return as its last output."""
        if mask is None:
            first, last = x[:, 0], x[:, -1]
        else:
            mask = ops.cast(mask, "int32")  # (B, T)
            steps = ops.cumsum(ops.ones_like(mask), axis=1) * mask
            first, last = (
                ops.squeeze(
                    ops.take_along_axis(x, index[:, None, None], axis=1), 1
                )
                for index in (ops.argmax(mask, 1), ops.argmax(steps, 1))
            )  # (B, W)
        if not self.bidirectional:
            return last
        half = x.shape[-1] // 2
        return ops.concatenate([last[:, :half], first[:, half:]], axis=-1)

    def compute_mask(self, sequences, mask=None):
        """Passes the mask on if there still is time."""
        return mask if self.return_sequences else None

    def compute_output_shape(self, sequences_shape):
        """Returns the shape of the outputs."""
        shape = tuple(sequences_shape)
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def reset_state(self):
        """Sets the carried states of all layers to what they begin with."""
        for layer in self.layers:
            layer.reset_state()

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "cell": self.cell,
            "units": self.units,
            "depth": self.depth,
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
            "residual": self.residual,
            "return_sequences": self.return_sequences,
            "options": self.options,
        }


def _stackable(cell, options):
    """Returns the options, or refuses one that a stack cannot pass on."""
    refused = ("return_state", "go_backwards", "return_sequences", "name")
    known = [
        key
        for key in cell_options(cell) + layer_options()
        if key not in refused
    ]
    for key in options:
        if key not in known:
            raise ValueError(
                f"A stack of {cell} has no option {key!r}; it has "
                f"{', '.join(sorted(known))}."
            )
    return options
