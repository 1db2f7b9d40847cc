"""Recurrent cells by name, and the options of each."""

import importlib
import inspect
from typing import Any

from rnn_layers.cells.base import Cell

# The name of a cell, which is that of its file, and its class.
CELLS = {
    "simple_rnn": "SimpleRNNCell",
    "jordan": "JordanCell",
    "ind_rnn": "IndRNNCell",
    "lstm": "LSTMCell",
    "lstm_1997": "LSTM1997Cell",
    "peephole_lstm": "PeepholeLSTMCell",
    "coupled_lstm": "CoupledLSTMCell",
    "no_input_gate_lstm": "NoInputGateLSTMCell",
    "no_forget_gate_lstm": "NoForgetGateLSTMCell",
    "no_output_gate_lstm": "NoOutputGateLSTMCell",
    "no_input_activation_lstm": "NoInputActivationLSTMCell",
    "no_output_activation_lstm": "NoOutputActivationLSTMCell",
    "full_gate_lstm": "FullGateLSTMCell",
    "janet": "JANETCell",
    "projection_lstm": "ProjectionLSTMCell",
    "layer_norm_lstm": "LayerNormLSTMCell",
    "slstm": "SLSTMCell",
    "gru": "GRUCell",
    "layer_norm_gru": "LayerNormGRUCell",
    "mgu": "MGUCell",
    "light_gru": "LightGRUCell",
    "ugrnn": "UGRNNCell",
    "mut1": "MUT1Cell",
    "mut2": "MUT2Cell",
    "mut3": "MUT3Cell",
    "slim_gru": "SlimGRUCell",
    "min_gru": "MinGRUCell",
    "min_lstm": "MinLSTMCell",
    "sru": "SRUCell",
}


_CLASSES = {
    name: getattr(importlib.import_module(f"rnn_layers.cells.{name}"), kind)
    for name, kind in CELLS.items()
}


def names() -> list[str]:
    """Return the names that `rnn` knows, in the order of the table."""
    return list(CELLS)


def cell_class(name: str) -> type[Cell]:
    """Return the class of a cell by its name."""
    if name not in CELLS:
        raise ValueError(
            f"There is no cell {name!r}; there are {', '.join(names())}."
        )
    return _CLASSES[name]


def cell_name(kind: type[Cell]) -> str:
    """Return the name of a cell by its class, or that of the class."""
    known = {value: name for name, value in _CLASSES.items()}
    return known.get(kind, kind.__name__)


def cell_options(name: str) -> list[str]:
    """Return the keywords that the cell of this name takes itself.

    Those that would change nothing are left out.
    """
    options = {}
    for base in cell_class(name).__mro__:
        options |= dict.fromkeys(keywords(base))
        if base is Cell:
            break
    return [key for key in options if key not in cell_class(name).unused]


def output_width(name: str, /, units: int, **options: Any) -> int:
    """Return the width of a layer's output: U, but of `projection_lstm`.

    Args:
        name: One of `names()`.
        units: Positive integer, the size of the state.
        **options: Those of the cell.
    """
    return cell_class(name).output_width(units, **options)


def keywords(base: type) -> list[str]:
    """Return the explicit parameters of a class but `self` and `units`."""
    if "__init__" not in vars(base):
        return []
    return [
        name
        for name, parameter in inspect.signature(base).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name != "units"
    ]
