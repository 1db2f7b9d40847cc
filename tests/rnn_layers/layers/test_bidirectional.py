"""Both directions: masks, states, and what is saved."""

import keras
import pytest

import rnn_layers
from tests.rnn_layers.tools import (
    BATCH,
    FEATURES,
    MASK,
    TIME,
    TOKENS,
    UNITS,
    array,
    close,
    embedded,
    make,
    random,
)

ALL = {"return_sequences": True, "return_state": True}


def test_trap_implicit_mask_beside_initial_state_of_bidirectional():
    both = rnn_layers.Bidirectional(
        make("gru", return_sequences=True), dtype="float64"
    )
    states = [random(BATCH, UNITS, seed=k) for k in range(2)]
    x = embedded()(TOKENS)
    close(
        both(x, initial_state=states),
        both(array(x), initial_state=states, mask=MASK),
    )


@pytest.mark.parametrize("options", [{}, {"merge_mode": None}])
def test_a_bidirectional_layer_is_saved_loaded_and_cloned(options, tmp_path):
    inputs = keras.Input((None, FEATURES))
    one = rnn_layers.Bidirectional(
        rnn_layers.rnn("gru", UNITS, return_sequences=True), **options
    )
    other = rnn_layers.Bidirectional(
        rnn_layers.rnn("lstm", UNITS),
        backward_layer=rnn_layers.rnn("janet", UNITS, go_backwards=True),
    )
    stock = rnn_layers.Bidirectional(keras.layers.GRU(UNITS))
    outputs = [*keras.tree.flatten(one(inputs)), other(inputs), stock(inputs)]
    model = keras.Model(inputs, outputs)
    x = random(BATCH, TIME, FEATURES).astype("float32")
    expected = model(x)
    model.save(tmp_path / "model.keras")
    close(keras.models.load_model(tmp_path / "model.keras")(x), expected, 1e-6)
    model.save_weights(tmp_path / "all.weights.h5")
    for again in (
        keras.models.clone_model(model),
        keras.Model.from_config(model.get_config()),
    ):
        again.load_weights(tmp_path / "all.weights.h5")
        close(again(x), expected, 1e-6)


@pytest.mark.parametrize("merge_mode", ["concat", None])
def test_trap_stateful_bidirectional_returns_states(merge_mode):
    both = rnn_layers.Bidirectional(
        make("lstm", stateful=True, **ALL),
        merge_mode=merge_mode,
        dtype="float64",
    )
    x = embedded()(TOKENS)
    first = both(x)
    assert len(first) == 5 if merge_mode else 6
    carried = [array(state) for state in first[-4:]]
    second = [array(part) for part in both(x)]
    both.reset_state()
    close(both(x, initial_state=carried), second)


def test_states_before_the_first_step_are_those_of_both_cells():
    both = rnn_layers.Bidirectional(make("slstm", **ALL), dtype="float64")
    states = both.get_initial_state(BATCH)
    close(states, 2 * make("slstm").get_initial_state(BATCH))
    x = random(BATCH, TIME, FEATURES)
    close(both(x, initial_state=states), both(x))
