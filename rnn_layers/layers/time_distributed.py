"""A layer at every step of a sequence.

Letters of shapes: B batch, T time.
"""

import inspect
from typing import Any

import keras
from keras import ops

from rnn_layers.layers.recurrent import check_shape_of_mask, checked_mask


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
        mask: Boolean `(B, T)` or `(B, T, S)`, or `None`.

    Returns:
        `(B, T, ...)`, what the layer gives for each step.

    Masking:
        A mask of steps `(B, T)` is passed on to what comes behind, not to the
        layer, which sees one step. A mask of sequences inside the steps,
        `(B, T, S)`, goes to the layer, and behind it if those are still there;
        if not, steps are masked of which nothing was left.

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
        mask = checked_mask(sequences, mask, inside=True)
        inside = {}
        if mask is not None and len(mask.shape) > 2 and self._takes_mask():
            inside["mask"] = _joined(mask)
        y = self.layer(_joined(sequences), **inside)
        return ops.reshape(y, (rows, length, *ops.shape(y)[1:]))

    def _takes_mask(self):
        return "mask" in inspect.signature(self.layer.call).parameters

    def compute_mask(self, sequences: Any, mask: Any = None) -> Any:
        """Pass the mask on, or which steps have anything left."""
        if mask is None or len(mask.shape) == 2:
            return mask
        shape = self.compute_output_shape(tuple(sequences.shape))
        if len(shape) > len(mask.shape) and self.layer.supports_masking:
            backwards = getattr(self.layer, "go_backwards", False)
            return ops.flip(mask, axis=2) if backwards else mask
        return ops.any(mask, axis=tuple(range(2, len(mask.shape))))

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> Any:
        """Return the layer of a configuration, which stays as it is."""
        return super().from_config(dict(config), custom_objects)

    def compute_output_spec(
        self, sequences: Any, training: bool | None = None, mask: Any = None
    ) -> Any:
        """Return the shape and type without running the layer."""
        check_shape_of_mask(sequences, mask, inside=True)
        steps = keras.KerasTensor((None, *sequences.shape[2:]), sequences.dtype)
        y = self.layer.compute_output_spec(steps)
        return keras.KerasTensor((*sequences.shape[:2], *y.shape[1:]), y.dtype)


def _joined(x):
    """Make one batch of all steps of all rows."""
    return ops.reshape(x, (-1, *ops.shape(x)[2:]))
