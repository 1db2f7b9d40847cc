"""The time loop on TensorFlow, compiled, with an exact backward pass.

It runs any step whose recurrent products go through its argument `matmul`.

Forward, the loop keeps the states and the recurrent products of every step.
Backward, it goes through the steps in reverse and replays only what stands
between the products, under a gradient tape, with each kept product standing in
for its computation. So a step back costs one product for each one forward,
and the gradient of every recurrent kernel is one large product after the loop:

    d kernel = sum_t operand_t^T @ d product_t

Where a step does nothing with the projected input but add it to a product, as
an LSTM does, their sum is kept, and the way back reads one tensor, not two.

Letters of shapes: B batch, T time, U units.
"""

import functools

import keras
import tensorflow as tf

from rnn_layers import time_loop

LARGE = 256  # units, from where on products outweigh what XLA saves in pieces


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
            return time_loop.eager_loop(
                step, inputs, states, constants, cell.product
            )
        compiled = layer.compiled
        if compiled is None:
            compiled = layer.units < LARGE or inputs[0].shape[0] is not None
        key = form, len(constants), compiled
        if key not in self.loops:
            self.loops[key] = FastLoop(
                step, cell.variables, cell.product, compiled
            )
        loop = self.loops[key]
        return loop(inputs, states, constants, training, step, cell.variables)


class FastLoop:
    """Runs one step function over time.

    Args:
        step: Function `(inputs, states, constants, matmul)` of three lists of
            tensors and a function, which returns the list of new states. The
            first input is differentiable; the others, such as masks, and the
            constants are not.
        variables: Variables of Keras that `step` may read. Gradients reach
            those of the caller, and the kernels that it gives to `matmul`.
        product: Function of two tensors: how `matmul` is to be computed.
        compiled: Whether XLA compiles the loops.
    """

    def __init__(self, step, variables, product, compiled=True):
        self.step = step
        self.variables = variables
        self.product = product
        self.form = None
        self.compiled = compiled
        options = {"jit_compile": compiled, "autograph": False}
        self._forward = tf.function(self._run_forward, **options)
        self._infer = tf.function(self._run_inference, **options)
        self._backward = tf.function(self._run_backward, **options)

    def __call__(self, inputs, states, constants, training, step, variables):
        """Runs the loop.

        Args:
            inputs: List of tensors `(T, B, ...)`.
            states: List of tensors `(B, U)`.
            constants: List of tensors.
            training: Whether a gradient will be asked for. Without it one
                costs another run forward.
            step: The step of the caller, from which its kernels are taken.
            variables: The variables of the caller.

        Returns:
            The first state of every step `(T, B, U)`, and the last states.
        """
        if self.form is None:
            self.form = _Form(self, inputs, states, constants)
        kernels = _kernels(step, inputs, states, constants)
        small = [tf.convert_to_tensor(variables[k]) for k in self.form.small]
        sizes = [len(states), len(kernels)]
        count = len(states) + len(kernels)

        @tf.custom_gradient
        def run(projected, *tensors):
            # An eager tape must not look into the compiled loops.
            tensors = [tf.stop_gradient(x) for x in (projected, *tensors)]
            sequences = [tensors[0], *inputs[1:]]
            start, kernels, small = _split(tensors[1:], sizes)
            rest = constants, kernels, small
            if training:
                stacks, last = self._call(
                    self._forward, count, sequences, start, rest
                )
            else:
                stacks, last = self._call(
                    self._infer, 1, sequences, start, rest
                )

            def gradient(d_outputs, *d_last):
                kept = stacks
                if not training:
                    kept, _ = self._call(
                        self._forward, count, sequences, start, rest
                    )
                return self._gradients(
                    sequences, start, rest, kept, d_outputs, d_last
                )

            return (stacks[0], *last), gradient

        outputs, *last = run(inputs[0], *states, *kernels, *small)
        return outputs, last

    def _step(self, inputs, states, constants, small, matmul):
        """Takes a step in which variables have the values `small`."""
        values = [tf.zeros(v.shape, v.dtype) for v in self.variables]
        places = range(len(values)) if self.form is None else self.form.small
        for place, value in zip(places, small, strict=True):
            values[place] = value
        mapping = zip(self.variables, values, strict=True)
        with keras.StatelessScope(state_mapping=list(mapping)):
            return list(self.step(inputs, states, constants, matmul))

    def _call(self, run, count, sequences, carried, rest, reverse=False):
        """Calls a loop, in pieces if it is compiled for one length.

        Returns:
            A list of `count` stacks `(T, B, ...)`, and what is carried.
        """
        if self.compiled and sequences[-1].shape[0] is None:
            return time_loop.in_pieces(
                run, count, sequences, carried, rest, reverse
            )
        n = tf.shape(sequences[-1])[0]
        return run(n, sequences, list(carried), *rest)

    def _run_forward(self, n, inputs, states, constants, kernels, small):
        """Runs n steps; returns states and products of each, last states."""

        def step(inputs, states):
            products = []

            def matmul(m, _):
                products.append(self.product(m, kernels[len(products)]))
                return products[-1]

            new = self._step(inputs, states, constants, small, matmul)
            if self.form.sum is not None:
                products[self.form.sum] += inputs[0]
            return new + products, new

        widths = [s.shape[-1] for s in states] + self.form.widths
        return time_loop.loop(step, n, inputs, states, widths)

    def _run_inference(self, n, inputs, states, constants, kernels, small):
        """Runs n steps; returns the output of each, and the last states."""

        def step(inputs, states):
            left = iter(kernels)
            new = self._step(
                inputs,
                states,
                constants,
                small,
                lambda m, _: self.product(m, next(left)),
            )
            return new[:1], new

        return time_loop.loop(step, n, inputs, states, [states[0].shape[-1]])

    def _gradients(self, sequences, start, rest, kept, d_outputs, d_last):
        """Returns the gradients of what `run` in `__call__` takes."""
        constants, kernels, small = rest
        transposed = [tf.transpose(kernel) for kernel in kernels]
        before = [
            tf.concat([first[None], states[:-1]], axis=0)
            for first, states in zip(start, kept, strict=False)
        ]  # (T, B, U), the states before each step
        carried = [*d_last, *(tf.zeros_like(x) for x in small)]
        # A projection that is in a kept sum is read no more.
        read = sequences[self.form.sum is not None :]
        stacks, carried = self._call(
            self._backward,
            1 + len(self.form.kept_widths),
            [d_outputs, *before, *kept[len(start) :], *read],
            carried,
            (constants, transposed, small),
            reverse=True,
        )
        d_states, d_small = _split(carried, [len(start)])
        pairs = self.form.operands_and_gradients(stacks, before)
        d_kernels = [_sum_of_products(m, d) for m, d in pairs]
        d_projected = tf.cast(stacks[0], sequences[0].dtype)
        return d_projected, *d_states, *d_kernels, *d_small

    def _run_backward(self, n, inputs, carried, constants, transposed, small):
        """Runs n steps back; returns gradients of each, and of the start."""
        sizes = [1, len(carried) - len(small), len(transposed)]
        width = self.form.projected
        zeros = tf.zeros((tf.shape(carried[0])[0], width), carried[0].dtype)

        def step(inputs, carried):
            (d_output,), states, products, inputs = _split(inputs, sizes)
            if self.form.sum is not None:
                inputs = [zeros, *inputs]
            d_states, d_small = _split(carried, sizes[1:2])
            d_states = [d_states[0] + d_output, *d_states[1:]]
            d_inputs, d_states, d_now, found = self.replay(
                inputs, states, constants, small, products, transposed, d_states
            )
            operands, d_products, _ = found
            kept = self.form.what_to_keep(operands, d_products)
            stacks = [d_inputs, *kept]
            d_small = [a + b for a, b in zip(d_small, d_now, strict=True)]
            return stacks, d_states + d_small

        widths = [width, *self.form.kept_widths]
        return time_loop.loop(step, n, inputs, carried, widths, reverse=True)

    def replay(
        self, inputs, states, constants, small, products, transposed, d_states
    ):
        """Differentiates one step whose products are known.

        Returns:
            The gradients of the projected input, of the states before, and of
            the variables; and a triple, the operands of the products, the
            gradients of the products, and the products that the step saw.
        """
        operands, d_products, known = [], [None] * len(products), []

        def matmul(m, _):
            k = len(operands)
            operands.append(m)

            @tf.custom_gradient
            def known_product(m):
                def gradient(d):
                    d_products[k] = d
                    return self.product(d, transposed[k])

                return tf.identity(products[k]), gradient

            known.append(known_product(m))
            return known[-1]

        watched = [inputs[0], *states, *small]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            new = self._step(inputs, states, constants, small, matmul)
        found = tape.gradient(new, watched, output_gradients=d_states)
        self.reached = [d is not None for d in found]
        found = [
            tf.zeros_like(x) if d is None else d
            for x, d in zip(watched, found, strict=True)
        ]
        (d_input,), d_before, d_small = _split(found, [1, len(states)])
        return d_input, d_before, d_small, (operands, d_products, known)


class _Form:
    """What a step is made of, found by replaying one step of two rows.

    Attributes:
        small: Places of the variables that the step reads beside kernels.
        projected: Columns of the projected input.
        sum: Place of the product that is kept with the projection added,
            where nothing else sees either of them, or `None`.
        widths: Columns of the products.
        kept_widths: Columns of what the way back keeps beside d projected.
    """

    def __init__(self, loop, inputs, states, constants):
        found = {}

        def trace():
            firsts = [x[0] for x in inputs], states, constants
            rows = _rows_of_ones(*firsts, rows=2)
            small = [tf.ones(v.shape, v.dtype) for v in loop.variables]
            kernels = []

            def matmul(_, kernel):
                kernels.append(kernel.shape)
                return tf.ones((2, kernel.shape[1]), states[0].dtype)

            loop._step(*_rows_of_ones(*firsts, rows=2), small, matmul)
            kind = states[0].dtype
            d_input, *_, (operands, d_products, known) = loop.replay(
                *rows,
                small,
                [tf.ones((2, shape[1]), kind) for shape in kernels],
                [tf.ones((shape[1], shape[0]), kind) for shape in kernels],
                rows[1],
            )
            found["shapes"] = [tuple(shape) for shape in kernels]
            found["states"] = [_place(m, rows[1]) for m in operands]
            found["same"] = [d is d_input for d in d_products]
            found["sums"] = [_only_sum(rows[0][0], m) for m in known]

        tf.function(trace, autograph=False).get_concrete_function()
        reached = loop.reached[1 + len(states) :]
        self.small = [k for k, is_reached in enumerate(reached) if is_reached]
        self.projected = inputs[0].shape[-1]
        self.sum = found["sums"].index(True) if any(found["sums"]) else None
        self.widths = [shape[1] for shape in found["shapes"]]
        # A product of a state needs no copy of the state, and one that is
        # added to the projection has the gradient of the projection.
        self.states, self.same = found["states"], found["same"]
        self.kept_widths = [
            *(s[0] for s in self._own_operands(found["shapes"])),
            *(s[1] for s in self._own_gradients(found["shapes"])),
        ]

    def _own_operands(self, items):
        pairs = zip(items, self.states, strict=True)
        return [item for item, place in pairs if place is None]

    def _own_gradients(self, items):
        pairs = zip(items, self.same, strict=True)
        return [item for item, is_same in pairs if not is_same]

    def what_to_keep(self, operands, d_products):
        """Picks what the loop has to keep of a step."""
        return self._own_operands(operands) + self._own_gradients(d_products)

    def operands_and_gradients(self, stacks, before):
        """Pairs, for each product, all operands with all gradients."""
        own = iter(stacks[1:])
        operands = [
            next(own) if place is None else before[place]
            for place in self.states
        ]
        gradients = [stacks[0] if same else next(own) for same in self.same]
        return list(zip(operands, gradients, strict=True))


def _kernels(step, inputs, states, constants):
    """Collects the kernels of a step by taking one, on a row of ones.

    The rest of the step is pruned from the graph.
    """
    kernels = []

    def matmul(_, kernel):
        kernels.append(tf.convert_to_tensor(kernel))
        return tf.ones((1, kernel.shape[1]), states[0].dtype)

    rows = _rows_of_ones([x[0] for x in inputs], states, constants, rows=1)
    step(*rows, matmul)
    return kernels


def _sum_of_products(operands, gradients):
    """Returns sum_t operands[t]^T @ gradients[t], as one product."""
    flat = [tf.reshape(x, (-1, x.shape[-1])) for x in (operands, gradients)]
    return tf.matmul(*flat, transpose_a=True)


def _rows_of_ones(*groups, rows):
    """Returns lists of tensors like the given ones with another batch."""
    return [
        [tf.ones((rows, *x.shape[1:]), x.dtype) for x in group]
        for group in groups
    ]


def _only_sum(left, right):
    """Tells whether the only use of either tensor is their sum."""
    uses = left.consumers()
    added = [use.type for use in uses] == ["AddV2"]
    return added and right.consumers() == uses and left.shape == right.shape


def _place(tensor, tensors):
    """Returns the place of a tensor in a list, or `None`."""
    places = [k for k, other in enumerate(tensors) if other is tensor]
    return places[0] if places else None


def _split(items, sizes):
    """Splits a list into lists of these sizes, and one of what is left."""
    parts, items = [], list(items)
    for size in sizes:
        parts.append(items[:size])
        items = items[size:]
    return [*parts, items]
