"""One step of a recurrent layer: that of its cell, and what is around it.

Letters of shapes: B batch, U units.
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple

import keras
from keras import ops

from rnn_layers.cells.base import Cell
from rnn_layers.cells.catalogue import keywords

# Endings of options that no step computes by; each cell has objects of its own.
_OF_WEIGHTS = ("_initializer", "_regularizer", "_constraint")


class Form(NamedTuple):
    """What comes to a step beside the projected input.

    Attributes:
        masked: Whether there is a mask, a tensor `(B, 1)`.
        zoneout: Whether zoneout is drawn, for each state a tensor `(B, U)`,
            true where it keeps its old value.
    """

    masked: bool = False
    zoneout: bool = False


class TimeStep:
    """A step of a cell, with recurrent dropout, zoneout and mask.

    Args:
        cell: The built `Cell`.
        zoneout: The rate of zoneout; where none is drawn, states are the mean.
        form: The `Form` of its inputs.
    """

    def __init__(self, cell: Cell, zoneout: float, form: Form):
        self.cell = cell
        self.zoneout = zoneout
        self.form = form

    @property
    def traits(self) -> tuple:
        """What the step computes by, tensors aside, and what may be changed."""
        cell = self.cell
        options = [
            key
            for base in type(cell).__mro__
            for key in keywords(base)
            if not key.endswith(_OF_WEIGHTS)
        ]
        values = (getattr(cell, key, None) for key in options)
        return (self.zoneout, *map(_hashable, values))

    def __call__(self, inputs, states, constants, matmul):
        """Take the step.

        Args:
            inputs: The projected input, and what its `Form` says.
            states: The states before the step.
            constants: Dropout masks like the states, if any.
            matmul: How recurrent products are computed.

        Returns:
            The list of states after the step.
        """
        cell, kind = self.cell, self.cell.state_dtype
        projected, *rest = inputs
        if constants:
            matmul = _dropping(matmul, constants)
        new = cell.step(ops.cast(projected, kind), states, matmul=matmul)
        # On JAX the tanh of Keras makes float32 of float64.
        new = [ops.cast(state, kind) for state in new]
        if self.form.zoneout:
            stays = rest[1:] if self.form.masked else rest
            new = cell.zoneout_select(stays, states, new)
        elif self.zoneout:
            new = cell.zoneout_mean(self.zoneout, states, new)
        if self.form.masked:
            new = [
                ops.where(rest[0], state, old)
                for state, old in zip(new, states, strict=True)
            ]
        return new

    def with_values(
        self,
        values: list,
        inputs: list,
        states: list,
        constants: list,
        matmul: Callable,
    ) -> list:
        """Take a step in which the variables of the cell have these values."""
        mapping = list(zip(self.cell.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return self(inputs, states, constants, matmul)


def _hashable(value):
    return value if isinstance(value, Hashable) else id(value)


def _dropping(matmul, masks):
    """Return `matmul` with one dropout mask per size of state before it.

    A product with a diagonal matrix, such as a peephole, has none.
    """
    masks = {mask.shape[-1]: mask for mask in masks}

    def dropping(m, kernel):
        is_matrix = len(kernel.shape) == 2
        return matmul(m * masks[m.shape[-1]] if is_matrix else m, kernel)

    return dropping
