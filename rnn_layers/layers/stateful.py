"""A stack whose states are carried from chunk to chunk, in training.

A forward layer that begins a chunk with the states that the chunk before ended
with gives exactly what it gives over both at once; the gradient ends where a
chunk begins. That is truncated backpropagation through time: Williams and
Peng, 1990, "An efficient gradient-based algorithm for on-line training of
recurrent network trajectories".

Letters of shapes: B batch, T time of a chunk, F features, U units.
"""

from typing import Any

import keras
from keras import ops

from rnn_layers.cells.base import Tensor, as_tensors, carried_mask, positive_int
from rnn_layers.layers.recurrent import carried_states


@keras.saving.register_keras_serializable(package="rnn_layers")
class StatefulStack(keras.layers.Layer):
    """A stack that runs chunks: each row goes on where its last chunk ended.

        stack = rnn_layers.stack("lstm", 64, 2, return_sequences=True)
        sequences = keras.Input(batch_shape=(8, 100, 3))
        resets = keras.Input(batch_shape=(8,), dtype="bool")
        outputs = rnn_layers.StatefulStack(stack, 8)(sequences, resets)

    Row k of every batch continues row k of the batch before, unless it is
    reset. The weights are those of the stack, which can be part of another
    model and run there over whole sequences. Only forward layers carry their
    states: the backward layers of a bidirectional stack begin anew at the end
    of each chunk, and so do not see beyond it.

    Args:
        stack: A `Stack`, best with `return_sequences=True`.
        batch_size: Positive integer B, the same for all batches.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Attributes:
        states: The carried states, variables `(B, U)`: a list for each layer.

    Call arguments:
        sequences: `(B, T, F)`, a chunk of any length.
        resets: Boolean `(B,)`, true where a row begins another sequence; `None`
            where none does.
        mask: Boolean `(B, T)`, by default the mask that `sequences` carries.
        training: Whether to drop.

    Returns:
        What the stack returns over the chunk, without the states.

    Weights:
        Those of the stack. The carried states are among the `variables`, but
        not among the `weights`, and are not saved.

    Masking:
        As in the stack: a row carries the states of its last step that was
        not masked.

    Example:
        >>> stack = rnn_layers.stack("gru", 4, return_sequences=True)
        >>> layer = rnn_layers.StatefulStack(stack, batch_size=2)
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 5, 4])
    """

    def __init__(self, stack, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.autocast = False  # the layers inside cast; float32 states stay
        self.stack = stack
        self.batch_size = positive_int("batch_size", batch_size)
        self.states = [
            carried_states(
                self,
                f"state_{number}",
                getattr(layer, "forward_layer", layer).cell,
                batch_size,
            )
            for number, layer in enumerate(stack.layers)
        ]

    def build(
        self, sequences_shape: tuple, resets_shape: tuple | None = None
    ) -> None:
        """Build the stack."""
        if not self.stack.built:
            self.stack.build(sequences_shape)

    def __call__(self, sequences, resets=None, mask=None, **kwargs):
        """Call the layer with the mask that `sequences` carries, if any."""
        if mask is None:  # Keras drops it beside the resets
            mask = carried_mask(sequences)
        sequences = as_tensors(sequences, self.stack.state_dtype)
        return super().__call__(sequences, resets=resets, mask=mask, **kwargs)

    def call(self, sequences, resets=None, mask=None, training=False):
        """Run a chunk, and carry the states that it ends with."""
        starts = self.stack.get_initial_state(self.batch_size)
        for carried, start in zip(self.states, starts, strict=True):
            for index, variable in enumerate(carried):
                # A copy, since torch would change the variable in place.
                state = ops.copy(variable.value)
                if resets is not None:
                    rows = ops.expand_dims(ops.cast(resets, "bool"), -1)
                    state = ops.where(rows, start[index], state)
                start[index] = state
        outputs, last = self.stack.run(sequences, starts, mask, training)
        self._carry(last)
        return outputs

    def _carry(self, states):
        for carried, own in zip(self.states, states, strict=True):
            # Those of a backward layer, which stand behind, are not carried.
            for variable, state in zip(carried, own, strict=False):
                variable.assign(state)

    def reset_state(self) -> None:
        """Set all carried states to what the cells begin with."""
        self._carry(self.stack.get_initial_state(self.batch_size))

    @property
    def weights(self) -> list[keras.Variable]:
        """Those of the stack: what is carried is not learned."""
        return self.stack.weights

    def save_own_variables(self, store: dict) -> None:
        """Save nothing: the stack saves its weights, and states are left."""

    def load_own_variables(self, store: dict) -> None:
        """Load nothing."""

    def compute_mask(self, sequences: Any, mask: Any = None) -> Tensor | None:
        """Pass the mask on if there still is time."""
        return self.stack.compute_mask(sequences, mask)

    def compute_output_shape(self, sequences_shape: tuple, *_: Any) -> tuple:
        """Return the shape of the outputs."""
        shape = self.stack.compute_output_shape(sequences_shape)
        return shape[0] if self.stack.return_state else shape

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "stack": keras.saving.serialize_keras_object(self.stack),
            "batch_size": self.batch_size,
        }

    @classmethod
    def from_config(cls, config: dict) -> "StatefulStack":
        """Make the layer and its stack."""
        stack = keras.saving.deserialize_keras_object(config["stack"])
        return cls(**{**config, "stack": stack})
