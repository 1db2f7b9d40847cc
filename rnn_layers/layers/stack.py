"""Recurrent layers on top of each other.

The states of a stack are a list with one list for each layer, from below to
above, as the layer takes and returns them: those of a cell, or of the forward
and then of the backward cell.

Letters of shapes: B batch, T time, F features, U units, W width of an output.
"""

from typing import Any

import keras
from keras import ops

from rnn_layers.cells.base import Tensor, as_tensors, carried_mask, positive_int
from rnn_layers.cells.catalogue import cell_name
from rnn_layers.layers.bidirectional import Bidirectional
from rnn_layers.layers.recurrent import (
    Recurrent,
    check_options,
    known_options,
    rate,
    rnn,
    seeded,
    share_loops,
)

MAXIMUM_DEPTH = 4
# What a stack says itself, and what makes no sense in it.
REFUSED = (
    "return_sequences",
    "return_state",
    "return_all_states",
    "go_backwards",
    "name",
)


def stack(
    name: str,
    /,
    units: int,
    depth: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    residual: bool = False,
    return_sequences: bool = False,
    return_state: bool = False,
    **kwargs: Any,
) -> "Stack":
    """Return `depth` recurrent layers on top of each other, as one layer.

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
        return_state: Whether to return the last states too.
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
        return_state=return_state,
    )


@keras.saving.register_keras_serializable(package="rnn_layers", name="Stack")
class Stack(keras.layers.Layer):
    """Recurrent layers on top of each other: see `stack`.

    Args:
        cell: One of `rnn_layers.names()`.
        units, depth, bidirectional, dropout, residual, return_sequences,
            return_state: As in `stack`.
        options: Dict, other options of `rnn_layers.rnn`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Attributes:
        layers: List of the `Recurrent` or `Bidirectional` layers, from below
            to above. Each returns its last states behind its outputs.

    Call arguments:
        sequences: `(B, T, F)`.
        mask: Boolean `(B, T)`, by default the mask that `sequences` carries.
        training: Whether to drop.
        initial_state: The states before the first step, a list of tensors for
            each layer, as `get_initial_state` returns them; `None`: those.

    Returns:
        `(B, T, U)` or `(B, U)`, with 2 * U in place of U if bidirectional; with
        `return_state=True` a tuple of that and the last states, from which a
        forward stack goes on in its next call. One step at a time, with the
        same weights:

            states = stack.get_initial_state(batch_size)
            output, states = stack.step(inputs, states)

        `StatefulStack` runs batches of consecutive chunks in training.

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
        return_state=False,
        **kwargs,
    ):
        options = dict(options or {})
        for key in ("name", "dtype", "trainable"):
            if key in options:
                kwargs[key] = options.pop(key)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.autocast = False  # the layers inside cast; float32 states stay
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
        self.return_state = return_state
        check_options(f"A stack of {cell}", options, cell, REFUSED)
        self.options = options
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
            return_state=True,
            **seeded(self.options, index),
        )
        if not self.bidirectional:
            return layer
        return Bidirectional(
            layer, name=f"layer_{index + 1}", dtype=self.dtype_policy
        )

    @classmethod
    def of_layers(cls, layers: list[Recurrent], **kwargs: Any) -> "Stack":
        """Return a stack of layers that exist, which shares their weights.

        For models whose recurrent layers are on top of each other, but in no
        stack, without dropout or residual connections between them.

        Args:
            layers: List of `Recurrent` layers with like cells, the lowest
                first.
            **kwargs: Other arguments of `Stack`, such as `return_state`.
        """
        cell = layers[0].cell
        name = cell_name(type(cell))
        config = {**cell.get_config(), **layers[0].get_config()}
        known = known_options(name, REFUSED)
        options = {key: config[key] for key in known if key in config}
        stack = cls(name, cell.units, len(layers), options=options, **kwargs)
        for own, layer in zip(stack.layers, layers, strict=True):
            own.cell = layer.cell
        return stack

    def build(self, sequences_shape: tuple) -> None:
        """Build the layers from below to above."""
        shape = tuple(sequences_shape)
        for layer in self.layers:
            layer.build(shape)
            shape, *_ = layer.compute_output_shape(shape)

    def __call__(self, sequences, mask=None, initial_state=None, **kwargs):
        """Call the stack with the mask that `sequences` carries, if any."""
        if mask is None:  # Keras drops it beside an initial state
            mask = carried_mask(sequences)
        kind = self.state_dtype
        if initial_state is not None:
            initial_state = [as_tensors(own, kind) for own in initial_state]
        return super().__call__(
            as_tensors(sequences, kind),
            mask=mask,
            initial_state=initial_state,
            **kwargs,
        )

    def call(self, sequences, mask=None, training=False, initial_state=None):
        """Run the layers from below to above."""
        outputs, states = self.run(sequences, initial_state, mask, training)
        return (outputs, states) if self.return_state else outputs

    def run(
        self,
        sequences: Tensor,
        initial_state: list | None = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> tuple[Tensor, list]:
        """Return the outputs and the last states of a built stack.

        So does a call with `return_state=True`, whose arguments these are: this
        is for a stack without it that goes on where a chunk ended.
        """
        if initial_state is None:
            initial_state = [None] * self.depth
        self._check_states("initial_state", initial_state)
        x, last = None, []
        for layer, states in zip(self.layers, initial_state, strict=True):
            below = sequences
            if x is not None:
                below = self.between(x, training=training)
            y, *states = layer(
                below, initial_state=states, mask=mask, training=training
            )
            last.append(states)
            if self._adds(x, y):
                y = y + (x if len(y.shape) == 3 else self._ends(x, mask))
            x = y
        return x, last

    def step(self, inputs, states):
        """Take one time step outside of training, for decoding by hand.

        Steps from the same states give what one call gives, with residual
        connections, and without dropout.

        Args:
            inputs: `(B, F)`.
            states: As `get_initial_state`, a step or a call returns them.

        Returns:
            The output `(B, U)` and the new states.
        """
        if self.bidirectional:
            raise ValueError(
                "A bidirectional stack takes no single steps: its backward "
                "layers begin at the end of the sequence."
            )
        self._check_states("states", states)
        x, last = None, []
        for layer, own in zip(self.layers, states, strict=True):
            y, own = layer.step(inputs if x is None else x, own)
            last.append(own)
            x = y + x if self._adds(x, y) else y
        return x, last

    def _adds(self, below, above):
        """Return whether the residual connection joins two outputs."""
        return (
            self.residual
            and below is not None
            and below.shape[-1] == above.shape[-1]
        )

    def _check_states(self, name, states):
        if len(states) != self.depth:
            raise ValueError(
                f"`{name}` needs {self.depth} lists of tensors, one for each "
                f"layer, not {len(states)}."
            )

    def get_initial_state(self, batch_size: int) -> list:
        """Return the states before the first step: a list for each layer."""
        return [layer.get_initial_state(batch_size) for layer in self.layers]

    def _ends(self, x, mask):
        """Pick what the layer below would return as its last output."""
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

    def compute_mask(self, sequences: Any, mask: Any = None) -> Tensor | None:
        """Pass the mask on if there still is time."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        return mask if self.return_sequences else None

    def compute_output_shape(self, sequences_shape: tuple) -> tuple:
        """Return the shape of the outputs, and those of the states."""
        shape, states = tuple(sequences_shape), []
        for layer in self.layers:
            shape, *own = layer.compute_output_shape(shape)
            states.append(own)
        return (shape, states) if self.return_state else shape

    def compute_output_spec(
        self,
        sequences: Tensor,
        mask: Tensor | None = None,
        training: bool = False,
        initial_state: list | None = None,
    ) -> Any:
        """Return shapes and types without running the layers."""
        shape = self.compute_output_shape(sequences.shape)
        shape, states = shape if self.return_state else (shape, [])
        output = keras.KerasTensor(shape, self.compute_dtype)
        kind = self.state_dtype
        states = [[keras.KerasTensor(s, kind) for s in own] for own in states]
        return (output, states) if self.return_state else output

    @property
    def state_dtype(self) -> str:
        """Type of the states."""
        first = getattr(self.layers[0], "forward_layer", self.layers[0])
        return first.cell.state_dtype

    def reset_state(self) -> None:
        """Set the carried states of all layers to what they begin with."""
        for layer in self.layers:
            layer.reset_state()

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
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
            "return_state": self.return_state,
        }
