"""Attention over a masked memory.

Letters of shapes: B batch, T time, S source, U units, H heads, Q width of a
query, M width of the memory.
"""

from typing import Any

import keras
from keras import ops

from rnn_layers.cells.base import Tensor, positive_int
from rnn_layers.layers.recurrent import checked_mask


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the softmax over the last axis, exactly zero where masked.

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
    # Not ops.softmax, which warns of a single position: a text of one word.
    weights = ops.exp(scores - ops.max(scores, axis=-1, keepdims=True))
    weights = weights / ops.sum(weights, axis=-1, keepdims=True)
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

    def build(self, sequences_shape: tuple) -> None:
        """Make the weights of the score."""
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
        """Pool the sequences, equations (1) to (3)."""
        hidden = ops.tanh(ops.matmul(sequences, self.kernel) + self.bias)
        scores = ops.transpose(ops.matmul(hidden, self.score), (0, 2, 1))
        mask = checked_mask(sequences, mask)
        if mask is not None:
            mask = ops.expand_dims(mask, 1)  # (B, 1, T)
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

    def compute_output_shape(self, sequences_shape: tuple) -> tuple:
        """Return the shape of the result, and of the weights if asked."""
        batch_size, length, width = sequences_shape
        pooled = (batch_size, width)
        return (pooled, (batch_size, length)) if self.return_weights else pooled

    def compute_mask(
        self, sequences: Tensor, mask: Tensor | None = None
    ) -> Any:
        """End the mask: no time is left."""
        return (None, None) if self.return_weights else None

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "heads": self.heads,
            "units": self.units,
            "return_weights": self.return_weights,
        }


class Attention(keras.layers.Layer):
    """Base of attention: a mean of the memory, weighted for each query.

    A subclass says what of the memory can be computed once (`keys`), and how
    queries and keys make scores (`scores`).
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, query, memory, query_mask=None, memory_mask=None):
        """Attend to a memory.

        Args:
            query: `(B, T, Q)`, or `(B, Q)` for one query.
            memory: `(B, S, M)`.
            query_mask: Taken for Keras's sake; each query stands alone.
            memory_mask: Boolean `(B, S)`; by default the mask that it carries.
                A masked position weighs exactly zero; a memory that is masked
                as a whole gives zeros.

        Returns:
            The contexts `(B, T, M)` and the weights `(B, T, S)`, both without T
            for one query.
        """
        memory_mask = checked_mask(memory, memory_mask)
        return self.attend(query, self.keys(memory), memory, memory_mask)

    def attend(
        self,
        query: Tensor,
        keys: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend with `keys(memory)` at hand, as a decoder does each step."""
        one = len(query.shape) == 2
        if one:
            query = ops.expand_dims(query, 1)
        if memory_mask is not None:
            memory_mask = ops.expand_dims(ops.cast(memory_mask, "bool"), 1)
        weights = masked_softmax(self.scores(query, keys), memory_mask)
        context = ops.matmul(ops.cast(weights, memory.dtype), memory)
        if one:
            return ops.squeeze(context, 1), ops.squeeze(weights, 1)
        return context, weights

    def compute_mask(self, query: Any, mask: Any = None) -> tuple:
        """End the mask: contexts and weights are for every query."""
        return None, None


@keras.saving.register_keras_serializable(package="rnn_layers")
class AdditiveAttention(Attention):
    """Attention whose scores are those of a hidden layer.

        (1)  e_ts = v . tanh(q_t @ W + m_s @ V + b)      score
        (2)  a_ts = exp(e_ts) / sum_k exp(e_tk)          weight
        (3)  c_t  = sum_s a_ts * m_s                     context

    Bahdanau, Cho and Bengio, 2015, https://arxiv.org/abs/1409.0473, section
    3.1 and appendix A.1.2; the bias b is ours.

    Args:
        units: Positive integer U, width of the hidden layer.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    For a call see `Attention.call`.

    Weights:
        query_kernel `(Q, U)`, memory_kernel `(M, U)`, bias `(U,)`, score
        `(U,)`; together `U * (Q + M + 2)` parameters.

    Example:
        >>> query, memory = np.ones((2, 3, 4)), np.ones((2, 7, 5))
        >>> [t.shape for t in rnn_layers.AdditiveAttention(6)(query, memory)]
        [TensorShape([2, 3, 5]), TensorShape([2, 3, 7])]
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_int("units", units)

    def build(self, query_shape: tuple, memory_shape: tuple) -> None:
        """Make the weights."""
        self.query_kernel = self.add_weight(
            name="query_kernel", shape=(query_shape[-1], self.units)
        )
        self.memory_kernel = self.add_weight(
            name="memory_kernel", shape=(memory_shape[-1], self.units)
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer="zeros"
        )
        self.score = self.add_weight(
            name="score", shape=(self.units, 1), initializer="glorot_uniform"
        )

    def keys(self, memory: Tensor) -> Tensor:
        """Return `m @ V + b`, `(B, S, U)`."""
        return ops.matmul(memory, self.memory_kernel) + self.bias

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return equation (1), `(B, T, S)`."""
        query = ops.matmul(query, self.query_kernel)  # (B, T, U)
        hidden = ops.tanh(ops.expand_dims(query, 2) + ops.expand_dims(keys, 1))
        return ops.squeeze(ops.matmul(hidden, self.score), -1)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="rnn_layers")
class DotAttention(Attention):
    """Attention whose scores are scalar products.

        (1)  e_ts = q_t . (m_s @ W)                      score
        (2)  a_ts = exp(e_ts) / sum_k exp(e_tk)          weight
        (3)  c_t  = sum_s a_ts * m_s                     context

    Luong, Pham and Manning, 2015, https://arxiv.org/abs/1508.04025, section
    3.1: "general" as written, "dot" without W, which needs Q = M.

    Args:
        general: Whether there is W.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    For a call see `Attention.call`.

    Weights:
        kernel `(M, Q)`, or none.

    Example:
        >>> query, memory = np.ones((2, 3, 4)), np.ones((2, 7, 4))
        >>> [t.shape for t in rnn_layers.DotAttention()(query, memory)]
        [TensorShape([2, 3, 4]), TensorShape([2, 3, 7])]
    """

    def __init__(self, general=True, **kwargs):
        super().__init__(**kwargs)
        self.general = general

    def build(self, query_shape: tuple, memory_shape: tuple) -> None:
        """Make the weight, if there is one."""
        if self.general:
            self.kernel = self.add_weight(
                name="kernel", shape=(memory_shape[-1], query_shape[-1])
            )
        elif query_shape[-1] != memory_shape[-1]:
            raise ValueError(
                "Without `general` query and memory need the same width, not "
                f"{query_shape[-1]} and {memory_shape[-1]}."
            )

    def keys(self, memory: Tensor) -> Tensor:
        """Return `m @ W`, `(B, S, Q)`."""
        return ops.matmul(memory, self.kernel) if self.general else memory

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Return equation (1), `(B, T, S)`."""
        return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {**super().get_config(), "general": self.general}
