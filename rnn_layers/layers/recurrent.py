"""The layer that runs a cell over a sequence, also by the name of its cell.

    layer = rnn_layers.rnn("peephole_lstm", 128, return_sequences=True)

Letters of shapes: B batch, T time, F features, U units.
"""

import contextlib
import contextvars
import functools
import numbers
from collections.abc import Iterable, Iterator
from typing import Any

import keras
from keras import ops

from rnn_layers.cells.base import Cell, Tensor, as_tensors, carried_mask
from rnn_layers.cells.catalogue import cell_class, cell_options, keywords
from rnn_layers.layers import data_parallel
from rnn_layers.layers.time_step import Form, TimeStep

if keras.backend.backend() == "tensorflow":
    from rnn_layers.engine import chunked_run, cudnn, xla

SHARED_OPTIONS = ("dtype", "trainable")
# What is traced now: "" if it runs here, or "plain" or "unrolled" loops.
_LOOPS = contextvars.ContextVar("loops", default="")


@contextlib.contextmanager
def plain_loops(unroll: bool = False) -> Iterator[None]:
    """Trace plain loops of TensorFlow, for a model that others will load.

    They run at every batch size, where XLA compiles for each anew, without a
    GPU, and hold no custom gradient, of which a SavedModel warns whoever loads
    it.

    Args:
        unroll: Whether to trace no loop at all, but step behind step, for what
            cannot run loops. The length must then be fixed.
    """
    token = _LOOPS.set("unrolled" if unroll else "plain")
    try:
        yield
    finally:
        _LOOPS.reset(token)


def rnn(name: str, /, units: int, **kwargs: Any) -> "Recurrent":
    """Return a recurrent layer by the name of its cell.

    Args:
        name: One of `names()`.
        units: Positive integer, the size of the state.
        **kwargs: Options of the layer, for example `return_sequences=True`,
            and of the cell.

    Returns:
        A `rnn_layers.Recurrent`.
    """
    check_options(name, kwargs, name)

    def pick(keys):
        return {key: kwargs[key] for key in kwargs if key in keys}

    cell = cell_class(name)(
        units, **pick([*cell_options(name), *SHARED_OPTIONS])
    )
    return Recurrent(cell, **pick(_layer_options()))


def known_options(name: str, refused: tuple = ()) -> list[str]:
    """Return the options of a layer by the name of its cell, but those."""
    options = [*cell_options(name), *_layer_options()]
    return [key for key in options if key not in refused]


def check_options(
    owner: str, options: dict, name: str, refused: tuple = ()
) -> None:
    """Refuse in one line an option that is not among `known_options`."""
    known = known_options(name, refused)
    for key in options:
        if key not in known:
            raise ValueError(
                f"{owner} has no option {key!r}; it has "
                f"{', '.join(sorted(known))}."
            )


def _layer_options():
    own = [key for key in keywords(Recurrent) if key != "cell"]
    return ["name", "activity_regularizer", *SHARED_OPTIONS, *own]


def seeded(options: dict, index: int) -> dict:
    """Return the options of one of several layers: each has its own seed."""
    if options.get("seed") is None:
        return options
    return {**options, "seed": options["seed"] + index}


def _of_cell(name):
    """Return a property of a layer that its cell has."""
    return property(lambda layer: getattr(layer.cell, name))


@keras.saving.register_keras_serializable(package="rnn_layers")
class Recurrent(keras.layers.RNN):
    """Runs a cell of this package over a sequence.

    A `keras.layers.RNN` with every keyword of it. The whole sequence is
    projected at once, and only the recurrence runs step by step. The states of
    a stateful layer are among its `variables`, but not among its `weights`, and
    are not saved.

    Args:
        cell: A `rnn_layers.cells.base.Cell`.
        return_sequences: Whether to return all outputs or only the last one.
        return_state: Whether to return the last states too.
        return_all_states: Whether to return the states of all steps,
            `(B, T, U)` each, in place of the last ones, `(B, U)`. TensorFlow
            then runs a plain loop.
        go_backwards: Whether to run from the last step to the first; the
            outputs then come in the order in which they were computed.
        stateful: Whether a batch starts from the last states of the one
            before. The batch size must then be fixed.
        unroll: Whether to unroll the loop. The length must then be fixed.
        zero_output_for_mask: Whether the output at a masked step is zero, and
            not the output of the last step that was not masked.
        dropout: Rate in [0, 1) at which inputs are dropped in training, by one
            mask per sequence.
        recurrent_dropout: Rate in [0, 1) at which what enters a product with
            a recurrent matrix is dropped in training, by one mask per sequence.
        zoneout: Rate in [0, 1) at which a unit of a state keeps its old value
            at a step in training, drawn anew at every step (Krueger et al.,
            2017, https://arxiv.org/abs/1606.01305); else the mean of that.
        seed: Integer, seed of dropout and zoneout, or `None`.
        compiled: Whether XLA compiles the loop, on TensorFlow in a graph.
        use_cudnn: Whether cuDNN runs the sequence where it can: an LSTM or a
            GRU with its default activations and bias, without zoneout,
            recurrent dropout and mixed precision, on TensorFlow with a GPU,
            outside of XLA and `plain_loops`; if masked, where the mask of a
            batch leaves each row one block of steps, as padding does. Keras
            then compiles a model with XLA only when told to.
        **kwargs: `name`, `dtype`, `trainable`, `activity_regularizer` of
            `keras.layers.Layer`.

    Attributes:
        units, activation, recurrent_activation, use_bias, unit_forget_bias and
            the initializers, regularizers and constraints: Those of the cell,
            if it has them.

    Call arguments:
        sequences: `(B, T, F)`.
        initial_state: List of the states before the first step, or `None` for
            those that the cell begins with, mostly zeros; a single tensor will
            do for a cell with one state.
        mask: Boolean `(B, T)`, false where the step is to be skipped, of any
            form; by default the mask that `sequences` carries, if any.
        training: Whether to drop.

    Returns:
        The outputs `(B, T, U)`, or the last output `(B, U)`; with
        `return_state=True` or `return_all_states=True` a tuple of that and the
        states.

    Masking:
        A masked step copies the states. Its output is the output before it,
        zero if there is none, and always zero with `zero_output_for_mask`. The
        last output is that of the last step that was not masked, zero if all
        were. The mask is passed on with `return_sequences=True`.

    Example:
        >>> cell = rnn_layers.cells.lstm.LSTMCell(4)
        >>> layer = rnn_layers.Recurrent(cell, return_state=True)
        >>> [t.shape for t in layer(np.ones((2, 5, 3), "float32"))]
        [TensorShape([2, 4]), TensorShape([2, 4]), TensorShape([2, 4])]
    """

    def __init__(
        self,
        cell,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        dropout=0.0,
        recurrent_dropout=0.0,
        zoneout=0.0,
        seed=None,
        compiled=True,
        use_cudnn=True,
        return_all_states=False,
        **kwargs,
    ):
        if not isinstance(cell, Cell):
            raise ValueError(
                "`cell` must be a cell of rnn_layers (for other cells take "
                f"keras.layers.RNN), not {cell!r}."
            )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            **_same_dtype(cell, kwargs),
        )
        self.supports_masking = True  # Keras 3.16 turns it off
        self.autocast = False  # the cell casts; float32 states stay so
        self.dropout = rate("dropout", dropout)
        self.recurrent_dropout = rate("recurrent_dropout", recurrent_dropout)
        self.zoneout = rate("zoneout", zoneout)
        # Keras takes no numbers of NumPy.
        self.seed = int(seed) if isinstance(seed, numbers.Integral) else seed
        self.compiled = compiled
        if self.recurrent_dropout and not cell.has_products:
            raise ValueError(
                f"{type(cell).__name__} has no recurrent product, and so no "
                "`recurrent_dropout`."
            )
        if keras.backend.backend() == "tensorflow":
            self.loop_cache = chunked_run.LoopCache(compiled)
        self.return_all_states = return_all_states
        self.loops_at_once = 1  # its own, and those that run beside it
        self.use_cudnn = use_cudnn
        if self._fits_cudnn():
            self.supports_jit = False
        if self.dropout or self.recurrent_dropout or self.zoneout:
            self.seed_generator = keras.random.SeedGenerator(self.seed)

    def _fits_cudnn(self):
        """Return whether cuDNN is there and can run this layer unmasked."""
        return (
            keras.backend.backend() == "tensorflow"
            and self.use_cudnn
            and not (self.unroll or self.recurrent_dropout or self.zoneout)
            and not self.return_all_states
            and cudnn.fits(self.cell)
            and cudnn.available()
        )

    units = _of_cell("units")
    activation = _of_cell("activation")
    recurrent_activation = _of_cell("recurrent_activation")
    use_bias = _of_cell("use_bias")
    unit_forget_bias = _of_cell("unit_forget_bias")
    kernel_initializer = _of_cell("kernel_initializer")
    recurrent_initializer = _of_cell("recurrent_initializer")
    bias_initializer = _of_cell("bias_initializer")
    kernel_regularizer = _of_cell("kernel_regularizer")
    recurrent_regularizer = _of_cell("recurrent_regularizer")
    bias_regularizer = _of_cell("bias_regularizer")
    kernel_constraint = _of_cell("kernel_constraint")
    recurrent_constraint = _of_cell("recurrent_constraint")
    bias_constraint = _of_cell("bias_constraint")

    def build(
        self, sequences_shape: tuple, initial_state_shape: tuple | None = None
    ) -> None:
        """Build the cell and, if stateful, makes the carried states."""
        _check_shape(sequences_shape)
        batch_size, _, features = sequences_shape
        self.input_spec = keras.layers.InputSpec(
            ndim=3, axes={} if features is None else {-1: features}
        )
        if not self.cell.built:
            self.cell.build((batch_size, features))
            self.cell.built = True
        if self.stateful:
            self._make_states(batch_size)

    def _make_states(self, batch_size):
        if batch_size is None:
            raise ValueError(
                "A stateful layer needs a fixed batch size: give "
                "`batch_shape=(batch, time, features)` to `keras.Input`."
            )
        self._expected_batch_size = batch_size
        self.states = carried_states(self, "state", self.cell, batch_size)

    @property
    def weights(self) -> list[keras.Variable]:
        """The cell's weights: what a stateful layer carries is not learned.

        So weights go from a layer that was trained on batches to one that
        runs a single stream.
        """
        return self.cell.weights

    def save_own_variables(self, store: dict) -> None:
        """Save nothing: the cell saves its weights, and states are left."""

    def load_own_variables(self, store: dict) -> None:
        """Load nothing."""

    def reset_state(self, states: list | None = None) -> None:
        """Set the carried states, by default to what the cell begins with.

        Args:
            states: List of tensors `(B, U)`, or `None`.
        """
        if self.states is None:
            if states is not None:
                raise ValueError(
                    "Only a stateful layer that has been built has states."
                )
            return
        if states is None:
            states = self.cell.get_initial_state(self._expected_batch_size)
        self._check_states("states", states)
        for variable, state in zip(self.states, states, strict=True):
            variable.assign(state)

    def _check_states(self, name, states):
        if len(states) != len(self.cell.state_size):
            raise ValueError(
                f"`{name}` needs {len(self.cell.state_size)} tensors, not "
                f"{len(states)}."
            )

    def __call__(self, sequences, initial_state=None, mask=None, **kwargs):
        """Call the layer with the mask that `sequences` carries, if any."""
        if type(sequences).__name__ == "RaggedTensor":
            raise ValueError(
                "Ragged sequences are not supported: pad them (`to_tensor()`) "
                "and pass `mask`."
            )
        if mask is None:  # Keras drops it beside an initial state
            mask = carried_mask(sequences)
        kind = self.cell.state_dtype
        sequences = as_tensors(sequences, kind)
        initial_state = as_tensors(initial_state, kind)
        return super().__call__(
            sequences, initial_state=initial_state, mask=mask, **kwargs
        )

    def call(self, sequences, initial_state=None, mask=None, training=False):
        """Run the cell over the sequences."""
        self._check_length(sequences)
        mask = checked_mask(sequences, mask)
        if not keras.backend.is_float_dtype(sequences.dtype):
            sequences = ops.cast(sequences, self.cell.state_dtype)
        states = self._first_states(sequences, initial_state)
        sequences = ops.transpose(sequences, (1, 0, 2))  # (T, B, F)
        if mask is not None:
            mask = ops.transpose(mask)  # (T, B)
        if self.go_backwards:
            sequences = ops.flip(sequences, axis=0)
            mask = None if mask is None else ops.flip(mask, axis=0)
        history, states = self._loop(sequences, states, mask, training)
        if self.stateful:
            for variable, state in zip(self.states, states, strict=True):
                variable.assign(state)
        result = self._result(history[0], states, mask)
        if self.return_all_states:
            states = [ops.transpose(state, (1, 0, 2)) for state in history]
        return (result, *states) if self._returns_states else result

    @property
    def _unrolls(self):
        return self.unroll or _LOOPS.get() == "unrolled"

    @property
    def _returns_states(self):
        return self.return_state or self.return_all_states

    def _first_states(self, sequences, initial_state):
        batch_size = ops.shape(sequences)[0]
        if self.stateful:
            _check_batch(sequences, self._expected_batch_size)
        if initial_state is None:
            if not self.stateful:
                return self.cell.get_initial_state(batch_size)
            # Copies, since torch would change the variables in place.
            return [ops.copy(state.value) for state in self.states]
        if not isinstance(initial_state, (list, tuple)):
            initial_state = [initial_state]
        self._check_states("initial_state", initial_state)
        return [ops.cast(s, self.cell.state_dtype) for s in initial_state]

    def _check_length(self, sequences):
        if self._unrolls and sequences.shape[1] is None:
            raise ValueError(
                "`unroll=True` needs a fixed number of time steps: give "
                "`shape=(time, features)` to `keras.Input`."
            )

    def _loop(self, sequences, states, mask, training):
        """Return the states `(T, B, U)` of all steps and the last states.

        Of all steps the fast loops return the first state, the output.
        """
        if training and self.dropout:
            sequences = sequences * self._dropout_mask(
                sequences[0], self.dropout
            )
        if _LOOPS.get() or not self._fits_cudnn() or xla.under_xla():
            return self._own_loop(sequences, states, mask, training)
        if mask is None:
            outputs, states = cudnn.run(self.cell, sequences, states)
            return [outputs], states

        def on_cudnn():
            outputs, last = cudnn.run_masked(self.cell, sequences, states, mask)
            return [outputs], last

        return ops.cond(
            cudnn.has_one_block(mask),
            on_cudnn,
            lambda: self._own_loop(sequences, states, mask, training),
        )

    def _own_loop(self, sequences, states, mask, training):
        form = Form(mask is not None, bool(training and self.zoneout))
        inputs = [sequences]
        if form.masked:
            inputs.append(ops.expand_dims(mask, -1))  # (T, B, 1)
        if form.zoneout:
            inputs += self._zoneout_masks(sequences, states)  # (T, B, U)
        constants = []
        if training and self.recurrent_dropout:
            constants = [
                self._dropout_mask(state, self.recurrent_dropout)
                for state in states
            ]
        step = TimeStep(self.cell, self.zoneout, form)
        on_tensorflow = keras.backend.backend() == "tensorflow"
        in_graph = on_tensorflow and xla.in_graph()
        if in_graph and not (self._unrolls or self.return_all_states):
            outputs, states = self.loop_cache.run(
                step,
                inputs,
                states,
                constants,
                training,
                self.loops_at_once,
                plain=bool(_LOOPS.get()),
            )
            return [outputs], states
        inputs[0] = self.cell.project(sequences)  # (T, B, gates * U)
        eager = on_tensorflow and not in_graph
        run = _unrolled if self._unrolls or eager else _scanned
        return run(step, inputs, states, constants)

    def _dropout_mask(self, like, drop):
        """Draw a mask of zeros and 1 / (1 - rate)."""
        ones = ops.ones_like(like)
        return keras.random.dropout(ones, drop, seed=self.seed_generator)

    def _zoneout_masks(self, sequences, states):
        """Draw for every step and unit whether zoneout keeps the old state."""
        length = ops.shape(sequences)[0]
        return [
            keras.random.uniform(
                (length, ops.shape(sequences)[1], state.shape[-1]),
                seed=self.seed_generator,
            )
            < self.zoneout
            for state in states
        ]

    def step(self, inputs, states):
        """Take one time step outside of training, for decoding by hand.

        Args:
            inputs: `(B, F)`.
            states: List of states, as `get_initial_state` or a call returns.

        Returns:
            The output `(B, U)` and the list of new states.
        """
        cell = self.cell
        states = [ops.cast(state, cell.state_dtype) for state in states]
        step = TimeStep(cell, self.zoneout, Form())
        states = step([cell.project(inputs)], states, [], cell.product)
        return ops.cast(states[0], self.compute_dtype), states

    def _result(self, outputs, states, mask):
        """Return all outputs `(B, T, U)` or the last one `(B, U)`."""
        kind = self.compute_dtype
        if not self.return_sequences:
            last = states[0]
            if mask is not None:
                has_steps = ops.any(mask, axis=0)  # (B,)
                last = ops.where(ops.expand_dims(has_steps, -1), last, 0)
            return ops.cast(last, kind)
        if mask is not None:
            visible = mask
            if not self.zero_output_for_mask:
                visible = ops.cumsum(ops.cast(mask, "int32"), axis=0) > 0
            outputs = ops.where(ops.expand_dims(visible, -1), outputs, 0)
        return ops.cast(ops.transpose(outputs, (1, 0, 2)), kind)

    def compute_output_spec(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        """Return shapes and types without running the loop."""
        self._check_length(sequences)
        check_shape_of_mask(sequences, mask)
        shape = self.compute_output_shape(sequences.shape)
        if not self._returns_states:
            return keras.KerasTensor(shape, self.compute_dtype)
        output, *states = shape
        return (
            keras.KerasTensor(output, self.compute_dtype),
            *(keras.KerasTensor(s, self.cell.state_dtype) for s in states),
        )

    def compute_output_shape(
        self, sequences_shape: tuple, initial_state_shape: Any = None
    ) -> Any:
        """Return the shape of the outputs, and those of the states."""
        if not self.return_all_states:
            return super().compute_output_shape(sequences_shape)
        batch_size, length, _ = sequences_shape
        output, *last = self.cell.output_size, *self.cell.state_size
        steps = (length,) if self.return_sequences else ()
        return (
            (batch_size, *steps, output),
            *((batch_size, length, size) for size in last),
        )

    def compute_mask(self, sequences: Any, mask: Any) -> Any:
        """Pass the mask on, in the order of the outputs."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        if not self.return_sequences:
            mask = None
        elif mask is not None and self.go_backwards:
            mask = ops.flip(mask, axis=1)
        if self._returns_states:
            return [mask] + [None] * len(self.cell.state_size)
        return mask

    @classmethod
    def from_config(cls, config: dict, custom_objects: Any = None) -> Any:
        """Return the layer of a configuration, which stays as it is."""
        return super().from_config(dict(config), custom_objects)

    def get_config(self) -> dict:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "zoneout": self.zoneout,
            "seed": self.seed,
            "compiled": self.compiled,
            "use_cudnn": self.use_cudnn,
            "return_all_states": self.return_all_states,
        }


def carried_states(
    layer: keras.layers.Layer, name: str, cell: Cell, batch_size: int
) -> list[keras.Variable]:
    """Return new variables `(B, U)` of a layer for the states of a cell."""

    def first(index, shape, dtype=None):
        return cell.get_initial_state(shape[0])[index]

    return [
        layer.add_weight(
            name=f"{name}_{index}",
            shape=(batch_size, size),
            initializer=functools.partial(first, index),
            dtype=cell.state_dtype,
            trainable=False,
            autocast=False,
        )
        for index, size in enumerate(cell.state_size)
    ]


def share_loops(layers: Iterable) -> None:
    """Let layers with like cells share their compiled loops."""
    if keras.backend.backend() != "tensorflow":
        return
    known = []
    for layer in layers:
        if not isinstance(layer, Recurrent):
            continue
        cell = {**layer.cell.get_config(), "name": None}
        traits = type(layer.cell), cell, layer.zoneout, layer.compiled
        for other_traits, cache in known:
            if other_traits == traits:
                layer.loop_cache = cache
        known.append((traits, layer.loop_cache))


def rate(name: str, value: Any) -> float:
    """Return `value` as a float in [0, 1), or refuses it in one line."""
    if not isinstance(value, numbers.Real) or not 0 <= value < 1:
        raise ValueError(
            f"`{name}` must be a number of at least 0 and less than 1, not "
            f"{value!r}."
        )
    return float(value)


def _same_dtype(cell, kwargs):
    """Give the layer its cell's dtype policy, or refuses another one."""
    dtype = kwargs.get("dtype")
    if dtype is not None:
        policy = keras.dtype_policies.get(dtype)
        if policy.name != cell.dtype_policy.name:
            raise ValueError(
                f"The layer's dtype {policy.name} differs from its cell's, "
                f"{cell.dtype_policy.name}: give the cell the same `dtype`."
            )
    return {**kwargs, "dtype": cell.dtype_policy}


def _check_shape(shape):
    if len(shape) != 3 or shape[-1] is None:
        raise ValueError(
            "`sequences` must have the shape (batch, time, features) with a "
            f"fixed number of features, not {tuple(shape)}."
        )


def checked_mask(
    sequences: Tensor, mask: Any, inside: bool = False
) -> Tensor | None:
    """Return a mask as booleans, or refuse one of another length.

    Args:
        sequences: `(B, T, ...)`.
        mask: `(B, T)`, or `None`. In a graph that does not know T it is
            refused when it comes.
        inside: Whether it may have more axes, of what is inside a step.
    """
    if mask is None:
        return None
    mask = ops.cast(mask, "bool")
    message = check_shape_of_mask(sequences, mask, inside)
    lengths = sequences.shape[1], mask.shape[1]
    if None in lengths and keras.backend.backend() == "tensorflow":
        return chunked_run.require_length(mask, sequences, message)
    return mask


def check_shape_of_mask(
    sequences: Tensor, mask: Tensor | None, inside: bool = False
) -> str | None:
    """Refuse what is known to be wrong; return the words for it."""
    if mask is None:
        return None
    shape = tuple(mask.shape)
    message = (
        f"`mask` must have the shape (batch, time{', ...' * inside}) of the "
        f"sequences, {tuple(sequences.shape[:2])}, not {shape}."
    )
    pairs = zip(shape[:2], sequences.shape[:2], strict=False)
    if (
        len(shape) < 2
        or (len(shape) > 2 and not inside)
        or any(None not in pair and pair[0] != pair[1] for pair in pairs)
    ):
        raise ValueError(message)
    return message


def _check_batch(sequences, expected):
    """Refuse a batch of another size, in a graph when it comes."""
    known = sequences.shape[0]
    message = (
        f"This stateful layer was built for batches of {expected}: drop the "
        "remainder of the data."
    )
    if known is None and keras.backend.backend() == "tensorflow":
        chunked_run.require_batch(sequences, expected, message)
    elif known not in (None, expected):
        raise ValueError(message)


def _unrolled(step, inputs, states, constants):
    """Run the loop in Python."""
    history = []
    for t in range(inputs[0].shape[0]):
        now = [x[t] for x in inputs]
        states = step(now, states, constants, step.cell.product)
        history.append(states)
    if not history:
        return [ops.zeros((0, *s.shape), s.dtype) for s in states], states
    return [ops.stack(steps) for steps in zip(*history, strict=True)], states


def _scanned(step, inputs, states, constants):
    """Run the loop by `keras.ops.scan`."""
    product = step.cell.product
    parts = data_parallel.parts(states[0].shape[0])
    if parts > 1:
        step = data_parallel.divided(step, parts)

    def body(states, inputs):
        new = step(inputs, states, constants, product)
        return new, list(new)

    states, history = ops.scan(body, states, inputs)
    return history, states
