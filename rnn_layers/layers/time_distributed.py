"""A layer at every step of a sequence.

Letters of shapes: B batch, T time.
"""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="rnn_layers")
class TimeDistributed(keras.layers.TimeDistributed):
    """Runs a layer at every step of a sequence, at all of them at once.

    A drop-in for `keras.layers.TimeDistributed`. That one runs the layer step
    by step, and in a graph where the length is unknown as many steps as the
    batch has rows (Keras 3.15): its output then has the wrong length.

    Args:
        layer: A layer, or a model, of one tensor to one tensor.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        sequences: `(B, T, ...)`; all but B and T have to be known.
        training: The layer knows it, too, if it takes it.
        mask: Boolean `(B, T)`, or `None`.

    Returns:
        `(B, T, ...)`, what the layer gives for each step.

    Masking:
        The mask is passed on to what comes behind, not to the layer, which
        sees one step.

    Example:
        >>> layer = rnn_layers.TimeDistributed(keras.layers.Conv2D(4, 3))
        >>> layer(np.ones((2, 5, 8, 8, 3), "float32")).shape
        TensorShape([2, 5, 6, 6, 4])
    """

    def __init__(self, layer, **kwargs):
        super().__init__(layer, **kwargs)
        self.supports_masking = True  # Keras 3.16 turns it off

    def call(self, sequences, training=None, mask=None):
        """Run the layer on all steps of all rows as one batch."""
        rows, length = ops.shape(sequences)[:2]
        steps = ops.reshape(sequences, (-1, *sequences.shape[2:]))
        y = self.layer(steps)
        return ops.reshape(y, (rows, length, *y.shape[1:]))

    def compute_output_spec(
        self, sequences: Any, training: bool | None = None, mask: Any = None
    ) -> Any:
        """Return the shape and type without running the layer."""
        steps = keras.KerasTensor((None, *sequences.shape[2:]), sequences.dtype)
        y = self.layer.compute_output_spec(steps)
        return keras.KerasTensor((*sequences.shape[:2], *y.shape[1:]), y.dtype)
