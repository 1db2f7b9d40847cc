"""Recurrent cells by name, and the options of each."""

import inspect

from rnn_layers.cells.base import Cell
from rnn_layers.cells.coupled_lstm import CoupledLSTMCell
from rnn_layers.cells.full_gate_lstm import FullGateLSTMCell
from rnn_layers.cells.gru import GRUCell
from rnn_layers.cells.ind_rnn import IndRNNCell
from rnn_layers.cells.janet import JANETCell
from rnn_layers.cells.jordan import JordanCell
from rnn_layers.cells.layer_norm_gru import LayerNormGRUCell
from rnn_layers.cells.layer_norm_lstm import LayerNormLSTMCell
from rnn_layers.cells.light_gru import LightGRUCell
from rnn_layers.cells.lstm import LSTMCell
from rnn_layers.cells.lstm_1997 import LSTM1997Cell
from rnn_layers.cells.mgu import MGUCell
from rnn_layers.cells.min_gru import MinGRUCell
from rnn_layers.cells.min_lstm import MinLSTMCell
from rnn_layers.cells.mut1 import MUT1Cell
from rnn_layers.cells.mut2 import MUT2Cell
from rnn_layers.cells.mut3 import MUT3Cell
from rnn_layers.cells.no_forget_gate_lstm import NoForgetGateLSTMCell
from rnn_layers.cells.no_input_activation_lstm import NoInputActivationLSTMCell
from rnn_layers.cells.no_input_gate_lstm import NoInputGateLSTMCell
from rnn_layers.cells.no_output_activation_lstm import (
    NoOutputActivationLSTMCell,
)
from rnn_layers.cells.no_output_gate_lstm import NoOutputGateLSTMCell
from rnn_layers.cells.peephole_lstm import PeepholeLSTMCell
from rnn_layers.cells.projection_lstm import ProjectionLSTMCell
from rnn_layers.cells.simple_rnn import SimpleRNNCell
from rnn_layers.cells.slim_gru import SlimGRUCell
from rnn_layers.cells.slstm import SLSTMCell
from rnn_layers.cells.sru import SRUCell
from rnn_layers.cells.ugrnn import UGRNNCell

CELLS = {
    "simple_rnn": SimpleRNNCell,
    "jordan": JordanCell,
    "ind_rnn": IndRNNCell,
    "lstm": LSTMCell,
    "lstm_1997": LSTM1997Cell,
    "peephole_lstm": PeepholeLSTMCell,
    "coupled_lstm": CoupledLSTMCell,
    "no_input_gate_lstm": NoInputGateLSTMCell,
    "no_forget_gate_lstm": NoForgetGateLSTMCell,
    "no_output_gate_lstm": NoOutputGateLSTMCell,
    "no_input_activation_lstm": NoInputActivationLSTMCell,
    "no_output_activation_lstm": NoOutputActivationLSTMCell,
    "full_gate_lstm": FullGateLSTMCell,
    "janet": JANETCell,
    "projection_lstm": ProjectionLSTMCell,
    "layer_norm_lstm": LayerNormLSTMCell,
    "slstm": SLSTMCell,
    "gru": GRUCell,
    "layer_norm_gru": LayerNormGRUCell,
    "mgu": MGUCell,
    "light_gru": LightGRUCell,
    "ugrnn": UGRNNCell,
    "mut1": MUT1Cell,
    "mut2": MUT2Cell,
    "mut3": MUT3Cell,
    "slim_gru": SlimGRUCell,
    "min_gru": MinGRUCell,
    "min_lstm": MinLSTMCell,
    "sru": SRUCell,
}


def names():
    """Return the names that `rnn` knows, in the order of the table."""
    return list(CELLS)


def cell_class(name):
    """Return the class of a cell by its name."""
    if name not in CELLS:
        raise ValueError(
            f"There is no cell {name!r}; there are {', '.join(names())}."
        )
    return CELLS[name]


def cell_name(kind):
    """Return the name of a cell by its class."""
    return next(name for name, cell in CELLS.items() if cell is kind)


def cell_options(name):
    """Return the keywords that the cell of this name takes itself.

    Those that would change nothing are left out.
    """
    found = {}
    for base in cell_class(name).__mro__:
        found |= dict.fromkeys(keywords(base))
        if base is Cell:
            break
    return [key for key in found if key not in cell_class(name).unused]


def output_width(name, /, units, **options):
    """Return the width of a layer's output: U, but of `projection_lstm`.

    Args:
        name: One of `names()`.
        units: Positive integer, the size of the state.
        **options: Those of the cell.
    """
    return cell_class(name).output_width(units, **options)


def keywords(base):
    """Return the explicit parameters of a class but `self` and `units`."""
    if "__init__" not in vars(base):
        return []
    return [
        name
        for name, parameter in inspect.signature(base).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and name != "units"
    ]
