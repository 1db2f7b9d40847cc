"""Conditional random field over the labels of a sequence.

A softmax chooses the label of each step alone; a conditional random field
chooses the labels of all steps together, by what stands beside what.

Letters of shapes: B batch, T time, K labels.
"""

import weakref
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from rnn_layers.cells.base import Tensor, carried_mask, positive_int
from rnn_layers.layers.attention import masked_softmax
from rnn_layers.layers.recurrent import checked_mask

# Log of the weight of what is forbidden: its exponential is exactly zero.
IMPOSSIBLE = -1e9

# Steps in one turn of the loop of sums: its turns cost more than what they do.
AT_ONCE = 4

# Name -> the newest layer of that name: a model that is loaded makes its layers
# first, and the loss and the metrics that need one of them afterwards.
_NEWEST: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


@keras.saving.register_keras_serializable(package="rnn_layers")
class CRF(keras.layers.Layer):
    """Linear-chain conditional random field.

        (1)  s(y) = b[y_1] + sum_t x_t[y_t] + sum_t A[y_t-1, y_t] + e[y_T]
        (2)  log p(y) = s(y) - log sum_y' exp(s(y'))      log-likelihood
        (3)  y* = argmax_y s(y)                           Viterbi's path
        (4)  p_t[k] = sum of p(y) over all y with y_t = k  marginals

    Lafferty, McCallum and Pereira, 2001, "Conditional random fields:
    probabilistic models for segmenting and labeling sequence data", ICML. The
    sums over all paths are those of the forward-backward algorithm: one product
    with a K x K matrix a step, both directions at once, and no loop at all in
    the gradient.

    The layer returns the scores x of its labels as they come, in float32 at
    least: the path, the likelihood and the marginals are methods, and so are
    what training needs:

        crf = rnn_layers.CRF(9, name="crf")
        model = keras.Model(inputs, crf(dense(x)))
        model.compile("adam", rnn_layers.CRFLoss(crf))
        ...
        paths = crf.decode(model(inputs), mask)

    Args:
        labels: Positive integer K.
        forbidden: Pairs of labels (i, j): j never follows i. `None` as i: j is
            never the first label; as j: i is never the last one.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.

    Call arguments:
        scores: `(B, T, K)`, x, of a `Dense` layer without activation.
        mask: Boolean `(B, T)`, passed on.

    Returns:
        `(B, T, K)`.

    Weights:
        start `(K,)`, b; transitions `(K, K)`, A; end `(K,)`, e.

    Masking:
        A masked step is as if it were not there, wherever it stands: the steps
        beside it are neighbours. A sequence that is masked as a whole has
        likelihood one.

    Precision:
        Paths that are, at some step, less likely than the best one by a factor
        of e^-87 (e^-708 in float64) do not count in the sums. Sequences of
        thousands of steps are no harder than short ones.

    Example:
        >>> crf = rnn_layers.CRF(4, forbidden=[(0, 1)])
        >>> scores = crf(np.ones((2, 5, 4), "float32"))
        >>> crf.decode(scores).shape
        TensorShape([2, 5])
    """

    def __init__(self, labels, forbidden=(), **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.autocast = False  # half precision is not enough for sums
        self.labels = positive_int("labels", labels)
        self.forbidden = [tuple(pair) for pair in forbidden]
        self._possible = _possible(self.labels, self.forbidden)
        _NEWEST[self.name] = self

    def build(self, scores_shape: tuple) -> None:
        """Make the weights, all zero: no label prefers another."""
        if scores_shape[-1] != self.labels:
            raise ValueError(
                f"Scores of {self.labels} labels are needed, not of "
                f"{scores_shape[-1]}."
            )
        size = self.labels
        self.start, self.transitions, self.end = (
            self.add_weight(name=name, shape=shape, initializer="zeros")
            for name, shape in (
                ("start", (size,)),
                ("transitions", (size, size)),
                ("end", (size,)),
            )
        )

    def call(self, scores, mask=None):
        """Return the scores, in the type that the sums are computed in."""
        return ops.cast(scores, self._kind)

    def log_likelihood(
        self, scores: Tensor, targets: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return equation (2).

        Args:
            scores: `(B, T, K)`.
            targets: `(B, T)` integers; steps where they are negative are left
                out, as masked ones are.
            mask: Boolean `(B, T)`.

        Returns:
            `(B,)`; that of a path with something forbidden is about -1e9.
        """
        scores, real = self._checked(scores, mask)
        targets = ops.cast(targets, "int32")
        real = ops.logical_and(real, targets >= 0)
        chain = self.log_weights()
        paths = _path_scores(scores, targets, real, chain)
        return paths - _log_partition(scores, real, chain)

    def log_partition(self, scores: Tensor, mask: Tensor | None = None):
        """Return the logarithm of the sum in (2), `(B,)`."""
        return _log_partition(*self._checked(scores, mask), self.log_weights())

    def marginals(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the probability of each label at each step, equation (4).

        Args:
            scores: `(B, T, K)`.
            mask: Boolean `(B, T)`.

        Returns:
            `(B, T, K)`, which sum to one, or to zero where masked.
        """
        scores, real = self._checked(scores, mask)
        return _both_ways(scores, real, self.log_weights()).marginals

    def decode(self, scores: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the best path, equation (3), by Viterbi's algorithm.

        Args:
            scores: `(B, T, K)`.
            mask: Boolean `(B, T)`.

        Returns:
            `(B, T)` int32, -1 where masked.
        """
        scores, real = self._checked(scores, mask)
        start, transitions, end = self.log_weights()
        real = ops.transpose(real)[..., None]  # T B 1
        same = ops.arange(self.labels, dtype="int32")

        def forward(carry, step):
            best, _ = carry
            score, real, begun = _unpacked(step)
            ways = best[:, :, None] + transitions  # B K K
            moved = ops.where(begun, ops.max(ways, axis=1), start) + score
            came_from = ops.cast(ops.argmax(ways, axis=1), "int32")
            came_from = ops.where(
                ops.logical_and(real, begun), came_from, same
            )  # B K
            carry = ops.where(real, moved, best), came_from
            return carry, carry

        nothing = ops.zeros_like(scores[:, 0])
        (best, _), (_, came_from) = ops.scan(
            forward,
            (nothing, ops.cast(nothing, "int32")),
            _packed(ops.transpose(scores, (1, 0, 2)), real, _before(real)),
        )

        def backward(carry, came_from):
            label, _ = carry
            before = ops.take_along_axis(came_from, label, axis=1)
            return (before, label), (before, label)

        last = ops.argmax(best + end, axis=-1, keepdims=True)
        last = ops.cast(last, "int32")  # B 1
        _, (_, path) = ops.scan(backward, (last, last), came_from, reverse=True)
        return ops.transpose(ops.where(real, path, -1)[..., 0])

    @property
    def _kind(self):
        """Type of all sums."""
        return "float64" if self.variable_dtype == "float64" else "float32"

    def _checked(self, scores, mask):
        """Return scores in their type, and which steps are real, `(B, T)`."""
        scores = ops.cast(scores, self._kind)
        mask = checked_mask(scores, mask)
        if mask is None:
            mask = ops.ones_like(scores[:, :, 0], dtype="bool")
        return scores, mask

    def log_weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return b, A and e, about -1e9 where something is forbidden."""
        weights = self.start, self.transitions, self.end
        return tuple(
            ops.where(possible, ops.cast(weight, self._kind), IMPOSSIBLE)
            for possible, weight in zip(self._possible, weights, strict=True)
        )

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "labels": self.labels,
            "forbidden": [list(pair) for pair in self.forbidden],
        }


def _possible(size: int, forbidden: Iterable) -> tuple:
    """Return what may begin, follow and end, refusing what leads nowhere."""
    table = np.ones((size + 1, size + 1), bool)  # the last one is no label
    for pair in forbidden:
        if len(pair) != 2 or pair == (None, None):
            raise ValueError(f"`forbidden` holds pairs of labels, not {pair}.")
        for label in pair:
            if label is not None and not 0 <= label < size:
                raise ValueError(
                    f"`forbidden` has the label {label}; there are {size}."
                )
        table[tuple(size if label is None else label for label in pair)] = False
    for what, ways in (("follow", table), ("precede", table.T)):
        lost = np.flatnonzero(~ways[:size].any(axis=1))
        if len(lost):
            raise ValueError(f"Nothing may {what} the label {lost[0]}.")
    return table[size, :size], table[:size, :size], table[:size, size]


class _BothWays(NamedTuple):
    """What the forward-backward algorithm computes.

    Attributes:
        ahead: `(B, T, K)`, log of the sum over all paths up to a step that end
            in a label there, less the largest of the step; at a masked step
            that of the step before.
        back: `(B, T, K)`, of all paths from a label at a step on.
        log_partition: `(B,)`.
        marginals: `(B, T, K)`.
    """

    ahead: Tensor
    back: Tensor
    log_partition: Tensor
    marginals: Tensor


def _both_ways(scores: Tensor, real: Tensor, chain: tuple) -> _BothWays:
    """Run the forward-backward algorithm, both directions in one loop."""
    start, transitions, end = chain
    most = ops.max(transitions)
    kernel = ops.exp(transitions - most)
    kernels = ops.stack([kernel, ops.transpose(kernel)])  # 2 K K
    edges = ops.stack([start, end])[:, None]  # 2 1 K
    steps = ops.stack([scores, ops.flip(scores, 1)])  # 2 B T K
    steps = ops.transpose(steps, (2, 0, 1, 3))
    reals = ops.transpose(ops.stack([real, ops.flip(real, 1)]), (2, 0, 1))
    reals = reals[..., None]  # T 2 B 1
    begun = _before(reals)
    steps = ops.where(begun, steps + most, steps)

    def move(state, score, real, begun):
        sums = ops.matmul(ops.exp(_from_peak(state)), kernels)  # 2 B K
        some = sums > 0
        sums = ops.where(some, ops.log(ops.where(some, sums, 1)), IMPOSSIBLE)
        moved = ops.where(begun, sums, edges) + score
        return ops.where(real, moved, state)

    def several(states, steps):
        state, states = states[-1], []
        for number in range(AT_ONCE):
            state = move(state, *_unpacked(steps[number]))
            states.append(state)
        states = ops.stack(states)
        return states, states

    groups = _in_groups(_packed(steps, reals, begun))
    last, states = ops.scan(
        several, ops.zeros_like(groups[0, ..., :-2]), groups
    )
    last = last[-1]
    states = ops.reshape(states, (-1, *ops.shape(states)[2:]))
    states = states[: ops.shape(steps)[0]]
    ahead = _from_peak(ops.transpose(states[:, 0], (1, 0, 2)))  # B T K
    back = _from_peak(ops.transpose(states[:, 1], (1, 0, 2)))
    back = ops.flip(back, 1)
    peaks = ops.where(reals[:, 0], states[:, 0], 0)  # T B K
    total = ops.sum(ops.max(peaks, axis=-1), axis=0)
    total = total + ops.logsumexp(_from_peak(last[0]) + end, axis=-1)
    return _BothWays(
        ahead,
        back,
        ops.where(ops.any(real, axis=1), total, 0),
        masked_softmax(ahead + back - scores, real[..., None]),
    )


def _packed(scores: Tensor, real: Tensor, begun: Tensor) -> Tensor:
    """Return what a scan reads as one tensor.

    Keras 3.15 fails to scan several of a length that TensorFlow does not know.
    """
    flags = [ops.cast(flag, scores.dtype) for flag in (real, begun)]
    return ops.concatenate([scores, *flags], axis=-1)


def _unpacked(step: Tensor) -> tuple:
    return step[..., :-2], step[..., -2:-1] > 0, step[..., -1:] > 0


def _in_groups(steps: Tensor) -> Tensor:
    """Return steps `(T, ...)` by several, the last ones filled with zeros."""
    count = -(-ops.shape(steps)[0] // AT_ONCE)
    zeros = [ops.zeros_like(steps[:1])] * (AT_ONCE - 1)
    steps = ops.concatenate([steps, *zeros])[: count * AT_ONCE]
    return ops.reshape(steps, (count, AT_ONCE, *ops.shape(steps)[1:]))


def _from_peak(state: Tensor) -> Tensor:
    """Return logs of weights whose largest is 0."""
    return state - ops.max(state, axis=-1, keepdims=True)


def _log_partition(scores: Tensor, real: Tensor, chain: tuple) -> Tensor:
    """Return the log of the sum over all paths, `(B,)`.

    Its gradient is what is expected of each score: the marginals of labels,
    and of pairs of labels for the transitions.
    """

    @ops.custom_gradient
    def log_partition(scores, start, transitions, end):
        both = _both_ways(scores, real, (start, transitions, end))

        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream  # B
            labels = upstream[:, None, None] * both.marginals
            begun = _before(real, axis=1)
            first = ops.logical_and(real, ops.logical_not(begun))
            last = ops.flip(_before(ops.flip(real, 1), axis=1), 1)
            last = ops.logical_and(real, ops.logical_not(last))
            pairs = _expected_pairs(
                both, ops.logical_and(real, begun), transitions, upstream
            )
            return (
                labels,
                ops.sum(ops.where(first[..., None], labels, 0), axis=(0, 1)),
                pairs,
                ops.sum(ops.where(last[..., None], labels, 0), axis=(0, 1)),
            )

        return both.log_partition, gradient

    return log_partition(scores, *chain)


def _expected_pairs(
    both: _BothWays, follows: Tensor, transitions: Tensor, weights: Tensor
) -> Tensor:
    """Return how often each label follows each other one, `(K, K)`.

    Args:
        both: The sums over all paths.
        follows: `(B, T)`, whether a real step stands before this one.
        transitions: `(K, K)`.
        weights: `(B,)`, of the rows.
    """
    kernel = ops.exp(transitions - ops.max(transitions))
    before = ops.exp(both.ahead[:, :-1])  # B T-1 K
    after = ops.exp(both.back[:, 1:])
    total = ops.sum(ops.matmul(before, kernel) * after, axis=-1)
    counts = ops.logical_and(follows[:, 1:], total > 0)
    shares = ops.where(counts, weights[:, None], 0) / ops.where(
        counts, total, 1
    )
    return kernel * ops.einsum("bti,btj->ij", before * shares[..., None], after)


def _path_scores(
    scores: Tensor, targets: Tensor, real: Tensor, chain: tuple
) -> Tensor:
    """Return equation (1) for one path of each row, `(B,)`."""
    start, transitions, end = chain
    size = scores.shape[-1]
    chosen = ops.one_hot(ops.maximum(targets, 0), size, dtype=scores.dtype)
    at_steps = ops.sum(chosen * scores, axis=-1)
    # The real steps first, in their order.
    length = ops.shape(real)[1]
    steps = ops.arange(length, dtype="int32")
    order = ops.argsort(ops.where(real, steps, steps + length), axis=1)
    labels = ops.maximum(ops.take_along_axis(targets, order, axis=1), 0)
    count = ops.sum(ops.cast(real, "int32"), axis=1)  # B
    pairs = ops.take(
        ops.reshape(transitions, (-1,)), labels[:, :-1] * size + labels[:, 1:]
    )
    last = ops.maximum(count - 1, 0)[:, None]
    last = ops.take_along_axis(labels, last, axis=1)[:, 0]
    edges = ops.take(start, labels[:, 0]) + ops.take(end, last)
    total = ops.where(count > 0, edges, 0)
    total = total + ops.sum(ops.where(real, at_steps, 0), axis=1)
    return total + ops.sum(
        ops.where(steps[1:] < count[:, None], pairs, 0), axis=1
    )


def _before(real: Tensor, axis: int = 0) -> Tensor:
    """Return whether there is a real step before each step."""
    counts = ops.cast(real, "int32")
    return ops.cumsum(counts, axis=axis) - counts > 0


class _OfLabels:
    """What the loss and the metric share: the layer, and what is padding.

    Args:
        crf: The `CRF` whose scores are a model's output.
        **kwargs: Of Keras's class.
    """

    def __init__(self, crf, **kwargs):
        super().__init__(**kwargs)
        # Not as an attribute of its own: Keras would save the layer twice.
        self._crf = lambda: crf

    def targets(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the targets as integers, negative where they do not count."""
        targets = ops.cast(y_true, "int32")
        if len(targets.shape) == 3:
            targets = ops.squeeze(targets, -1)
        mask = carried_mask(y_pred)
        return targets if mask is None else ops.where(mask, targets, -1)

    def get_config(self) -> dict:
        """Return the constructor's arguments, of the layer its name."""
        return {**super().get_config(), "crf": self._crf().name}

    @classmethod
    def from_config(cls, config: dict) -> Any:
        """Return the loss or the metric of the newest layer of that name."""
        crf = _NEWEST.get(config["crf"])
        if crf is None:
            raise ValueError(
                f"There is no CRF layer {config['crf']!r}; load the model that "
                "has it with its loss, or compile it anew."
            )
        return cls(**{**config, "crf": crf})


@keras.saving.register_keras_serializable(package="rnn_layers")
class CRFLoss(_OfLabels, keras.losses.Loss):
    """Negative log-likelihood of the labels of a sequence.

    Steps that the scores carry a mask for, and those with a negative target,
    do not count.

    Args:
        crf: The `CRF` whose scores are a model's output.
        name: Its name.
        **kwargs: `reduction` and `dtype` of `keras.losses.Loss`; the loss of a
            sequence is the sum over its steps.
    """

    def __init__(self, crf, name="crf_loss", **kwargs):
        super().__init__(crf, name=name, **kwargs)

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Compute the loss; Keras's own use of the mask is left out."""
        targets = self.targets(y_true, y_pred)
        return super().__call__(targets, y_pred + 0, sample_weight)

    def call(self, y_true, y_pred):
        """Return the loss of each sequence, `(B,)`."""
        return -self._crf().log_likelihood(y_pred, y_true)


@keras.saving.register_keras_serializable(package="rnn_layers")
class CRFAccuracy(_OfLabels, keras.metrics.Mean):
    """Share of the steps whose label in the best path is the target.

    It decodes every batch of training. On JAX, whose trainer hides the weights
    of layers from the metrics that a model is compiled with, call it yourself.

    Args:
        crf: The `CRF` whose scores are a model's output.
        name: Its name.
        **kwargs: `dtype` of `keras.metrics.Metric`.
    """

    def __init__(self, crf, name="accuracy", **kwargs):
        super().__init__(crf, name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch; `sample_weight` is `(B,)` or `(B, T)`."""
        targets = self.targets(y_true, y_pred)
        real = targets >= 0
        right = ops.equal(self._crf().decode(y_pred, real), targets)
        weights = ops.cast(real, self.dtype)
        if sample_weight is not None:
            rows = ops.cast(sample_weight, self.dtype)
            rows = rows[:, None] if len(rows.shape) == 1 else rows
            weights = weights * rows
        super().update_state(ops.cast(right, self.dtype), weights)
