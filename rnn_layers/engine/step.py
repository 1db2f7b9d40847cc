"""What the steps of a cell are made of.

Letters of shapes: B batch, T time, U units.
"""

import collections

import tensorflow as tf

ROWS = 2  # of the step that is looked at

Replayed = collections.namedtuple(
    "Replayed",
    [
        "operands",  # of the products
        "gradients",  # of the products
        "products",  # that the step saw
        "states",  # after the step
    ],
)


class StepForm:
    """What a step is made of, found by replaying one step of two rows.

    Args:
        loop: A `compiled_loop.FastLoop`.
        rows: Two rows of all that a step takes, as `rows_of_ones` returns.
        kernels: List of the kernels of the products.

    Attributes:
        small: Places of the variables that the step reads beside kernels.
        projected: Columns of the projected input.
        matrices: Places of the products with matrices, not with diagonals.
        sum: Place of the product that is kept with the projection added,
            where nothing else sees either of them, or `None`.
        widths: Columns of the products with matrices.
        kept_widths: Columns of what the way back keeps beside d projected.
    """

    def __init__(self, loop, rows, kernels):
        shapes = [tuple(kernel.shape) for kernel in kernels]
        self.projected = rows[0][0].shape[-1]
        self.matrices = [k for k, s in enumerate(shapes) if len(s) == 2]
        self.widths = [shapes[k][1] for k in self.matrices]
        tf.function(
            lambda: self._look(loop, rows, shapes), autograph=False
        ).get_concrete_function()
        self.kept_widths = [
            *(shapes[k][0] for k in self.own_operands),
            *(shapes[k][-1] for k in self.own_gradients),
        ]

    def _look(self, loop, rows, shapes):
        """Replays a step in a graph of its own."""
        rows = [[tf.ones(x.shape, x.dtype) for x in part] for part in rows]
        (projected, *_), states, _ = rows
        kind = states[0].dtype
        d_input, _, d_small, found = loop.replay(
            *rows,
            [tf.ones(v.shape, v.dtype) for v in loop.variables],
            {k: tf.ones((ROWS, shapes[k][1]), kind) for k in self.matrices},
            [tf.ones(shape[::-1], kind) for shape in shapes],
            states,
        )
        self.small = [k for k, d in enumerate(d_small) if d is not None]
        seen = found.products
        sums = [k for k in self.matrices if _only_sum(projected, seen[k])]
        self.sum = sums[0] if sums else None
        # A product of a state needs no copy of the state, and one that is
        # added to the projection has the gradient of the projection.
        known = [*states, *found.states]
        self.operands = [_place(m, known) for m in found.operands]
        self.columns = [_columns(d, d_input) for d in found.gradients]
        self.own_operands = _missing(self.operands)
        self.own_gradients = _missing(self.columns)

    def what_to_keep(self, found):
        """Picks what the loop has to keep of a `Replayed` step."""
        return [
            *(found.operands[k] for k in self.own_operands),
            *(found.gradients[k] for k in self.own_gradients),
        ]

    def operands_and_gradients(self, stacks, before, after):
        """Pairs, for each product, all operands with all gradients.

        Args:
            stacks: List of the stacks of the way back.
            before: List of the states before the steps.
            after: List of the states after the steps.
        """
        d_input, *own = stacks
        own, states = iter(own), [*before, *after]
        operands = [
            next(own) if k is None else states[k] for k in self.operands
        ]
        gradients = [
            next(own) if c is None else d_input[..., c] for c in self.columns
        ]
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
        return tf.ones((ROWS, kernel.shape[-1]), m.dtype)

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


def _columns(tensor, whole):
    """Returns which columns of another tensor one is, or `None`."""
    if tensor is whole:
        return slice(None)
    if whole.op.type != "ConcatV2":
        return None
    *parts, axis = whole.op.inputs
    place = _place(tensor, parts)
    if place is None or tf.get_static_value(axis) not in (-1, 1):
        return None
    start = sum(part.shape[-1] for part in parts[:place])
    return slice(start, start + tensor.shape[-1])


def _missing(items):
    """Returns the places of `None`."""
    return [k for k, item in enumerate(items) if item is None]
