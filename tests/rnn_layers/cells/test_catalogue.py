"""Every cell by its name: its file, its options, its parameters."""

import numpy as np
import pytest

import rnn_layers
from rnn_layers.cells.catalogue import (
    CELLS,
    cell_class,
    cell_name,
    cell_options,
    output_width,
)
from rnn_layers.cells.lstm import LSTMCell
from tests.rnn_layers import numpy_cells
from tests.rnn_layers.tools import (
    FEATURES,
    SEQUENCES,
    UNITS,
    array,
    make,
)


def test_names_and_classes_are_one_to_one():
    assert [cell_name(cell_class(name)) for name in CELLS] == list(CELLS)
    assert rnn_layers.names() == list(CELLS)


def test_an_unknown_name_is_one_line_with_all_names():
    with pytest.raises(ValueError, match=r"no cell 'ltsm'; there are simple_"):
        cell_class("ltsm")


def test_options_are_those_of_the_class_and_its_bases_that_have_an_effect():
    assert {"peephole", "unit_forget_bias", "use_bias"} <= set(
        cell_options("peephole_lstm")
    )
    assert "peephole" not in cell_options("lstm")
    assert "activation" not in cell_options("min_gru")


@pytest.mark.parametrize("name", rnn_layers.names())
def test_the_width_of_the_output_is_known_without_a_run(name):
    layer = make(name)
    assert output_width(name, UNITS) == layer(SEQUENCES).shape[-1]
    assert output_width("projection_lstm", UNITS, projection=3) == 3


# What an option that a cell says it takes is changed to.
OPTIONS = {
    "activation": "softsign",
    "recurrent_activation": "hard_sigmoid",
    "kernel_initializer": "ones",
    "recurrent_initializer": "ones",
    "kernel_regularizer": "l2",
    "recurrent_regularizer": "l2",
    "kernel_constraint": "non_neg",
    "recurrent_constraint": "non_neg",
}


@pytest.mark.parametrize("name", rnn_layers.names())
def test_every_option_of_a_cell_has_an_effect(name):
    usual = make(name)
    for option, value in OPTIONS.items():
        if option not in cell_options(name):
            continue
        other = rnn_layers.rnn(name, UNITS, dtype="float64", **{option: value})
        other.build((None, None, FEATURES))
        if "activation" in option:
            other.set_weights(usual.get_weights())
            assert np.abs(array(other(SEQUENCES) - usual(SEQUENCES))).max() > 0
        elif "initializer" in option:
            assert any((array(w) == 1).all() for w in other.weights)
        elif "regularizer" in option:
            assert len(other.losses) > 0
        else:
            assert any(w.constraint is not None for w in other.weights)


def test_nobody_escapes(request):
    """Every cell has a file, a twin, and a row with its parameters."""
    package = request.config.rootpath / "rnn_layers"
    rows = {
        line.split("`")[1]: line
        for line in (package / "README.md").read_text().splitlines()
        if line.startswith("| `")
    }
    assert list(numpy_cells.TWINS) == rnn_layers.names()
    for name in rnn_layers.names():
        assert (package / "cells" / f"{name}.py").is_file(), name
        formula = rows[name].split("`")[3]
        assert parameters(formula) == make(name).count_params(), name
        assert formula in described(name), name


def parameters(formula, **sizes):
    letters = {"F": FEATURES, "U": UNITS, "P": UNITS // 2, **sizes}
    return eval(formula, letters)


def described(name):
    """The docstring of a cell as one line."""
    return " ".join(cell_class(name).__doc__.split())


# What the docstrings say of other options than the defaults.
COUNTS = [
    ("peephole_lstm", {"peephole": "full"}, "4 * U * (F + U + 1) + 3 * U * U"),
    ("coupled_lstm", {"peephole": "diagonal"}, "3 * U * (F + U + 1) + 2 * U"),
    ("gru", {"reset_after": False}, "3 * U * (F + U + 1)"),
    ("slim_gru", {"form": 2}, "U * (F + U + 1) + 2 * U * U"),
    ("slim_gru", {"form": 3}, "U * (F + U + 1) + 2 * U"),
]


@pytest.mark.parametrize(("name", "options", "formula"), COUNTS, ids=str)
def test_parameters_of_other_forms(name, options, formula):
    assert parameters(formula) == make(name, options).count_params()
    assert formula in described(name)


@pytest.mark.parametrize("name", rnn_layers.names())
def test_the_forget_gate_starts_open_if_asked(name):
    if "unit_forget_bias" not in cell_options(name):
        assert not issubclass(cell_class(name), LSTMCell)
        return
    for opened in (True, False):
        layer = rnn_layers.rnn(name, UNITS, unit_forget_bias=opened)
        layer.build((None, None, FEATURES))
        cell = layer.cell
        blocks = np.split(array(cell.bias), cell.bias.shape[0] // UNITS)
        (places,) = np.nonzero([np.any(block) for block in blocks])
        assert list(places) == ([cell.forget_gate] if opened else [])
        assert np.max(blocks) == opened
