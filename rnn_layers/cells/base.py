"""What every cell has in common: sizes, weights, and the two halves of a step.

A cell is one time step of a recurrent network, written in two halves:

    projected = cell.project(inputs)                all that sees inputs alone
    states = cell.step(projected, states, matmul)   the recurrence

`project` takes one step `(B, F)` or a whole sequence `(..., F)`, so that the
layer which runs the cell projects a sequence at once. `step` gives the list
of new states, and the first state is the output. Every product with a
recurrent kernel goes through the argument `matmul` of `step`, so that the
layer can mask what enters it, and the compiled loop can keep what leaves it. A
vector, such as a peephole, is the kernel of a diagonal matrix there.

Letters of shapes: B batch, F features, U units.
"""

import operator
from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any  # of whichever backend Keras runs on

HALF = ("float16", "bfloat16")
# What a cell has no use for whose content is no activation of anything and
# whose states enter no product.
NO_PRODUCTS = (
    "activation",
    "recurrent_initializer",
    "recurrent_regularizer",
    "recurrent_constraint",
)


def positive_int(name: str, value: Any) -> int:
    """Return `value` as a Python int, or refuses it in one line."""
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1 or isinstance(value, bool):
        raise ValueError(f"`{name}` must be a positive integer, not {value!r}.")
    return number


def option(name: str, value: Any, choices: tuple) -> Any:
    """Return `value` if it is one of `choices`, or refuses it in one line."""
    if value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {known}, not {value!r}.")
    return value


def as_tensors(structure: Any, dtype: str | None) -> Any:
    """Make tensors of a type of all NumPy arrays; leaves the rest."""

    def convert(x):
        is_array = isinstance(x, np.ndarray)
        return ops.convert_to_tensor(x, dtype) if is_array else x

    if isinstance(structure, (list, tuple)):
        return [convert(x) for x in structure]
    return convert(structure)


def carried_mask(tensor: Tensor) -> Tensor | None:
    """Return the mask that a layer has put on its result, or `None`."""
    # Private, and there is no public way to ask.
    return getattr(tensor, "_keras_mask", None)


class Cell(keras.layers.Layer):
    """Base of all cells: one kernel, one recurrent kernel and one bias.

    Under a half-precision policy the products are computed in half precision
    and everything else, the states above all, in float32: see `state_dtype`.

    A cell has no dropout of its own: the layer that runs it draws one mask
    per sequence (see `rnn_layers.Recurrent`).

    Args:
        units: Positive integer, the size U of the state.
        activation: Name or function, the activation of the new content.
        use_bias: Whether the cell has a bias.
        kernel_initializer: Initializer of the input kernel.
        recurrent_initializer: Initializer of the recurrent kernel.
        bias_initializer: Initializer of the bias.
        kernel_regularizer: Regularizer of the input kernel, or `None`.
        recurrent_regularizer: Regularizer of the recurrent kernel, or `None`.
        bias_regularizer: Regularizer of the bias, or `None`.
        kernel_constraint: Constraint on the input kernel, or `None`.
        recurrent_constraint: Constraint on the recurrent kernel, or `None`.
        bias_constraint: Constraint on the bias, or `None`.
        **kwargs: `name`, `dtype`, `trainable` of `keras.layers.Layer`.
    """

    gates = 1  # blocks of U columns in the kernels
    state_count = 1  # states of U units
    has_products = True  # whether `step` multiplies by a matrix
    unused = ()  # options of this class that have no place in the equations

    def __init__(
        self,
        units,
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.autocast = False  # `product` and `state_dtype` say what is cast
        self.units = positive_int("units", units)
        self.state_size = [self.units] * self.state_count
        self.output_size = self.units
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.recurrent_initializer = keras.initializers.get(
            recurrent_initializer
        )
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = keras.regularizers.get(
            recurrent_regularizer
        )
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.recurrent_constraint = keras.constraints.get(recurrent_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)

    @property
    def state_dtype(self) -> str:
        """Type of the states and of all arithmetic but the products."""
        half = self.compute_dtype in HALF
        return "float32" if half else self.compute_dtype

    def build(self, input_shape: tuple) -> None:
        """Make `kernel`, `recurrent_kernel` and `bias`."""
        width = self.gates * self.units
        self.kernel = self.add_kernel("kernel", (input_shape[-1], width))
        self.recurrent_kernel = self.add_recurrent(
            "recurrent_kernel", (self.units, width)
        )
        self.bias = self.add_bias("bias", (width,)) if self.use_bias else None

    @classmethod
    def output_width(cls, units: int, **_: Any) -> int:
        """Return the width of the output of a cell with these options."""
        return units

    def add_kernel(self, name: str, shape: tuple) -> keras.Variable:
        """Add a weight that multiplies the input."""
        return self._add(
            name, shape, self._drawn(self.kernel_initializer), role="kernel"
        )

    def add_recurrent(self, name: str, shape: tuple) -> keras.Variable:
        """Add a weight that multiplies a state."""
        return self._add(
            name,
            shape,
            self._drawn(self.recurrent_initializer),
            role="recurrent",
        )

    def add_diagonal(
        self, name: str, shape: tuple, role: str = "kernel"
    ) -> keras.Variable:
        """Add diagonals of matrices, such as peepholes, `(..., U)`.

        A constraint takes each entry for a column, as that of a diagonal
        matrix is: it never joins the gates or the units.
        """
        initializer = self._drawn(getattr(self, f"{role}_initializer"))
        constraint = getattr(self, f"{role}_constraint")

        def constrained(weight):
            columns = ops.reshape(weight, (1, -1))
            return ops.reshape(constraint(columns), weight.shape)

        weight = self._add(name, shape, initializer, role=role)
        weight.constraint = constrained if constraint else None
        return weight

    def add_bias(self, name: str, shape: tuple) -> keras.Variable:
        """Add a weight that is added to a sum."""
        kind = self.state_dtype
        return self._add(name, shape, self.initial_bias, kind, role="bias")

    def add_scale(self, name: str, shape: tuple) -> keras.Variable:
        """Add a weight that scales what was normalized; it starts at one."""
        return self._add(name, shape, "ones", self.state_dtype)

    def add_shift(self, name: str, shape: tuple) -> keras.Variable:
        """Add a weight that shifts what was normalized; it starts at zero."""
        return self._add(name, shape, "zeros", self.state_dtype)

    def _add(self, name, shape, initializer, dtype=None, role=None):
        """Add a weight, regularized and constrained as its role is."""
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            regularizer=getattr(self, f"{role}_regularizer", None),
            constraint=getattr(self, f"{role}_constraint", None),
            dtype=dtype,
            autocast=False,
        )

    def _drawn(self, initializer):
        """Return an initializer that draws anew for every weight.

        It draws in the type of the states: some, such as the orthogonal one,
        cannot draw in half precision.
        """
        initializer = clone_initializer(initializer)
        if self.variable_dtype not in HALF:
            return initializer

        def draw(shape, dtype=None):
            return ops.cast(initializer(shape, dtype=self.state_dtype), dtype)

        return draw

    def initial_bias(self, shape: tuple, dtype: str | None = None) -> Tensor:
        """Return the first value of a bias; cells may start a gate open."""
        return clone_initializer(self.bias_initializer)(shape, dtype=dtype)

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """Multiply `(B, U)` by a matrix, or by a vector for a diagonal one.

        Products with matrices have the compute type, the result that of the
        states.
        """
        if len(right.shape) == 1:
            return left * ops.cast(right, self.state_dtype)
        kind = self.compute_dtype
        result = ops.matmul(ops.cast(left, kind), ops.cast(right, kind))
        return ops.cast(result, self.state_dtype)

    def project(self, inputs: Tensor) -> Tensor:
        """Return `inputs @ kernel + bias`, `(..., F)` to `(..., gates * U)`.

        The result has the compute type: a sequence of it is large.
        """
        kind = self.compute_dtype
        inputs = ops.cast(inputs, kind)
        projected = ops.matmul(inputs, ops.cast(self.kernel, kind))
        if self.use_bias:
            projected = ops.add(projected, ops.cast(self.input_bias(), kind))
        return projected

    def input_bias(self) -> Tensor:
        """Return the part of the bias that belongs to the projection."""
        return self.bias

    def step(self, projected, states, matmul):
        """Take one time step and returns the list of new states.

        Args:
            projected: What `project` gave for this time step.
            states: List of states, each `(B, U)`; the first is the output.
            matmul: Function of a state-like tensor and a recurrent kernel, a
                matrix, or a vector that stands for a diagonal one; by itself
                `product`.
        """
        raise NotImplementedError

    def __call__(self, inputs, states, **kwargs):
        """Call the cell; Keras would make float32 of arrays of float64."""
        kind = self.state_dtype
        inputs, states = as_tensors(inputs, kind), as_tensors(states, kind)
        return super().__call__(inputs, states, **kwargs)

    def call(self, inputs, states, training=False):
        """Take one time step from raw inputs `(B, F)`.

        Returns:
            The output `(B, U)`, and the list of new states in the types in
            which the states came.
        """
        kind = self.state_dtype
        projected = ops.cast(self.project(inputs), kind)
        old = [ops.cast(state, kind) for state in states]
        new = self.step(projected, old, matmul=self.product)
        output = ops.cast(new[0], self.compute_dtype)
        return output, [
            ops.cast(state, keras.backend.standardize_dtype(came.dtype))
            for state, came in zip(new, states, strict=True)
        ]

    def zoneout_select(self, stays: list, old: list, new: list) -> list:
        """Return old states where `stays`, booleans like them, else new."""
        return [
            ops.where(stay, before, after)
            for stay, before, after in zip(stays, old, new, strict=True)
        ]

    def zoneout_mean(self, rate: float, old: list, new: list) -> list:
        """Return states that are old by a rate, and new by the rest."""
        return [
            rate * before + (1 - rate) * after
            for before, after in zip(old, new, strict=True)
        ]

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Return the states before the first step: zeros."""
        return [
            ops.zeros((batch_size, size), dtype=self.state_dtype)
            for size in self.state_size
        ]

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        config = {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
        }
        for kind, module in (
            ("initializer", keras.initializers),
            ("regularizer", keras.regularizers),
            ("constraint", keras.constraints),
        ):
            for role in ("kernel", "recurrent", "bias"):
                name = f"{role}_{kind}"
                config[name] = module.serialize(getattr(self, name))
        return config


class GatedCell(Cell):
    """Base of the cells with gates.

    Args:
        units: Positive integer, the size U of the state.
        recurrent_activation: Name or function, the activation of the gates.
        **kwargs: The arguments of `Cell`.
    """

    def __init__(self, units, recurrent_activation="sigmoid", **kwargs):
        super().__init__(units, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "recurrent_activation": keras.activations.serialize(
                self.recurrent_activation
            ),
        }


class ForgetCell(GatedCell):
    """Base of the gated cells with a gate that keeps the old state.

    Args:
        units: Positive integer, the size U of the state.
        unit_forget_bias: Whether that gate's bias starts at one.
        **kwargs: The arguments of `GatedCell`.
    """

    forget_gate = 0  # its place in the order of the gates

    def __init__(self, units, unit_forget_bias=True, **kwargs):
        super().__init__(units, **kwargs)
        self.unit_forget_bias = unit_forget_bias

    def initial_bias(self, shape: tuple, dtype: str | None = None) -> Tensor:
        """Return the first bias: the forget gate starts open if asked."""
        bias = super().initial_bias(shape, dtype)
        if not self.unit_forget_bias:
            return bias
        blocks = ops.split(bias, self.gates)
        blocks[self.forget_gate] = ops.ones_like(blocks[self.forget_gate])
        return ops.concatenate(blocks)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "unit_forget_bias": self.unit_forget_bias,
        }


def clone_initializer(initializer: Any) -> Any:
    """Copy an initializer: one object draws the same values every time."""
    clone = getattr(initializer, "clone", None)
    return clone() if clone else initializer
