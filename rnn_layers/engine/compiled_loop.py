"""A loop over the steps of a chunk on TensorFlow, forth and back, compiled.

It runs any step whose recurrent products go through its argument `matmul`.

Forward, the loop stores the states and the recurrent products of every step.
Backward, it goes through the steps in reverse and replays only what stands
between the products, under a gradient tape, with each stored product standing
in for its computation. So a step back costs one product for each one forward,
and the gradient of a recurrent kernel is one large product for a chunk
(`chunked_run.py`):

    d kernel = sum_t operand_t^T @ d product_t

A vector that stands for a diagonal matrix, such as a peephole, has a sum of
elementwise products there, and its own products are computed again.

Where a step does nothing with the projected input but add it to a product, as
an LSTM does, their sum is stored, and the way back reads one tensor, not two.

Letters of shapes: B batch, T time, U units.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from rnn_layers.cells.base import HALF
from rnn_layers.engine.step import StepAnalysis, replay
from rnn_layers.engine.while_loop import split, while_loop


class CompiledLoop:
    """Runs a step over the steps of a chunk.

    Args:
        step: A `TimeStep`: function `(inputs, states, constants, matmul)` of
            three lists of tensors and a function, which returns the list of
            new states. The first input, the projected one, is differentiable;
            the others, such as masks, and the constants are not.
        analysis: The `StepAnalysis` of the step.
        compiled: Whether XLA compiles the loops.

    Attributes:
        forward: Function `(n, inputs, states, constants, kernels, others)` that
            runs n steps, and returns the stacks of states and products, and
            the last states. The `others` are the values of the variables that
            the step reads beside kernels.
        infer: The same, but only the outputs are stacked.
        reference: As `infer`, but open to TensorFlow's own gradients.
        backward: Function `(n, inputs, carried, constants, transposed, others)`
            that runs n steps back, and returns the stacks of the gradient of
            the projected input and of what else is stored, and what is carried:
            the gradients of the states and of `others`.
    """

    def __init__(
        self, step: Callable, analysis: StepAnalysis, compiled: bool = True
    ):
        self.step = step
        self.analysis = analysis
        self.reference = functools.partial(self._infer, differentiable=True)
        options = {"jit_compile": compiled, "autograph": False}
        self.forward = tf.function(self._forward, **options)
        self.infer = tf.function(self._infer, **options)
        self.backward = tf.function(self._backward, **options)

    def check(self, rows: tuple[list, ...], kernels: list) -> None:
        """Compare a compiled step with the step alone, at random values.

        Args:
            rows: Tensors like the inputs, states and constants of a step.
            kernels: Tensors like its kernels.
        """
        variables = self.step.cell.variables
        half = self.step.cell.compute_dtype in HALF
        with tf.init_scope():  # eagerly, whatever is being traced
            inputs, states, constants, kernels, values = (
                [tf.cast(tf.random.uniform(x.shape), x.dtype) for x in part]
                for part in (*rows, kernels, variables)
            )
            left = iter(kernels)
            expected = self.step.with_values(
                values,
                inputs,
                states,
                constants,
                lambda m, _: self.step.cell.product(m, next(left)),
            )
            others = [values[k] for k in self.analysis.other_variables]
            steps = [x[None] for x in inputs]
            one = tf.constant(1)
            _, last = self.infer(one, steps, states, constants, kernels, others)
            for state, wanted in zip(last, expected, strict=True):
                tf.debugging.assert_near(
                    state,
                    wanted,
                    *[tf.cast(0.05 if half else 1e-3, state.dtype)] * 2,
                    message="A compiled step differs from the same step alone.",
                )

    def _values(self, others):
        """Return values of all variables: these, and zeros elsewhere."""
        values = [tf.zeros(v.shape, v.dtype) for v in self.step.cell.variables]
        indices = self.analysis.other_variables
        for index, value in zip(indices, others, strict=True):
            values[index] = value
        return values

    def _forward(self, n, inputs, states, constants, kernels, others):
        """Run n steps; return states and products of each, last states."""
        values, fused = self._values(others), self.analysis.fused_product

        def step(inputs, states):
            products = []

            def matmul(m, _):
                kernel = kernels[len(products)]
                products.append(self.step.cell.product(m, kernel))
                return products[-1]

            new = self.step.with_values(
                values, inputs, states, constants, matmul
            )
            if fused is not None:
                products[fused] += inputs[0]
            return new + [products[k] for k in self.analysis.matrices], new

        widths = [s.shape[-1] for s in states] + self.analysis.widths
        return while_loop(step, n, inputs, states, widths)

    def _infer(
        self,
        n,
        inputs,
        states,
        constants,
        kernels,
        others,
        differentiable=False,
    ):
        """Run n steps; return the output of each, and the last states."""
        values = self._values(others)

        def step(inputs, states):
            left = iter(kernels)

            def matmul(m, _):
                return self.step.cell.product(m, next(left))

            new = self.step.with_values(
                values, inputs, states, constants, matmul
            )
            return new[:1], new

        return while_loop(
            step,
            n,
            inputs,
            states,
            [states[0].shape[-1]],
            differentiable=differentiable,
        )

    def _backward(self, n, inputs, carried, constants, transposed, others):
        """Run n steps back; return gradients of each, and of the start."""
        analysis = self.analysis
        indices, width = analysis.other_variables, analysis.projected_width
        sizes = [1, len(carried) - len(others), len(analysis.matrices)]
        zeros = tf.zeros((tf.shape(carried[0])[0], width), carried[0].dtype)
        values = self._values(others)

        def step(inputs, carried):
            (d_output,), states, products, inputs = split(inputs, sizes)
            if analysis.fused_product is not None:
                inputs = [zeros, *inputs]
            d_states, d_others = split(carried, sizes[1:2])
            d_states = [d_states[0] + d_output, *d_states[1:]]
            products = dict(zip(analysis.matrices, products, strict=True))
            d_input, d_states, d_values, result = replay(
                self.step,
                inputs,
                states,
                constants,
                values,
                products,
                transposed,
                d_states,
            )
            d_now = [d_values[k] for k in indices]
            d_others = [a + b for a, b in zip(d_others, d_now, strict=True)]
            extra = analysis.extra_tensors(result)
            return [d_input, *extra], d_states + d_others

        widths = [width, *analysis.extra_widths]
        return while_loop(step, n, inputs, carried, widths, reverse=True)
