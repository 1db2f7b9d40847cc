"""A recurrent stack, a chunk of a video at a time, its states carried along.

A forward layer that begins a chunk with the states that the chunk before ended
with gives exactly what it gives over both at once.  `Recurrence` runs the
layers of a stack in that way; `Carried` does so in training, where the
gradient ends at the beginning of a chunk (truncated backpropagation through
time: Williams and Peng, 1990, "An efficient gradient-based algorithm for
on-line training of recurrent network trajectories").

Letters of shapes: B batch, K frames of a chunk, F features, U units, S numbers
of all states of a forward stack together.
"""

import keras
from keras import ops

import rnn_layers


class Recurrence:
    """Runs a stack on a chunk, from given states to new ones.

    It holds no weights of its own: its layers share the cells of the stack.

    Args:
        stack: A built `rnn_layers.Stack` that returns sequences.

    Attributes:
        forward: The layers that read forward, from below to above.
        backward: Those that read backwards; empty if the stack does not.
    """

    def __init__(self, stack):
        self.stack = stack
        both = stack.bidirectional
        self.forward = [
            _with_states(layer.forward_layer if both else layer)
            for layer in stack.layers
        ]
        self.backward = [
            _with_states(layer.backward_layer) for layer in stack.layers if both
        ]
        self.sizes = [layer.cell.state_size for layer in self.forward]

    def initial_states(self, batch):
        """Returns the states before the first frame: layers of (B, U)."""
        return [layer.cell.get_initial_state(batch) for layer in self.forward]

    def __call__(self, x, states, mask=None, training=False):
        """Runs a chunk.

        Args:
            x: `(B, K, F)`.
            states: As `initial_states` or a call returns them.
            mask: Boolean `(B, K)`, false at padding, or `None`.
            training: Whether to drop.

        Returns:
            The outputs `(B, K, U)` and the states of the forward layers.  The
            backward layers begin anew at the end of each chunk; `whole.py` has
            what carries their states too.
        """
        after = []
        for number, layer in enumerate(self.forward):
            if number:
                x = self.stack.between(x, training=training)
            y, *state = layer(
                x, initial_state=states[number], mask=mask, training=training
            )
            after.append(state)
            if self.backward:
                z, *_ = self.backward[number](x, mask=mask, training=training)
                y = ops.concatenate([y, ops.flip(z, axis=1)], axis=-1)
            x = y
        return x, after

    def pack(self, states):
        """Joins states of layers to one tensor `(B, S)`."""
        flat = [ops.cast(s, "float32") for layer in states for s in layer]
        return ops.concatenate(flat, axis=-1)

    def unpack(self, packed):
        """Takes apart what `pack` has joined."""
        states, place = [], 0
        for sizes in self.sizes:
            states.append([])
            for size in sizes:
                states[-1].append(packed[:, place : place + size])
                place += size
        return states


def _with_states(layer):
    """Returns a layer with the same cell that returns its last states too."""
    config = layer.get_config()
    for key in ("cell", "name"):
        config.pop(key)
    twin = rnn_layers.Recurrent(layer.cell, **{**config, "return_state": True})
    # They are equal, so they need not be compiled twice.
    if hasattr(layer, "loops"):
        twin.loops = layer.loops
    return twin


class Carried(keras.layers.Layer):
    """A stack in training: each row of a batch goes on where it stood.

    Args:
        stack: A built `rnn_layers.Stack` that returns sequences.
        batch_size: B, the same for all batches.

    Call arguments:
        x: `(B, K, F)`.
        begins: Boolean `(B,)`, true where the row begins another video.
        real: Boolean `(B, K)`, false at padding, which may stand on the right.
        training: Whether to drop.

    Returns:
        `(B, K, U)`, twice as wide if the stack is bidirectional.
    """

    def __init__(self, stack, batch_size, **kwargs):
        super().__init__(**kwargs)
        self.stack = stack
        self.recurrence = Recurrence(stack)
        self.states = [
            [
                self.add_weight(
                    name=f"state_{number}_{place}",
                    shape=(batch_size, size),
                    initializer="zeros",
                    trainable=False,
                    autocast=False,
                )
                for place, size in enumerate(sizes)
            ]
            for number, sizes in enumerate(self.recurrence.sizes)
        ]

    def call(self, x, begins, real, training=False):
        """Runs a chunk and keeps the states that it ends with."""
        goes_on = ops.cast(ops.logical_not(begins), "float32")[:, None]
        states = [
            [state.value * goes_on for state in layer] for layer in self.states
        ]
        y, after = self.recurrence(x, states, real, training)
        for kept, new in zip(self.states, after, strict=True):
            for variable, state in zip(kept, new, strict=True):
                variable.assign(ops.cast(state, variable.dtype))
        return y

    def compute_output_spec(self, x, begins, real, training=False):
        """Returns the shape and type without running the stack."""
        return self.stack.compute_output_spec(x)


class Before(keras.layers.Layer):
    """In training: what the frame before a chunk was.

    Call arguments:
        x: Of frames, `(B, K, ...)`.
        begins: Boolean `(B,)`, true where the row begins another video.

    Returns:
        `(B, ...)`, the last frame of the chunk before, zeros where a video
        begins; and `(B, 1)`, whether there was such a frame, one or zero.
    """

    def build(self, shape):
        """Makes what is kept of the last chunk."""
        self.kept = self.add_weight(
            name="kept",
            shape=(shape[0], *shape[2:]),
            initializer="zeros",
            trainable=False,
            autocast=False,
        )

    def call(self, x, begins):
        """Returns what was kept, and keeps the last frame."""
        there = ops.cast(ops.logical_not(begins), "float32")[:, None]
        goes_on = ops.reshape(there, (-1, *[1] * (len(x.shape) - 2)))
        before = self.kept.value * goes_on
        last = ops.stop_gradient(x[:, -1])
        self.kept.assign(ops.cast(last, self.kept.dtype))
        return ops.cast(before, x.dtype), ops.cast(there, x.dtype)
