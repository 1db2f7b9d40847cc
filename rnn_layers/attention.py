"""Attention over a masked memory.

Letters of shapes: B batch, T time, U units, H heads.
"""

import keras
from keras import ops

from rnn_layers.cell import positive_int


def masked_softmax(scores, mask=None):
    """Softmax over the last axis that gives masked positions exactly zero.

    Args:
        scores: `(..., T)`, any float type; computed in float32 at least.
        mask: Boolean, of a shape that broadcasts to that of the scores, false
            where a position is to be left out; or `None`.

    Returns:
        Weights of the shape of `scores`, which sum to one, or to zero where
        every position is masked.
    """
    if keras.backend.standardize_dtype(scores.dtype) != "float64":
        scores = ops.cast(scores, "float32")
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)
    weights = ops.softmax(scores, axis=-1)
    return weights if mask is None else ops.where(mask, weights, 0)


@keras.saving.register_keras_serializable(package="rnn_layers")
class AttentionPooling(keras.layers.Layer):
    """Weighted mean of a sequence, by weights that it learns.

        (1)  s_t = v . tanh(x_t @ W + b)        score
        (2)  a_t = exp(s_t) / sum_k exp(s_k)    weight, over steps not masked
        (3)  y   = sum_t a_t * x_t              result

    Yang et al., 2016, "Hierarchical attention networks for document
    classification", NAACL, equations 5 to 7; the score is the additive one of
    Bahdanau et al., 2015, https://arxiv.org/abs/1409.0473. With several heads
    each has its own v and its own share of the columns of x in (3).

    Args:
        heads: Positive integer H, a divisor of U.
        units: Positive integer, width of the hidden layer of the score, by
            default U.
        return_weights: Whether to return the weights too.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        sequences: `(B, T, U)`.
        mask: Boolean `(B, T)`, or `None`.

    Returns:
        `(B, U)`; with `return_weights=True` a tuple of that and the weights
        `(B, T)`, which sum to one: the mean over the heads.

    Weights:
        kernel `(U, units)`, bias `(units,)`, score `(units, H)`.

    Masking:
        A masked step weighs exactly zero. A sequence that is masked as a whole
        gives zeros.

    Example:
        >>> rnn_layers.AttentionPooling()(np.ones((2, 5, 4), "float32")).shape
        TensorShape([2, 4])
    """

    def __init__(self, heads=1, units=None, return_weights=False, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.heads = positive_int("heads", heads)
        self.units = None if units is None else positive_int("units", units)
        self.return_weights = return_weights

    def build(self, sequences_shape):
        """Makes the weights of the score."""
        width = sequences_shape[-1]
        if width % self.heads:
            raise ValueError(
                f"`heads` must divide the width {width}, not be {self.heads}."
            )
        units = self.units or width
        self.kernel = self.add_weight(name="kernel", shape=(width, units))
        self.bias = self.add_weight(
            name="bias", shape=(units,), initializer="zeros"
        )
        self.score = self.add_weight(name="score", shape=(units, self.heads))

    def call(self, sequences, mask=None):
        """Pools the sequences, equations (1) to (3)."""
        hidden = ops.tanh(ops.matmul(sequences, self.kernel) + self.bias)
        scores = ops.transpose(ops.matmul(hidden, self.score), (0, 2, 1))
        if mask is not None:
            mask = ops.expand_dims(ops.cast(mask, "bool"), 1)  # (B, 1, T)
        weights = masked_softmax(scores, mask)  # (B, H, T)
        shape = ops.shape(sequences)
        width = sequences.shape[-1]
        parts = ops.reshape(
            sequences, (shape[0], shape[1], self.heads, width // self.heads)
        )
        pooled = ops.einsum(
            "bht,bthd->bhd", ops.cast(weights, self.compute_dtype), parts
        )
        pooled = ops.reshape(pooled, (shape[0], width))  # (B, U)
        if not self.return_weights:
            return pooled
        return pooled, ops.mean(weights, axis=1)

    def compute_mask(self, sequences, mask=None):
        """Ends the mask: no time is left."""
        return (None, None) if self.return_weights else None

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "heads": self.heads,
            "units": self.units,
            "return_weights": self.return_weights,
        }
