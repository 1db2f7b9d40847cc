"""The time loop on TensorFlow, compiled, with an exact backward pass.

The only file of the package that imports TensorFlow. It runs any step whose
recurrent products go through its argument `matmul`.

Forward, the loop keeps the states and the recurrent products of every step.
Backward, it goes through the steps in reverse and replays only what stands
between the products, under a gradient tape, with each kept product standing in
for its computation. So a step back costs one product for each one forward,
and the gradient of every recurrent kernel is one large product after the loop:

    d kernel = sum_t operand_t^T @ d product_t

Both loops are compiled by XLA. A sequence of unknown length is run in pieces
of `PIECE` steps, so that one compilation serves every length.

Letters of shapes: B batch, T time, N number of pieces, P steps of a piece,
U units.
"""

import functools

import keras
import tensorflow as tf

PIECE = 32  # steps of a compiled loop, where the length is unknown
UNCOMPILED_UNITS = 256  # from where on products outweigh what XLA saves


def require_batch(sequences, size, message):
    """Stops a graph when a batch has another size."""
    tf.debugging.assert_equal(tf.shape(sequences)[0], size, message)


def eager_loop(step, inputs, states, constants, product):
    """Runs a step over time without compilation, for use outside of graphs.

    Args:
        step: As in `FastLoop`.
        inputs: List of tensors `(T, B, ...)`.
        states: List of tensors `(B, U)`.
        constants: List of tensors.
        product: Function of two tensors.

    Returns:
        The first state of every step `(T, B, U)`, and the last states.
    """
    outputs = []
    for t in range(inputs[0].shape[0]):
        states = step([x[t] for x in inputs], states, constants, product)
        outputs.append(states[0])
    if not outputs:
        return tf.zeros((0, *states[0].shape), states[0].dtype), states
    return tf.stack(outputs), states


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
            return eager_loop(step, inputs, states, constants, cell.product)
        key = form, len(constants)
        if key not in self.loops:
            compiled = layer.compiled
            if compiled is None:
                compiled = layer.units < UNCOMPILED_UNITS
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
                stacks, last = self._in_pieces(
                    self._forward, count, sequences, start, rest
                )
            else:
                stacks, last = self._in_pieces(
                    self._infer, 1, sequences, start, rest
                )

            def gradient(d_outputs, *d_last):
                kept = stacks
                if not training:
                    kept, _ = self._in_pieces(
                        self._forward, count, sequences, start, rest
                    )
                return self._gradients(
                    sequences, start, rest, kept, d_outputs, d_last
                )

            return (_cut(stacks[0], sequences[0]), *last), gradient

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

    def _in_pieces(self, run, count, sequences, carried, rest, reverse=False):
        """Calls a loop, once or, if it is compiled for one length, in pieces.

        Returns:
            A list of `count` stacks, `(T, B, ...)` or longer by a part of a
            piece, and what is carried.
        """
        n = tf.shape(sequences[-1])[0]
        if not self.compiled or sequences[-1].shape[0] is not None:
            return run(n, sequences, list(carried), *rest)
        number = (n + PIECE - 1) // PIECE
        pieces = [_pieces(x, number) for x in sequences]  # (N, P, B, ...)
        arrays = [
            tf.TensorArray(carried[0].dtype, number) for _ in range(count)
        ]

        def body(i, carried, arrays):
            here = number - 1 - i if reverse else i
            length = tf.minimum(PIECE, n - here * PIECE)
            stacks, new = run(length, [x[here] for x in pieces], carried, *rest)
            arrays = [
                array.write(here, stack)
                for array, stack in zip(arrays, stacks, strict=True)
            ]
            # The compiled loop does not tell a batch size that is known here.
            new = [
                tf.ensure_shape(state, before.shape)
                for state, before in zip(new, carried, strict=True)
            ]
            return i + 1, new, arrays

        _, carried, arrays = tf.while_loop(
            lambda i, *_: i < number, body, (0, list(carried), arrays)
        )
        stacks = [array.stack() for array in arrays]
        return [_joined(x, carried[0]) for x in stacks], carried

    def _run_forward(self, n, inputs, states, constants, kernels, small):
        """Runs n steps; returns states and products of each, last states."""

        def step(inputs, states):
            products = []

            def matmul(m, _):
                products.append(self.product(m, kernels[len(products)]))
                return products[-1]

            new = self._step(inputs, states, constants, small, matmul)
            return new + products, new

        widths = [s.shape[-1] for s in states] + self.form.widths
        return _loop(step, n, inputs, states, widths)

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

        return _loop(step, n, inputs, states, [states[0].shape[-1]])

    def _gradients(self, sequences, start, rest, kept, d_outputs, d_last):
        """Returns the gradients of what `run` in `__call__` takes."""
        constants, kernels, small = rest
        transposed = [tf.transpose(kernel) for kernel in kernels]
        before = [
            tf.concat([first[None], states[:-1]], axis=0)
            for first, states in zip(start, kept, strict=False)
        ]  # (T, B, U), the states before each step
        carried = [*d_last, *(tf.zeros_like(x) for x in small)]
        stacks, carried = self._in_pieces(
            self._backward,
            1 + len(self.form.kept_widths),
            [d_outputs, *before, *kept[len(start) :], *sequences],
            carried,
            (constants, transposed, small),
            reverse=True,
        )
        d_states, d_small = _split(carried, [len(start)])
        pairs = self.form.operands_and_gradients(stacks, before)
        d_kernels = [_sum_of_products(m, d) for m, d in pairs]
        d_projected = tf.cast(stacks[0], sequences[0].dtype)
        return (
            _cut(d_projected, sequences[0]),
            *d_states,
            *d_kernels,
            *d_small,
        )

    def _run_backward(self, n, inputs, carried, constants, transposed, small):
        """Runs n steps back; returns gradients of each, and of the start."""
        sizes = [1, len(carried) - len(small), len(transposed)]

        def step(inputs, carried):
            (d_output,), states, products, inputs = _split(inputs, sizes)
            d_states, d_small = _split(carried, sizes[1:2])
            d_states = [d_states[0] + d_output, *d_states[1:]]
            d_inputs, d_states, d_now, found = self.replay(
                inputs, states, constants, small, products, transposed, d_states
            )
            stacks = [d_inputs, *self.form.what_to_keep(*found)]
            d_small = [a + b for a, b in zip(d_small, d_now, strict=True)]
            return stacks, d_states + d_small

        widths = [inputs[-self.form.inputs].shape[-1], *self.form.kept_widths]
        return _loop(step, n, inputs, carried, widths, reverse=True)

    def replay(
        self, inputs, states, constants, small, products, transposed, d_states
    ):
        """Differentiates one step whose products are known.

        Returns:
            The gradients of the projected input, of the states before, and of
            the variables; and a pair, the operands of the products and the
            gradients of the products.
        """
        operands, d_products = [], [None] * len(products)

        def matmul(m, _):
            k = len(operands)
            operands.append(m)

            @tf.custom_gradient
            def known_product(m):
                def gradient(d):
                    d_products[k] = d
                    return self.product(d, transposed[k])

                return tf.identity(products[k]), gradient

            return known_product(m)

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
        return d_input, d_before, d_small, (operands, d_products)


class _Form:
    """What a step is made of, found by replaying one step of two rows.

    Attributes:
        small: Places of the variables that the step reads beside kernels.
        inputs: Number of inputs.
        widths: Columns of the products.
        kept_widths: Columns of what the way back keeps beside d projected.
    """

    def __init__(self, loop, inputs, states, constants):
        found = {}

        def trace():
            rows = _rows_of_ones(
                [x[0] for x in inputs], states, constants, rows=2
            )
            small = [tf.ones(v.shape, v.dtype) for v in loop.variables]
            kernels = []

            def matmul(_, kernel):
                kernels.append(kernel.shape)
                return tf.ones((2, kernel.shape[1]), states[0].dtype)

            loop._step(*rows, small, matmul)
            kind = states[0].dtype
            d_input, *_, (operands, d_products) = loop.replay(
                rows[0],
                rows[1],
                rows[2],
                small,
                [tf.ones((2, shape[1]), kind) for shape in kernels],
                [tf.ones((shape[1], shape[0]), kind) for shape in kernels],
                rows[1],
            )
            found["shapes"] = [tuple(shape) for shape in kernels]
            found["states"] = [_place(m, rows[1]) for m in operands]
            found["same"] = [d is d_input for d in d_products]

        tf.function(trace, autograph=False).get_concrete_function()
        reached = loop.reached[1 + len(states) :]
        self.small = [k for k, is_reached in enumerate(reached) if is_reached]
        self.inputs = len(inputs)
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


def _loop(step, n, inputs, carried, widths, reverse=False):
    """Runs n steps; returns what each gave, stacked, and what is carried.

    Each step reads the inputs of the next one. What is carried stands in
    buffers of its own, from which XLA computes several times faster than from
    a slice at a variable place of a long one.
    """
    size, kind = tf.shape(inputs[0])[0], carried[0].dtype
    size = size if inputs[0].shape[0] is None else inputs[0].shape[0]
    buffers = [
        tf.TensorArray(kind, size, element_shape=(carried[0].shape[0], width))
        for width in widths
    ]

    def read(t):
        t = tf.clip_by_value(t, 0, tf.maximum(n - 1, 0))
        return [x[n - 1 - t if reverse else t] for x in inputs]

    def body(t, now, carried, buffers):
        values, new = step(now, carried)
        here = n - 1 - t if reverse else t
        buffers = [
            buffer.write(here, tf.cast(value, kind))
            for buffer, value in zip(buffers, values, strict=True)
        ]
        new = [
            tf.ensure_shape(after, before.shape)
            for after, before in zip(new, carried, strict=True)
        ]
        return t + 1, read(t + 1), new, buffers

    _, _, carried, buffers = tf.while_loop(
        lambda t, *_: t < n, body, (0, read(0), list(carried), buffers)
    )
    return [buffer.stack() for buffer in buffers], carried


def _pieces(x, number):
    """Cuts `(T, B, ...)` into `(N, P, B, ...)`, with zeros at the end."""
    missing = number * PIECE - tf.shape(x)[0]
    x = tf.pad(x, [[0, missing]] + [[0, 0]] * (len(x.shape) - 1))
    pieces = tf.reshape(x, tf.concat([[number, PIECE], tf.shape(x)[1:]], 0))
    return tf.ensure_shape(pieces, (None, PIECE, *x.shape[1:]))


def _joined(stack, like):
    """Joins pieces `(N, P, B, U)` to `(N * P, B, U)`."""
    shape = tf.shape(stack)
    joined = tf.reshape(stack, tf.concat([[-1], shape[2:]], 0))
    return tf.ensure_shape(joined, (None, like.shape[0], stack.shape[-1]))


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


def _cut(stack, like):
    """Returns as many steps of a stack as another one has."""
    n = like.shape[0]
    return stack[: tf.shape(like)[0]] if n is None else stack


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
