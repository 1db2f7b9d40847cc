"""What one step of a layer is made of, and its way back, on TensorFlow.

Letters of shapes: B batch, T time, U units.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from rnn_layers.engine.differentiation import dense, gradients, read_by, trace
from rnn_layers.engine.input_projection import Projection
from rnn_layers.engine.while_loop import split

ROWS = 2  # of the step that is analyzed


class Replay(NamedTuple):
    """What a step gave that was taken once more.

    Attributes:
        operands: The left operand of each product.
        d_products: The gradient of each product.
        products: The products that the step received.
        states: The states after the step.
    """

    operands: list
    d_products: list
    products: list
    states: list


def replay(
    step: Callable,
    inputs: list,
    states: list,
    constants: list,
    values: list,
    products: dict,
    transposed: list,
    d_states: list,
) -> tuple[tf.Tensor, list, list, Replay]:
    """Differentiate one step whose products with matrices are known.

    Args:
        step: A `TimeStep`.
        inputs: Its inputs, the projected one first.
        states: The states before it.
        constants: Its constants.
        values: Values of all variables of its cell.
        products: The known products, by their index.
        transposed: The kernels of all products, transposed; a diagonal is its
            own transpose.
        d_states: The gradients of the states after it.

    Returns:
        The gradients of the projected input, of the states before, and of the
        variables; and a `Replay`.
    """
    product = step.cell.product
    operands, received = [], []
    d_products = [None] * len(transposed)

    def matmul(m, _):
        k = len(operands)
        operands.append(m)
        value = products[k] if k in products else product(m, transposed[k])

        @tf.custom_gradient
        def known_product(m):
            def gradient(d):
                (d_products[k],) = dense([d], [value])
                return product(d_products[k], transposed[k])

            return tf.identity(value), gradient

        received.append(known_product(m))
        return received[-1]

    values = [tf.identity(x) for x in values]  # of this graph
    new = step.with_values(values, inputs, states, constants, matmul)
    found = gradients(new, [inputs[0], *states, *values], d_states)
    (d_input,), d_before, d_values = split(found, [1, len(states)])
    d_products = dense(d_products, received)
    result = Replay(operands, d_products, received, new)
    return d_input, d_before, d_values, result


class StepAnalysis:
    """What a step is made of, learned by replaying one step of two rows.

    Args:
        step: A `TimeStep`.
        rows: Two rows of all that it takes, as `rows_of_ones` returns.
        kernels: List of the kernels of its products.

    Attributes:
        other_variables: Indices of the variables that the step reads beside
            kernels.
        projected_width: Columns of the projected input.
        matrices: Indices of the products with matrices, not with diagonals.
        fused_product: Index of the product that is saved with the projection
            added, where nothing else reads either of them, or `None`.
        widths: Columns of the products with matrices.
        extra_widths: Columns of what the way back stores beside the gradient
            of the projected input.
    """

    def __init__(self, step: Callable, rows: tuple[list, ...], kernels: list):
        shapes = [tuple(kernel.shape) for kernel in kernels]
        self.projected_width = rows[0][0].shape[-1]
        self.matrices = [k for k, s in enumerate(shapes) if len(s) == 2]
        self.widths = [shapes[k][1] for k in self.matrices]
        trace(lambda: self._replay(step, rows, shapes))
        self.extra_widths = [
            *(shapes[k][0] for k in self._extra_operands),
            *(shapes[k][-1] for k in self._extra_gradients),
        ]

    def _replay(self, step, rows, shapes):
        """Replay a step in a graph of its own."""
        rows = [[tf.ones(x.shape, x.dtype) for x in part] for part in rows]
        (projected, *_), states, _ = rows
        kind = states[0].dtype
        values = [tf.ones(v.shape, v.dtype) for v in step.cell.variables]
        d_input, _, _, result = replay(
            step,
            *rows,
            values,
            {k: tf.ones((ROWS, shapes[k][1]), kind) for k in self.matrices},
            [tf.ones(shape[::-1], kind) for shape in shapes],
            states,
        )
        self.other_variables = read_by(result.states, values)
        sums = [
            k
            for k in self.matrices
            if _are_only_added(projected, result.products[k])
        ]
        self.fused_product = sums[0] if sums else None
        # A product of a state needs no copy of the state, and one that is
        # added to the projection has the gradient of the projection.
        known = [*states, *result.states]
        self._operands = [_index(m, known) for m in result.operands]
        self._columns = [_columns(d, d_input) for d in result.d_products]
        self._extra_operands = _indices_of_none(self._operands)
        self._extra_gradients = _indices_of_none(self._columns)

    def extra_tensors(self, result: Replay) -> list:
        """Pick what the way back has to store of a replayed step."""
        return [
            *(result.operands[k] for k in self._extra_operands),
            *(result.d_products[k] for k in self._extra_gradients),
        ]

    def operands_and_gradients(
        self, stacks: list, before: list, after: list
    ) -> list:
        """Pair, for each product, all operands with all gradients.

        They are among the stacks of the way back and the states before and
        after the steps.
        """
        d_input, *extra = stacks
        extra, states = iter(extra), [*before, *after]
        operands = [
            next(extra) if k is None else states[k] for k in self._operands
        ]
        gradients = [
            next(extra) if columns is None else d_input[..., columns]
            for columns in self._columns
        ]
        return list(zip(operands, gradients, strict=True))


def rows_of_ones(
    projection: Projection, inputs: list, states: list, constants: list
) -> tuple[list, list, list]:
    """Return two rows of all that a step takes: inputs, states, constants."""
    projected = tf.ones((ROWS, projection.width), projection.kind)
    others, states, constants = (
        [tf.ones((ROWS, *x.shape[first:]), x.dtype) for x in part]
        for first, part in ((2, inputs[1:]), (1, states), (1, constants))
    )
    return [projected, *others], states, constants


def kernels_of(step: Callable, rows: tuple[list, ...]) -> list:
    """Collect the kernels of a step by taking one.

    The rest of the step is pruned from the graph.
    """
    kernels = []

    def matmul(m, kernel):
        kernels.append(tf.convert_to_tensor(kernel))
        return tf.ones((ROWS, kernel.shape[-1]), m.dtype)

    step(*rows, matmul)
    return kernels


def _are_only_added(left, right):
    """Return whether the only use of either tensor is their sum."""
    uses = left.consumers()
    is_sum = [use.type for use in uses] == ["AddV2"]
    return is_sum and right.consumers() == uses and left.shape == right.shape


def _index(tensor, tensors):
    """Return the index of a tensor in a list, or `None`."""
    indices = [k for k, other in enumerate(tensors) if other is tensor]
    return indices[0] if indices else None


def _columns(tensor, whole):
    """Return which columns of another tensor one is, or `None`."""
    if tensor is whole:
        return slice(None)
    if whole.op.type != "ConcatV2":
        return None
    *parts, axis = whole.op.inputs
    index = _index(tensor, parts)
    if index is None or tf.get_static_value(axis) not in (-1, 1):
        return None
    start = sum(part.shape[-1] for part in parts[:index])
    return slice(start, start + tensor.shape[-1])


def _indices_of_none(items: list[Any]) -> list[int]:
    return [k for k, item in enumerate(items) if item is None]
