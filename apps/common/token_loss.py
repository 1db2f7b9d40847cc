"""Loss and perplexity of predicted tokens, padding left out.

Both are means over real tokens, however they are spread over rows and batches.
Letters of shapes: B batch, T time, V vocabulary. Token 0 is padding.
"""

import keras
from keras import ops

from apps.common import distributed


class TokenCrossentropy(keras.losses.Loss):
    """Cross entropy of tokens in nats, with label smoothing.

        (1)  loss = (1 - e) * -log p(y) + e * mean_v -log p(v)

    Szegedy et al., 2016, https://arxiv.org/abs/1512.00567, section 7, with a
    uniform distribution.

    Args:
        smoothing: e, the share of probability spread over the vocabulary.

    Call arguments: target tokens `(B, T)`, logits `(B, T, V)`.
    """

    def __init__(self, smoothing=0.0, name="token_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the mean over all tokens that are not padding."""
        if sample_weight is not None:
            raise ValueError("sample weights are not supported")
        real = ops.cast(ops.not_equal(y_true, 0), "float32")
        losses = self.call(y_true, y_pred)
        count = distributed.total(ops.sum(real))
        loss = ops.sum(losses * real) / ops.maximum(count, 1)
        return distributed.of_equal_rows(loss, ops.shape(y_true)[0])

    def call(self, y_true, y_pred):
        """Return equation (1) for each token, `(B, T)`."""
        losses = token_nll(y_true, y_pred)
        if not self.smoothing:
            return losses
        logits = ops.cast(y_pred, "float32")
        everywhere = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        return (1 - self.smoothing) * losses + self.smoothing * everywhere

    def get_config(self):
        return {**super().get_config(), "smoothing": self.smoothing}


class Perplexity(keras.metrics.Metric):
    """exp of the mean -log p(y) over all tokens of all batches.

    Call arguments: target tokens `(B, T)`, logits `(B, T, V)`.
    """

    def __init__(self, name="perplexity", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        real = ops.cast(ops.not_equal(y_true, 0), self.dtype)
        # The same numbers as the loss's: TensorFlow computes them once.
        self.total.assign_add(ops.sum(token_nll(y_true, y_pred) * real))
        self.count.assign_add(ops.sum(real))

    def result(self):
        return ops.exp(self.total / ops.maximum(self.count, 1))


def token_nll(tokens, logits) -> keras.KerasTensor:
    """Return -log p of each token, `(B, T)` float32."""
    logits = ops.cast(logits, "float32")
    shape = ops.shape(logits)
    # One row of all logits to pick from: much faster than `take_along_axis`.
    starts = ops.arange(shape[0] * shape[1], dtype="int32") * shape[2]
    indices = ops.reshape(starts, shape[:2]) + ops.cast(tokens, "int32")
    picked = ops.take(ops.reshape(logits, (-1,)), indices)
    return ops.logsumexp(logits, axis=-1) - picked


def teacher_forced(inputs, tokens) -> tuple:
    """Split a batch into what the model reads and what it has to predict."""
    return (inputs, tokens[:, :-1]), tokens[:, 1:]


def perplexity(model: keras.Model, batches) -> float:
    """Return the perplexity of the tokens in batches of inputs and tokens."""
    model.compile(loss=TokenCrossentropy(), metrics=[Perplexity()])
    batches = batches.map(teacher_forced)
    return model.evaluate(batches, verbose=0, return_dict=True)["perplexity"]
