"""Weights to and from Keras and torch do the same thing there."""

import keras
import numpy as np
import pytest

import rnn_layers
from rnn_layers import convert
from tests.rnn_layers import numpy_cells
from tests.rnn_layers.tools import (
    FEATURES,
    MASK,
    SEQUENCES,
    UNITS,
    array,
    close,
    initial_states,
    make,
    random,
    randomize,
    weights_by_name,
)

ALL = {"return_sequences": True, "return_state": True}
FORMS = [
    ("simple_rnn", {}),
    ("lstm", {"activation": "softsign", "unit_forget_bias": False}),
    ("gru", {"reset_after": False, "use_bias": False}),
    ("gru", {"dropout": 0.25, "go_backwards": True, "seed": 3}),
]


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_keras_and_back(name, options):
    layer = make(name, options, **ALL)
    stock = convert.to_keras(layer)
    assert type(stock) is convert.STOCK[name]
    stock.supports_masking = True  # Keras 3.16 turns it off
    close(stock(SEQUENCES, mask=MASK), layer(SEQUENCES, mask=MASK))
    again = convert.from_keras(stock)
    for one, other in ((again, layer), (again.cell, layer.cell)):
        config, expected = one.get_config(), other.get_config()
        names = {"name", "cell"}  # the cell is named anew
        for key in expected.keys() - names:
            assert config[key] == expected[key], key
    close(again(SEQUENCES, mask=MASK), layer(SEQUENCES, mask=MASK))


def test_penalties_on_outputs_go_too():
    x = SEQUENCES.astype("float32")
    stock = keras.layers.GRU(UNITS, activity_regularizer="l2")
    stock(x)
    layer = convert.from_keras(stock)
    again = convert.to_keras(layer)
    layer(x)
    again(x)
    assert array(stock.losses[0]) > 0
    close([*layer.losses, *again.losses], stock.losses * 2, 1e-6)


def test_stateful_weights_go_by_name():
    layer = make("lstm", stateful=True)
    stock = convert.to_keras(layer)
    for _ in range(2):
        expected = layer(SEQUENCES)
        close(stock(SEQUENCES), expected)
    again = convert.from_keras(stock)
    layer.reset_state()
    close(again(SEQUENCES), layer(SEQUENCES))


def torch_layer(name, layer):
    torch = pytest.importorskip("torch")
    kinds = {"simple_rnn": torch.nn.RNN, "gru": torch.nn.GRU}
    options = {}
    if name == "projection_lstm":
        options["proj_size"] = layer.cell.projection
    return torch, kinds.get(name, torch.nn.LSTM)(
        FEATURES, UNITS, batch_first=True, dtype=torch.float64, **options
    )


TORCH = ["simple_rnn", "lstm", "projection_lstm", "gru"]


@pytest.mark.parametrize("name", TORCH)
def test_torch_and_back(name):
    layer = make(name, **ALL)
    torch, other = torch_layer(name, layer)
    with torch.no_grad():
        expected, _ = other(torch.tensor(SEQUENCES))
    state = other.state_dict()
    convert.from_torch(layer, {k: v.numpy() for k, v in state.items()})
    close(layer(SEQUENCES)[0], expected.numpy())
    randomize(layer)
    weights = convert.to_torch(layer)
    assert list(weights) == list(state)
    other.load_state_dict({k: torch.tensor(v) for k, v in weights.items()})
    with torch.no_grad():
        close(layer(SEQUENCES)[0], other(torch.tensor(SEQUENCES))[0].numpy())


def gru_of_torch(w, x, h):
    """torch.nn.GRU from its documentation: rows r, z, n, two biases."""
    a = np.split(x @ w["weight_ih_l0"].T + w["bias_ih_l0"], 3, axis=1)
    b = np.split(h @ w["weight_hh_l0"].T + w["bias_hh_l0"], 3, axis=1)
    r, z = (numpy_cells.sigmoid(a[k] + b[k]) for k in range(2))
    n = np.tanh(a[2] + r * b[2])
    return (1 - z) * n + z * h


def test_torch_layout_of_a_gru_without_torch():
    layer = make("gru")
    weights = convert.to_torch(layer)
    h = initial_states(layer)[0]
    (twin,) = numpy_cells.gru(weights_by_name(layer), SEQUENCES[:, 0], [h])
    close(gru_of_torch(weights, SEQUENCES[:, 0], h), twin)
    copied = make("gru")
    copied.cell.bias.assign(0 * copied.cell.bias)
    convert.from_torch(copied, weights)
    close(copied.get_weights(), layer.get_weights())


def test_flipped_gate_is_the_other_way_to_write_a_gru():
    x, h = random(2, FEATURES), random(2, UNITS)
    layer = make("gru", {"reset_after": False})
    w = weights_by_name(layer)
    (expected,) = numpy_cells.gru(w, x, [h], reset_after=False)
    w = dict(zip(w, convert.flip_gate(list(w.values()), 0, 3), strict=True))
    z = numpy_cells.sigmoid(numpy_cells.affine(w, x, h, 0, 3))
    r = numpy_cells.sigmoid(numpy_cells.affine(w, x, h, 1, 3))
    n = np.tanh(numpy_cells.affine(w, x, r * h, 2, 3))
    close((1 - z) * h + z * n, expected)


REFUSED = {
    "no stock layer": (
        lambda: convert.to_keras(rnn_layers.rnn("mgu", 2)),
        "Only simple_rnn, lstm, gru have a counterpart",
    ),
    "zoneout": (
        lambda: convert.to_keras(rnn_layers.rnn("gru", 2, zoneout=0.1)),
        "Keras has no zoneout",
    ),
    "other layer": (
        lambda: convert.from_keras(keras.layers.Dense(2)),
        r"Only keras\.layers\.SimpleRNN, .* can be converted, not Dense",
    ),
    "reset before": (
        lambda: convert.to_torch(make("gru", {"reset_after": False})),
        "resets after the product only",
    ),
    "biases left over": (
        lambda: convert.from_torch(
            make("lstm", {"use_bias": False}), convert.to_torch(make("lstm"))
        ),
        "layer has use_bias=False, and the weights have biases",
    ),
    "biases missing": (
        lambda: convert.from_torch(
            make("gru"), convert.to_torch(make("gru", {"use_bias": False}))
        ),
        "layer has use_bias=True, and the weights have none",
    ),
    "another activation": (
        lambda: convert.to_torch(make("lstm", {"activation": "relu"})),
        "torch has lstm with tanh and sigmoid gates only",
    ),
    "another activation without gates": (
        lambda: convert.to_torch(make("simple_rnn", {"activation": "elu"})),
        "torch has simple_rnn with tanh or relu and sigmoid gates only",
    ),
    "other gates": (
        lambda: convert.to_torch(
            make("gru", {"recurrent_activation": "hard_sigmoid"})
        ),
        "torch has gru with tanh and sigmoid gates only",
    ),
    "no such layer": (
        lambda: convert.from_torch(make("gru"), {"weight_ih_l0": 0}, "l1"),
        "There is no weight_ih_l1 among weight_ih_l0",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_counterpart_is_refused(case):
    call, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_weights_go_to_a_layer_that_carries_states():
    layer, copied = make("lstm"), make("lstm", stateful=True)
    randomize(copied)
    convert.from_torch(copied, convert.to_torch(layer))
    close(copied(SEQUENCES), layer(SEQUENCES))


def test_an_rnn_of_torch_may_have_relu():
    layer = make("simple_rnn", {"activation": "relu"})
    copied = make("simple_rnn", {"activation": "relu"})
    randomize(copied)
    convert.from_torch(copied, convert.to_torch(layer))
    close(copied(SEQUENCES), layer(SEQUENCES))


def test_weights_survive_both_ways_exactly():
    layer = make("gru")
    again = make("gru")
    randomize(again)
    convert.from_torch(again, convert.to_torch(layer))
    for one, other in zip(again.weights, layer.weights, strict=True):
        assert (array(one) == array(other)).all()
