"""Identities between relatives: one cell as a case of another.

Each case says how the weights of a special cell are written in a more general
one, which must then give the same outputs and states. Where the two are the
same only for some weights, it first makes those of the special one so.
"""

import keras
import numpy as np
import pytest

from rnn_layers import convert
from tests.rnn_layers.numpy_cells import affine, always_positive, sigmoid
from tests.rnn_layers.tools import (
    FEATURES,
    MASK,
    SEQUENCES,
    UNITS,
    array,
    close,
    initial_states,
    make,
    weights_by_name,
)

OPEN = 1e3  # a bias from which the sigmoid is 1 in every type
LINEAR = {"activation": "linear"}
DIAGONAL = {"peephole": "diagonal"}
FULL = {"peephole": "full"}
BEFORE = {"reset_after": False}
EYE = np.eye(UNITS)


def blocks(array, gates):
    return np.split(array, gates, axis=-1)


def joined(*parts):
    return np.concatenate(parts, axis=-1)


def with_gate(w, place, gates, bias=OPEN):
    """The weights with one more gate, which sees nothing but its bias."""
    found = {}
    for name in ("kernel", "recurrent_kernel", "bias"):
        parts = blocks(w[name], gates)
        fill = bias if name == "bias" else 0
        parts.insert(place, np.full_like(parts[0], fill))
        found[name] = joined(*parts)
    return found


def with_row(w, place):
    """The peepholes with one more, which is zero."""
    return {"peephole": np.insert(w["peephole"], place, 0, axis=0)}


def without_peepholes(w, rows):
    return {**w, "peephole": np.zeros((rows, UNITS))}


def full_of_diagonal(w):
    matrices = [np.diag(p) for p in w["peephole"]]
    found = {**w, "peephole_kernel": joined(*matrices)}
    del found["peephole"]
    return found


def input_gate_of_coupled(w):
    """An input gate of the opposite weights is 1 - f."""
    found = {}
    for name in ("kernel", "recurrent_kernel", "bias"):
        f, g, o = blocks(w[name], 3)
        found[name] = joined(-f, f, g, o)
    if "peephole" in w:
        f, o = w["peephole"]
        found["peephole"] = np.stack([-f, f, o])
    return found


def with_reset_gate(w, open_gate=True):
    """A GRU of one gate written as one with two, in the order z, r, h."""
    if open_gate:
        return with_gate(w, 1, 2)
    found = {}
    for name in ("kernel", "recurrent_kernel", "bias"):
        f, h = blocks(w[name], 2)
        found[name] = joined(-f, f, h)
    return found


def flipped(w):
    """A GRU whose first gate has the opposite meaning."""
    names, weights = zip(*w.items(), strict=True)
    weights = convert.flip_gate(weights, 0, 3)
    return dict(zip(names, weights, strict=True))


def slim(w, missing):
    """Zeros for what the gates of a slim GRU do not have."""
    found = dict(w)
    for name in missing:
        zeros = np.zeros((*w[name].shape[:-1], 2 * UNITS))
        found[name] = joined(zeros, w[name])
    return found


def mut2_of_mut1(w):
    """Alike where the input does not reach the candidate."""
    w["kernel"][:, 2 * UNITS :] = 0
    return {**w, "recurrent_kernel": joined(0 * EYE, w["recurrent_kernel"])}


def mut2_of_mut3(w):
    """Alike where the state does not reach the update gate."""
    w["recurrent_kernel"][:, :UNITS] = 0
    return w


def ugrnn_of_light_gru(w):
    """Alike where no gain leaves of the input nothing but the bias."""
    w["gain"][:] = 0
    return {
        "kernel": np.zeros((FEATURES, 2 * UNITS)),
        "recurrent_kernel": w["recurrent_kernel"],
        "bias": w["bias"],
    }


def min_lstm_of(w):
    z, n = ({k: blocks(w[k], 2)[j] for k in w} for j in range(2))
    return {k: joined(-z[k], z[k], n[k]) for k in w}


# special cell, more general cell, weights of the second from the first's
RELATIVES = {
    "full peepholes with diagonal matrices are diagonal": (
        ("peephole_lstm", DIAGONAL),
        ("peephole_lstm", FULL),
        full_of_diagonal,
    ),
    "no peepholes": (
        ("lstm", {}),
        ("peephole_lstm", {}),
        lambda w: without_peepholes(w, 3),
    ),
    "no peepholes in a coupled LSTM": (
        ("coupled_lstm", {}),
        ("coupled_lstm", DIAGONAL),
        lambda w: without_peepholes(w, 2),
    ),
    "coupled gates are two gates of opposite weights": (
        ("coupled_lstm", {}),
        ("lstm", {}),
        input_gate_of_coupled,
    ),
    "coupled gates with peepholes": (
        ("coupled_lstm", DIAGONAL),
        ("peephole_lstm", {}),
        input_gate_of_coupled,
    ),
    "JANET without the offset is the update gate RNN": (
        ("janet", {}),
        ("ugrnn", {}),
        dict,
    ),
    "1997: a forget gate that is open": (
        ("lstm_1997", {}),
        ("lstm", {}),
        lambda w: with_gate(w, 1, 3),
    ),
    "1997: no forget gate and no peepholes": (
        ("lstm_1997", {}),
        ("no_forget_gate_lstm", {}),
        lambda w: without_peepholes(w, 2),
    ),
    "NIG: an input gate that is open": (
        ("no_input_gate_lstm", {}),
        ("peephole_lstm", {}),
        lambda w: {**with_gate(w, 0, 3), **with_row(w, 0)},
    ),
    "NFG: a forget gate that is open": (
        ("no_forget_gate_lstm", {}),
        ("peephole_lstm", {}),
        lambda w: {**with_gate(w, 1, 3), **with_row(w, 1)},
    ),
    "NOG: an output gate that is open": (
        ("no_output_gate_lstm", {}),
        ("peephole_lstm", {}),
        lambda w: {**with_gate(w, 3, 3), **with_row(w, 2)},
    ),
    "NIAF is linear where all is": (
        ("no_input_activation_lstm", LINEAR),
        ("peephole_lstm", LINEAR),
        dict,
    ),
    "NOAF is linear where all is": (
        ("no_output_activation_lstm", LINEAR),
        ("peephole_lstm", LINEAR),
        dict,
    ),
    "FGR with gates that do not see gates": (
        ("peephole_lstm", {}),
        ("full_gate_lstm", {}),
        lambda w: {**w, "gate_kernel": np.zeros((3 * UNITS, 3 * UNITS))},
    ),
    "a projection by the identity": (
        ("lstm", {}),
        ("projection_lstm", {"projection": UNITS}),
        lambda w: {**w, "projection_kernel": EYE},
    ),
    "JANET: a coupled LSTM that shows all": (
        ("janet", LINEAR),
        ("coupled_lstm", LINEAR),
        lambda w: with_gate(w, 2, 2),
    ),
    "UGRNN: a GRU that never resets": (
        ("ugrnn", {}),
        ("gru", BEFORE),
        with_reset_gate,
    ),
    "MGU: a GRU with one gate for both": (
        ("mgu", {}),
        ("gru", BEFORE),
        lambda w: with_reset_gate(w, open_gate=False),
    ),
    "where the reset acts is one without recurrent bias and resets": (
        ("ugrnn", {}),
        ("gru", {}),
        lambda w: {
            **with_reset_gate(w),
            "bias": np.stack([with_reset_gate(w)["bias"], np.zeros(3 * UNITS)]),
        },
    ),
    "MUT2: a GRU of the other sign": (
        ("mut2", {}),
        ("gru", BEFORE),
        flipped,
    ),
    "MUT1 and MUT2": (("mut1", {}), ("mut2", {}), mut2_of_mut1),
    "MUT3 and MUT2": (("mut3", {}), ("mut2", {}), mut2_of_mut3),
    "Li-GRU and UGRNN": (
        ("light_gru", {"activation": "tanh"}),
        ("ugrnn", {}),
        ugrnn_of_light_gru,
    ),
    "GRU1: gates that do not see the input": (
        ("slim_gru", {"form": 1}),
        ("gru", BEFORE),
        lambda w: slim(w, ["kernel"]),
    ),
    "GRU2: GRU1 without the biases of the gates": (
        ("slim_gru", {"form": 2}),
        ("gru", BEFORE),
        lambda w: slim(w, ["kernel", "bias"]),
    ),
    "GRU3: gates that are constant": (
        ("slim_gru", {"form": 3}),
        ("gru", BEFORE),
        lambda w: slim(w, ["kernel", "recurrent_kernel"]),
    ),
    "IndRNN: a simple network of a diagonal matrix": (
        ("ind_rnn", {}),
        ("simple_rnn", {"activation": "relu"}),
        lambda w: {**w, "recurrent_kernel": np.diag(w["recurrent_kernel"])},
    ),
    "Elman: a linear Jordan network that shows its hidden layer": (
        ("simple_rnn", LINEAR),
        ("jordan", LINEAR),
        lambda w: {**w, "output_kernel": EYE, "output_bias": np.zeros(UNITS)},
    ),
    "minGRU: a minLSTM whose gates sum to one": (
        ("min_gru", {}),
        ("min_lstm", {}),
        min_lstm_of,
    ),
}


def assign(layer, weights):
    assert set(weights) == set(weights_by_name(layer))
    for variable in layer.cell.weights:
        variable.assign(weights[variable.name])


@pytest.mark.parametrize("case", RELATIVES)
def test_a_special_cell_is_a_case_of_a_general_one(case):
    (name, options), (other, other_options), written_as = RELATIVES[case]
    settings = {"return_sequences": True, "return_state": True}
    special = make(name, options, **settings)
    general = make(other, other_options, **settings)
    weights = weights_by_name(special)
    assign(general, written_as(weights))
    assign(special, weights)
    states = initial_states(special)
    # What the general cell carries beside that is either the same or unseen.
    more = (states * 5)[: len(general.cell.state_size)]
    outputs, *last = general(SEQUENCES, initial_state=more, mask=MASK)
    expected = special(SEQUENCES, initial_state=states, mask=MASK)
    close([outputs, *last[: len(states)]], expected)


def test_no_peepholes_are_the_lstm_of_keras():
    layer = make("peephole_lstm", return_sequences=True)
    layer.cell.peepholes.assign(0 * layer.cell.peepholes)
    stock = keras.layers.LSTM(UNITS, return_sequences=True, dtype="float64")
    stock.build(SEQUENCES.shape)
    weights = weights_by_name(layer)
    stock.set_weights([weights[w.name] for w in stock.weights])
    close(layer(SEQUENCES), stock(SEQUENCES))


@pytest.mark.parametrize("peephole", [None, "diagonal"])
def test_the_two_writings_of_coupled_gates(peephole):
    """Greff et al. learn the input gate: i = sigmoid(...), f = 1 - i."""
    layer = make("coupled_lstm", {"peephole": peephole})
    h, c = states = initial_states(layer)
    w = weights_by_name(layer)
    p_f, p_o = w["peephole"] if peephole else (0, 0)
    keys = ["kernel", "recurrent_kernel", "bias"]
    flips = convert.flip_gate([w[key] for key in keys], 0, 3)
    w = dict(zip(keys, flips, strict=True))
    x, p_i = SEQUENCES[:, 0], -p_f
    i = sigmoid(affine(w, x, h, 0, 3) + p_i * c)
    g = np.tanh(affine(w, x, h, 1, 3))
    c = (1 - i) * c + i * g
    h = sigmoid(affine(w, x, h, 2, 3) + p_o * c) * np.tanh(c)
    _, new = layer.step(x, states)
    close(new, [h, c])


def shares(name, w):
    """What a step keeps of the old state, and what it adds."""
    parts = blocks(SEQUENCES @ w["kernel"] + w["bias"], w["bias"].size // UNITS)
    new = always_positive(parts[-1])
    if name == "min_gru":
        z = sigmoid(parts[0])
        return 1 - z, z * new
    f, i = sigmoid(parts[0]), sigmoid(parts[1])
    return f / (f + i), i / (f + i) * new


@pytest.mark.parametrize("name", ["min_gru", "min_lstm"])
def test_the_loop_equals_the_parallel_form(name):
    """h_t is a sum over all that came before, from a first state on."""
    layer = make(name, return_sequences=True)
    (first,) = initial_states(layer)
    kept, added = shares(name, weights_by_name(layer))
    kept, added = (np.moveaxis(x, 1, 0) for x in (kept, added))  # (T, B, U)
    expected = [
        np.prod(kept[: t + 1], axis=0) * first
        + sum(
            np.prod(kept[s + 1 : t + 1], axis=0) * added[s]
            for s in range(t + 1)
        )
        for t in range(len(kept))
    ]
    outputs = layer(SEQUENCES, initial_state=[first])
    close(outputs, np.stack(expected, axis=1))

    def combine(one, two):
        return one[0] * two[0], two[0] * one[1] + two[1]

    begun = added.copy()
    begun[0] += kept[0] * first
    pair = tuple(map(keras.ops.convert_to_tensor, (kept, begun)))
    _, scanned = keras.ops.associative_scan(combine, pair)
    close(outputs, np.moveaxis(array(scanned), 0, 1))
