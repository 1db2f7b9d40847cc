"""What the steps of a cell are made of.

Letters of shapes: B batch, T time, U units.
"""

import tensorflow as tf

ROWS = 2  # of the step that is looked at


class StepForm:
    """What a step is made of, found by replaying one step of two rows.

    Args:
        loop: A `fast_loop.FastLoop`.
        rows: Two rows of all that a step takes, as `rows_of_ones` returns.
        kernels: List of the kernels of the products.

    Attributes:
        small: Places of the variables that the step reads beside kernels.
        projected: Columns of the projected input.
        sum: Place of the product that is kept with the projection added,
            where nothing else sees either of them, or `None`.
        widths: Columns of the products.
        kept_widths: Columns of what the way back keeps beside d projected.
    """

    def __init__(self, loop, rows, kernels):
        shapes = [tuple(kernel.shape) for kernel in kernels]
        self.widths = [width for _, width in shapes]
        self.projected = rows[0][0].shape[-1]
        tf.function(
            lambda: self._look(loop, rows, shapes), autograph=False
        ).get_concrete_function()
        self.kept_widths = [
            *(s[0] for s in self._own_operands(shapes)),
            *(s[1] for s in self._own_gradients(shapes)),
        ]

    def _look(self, loop, rows, shapes):
        """Replays a step in a graph of its own."""
        rows = [[tf.ones(x.shape, x.dtype) for x in part] for part in rows]
        (projected, *_), states, _ = rows
        kind = states[0].dtype
        d_input, _, d_small, (operands, d_products, known) = loop.replay(
            *rows,
            [tf.ones(v.shape, v.dtype) for v in loop.variables],
            [tf.ones((ROWS, width), kind) for _, width in shapes],
            [tf.ones((width, height), kind) for height, width in shapes],
            states,
        )
        self.small = [k for k, d in enumerate(d_small) if d is not None]
        # A product of a state needs no copy of the state, and one that is
        # added to the projection has the gradient of the projection.
        self.states = [_place(m, states) for m in operands]
        self.same = [d is d_input for d in d_products]
        sums = [_only_sum(projected, m) for m in known]
        self.sum = sums.index(True) if any(sums) else None

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


def rows_of_ones(projection, inputs, states, constants):
    """Returns two rows of all that a step takes: three lists of tensors.

    Args:
        projection: A `projection.Projection`.
        inputs: List of tensors `(T, B, ...)`, the first to be projected.
        states: List of tensors `(B, U)`.
        constants: List of tensors like states.
    """
    projected = tf.ones((ROWS, projection.width), projection.kind)
    others, states, constants = (
        [tf.ones((ROWS, *x.shape[first:]), x.dtype) for x in part]
        for first, part in ((2, inputs[1:]), (1, states), (1, constants))
    )
    return [projected, *others], states, constants


def kernels_of(step, rows):
    """Collects the kernels of a step by taking one.

    The rest of the step is pruned from the graph.
    """
    kernels = []

    def matmul(m, kernel):
        kernels.append(tf.convert_to_tensor(kernel))
        return tf.ones((ROWS, kernel.shape[1]), m.dtype)

    step(*rows, matmul)
    return kernels


def _only_sum(left, right):
    """Tells whether the only use of either tensor is their sum."""
    uses = left.consumers()
    added = [use.type for use in uses] == ["AddV2"]
    return added and right.consumers() == uses and left.shape == right.shape


def _place(tensor, tensors):
    """Returns the place of a tensor in a list, or `None`."""
    places = [k for k, other in enumerate(tensors) if other is tensor]
    return places[0] if places else None
