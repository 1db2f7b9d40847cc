"""One run of a loop over whole sequences, forth and back, on TensorFlow.

Letters of shapes: B batch, T time, P steps of a piece, U units.
"""

import tensorflow as tf

from rnn_layers.engine import time_chunks


class Sweep:
    """A run over sequences, piece by piece: products apart, loops between.

    Args:
        loop: A `compiled_loop.FastLoop`, which runs the steps of a piece.
        projection: A `projection.Projection` of the inputs.
        sequences: List of tensors `(T, B, ...)`, the first to be projected.
        constants: List of tensors.
        values: Three lists of tensors: the weights of the projection, the
            kernels, and what else the step reads.
    """

    def __init__(self, loop, projection, sequences, constants, values):
        self.loop = loop
        self.form = loop.form
        self.projection = projection
        self.sequences = sequences
        self.constants = constants
        self.weights, self.kernels, self.small = values
        length, self.rows = sequences[0].shape[:2]
        self.steps = time_chunks.size(length, self.rows, projection.width)

    def forward(self, start, keep):
        """Runs from the first step to the last.

        Args:
            start: List of the states before the first step.
            keep: Whether to keep all that the way back needs.

        Returns:
            The outputs `(P, B, U)` of all pieces as a `TensorArray`, and, if
            `keep` is true, such arrays of the rest; and the last states.
        """
        run = self.loop.forward if keep else self.loop.infer

        def piece(n, cut, _, states):
            inputs = [self.projection(cut[0], self.weights), *cut[1:]]
            stacks, last = run(
                n, inputs, states, self.constants, self.kernels, self.small
            )
            if keep:
                stacks += states + self._read(inputs[:1])
            return stacks, last

        widths = [state.shape[-1] for state in start]
        stacks = widths + self.form.widths if keep else widths[:1]
        kind = start[0].dtype
        made = [self._stack(width, kind) for width in stacks]
        if keep:
            made += [tf.TensorSpec((self.rows, w), kind) for w in widths]
            width, kind = self.projection.width, self.projection.kind
            made += self._read([self._stack(width, kind)])
        return time_chunks.in_turn(
            piece, self.steps, self.sequences, [], start, made
        )

    def backward(self, kept, d_outputs, d_last):
        """Runs from the last step to the first.

        Args:
            kept: What `forward` kept.
            d_outputs: Gradient of the outputs `(T, B, U)`.
            d_last: List of the gradients of the last states.

        Returns:
            List of the gradients of the first sequence, of the states before
            the first step, of the weights, the kernels, and what else is read.
        """
        transposed = [tf.transpose(kernel) for kernel in self.kernels]

        def piece(n, cut, kept, carried):
            return self._piece_back(
                transposed, len(d_last), n, cut, kept, carried
            )

        kind = d_last[0].dtype  # also of sums for kernels in half precision
        sums = [tf.zeros_like(x) for x in [*self.small, *self.weights]]
        sums += [tf.zeros_like(kernel, dtype=kind) for kernel in self.kernels]
        sequence = self.sequences[0]
        (d_sequence,), carried = time_chunks.in_turn(
            piece,
            self.steps,
            [d_outputs, *self.sequences],
            kept,
            [*d_last, *sums],
            [self._stack(sequence.shape[-1], sequence.dtype)],
            reverse=True,
        )
        d_states, d_small, d_weights, d_kernels = split(
            carried, [len(d_last), len(self.small), len(self.weights)]
        )
        d_kernels = [
            tf.cast(d, kernel.dtype)
            for d, kernel in zip(d_kernels, self.kernels, strict=True)
        ]
        d_sequence = time_chunks.joined(d_sequence, sequence)
        return [d_sequence, *d_states, *d_weights, *d_kernels, *d_small]

    def _piece_back(self, transposed, count, n, cut, kept, carried):
        """Runs back over one piece, for `count` states."""
        d_outputs, sequence, *others = cut
        states, products, first, projected = split(
            kept, [count, len(self.form.matrices), count]
        )
        before = [
            tf.concat([state[None], following[:-1]], axis=0)
            for state, following in zip(first, states, strict=True)
        ]  # (P, B, U), the states before each step
        back, sums = split(carried, [count + len(self.small)])
        stacks, back = self.loop.backward(
            n,
            [d_outputs, *before, *products, *projected, *others],
            back,
            self.constants,
            transposed,
            self.small,
        )
        d_sequence, found = self.projection.gradients(
            sequence, self.weights, stacks[0]
        )
        pairs = self.form.operands_and_gradients(stacks, before, states)
        found += [
            _gradient(kernel, *pair)
            for kernel, pair in zip(self.kernels, pairs, strict=True)
        ]
        sums = [a + b for a, b in zip(sums, found, strict=True)]
        return [d_sequence], back + sums

    def _stack(self, width, kind):
        return tf.TensorSpec((self.steps, self.rows, width), kind)

    def _read(self, projected):
        """Keeps what the way back reads: nothing that is in a kept sum."""
        return projected if self.form.sum is None else []


def split(items, sizes):
    """Splits a list into lists of these sizes, and one of what is left."""
    parts, items = [], list(items)
    for size in sizes:
        parts.append(items[:size])
        items = items[size:]
    return [*parts, items]


def _gradient(kernel, operands, gradients):
    """Returns sum_t operands[t]^T @ gradients[t], or its diagonal."""
    if len(kernel.shape) == 1:
        return tf.reduce_sum(operands * gradients, axis=(0, 1))
    flat = [tf.reshape(x, (-1, x.shape[-1])) for x in (operands, gradients)]
    return tf.matmul(*flat, transpose_a=True)
