"""Weights from and to `keras.layers` and `torch.nn`.

Weights of Keras and of this package have the same order of gates: i, f, c, o
for an LSTM and z, r, h for a GRU. Weights of torch are transposed, its GRU has
the order r, z, n, and every sum has two biases.

Letters of shapes: F features, U units, P width of a projected output.
"""

import keras
import numpy as np
from keras import ops

from rnn_layers.cells.catalogue import cell_name, keywords
from rnn_layers.layers.recurrent import Recurrent, known_options, rnn

STOCK = {
    "simple_rnn": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
}
TORCH_ACTIVATIONS = "tanh", "relu"  # the second in an RNN without gates
TORCH_GATES = {"simple_rnn": [0], "lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}


def from_keras(layer: keras.layers.RNN) -> Recurrent:
    """Return the layer of this package that does what one of Keras does.

    Args:
        layer: A `keras.layers.SimpleRNN`, `LSTM` or `GRU`.

    Returns:
        A `Recurrent` of the same options, with the same weights if `layer` has
        been built. Masked steps and the last states mean what they mean in
        `Recurrent`.
    """
    names = [name for name, kind in STOCK.items() if type(layer) is kind]
    if not names:
        raise ValueError(
            f"Only {_listed(STOCK.values())} can be converted, not "
            f"{type(layer).__name__}."
        )
    config = layer.get_config()
    keys = {"units", *known_options(names[0], ("dtype",))}
    options = {key: config[key] for key in keys if key in config}
    result = rnn(names[0], dtype=layer.dtype_policy, **options)
    result.activity_regularizer = layer.activity_regularizer
    if layer.built:
        stock = layer.cell.get_weights()
        batch = layer.states[0].shape[0] if layer.stateful else None
        result.build((batch, None, stock[0].shape[0]))
        result.cell.set_weights(stock)
    return result


def to_keras(layer: Recurrent) -> keras.layers.RNN:
    """Return the layer of Keras that does what one of this package does.

    Args:
        layer: A `Recurrent` with a cell `simple_rnn`, `lstm` or `gru`, without
            zoneout.

    Returns:
        A `keras.layers.SimpleRNN`, `LSTM` or `GRU` of the same options, with
        the same weights if `layer` has been built.
    """
    name = _name(layer)
    if layer.zoneout:
        raise ValueError("Keras has no zoneout.")
    config = {**layer.cell.get_config(), **layer.get_config()}
    keys = {"units", "name", "trainable", "zero_output_for_mask"}
    keys |= {key for key in keywords(STOCK[name]) if key != "use_cudnn"}
    options = {key: config[key] for key in keys if key in config}
    result = STOCK[name](dtype=layer.dtype_policy, **options)
    result.activity_regularizer = layer.activity_regularizer
    if layer.built:
        weights = layer.cell.get_weights()
        batch = layer.states[0].shape[0] if layer.stateful else None
        result.build((batch, None, weights[0].shape[0]))
        result.cell.set_weights(weights)
    return result


def from_torch(layer: Recurrent, weights: dict, suffix: str = "l0") -> None:
    """Set the weights of a layer to those of one of torch.

    Args:
        layer: A `Recurrent` with a cell `simple_rnn`, `lstm`,
            `projection_lstm` or `gru` that resets after the product, with the
            activations that torch has.
        weights: The `state_dict()` of a `torch.nn.RNN`, `LSTM` or `GRU`: a dict
            of tensors or arrays.
        suffix: Which layer and direction, such as `"l1"` or `"l0_reverse"`.

    Raises:
        ValueError: Layer and weights are not of one kind, or one of them has
            biases and the other has not.
    """
    arrays = {
        key.removesuffix(f"_{suffix}"): np.asarray(value)
        for key, value in weights.items()
        if key.endswith(f"_{suffix}")
    }
    if "weight_ih" not in arrays:
        raise ValueError(
            f"There is no weight_ih_{suffix} among {', '.join(weights)}."
        )
    cell, order = layer.cell, _torch_order(layer)
    if cell.use_bias != ("bias_ih" in arrays):
        raise ValueError(
            f"The layer has use_bias={cell.use_bias}, and the weights have "
            f"{'biases' if 'bias_ih' in arrays else 'none'}."
        )
    if not layer.built:
        layer.build((None, None, arrays["weight_ih"].shape[1]))
    cell.kernel.assign(_reordered(arrays["weight_ih"], order).T)
    cell.recurrent_kernel.assign(_reordered(arrays["weight_hh"], order).T)
    if cell.use_bias:
        b = _reordered(arrays["bias_ih"], order)
        d = _reordered(arrays["bias_hh"], order)
        two_rows = len(cell.bias.shape) == 2
        cell.bias.assign(np.stack([b, d]) if two_rows else b + d)
    if "weight_hr" in arrays:
        cell.projection_kernel.assign(arrays["weight_hr"].T)


def to_torch(layer: Recurrent, suffix: str = "l0") -> dict[str, np.ndarray]:
    """Return the weights of a layer as torch names and lays them out.

    Args:
        layer: As in `from_torch`, built.
        suffix: Which layer and direction, such as `"l1"` or `"l0_reverse"`.

    Returns:
        A dict of arrays, as for `load_state_dict` once made tensors. A single
        bias comes as `bias_ih`, with `bias_hh` zero.
    """
    cell = layer.cell
    back = np.argsort(_torch_order(layer))
    weights = {
        "weight_ih": _reordered(ops.convert_to_numpy(cell.kernel).T, back),
        "weight_hh": _reordered(
            ops.convert_to_numpy(cell.recurrent_kernel).T, back
        ),
    }
    if cell.use_bias:
        bias = ops.convert_to_numpy(cell.bias)
        b, d = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
        weights["bias_ih"] = _reordered(b, back)
        weights["bias_hh"] = _reordered(d, back)
    if hasattr(cell, "projection_kernel"):
        weights["weight_hr"] = ops.convert_to_numpy(cell.projection_kernel).T
    return {f"{key}_{suffix}": value for key, value in weights.items()}


def flip_gate(
    weights: list[np.ndarray], gate: int, gates: int
) -> list[np.ndarray]:
    """Give a gate the opposite meaning: sigmoid(a) becomes 1 - sigmoid(a).

    Some papers write a GRU as h' = (1 - z) * h + z * n, and some a coupled LSTM
    with a learned input gate: their weights for that gate have the opposite
    sign.

    Args:
        weights: List of arrays whose last axis has blocks of one per gate.
        gate: Place of the gate among the blocks.
        gates: Number of blocks.

    Returns:
        The list with that block of each array negated.
    """
    signs = np.where(np.arange(gates) == gate, -1, 1)
    return [w * np.repeat(signs, w.shape[-1] // gates) for w in weights]


def _name(layer):
    """Return the name of a layer's cell, if Keras has such a layer."""
    for name in STOCK:
        if isinstance(layer, Recurrent) and cell_name(type(layer.cell)) == name:
            return name
    raise ValueError(f"Only {', '.join(STOCK)} have a counterpart in Keras.")


def _torch_order(layer):
    """Return, for each gate of ours, the place of that gate in torch."""
    cell = layer.cell
    is_projected = cell_name(type(cell)) == "projection_lstm"
    name = "lstm" if is_projected else _name(layer)
    if name == "gru" and not cell.reset_after:
        raise ValueError("torch.nn.GRU resets after the product only.")
    known = TORCH_ACTIVATIONS if name == "simple_rnn" else TORCH_ACTIVATIONS[:1]
    activations = keras.activations
    gates = getattr(cell, "recurrent_activation", activations.sigmoid)
    if cell.activation not in [activations.get(a) for a in known] or (
        gates is not activations.sigmoid
    ):
        raise ValueError(
            f"torch has {name} with {' or '.join(known)} and sigmoid gates "
            "only."
        )
    return TORCH_GATES[name]


def _reordered(rows, order):
    """Reorder the blocks of rows."""
    blocks = np.split(rows, len(order))
    return np.concatenate([blocks[place] for place in order])


def _listed(kinds):
    return ", ".join(f"keras.layers.{kind.__name__}" for kind in kinds)
