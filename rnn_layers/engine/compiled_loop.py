"""The time loop on TensorFlow, compiled, with an exact backward pass.

It runs any step whose recurrent products go through its argument `matmul`. It
goes piece by piece: the inputs of a piece are projected, and then a compiled
loop takes the steps.

Forward, the loop keeps the states and the recurrent products of every step.
Backward, it goes through the steps in reverse and replays only what stands
between the products, under a gradient tape, with each kept product standing in
for its computation. So a step back costs one product for each one forward,
and the gradient of a recurrent kernel is one large product for a piece:

    d kernel = sum_t operand_t^T @ d product_t

A vector that stands for a diagonal matrix, such as a peephole, has a sum of
elementwise products there, and its own products are computed again.

Where a step does nothing with the projected input but add it to a product, as
an LSTM does, their sum is kept, and the way back reads one tensor, not two.

Letters of shapes: B batch, T time, U units.
"""

import functools

import keras
import tensorflow as tf

from rnn_layers.engine import batch_split, while_loop
from rnn_layers.engine.chunked_run import Sweep, split
from rnn_layers.engine.double_backward import differentiable
from rnn_layers.engine.input_projection import Projection
from rnn_layers.engine.step import Replayed, StepForm, kernels_of, rows_of_ones
from rnn_layers.engine.time_chunks import joined


def require_batch(sequences, size, message):
    """Stops a graph when a batch has another size."""
    tf.debugging.assert_equal(tf.shape(sequences)[0], size, message)


class Loops:
    """Keeps the loops of layers with like cells, one for each form of a call.

    Weights are arguments of the loops, so that such layers can share them.
    """

    def __init__(self):
        self.loops = {}

    def __call__(self, layer, form, inputs, states, constants, training):
        """Runs the step of a layer over time.

        Args:
            layer: A `rnn_layers.Recurrent`.
            form: As in the layer's `loop_step`.
            inputs: As in `FastLoop`, and so on.
            states: List of tensors.
            constants: List of tensors.
            training: Whether a gradient will be asked for.

        Returns:
            The first state of every step `(T, B, U)`, and the last states.
        """
        cell = layer.cell
        step = functools.partial(layer.loop_step, form)
        if tf.executing_eagerly():
            inputs = [cell.project(inputs[0]), *inputs[1:]]
            return while_loop.eager_loop(
                step, inputs, states, constants, cell.product
            )
        key = form, len(constants), layer.compiled
        if key not in self.loops:
            self.loops[key] = FastLoop(cell, step, layer.compiled)
        loop = self.loops[key]

        def run(inputs, states, constants):
            return loop(cell, step, inputs, states, constants, training)

        if batch_split.are_faster(layer, states, training):
            return batch_split.side_by_side(run, inputs, states, constants)
        return run(inputs, states, constants)


class FastLoop:
    """Runs one step function over the steps of a piece.

    Args:
        cell: A `rnn_layers.cells.base.Cell`, whose variables the step may read.
        step: Function `(inputs, states, constants, matmul)` of three lists of
            tensors and a function, which returns the list of new states. The
            first input, the projected one, is differentiable; the others, such
            as masks, and the constants are not.
        compiled: Whether XLA compiles the loops.

    Attributes:
        forward: Function `(n, inputs, states, constants, kernels, small)` that
            runs n steps, and returns the stacks of states and products, and
            the last states.
        infer: The same, but only the outputs are stacked.
        backward: Function `(n, inputs, carried, constants, transposed, small)`
            that runs n steps back, and returns the stacks of the gradient of
            the projected input and of what is kept, and what is carried: the
            gradients of the states and of `small`.
    """

    def __init__(self, cell, step, compiled=True):
        self.step = step
        self.variables = cell.variables
        self.product = cell.product
        self.form = None
        options = {"jit_compile": compiled, "autograph": False}
        self.forward = tf.function(self._run_forward, **options)
        self.infer = tf.function(self._run_inference, **options)
        self.backward = tf.function(self._run_backward, **options)

    def __call__(self, cell, step, inputs, states, constants, training):
        """Runs the loop over whole sequences.

        Args:
            cell: A cell like the loop's own. Gradients reach its variables.
            step: Its step, from which the kernels are taken.
            inputs: List of tensors `(T, B, ...)`, the first not yet projected.
            states: List of tensors `(B, U)`.
            constants: List of tensors.
            training: Whether a gradient will be asked for. Without it one
                costs another run forward.

        Returns:
            The first state of every step `(T, B, U)`, and the last states.
        """
        projection = Projection(cell, inputs[0])
        rows = rows_of_ones(projection, inputs, states, constants)
        kernels = kernels_of(step, rows)
        if self.form is None:
            self.form = StepForm(self, rows, kernels)
        weights = projection.weights()
        read = [cell.variables[place] for place in self.form.small]
        small = [tf.convert_to_tensor(variable) for variable in read]
        sizes = [1, len(states), len(weights), len(kernels)]
        run = self._with_gradients(
            projection, inputs, constants, sizes, training
        )
        outputs, *last = run(inputs[0], *states, *weights, *kernels, *small)
        return outputs, last

    def _with_gradients(self, projection, inputs, constants, sizes, training):
        """Returns the loop as a function of all that has a gradient.

        That is the sequence, the states, the weights of the projection, the
        kernels and what else a step reads, as many as `sizes` says.
        """

        def plain(*tensors):
            (sequence,), start, weights, *rest = split(tensors, sizes)
            rows = [projection(sequence, weights), *inputs[1:]]
            n = tf.shape(sequence)[0]
            (outputs,), last = self._run_inference(
                n, rows, start, constants, *rest
            )
            return [outputs, *last]

        @tf.custom_gradient
        def run(*given):
            # An eager tape must not look into the compiled loops.
            tensors = [tf.stop_gradient(x) for x in given]
            sequence, start, *values = split(tensors, sizes)
            sweep = Sweep(
                self, projection, [*sequence, *inputs[1:]], constants, values
            )
            made, last = sweep.forward(start, training)
            outputs = joined(made[0], inputs[0])

            def gradient(*upstream):
                def backward():
                    kept = made if training else sweep.forward(start, True)[0]
                    d_outputs, *d_last = upstream
                    return sweep.backward(kept, d_outputs, d_last)

                return differentiable(backward, plain, given, upstream)

            return (outputs, *last), gradient

        return run

    def step_with(self, values, inputs, states, constants, matmul):
        """Takes a step in which the variables have these values."""
        mapping = list(zip(self.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return list(self.step(inputs, states, constants, matmul))

    def _all(self, places, values):
        """Returns values of all variables: these, and zeros elsewhere."""
        found = [tf.zeros(v.shape, v.dtype) for v in self.variables]
        for place, value in zip(places, values, strict=True):
            found[place] = value
        return found

    def _run_forward(self, n, inputs, states, constants, kernels, small):
        """Runs n steps; returns states and products of each, last states."""
        small = self._all(self.form.small, small)

        def step(inputs, states):
            products = []

            def matmul(m, _):
                products.append(self.product(m, kernels[len(products)]))
                return products[-1]

            new = self.step_with(small, inputs, states, constants, matmul)
            if self.form.sum is not None:
                products[self.form.sum] += inputs[0]
            return new + [products[k] for k in self.form.matrices], new

        widths = [s.shape[-1] for s in states] + self.form.widths
        return while_loop.loop(step, n, inputs, states, widths)

    def _run_inference(self, n, inputs, states, constants, kernels, small):
        """Runs n steps; returns the output of each, and the last states."""
        small = self._all(self.form.small, small)

        def step(inputs, states):
            left = iter(kernels)

            def matmul(m, _):
                return self.product(m, next(left))

            new = self.step_with(small, inputs, states, constants, matmul)
            return new[:1], new

        return while_loop.loop(step, n, inputs, states, [states[0].shape[-1]])

    def _run_backward(self, n, inputs, carried, constants, transposed, small):
        """Runs n steps back; returns gradients of each, and of the start."""
        matrices, places = self.form.matrices, self.form.small
        sizes = [1, len(carried) - len(small), len(matrices)]
        width = self.form.projected
        rows, kind = tf.shape(carried[0])[0], carried[0].dtype
        zeros = tf.zeros((rows, width), kind)
        small = self._all(places, small)

        def step(inputs, carried):
            (d_output,), states, products, inputs = split(inputs, sizes)
            if self.form.sum is not None:
                inputs = [zeros, *inputs]
            d_states, d_small = split(carried, sizes[1:2])
            d_states = [d_states[0] + d_output, *d_states[1:]]
            products = dict(zip(matrices, products, strict=True))
            d_input, d_states, d_now, found = self.replay(
                inputs, states, constants, small, products, transposed, d_states
            )
            kept = self.form.what_to_keep(found)
            d_now = [d_now[k] for k in places]
            d_small = [a + b for a, b in zip(d_small, d_now, strict=True)]
            return [d_input, *kept], d_states + d_small

        widths = [width, *self.form.kept_widths]
        return while_loop.loop(step, n, inputs, carried, widths, reverse=True)

    def replay(
        self, inputs, states, constants, small, products, transposed, d_states
    ):
        """Differentiates one step whose products with matrices are known.

        Returns:
            The gradients of the projected input, of the states before, and of
            the variables, `None` where one was not read; and a `Replayed`.
        """
        operands, d_products, known = [], [None] * len(transposed), []

        def matmul(m, _):
            k = len(operands)
            operands.append(m)
            # A diagonal is its own transpose.
            if k in products:
                product = products[k]
            else:
                product = self.product(m, transposed[k])

            @tf.custom_gradient
            def known_product(m):
                def gradient(d):
                    d_products[k] = d
                    return self.product(d, transposed[k])

                return tf.identity(product), gradient

            known.append(known_product(m))
            return known[-1]

        watched = [inputs[0], *states]
        with tf.GradientTape() as tape:
            tape.watch([*watched, *small])
            new = self.step_with(small, inputs, states, constants, matmul)
        found = tape.gradient(
            new, [*watched, *small], output_gradients=d_states
        )
        read, d_small = split(found, [len(watched)])
        d_input, *d_before = [
            tf.zeros_like(x) if d is None else d
            for x, d in zip(watched, read, strict=True)
        ]
        found = Replayed(operands, d_products, known, new)
        return d_input, d_before, d_small, found
