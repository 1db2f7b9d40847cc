"""A step over whole sequences, forth and back, on TensorFlow.

The sequences run chunk by chunk: the inputs of a chunk are projected, then a
compiled loop takes the steps. `LoopCache` is what a layer knows of all this.

Letters of shapes: B batch, T time, P steps of a chunk, U units.
"""

import functools
import sys
from collections.abc import Callable

import tensorflow as tf

from rnn_layers.engine.batch_sizes import run_filled
from rnn_layers.engine.batch_split import run_split, split_pays_off
from rnn_layers.engine.compiled_loop import CompiledLoop
from rnn_layers.engine.differentiation import (
    custom_gradient,
    dense,
    is_saved,
)
from rnn_layers.engine.double_backward import with_second_order
from rnn_layers.engine.input_projection import Projection
from rnn_layers.engine.step import StepAnalysis, kernels_of, rows_of_ones
from rnn_layers.engine.time_chunks import (
    chunk_steps,
    join_chunks,
    run_chunks,
    stop_gradients,
)
from rnn_layers.engine.while_loop import split
from rnn_layers.engine.xla import under_xla


def require_batch(sequences: tf.Tensor, size: int, message: str) -> None:
    """Stop a graph when a batch has another size."""
    tf.debugging.assert_equal(tf.shape(sequences)[0], size, message)


def require_length(
    mask: tf.Tensor, sequences: tf.Tensor, message: str
) -> tf.Tensor:
    """Stop a graph when a mask `(B, T, ...)` is not as long as sequences."""
    length = tf.shape(sequences)[1]
    equal = tf.debugging.assert_equal(tf.shape(mask)[1], length, message)
    # XLA drops what is asserted, but refuses another shape.
    with tf.control_dependencies([equal]):
        shape = tf.concat([tf.shape(mask)[:1], [length], tf.shape(mask)[2:]], 0)
        return tf.ensure_shape(tf.reshape(mask, shape), mask.shape)


class LoopCache:
    """The loops of layers with like cells, one for each form of a step.

    Weights are arguments of the loops, so that such layers can share them.

    Args:
        compiled: Whether XLA compiles the loops.
    """

    def __init__(self, compiled: bool = True):
        self.compiled = compiled
        self.loops = {}

    def run(
        self,
        step: Callable,
        inputs: list,
        states: list,
        constants: list,
        training: bool,
        at_once: int = 1,
        plain: bool = False,
    ) -> tuple[tf.Tensor, list]:
        """Run a step over time in a graph, in the way that is fastest for it.

        Args:
            step: A `TimeStep`. Gradients reach the variables of its cell.
            inputs: List of tensors `(T, B, ...)`, the first not yet projected.
            states: List of tensors `(B, U)`.
            constants: List of tensors.
            training: Whether a gradient will be asked for. Without it one
                costs another run forward.
            at_once: How many loops run at once, this one included.
            plain: Whether to use operations of TensorFlow alone.

        Returns:
            The first state of every step `(T, B, U)`, and the last states.
        """
        cell = step.cell
        projection = Projection(cell, inputs[0])
        rows = rows_of_ones(projection, inputs, states, constants)
        kernels = kernels_of(step, rows)
        key = (
            step.form,
            step.traits,
            len(constants),
            *((tuple(x.shape), x.dtype) for x in [*cell.variables, *kernels]),
        )
        if key not in self.loops:
            analysis = StepAnalysis(step, rows, kernels)
            loop = CompiledLoop(step, analysis, self.compiled)
            if sys.flags.dev_mode:  # python -X dev
                loop.check(rows, kernels)
            self.loops[key] = loop
        loop = self.loops[key]
        others = [
            tf.convert_to_tensor(cell.variables[index])
            for index in loop.analysis.other_variables
        ]
        values = [projection.weights(), kernels, others]
        if plain:
            return plain_run(
                loop, projection, inputs, states, constants, values
            )

        def run(inputs, states, constants):
            return differentiable_run(
                loop, projection, inputs, states, constants, values, training
            )

        halves = split_pays_off(states, training, self.compiled, at_once)
        whole = functools.partial(run_split, run) if halves else run
        is_known = states[0].shape[0] is not None
        if is_known or not self.compiled or under_xla():
            return whole(inputs, states, constants)
        return run_filled(whole, inputs, states, constants, halves)


def plain_run(
    loop: CompiledLoop,
    projection: Projection,
    inputs: list,
    states: list,
    constants: list,
    values: list,
) -> tuple[tf.Tensor, list]:
    """Run a loop over sequences, whose gradients are TensorFlow's own.

    The arguments are those of `ChunkedRun` and `LoopCache.run`.
    """
    weights, *rest = values
    rows = [projection(inputs[0], weights), *inputs[1:]]
    n = tf.shape(inputs[0])[0]
    (outputs,), last = loop.reference(n, rows, states, constants, *rest)
    return outputs, last


def differentiable_run(
    loop: CompiledLoop,
    projection: Projection,
    inputs: list,
    states: list,
    constants: list,
    values: list,
    training: bool,
) -> tuple[tf.Tensor, list]:
    """Run a loop over sequences, with gradients of any order by all but masks.

    The arguments are those of `ChunkedRun` and `LoopCache.run`.
    """
    sequence, *others = inputs
    structure = [sequence, states, values]

    fixed = [*others, *constants]

    def reference(fixed, *tensors):
        others, constants = split(fixed, [len(inputs) - 1])
        sequence, start, values = _packed(structure, tensors)
        rows = [sequence, *others]
        outputs, last = plain_run(
            loop, projection, rows, start, constants, values
        )
        return [outputs, *last]

    @custom_gradient
    def run(*tensors):
        # No tape must look into the compiled loops, neither at what they read
        # nor, as those of higher order do, at what the way back reads of them.
        sequence, start, values = _packed(structure, _stopped(tensors))
        arguments = [[sequence, *others], _stopped(constants), values]
        chunked = ChunkedRun(loop, projection, *arguments)
        saved, last = chunked.forward(start, training)
        saved = [stop_gradients(chunks) for chunks in saved]
        outputs = join_chunks(saved[0], sequence)

        def gradient(*upstream):
            upstream = dense(upstream, [outputs, *last])

            def backward():
                d_outputs, *d_last = _stopped(upstream)
                if training and not is_saved():
                    return chunked.backward(saved, d_outputs, d_last)
                # In `tf.cond` a compiled function captures no tensors of the
                # way forth, and a SavedModel holds no array that is captured.
                first, *again = tf.nest.map_structure(
                    tf.identity, [start, *arguments]
                )
                rerun = ChunkedRun(loop, projection, *again)
                arrays, _ = rerun.forward(first, True)
                return rerun.backward(arrays, d_outputs, d_last)

            return with_second_order(
                backward, reference, fixed, tensors, upstream
            )

        return (outputs, *last), gradient

    outputs, *last = run(*tf.nest.flatten(structure))
    return outputs, last


def _stopped(tensors):
    return [tf.stop_gradient(x) for x in tensors]


def _packed(structure, tensors):
    return tf.nest.pack_sequence_as(structure, list(tensors))


class ChunkedRun:
    """A run over sequences, chunk by chunk: products apart, loops between.

    Args:
        loop: The `CompiledLoop` of the steps of a chunk.
        projection: The `Projection` of the inputs.
        sequences: List of tensors `(T, B, ...)`, the first to be projected.
        constants: List of tensors.
        values: Three lists of tensors: the weights of the projection, the
            kernels, and the values of the variables that the step reads beside.
    """

    def __init__(
        self,
        loop: CompiledLoop,
        projection: Projection,
        sequences: list,
        constants: list,
        values: list,
    ):
        self.loop = loop
        self.analysis = loop.analysis
        self.projection = projection
        self.sequences = sequences
        self.constants = constants
        self.weights, self.kernels, self.others = values
        length, self.rows = sequences[0].shape[:2]
        self.steps = chunk_steps(length, self.rows, projection.width)
        if under_xla():  # which takes minutes for many chunks
            self.steps = None

    def forward(self, start: list, save: bool) -> tuple[list, list]:
        """Run from the first step to the last, from the states `start`.

        Returns:
            The outputs `(P, B, U)` of all chunks, as `run_chunks` gives them,
            and, to `save` what the way back needs, that too; and the last
            states.
        """
        loop = self.loop.forward if save else self.loop.infer

        def run(n, chunk, _, states):
            inputs = [self.projection(chunk[0], self.weights), *chunk[1:]]
            stacks, last = loop(
                n, inputs, states, self.constants, self.kernels, self.others
            )
            if save:
                stacks += states + self._unless_fused(inputs[:1])
            return stacks, last

        widths = [state.shape[-1] for state in start]
        stacks = widths + self.analysis.widths if save else widths[:1]
        kind = start[0].dtype
        specs = [self._stack(width, kind) for width in stacks]
        if save:
            specs += [tf.TensorSpec((self.rows, w), kind) for w in widths]
            width, kind = self.projection.width, self.projection.kind
            specs += self._unless_fused([self._stack(width, kind)])
        return run_chunks(run, self.steps, self.sequences, [], start, specs)

    def backward(self, saved: list, d_outputs: tf.Tensor, d_last: list) -> list:
        """Run from the last step to the first, with what `forward` saved.

        Returns:
            List of the gradients of the first sequence, of the states before
            the first step, of the weights, the kernels, and what else is read.
        """
        transposed = [tf.transpose(kernel) for kernel in self.kernels]

        def run(n, chunk, saved, carried):
            return self._chunk_back(
                transposed, len(d_last), n, chunk, saved, carried
            )

        kind = d_last[0].dtype  # also of sums for kernels in half precision
        sums = [tf.zeros_like(x) for x in [*self.others, *self.weights]]
        sums += [tf.zeros_like(kernel, dtype=kind) for kernel in self.kernels]
        sequence = self.sequences[0]
        (d_sequence,), carried = run_chunks(
            run,
            self.steps,
            [d_outputs, *self.sequences],
            saved,
            [*d_last, *sums],
            [self._stack(sequence.shape[-1], sequence.dtype)],
            reverse=True,
        )
        d_states, d_others, d_weights, d_kernels = split(
            carried, [len(d_last), len(self.others), len(self.weights)]
        )
        d_kernels = [
            tf.cast(d, kernel.dtype)
            for d, kernel in zip(d_kernels, self.kernels, strict=True)
        ]
        d_sequence = join_chunks(d_sequence, sequence)
        return [d_sequence, *d_states, *d_weights, *d_kernels, *d_others]

    def _chunk_back(self, transposed, count, n, chunk, saved, carried):
        """Run back over one chunk, for `count` states."""
        d_outputs, sequence, *others = chunk
        states, products, first, projected = split(
            saved, [count, len(self.analysis.matrices), count]
        )
        before = [
            tf.concat([state[None], following[:-1]], axis=0)
            for state, following in zip(first, states, strict=True)
        ]  # (P, B, U), the states before each step
        carried, sums = split(carried, [count + len(self.others)])
        arguments = [
            [d_outputs, *before, *products, *projected, *others],
            carried,
            self.constants,
            transposed,
            self.others,
        ]
        # In `tf.cond` a compiled function captures no tensors of the way forth.
        arguments = tf.nest.map_structure(tf.identity, arguments)
        stacks, carried = self.loop.backward(n, *arguments)
        d_sequence, gradients = self.projection.gradients(
            sequence, self.weights, stacks[0]
        )
        pairs = self.analysis.operands_and_gradients(stacks, before, states)
        gradients += [
            _kernel_gradient(kernel, *pair)
            for kernel, pair in zip(self.kernels, pairs, strict=True)
        ]
        sums = [a + b for a, b in zip(sums, gradients, strict=True)]
        return [d_sequence], carried + sums

    def _stack(self, width, kind):
        return tf.TensorSpec((self.steps, self.rows, width), kind)

    def _unless_fused(self, projected):
        """Return what the way back reads: nothing that is in a saved sum."""
        return projected if self.analysis.fused_product is None else []


def _kernel_gradient(kernel, operands, gradients):
    """Return sum_t operands[t]^T @ gradients[t], or its diagonal."""
    if len(kernel.shape) == 1:
        return tf.reduce_sum(operands * gradients, axis=(0, 1))
    flat = [tf.reshape(x, (-1, x.shape[-1])) for x in (operands, gradients)]
    return tf.matmul(*flat, transpose_a=True)
