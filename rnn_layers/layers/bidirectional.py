"""Both directions of a sequence."""

from typing import Any

import keras

from rnn_layers.cells.base import as_tensors, carried_mask
from rnn_layers.layers.recurrent import share_loops


@keras.saving.register_keras_serializable(package="rnn_layers")
class Bidirectional(keras.layers.Bidirectional):
    """Runs a recurrent layer over a sequence in both directions.

    A drop-in for `keras.layers.Bidirectional`, whose arguments it takes. It
    also keeps the mask that a sequence carries when an initial state is given,
    passes masks on, and can be stateful and return its states. Each direction
    is a loop of its own; TensorFlow runs the two side by side. As in Keras, all
    outputs of a sequence are zero at masked steps.

    Args:
        layer: A recurrent layer; its copy runs forward.
        merge_mode: How the outputs of both directions are joined: `"concat"`,
            `"sum"`, `"mul"`, `"ave"`, or `None` for two outputs.
        weights: Initial weights of both directions, or `None`.
        backward_layer: The layer that runs backwards, by default a copy of
            `layer` with `go_backwards=True`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Example:
        >>> layer = rnn_layers.Bidirectional(rnn_layers.rnn("gru", 4))
        >>> layer(np.ones((2, 5, 3), "float32")).shape
        TensorShape([2, 8])
    """

    def __init__(
        self,
        layer,
        merge_mode="concat",
        weights=None,
        backward_layer=None,
        **kwargs,
    ):
        if getattr(layer, "return_all_states", False):
            raise ValueError(
                "`return_all_states` is for one direction: the steps of the "
                "two do not come in one order."
            )
        super().__init__(layer, merge_mode, weights, backward_layer, **kwargs)
        # While a model is loaded Keras knows layers by their id(), which the
        # next layer may get once this one is gone: so it stays, in a function,
        # where Keras finds no weights to save and to load.
        self._copied = lambda: layer
        self.supports_masking = True  # Keras 3.16 turns it off
        directions = [self.forward_layer, self.backward_layer]
        share_loops(directions)
        for direction in directions:
            direction.loops_at_once = 2
        self.autocast = False  # the layers inside cast; float32 states stay

    def __call__(self, sequences, initial_state=None, mask=None, **kwargs):
        """Call the layer with the mask that `sequences` carries, if any."""
        if mask is None:  # Keras drops it beside an initial state
            mask = carried_mask(sequences)
        kind = getattr(self.forward_layer, "variable_dtype", None)
        sequences = as_tensors(sequences, kind)
        initial_state = as_tensors(initial_state, kind)
        return super().__call__(
            sequences, initial_state=initial_state, mask=mask, **kwargs
        )

    def get_initial_state(self, batch_size: int) -> list:
        """Return the states before the first step: forward, then backward."""
        return [
            *self.forward_layer.get_initial_state(batch_size),
            *self.backward_layer.get_initial_state(batch_size),
        ]

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        """Pass the mask on, in the order of time."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if not self.return_sequences:
            mask = None
        masks = [mask] if self.merge_mode else [mask, mask]
        if self.return_state:
            masks += [None] * 2 * len(self.forward_layer.state_size)
        return masks if len(masks) > 1 else masks[0]
