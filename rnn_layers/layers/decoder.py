"""A recurrent decoder that attends to a memory.

Letters of shapes: B batch, T time, S source, F features, U units, M width of
the memory.
"""

from typing import Any

import keras
from keras import ops

from rnn_layers.cells.base import Tensor, carried_mask, option, positive_int
from rnn_layers.layers.attention import AdditiveAttention, DotAttention
from rnn_layers.layers.recurrent import (
    check_options,
    checked_mask,
    rnn,
    seeded,
)

# What a decoder says itself, and what makes no sense in it.
REFUSED = (
    "return_sequences",
    "return_state",
    "go_backwards",
    "stateful",
    "name",
    "dtype",
    "trainable",
)


@keras.saving.register_keras_serializable(package="rnn_layers")
class AttentionDecoder(keras.layers.Layer):
    """Recurrent layer whose outputs look at a memory.

        (1)  h_t = cell(x_t, h_{t-1})                    recurrence
        (2)  c_t = attention(h_t, memory)                context
        (3)  y_t = tanh([c_t, h_t] @ W)                  output

    Luong, Pham and Manning, 2015, https://arxiv.org/abs/1508.04025, section 3,
    equation 5, without input feeding: the recurrence does not see what was
    attended to, so that in training a whole target sequence is one run of the
    recurrent layer and one product. The score is either of the two of
    `rnn_layers.attention`.

    Args:
        cell: One of `rnn_layers.names()`.
        units: Positive integer U, size of the state and of the output.
        attention: `"additive"`, `"general"` or `"dot"`.
        options: Dict, other options of `rnn_layers.rnn`, or `None`.
        depth: Recurrent layers on top of each other; the states are those of
            all, the lowest first.
        attention_units: Positive integer, width of the hidden layer of the
            additive score, by default U; a score of fewer costs less.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        sequences: `(B, T, F)`, the target sequences.
        memory: `(B, S, M)`, what to attend to.
        initial_state: List of the states before the first step, or of the
            first few of them, the output first, or that alone; the others are
            as the cell begins. `None`: all as the cell begins.
        sequences_mask: Boolean `(B, T)`; by default the mask that it carries.
        memory_mask: Boolean `(B, S)`; by default the mask that it carries.
        training: Whether to drop.

    Returns:
        The outputs `(B, T, U)`. One step at a time, with the same weights:

            prepared = decoder.prepare(memory, memory_mask)
            states = decoder.get_initial_state(batch_size)
            output, states, weights = decoder.step(inputs, states, prepared)

    Weights:
        Those of the recurrent layers and of the attention, and output_kernel
        `(M + U, U)`.

    Masking:
        Masked targets copy the states, masked positions of the memory weigh
        zero, and the mask of the targets is passed on.

    Example:
        >>> decoder = rnn_layers.AttentionDecoder("gru", 4)
        >>> decoder(np.ones((2, 3, 5)), np.ones((2, 7, 6))).shape
        TensorShape([2, 3, 4])
    """

    def __init__(
        self,
        cell,
        units,
        attention="additive",
        options=None,
        depth=1,
        attention_units=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.autocast = False  # the layers inside cast; float32 states stay
        self.cell = cell
        self.units = positive_int("units", units)
        self.options = dict(options or {})
        check_options(f"A decoder of {cell}", self.options, cell, REFUSED)
        self.attention = option(
            "attention", attention, ("additive", "general", "dot")
        )
        self.depth = positive_int("depth", depth)
        self.attention_units = (
            None
            if attention_units is None
            else positive_int("attention_units", attention_units)
        )
        dtype = self.dtype_policy
        self.recurrent = [
            rnn(
                cell,
                units,
                name=f"layer_{index + 1}",
                return_sequences=True,
                dtype=dtype,
                **seeded(self.options, index),
            )
            for index in range(self.depth)
        ]
        self.attend = (
            AdditiveAttention(self.attention_units or self.units, dtype=dtype)
            if attention == "additive"
            else DotAttention(attention == "general", dtype=dtype)
        )
        self.output_layer = keras.layers.Dense(
            self.units, "tanh", use_bias=False, dtype=dtype
        )

    def build(
        self,
        sequences_shape: tuple,
        memory_shape: tuple,
        initial_state_shape: list | None = None,
    ) -> None:
        """Build the layers inside."""
        batch_size, length, _ = sequences_shape
        for layer in self.recurrent:
            layer.build(sequences_shape)
            width = layer.cell.output_size
            sequences_shape = (batch_size, length, width)
        self.attend.build((batch_size, length, width), memory_shape)
        self.output_layer.build((batch_size, length, memory_shape[-1] + width))

    def call(
        self,
        sequences,
        memory,
        initial_state=None,
        sequences_mask=None,
        memory_mask=None,
        training=False,
    ):
        """Run over whole target sequences, equations (1) to (3)."""
        h = self._run(sequences, initial_state, sequences_mask, training)
        memory, keys, memory_mask = self.prepare(memory, memory_mask)
        context, _ = self.attend.attend(h, keys, memory, memory_mask)
        return self.output_layer(ops.concatenate([context, h], axis=-1))

    def attention_weights(
        self,
        sequences: Tensor,
        memory: Tensor,
        initial_state: Any = None,
        sequences_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """Return what a call looks at, `(B, T, S)`; for its arguments see it.

        Each row sums to one over the positions of the memory.
        """
        h = self._run(sequences, initial_state, sequences_mask)
        memory, keys, memory_mask = self.prepare(memory, memory_mask)
        return self.attend.attend(h, keys, memory, memory_mask)[1]

    def _run(self, sequences, initial_state, mask, training=False):
        """Return the outputs of the recurrent layers, equation (1)."""
        states = [None] * len(self.recurrent)
        if initial_state is not None:
            batch_size = ops.shape(sequences)[0]
            states = self._by_layer(
                self.get_initial_state(batch_size, initial_state)
            )
        for layer, first in zip(self.recurrent, states, strict=True):
            sequences = layer(
                sequences, initial_state=first, mask=mask, training=training
            )
        return sequences

    def _by_layer(self, states):
        """Cut the list of all states into one for each layer."""
        states = iter(states)
        return [
            [next(states) for _ in keras.tree.flatten(layer.cell.state_size)]
            for layer in self.recurrent
        ]

    def prepare(
        self, memory: Tensor, memory_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute once what every step needs of the memory.

        Args:
            memory: `(B, S, M)`.
            memory_mask: Boolean `(B, S)`; by default the mask that it carries.

        Returns:
            A tuple of tensors with the batch first, for `step`: the memory, its
            keys and its mask.
        """
        if memory_mask is None:
            memory_mask = carried_mask(memory)
        memory = ops.cast(memory, self.compute_dtype)
        memory_mask = checked_mask(memory, memory_mask)
        if memory_mask is None:
            memory_mask = ops.ones(ops.shape(memory)[:2], "bool")
        return memory, self.attend.keys(memory), memory_mask

    def get_initial_state(self, batch_size: int, first: Any = ()) -> list:
        """Return the states before the first step.

        Args:
            batch_size: B.
            first: List of the first few states, the output first, or that
                alone; the others are as the cell begins, mostly zeros.
        """
        if not isinstance(first, (list, tuple)):
            first = [first]
        states = [
            state
            for layer in self.recurrent
            for state in layer.cell.get_initial_state(batch_size)
        ]
        if len(first) > len(states):
            raise ValueError(
                f"There are {len(states)} states, not {len(first)}."
            )
        first = [
            ops.cast(state, default.dtype)
            for state, default in zip(first, states, strict=False)
        ]
        return [*first, *states[len(first) :]]

    def step(self, inputs, states, prepared):
        """Take one step outside of training.

        Several hypotheses of one sentence can share its memory: with K rows
        side by side for each of the B memories, N is B times K.

        Args:
            inputs: `(N, F)`.
            states: List of states.
            prepared: What `prepare` returned.

        Returns:
            The output `(N, U)`, the list of new states, and the weights
            `(N, S)`.
        """
        memory, keys, memory_mask = prepared
        h, new = inputs, []
        for layer, own in zip(
            self.recurrent, self._by_layer(states), strict=True
        ):
            h, own = layer.step(h, own)
            new += own
        query = ops.reshape(h, (ops.shape(memory)[0], -1, h.shape[-1]))  # B K U
        context, weights = self.attend.attend(query, keys, memory, memory_mask)
        context = ops.reshape(context, (-1, context.shape[-1]))
        output = self.output_layer(ops.concatenate([context, h], axis=-1))
        return output, new, ops.reshape(weights, (-1, ops.shape(memory)[1]))

    def compute_output_shape(
        self, sequences_shape: tuple, *_: Any, **__: Any
    ) -> tuple:
        """Return the shape of the outputs."""
        return (*sequences_shape[:2], self.units)

    def compute_mask(self, sequences: Any, mask: Any = None) -> Tensor | None:
        """Pass the mask of the targets on."""
        return mask[0] if isinstance(mask, (list, tuple)) else mask

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "cell": self.cell,
            "units": self.units,
            "attention": self.attention,
            "options": self.options,
            "depth": self.depth,
            "attention_units": self.attention_units,
        }
