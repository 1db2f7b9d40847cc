"""A stack that steps, takes states and returns them."""

import gc

import keras
import numpy as np
import pytest
from keras import ops

import rnn_layers
from tests.rnn_layers.tools import (
    BATCH,
    FEATURES,
    MASK,
    SEQUENCES,
    TIME,
    UNITS,
    array,
    close,
    random,
    randomize,
)

FORWARD = ["simple_rnn", "lstm", "gru", "projection_lstm", "slstm", "min_gru"]


def built(name="lstm", depth=2, **options):
    options = {"dtype": "float64", "return_sequences": True, **options}
    stack = rnn_layers.stack(name, UNITS, depth, **options)
    stack.build((BATCH, None, FEATURES))
    randomize(stack)
    return stack


def initial_states(stack):
    """Random states before the first step, where the cell has no scales."""
    if stack.cell == "slstm":
        return stack.get_initial_state(BATCH)
    return [
        [0.6 * random(*s.shape, seed=k) for k, s in enumerate(own)]
        for own in stack.get_initial_state(BATCH)
    ]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("name", FORWARD)
def test_steps_equal_the_whole_sequence(name, residual):
    stack = built(
        name, 3, residual=residual, dropout=0.5, zoneout=0.1, return_state=True
    )
    states = initial_states(stack)
    outputs, last = stack(SEQUENCES, initial_state=states)
    assert outputs.shape[:2] == (BATCH, TIME)
    for t in range(TIME):
        output, states = stack.step(SEQUENCES[:, t], states)
        close(output, outputs[:, t])
    close(states, last)


@pytest.mark.parametrize("name", FORWARD)
def test_chunks_equal_the_whole_sequence(name):
    stack = built(name, residual=True, return_state=True)
    states = initial_states(stack)
    outputs, last = stack(SEQUENCES, mask=MASK, initial_state=states)
    for start in range(0, TIME, 2):
        chunk = slice(start, start + 2)
        y, states = stack(
            SEQUENCES[:, chunk], mask=MASK[:, chunk], initial_state=states
        )
        # What a masked step repeats may stand in the chunk before.
        close(
            array(y)[MASK[:, chunk]], array(outputs[:, chunk])[MASK[:, chunk]]
        )
    close(states, last)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("return_sequences", [False, True])
def test_states_are_returned_beside_the_same_outputs(
    bidirectional, return_sequences
):
    options = {
        "bidirectional": bidirectional,
        "return_sequences": return_sequences,
        "residual": True,
    }
    plain, stack = built(**options), built(**options, return_state=True)
    outputs, states = stack(SEQUENCES, mask=MASK)
    close(outputs, plain(SEQUENCES, mask=MASK))
    close(
        (outputs, states),
        plain.run(ops.convert_to_tensor(SEQUENCES), mask=MASK),
    )
    per_layer = 4 if bidirectional else 2
    assert [len(own) for own in states] == [per_layer] * 2
    shape, shapes = stack.compute_output_shape(SEQUENCES.shape)
    assert shape == outputs.shape
    assert [s for own in shapes for s in own] == [
        tuple(s.shape) for own in states for s in own
    ]
    below = stack.layers[0](SEQUENCES, mask=MASK)
    close(states[0], below[1:])


def test_both_directions_take_states():
    stack = built(bidirectional=True, depth=1, return_state=True)
    states = initial_states(stack)
    outputs, last = stack(SEQUENCES, initial_state=states)
    layer = stack.layers[0]
    y, *after = layer.forward_layer(SEQUENCES, initial_state=states[0][:2])
    z, *before = layer.backward_layer(SEQUENCES, initial_state=states[0][2:])
    both = np.concatenate([array(y), array(z)[:, ::-1]], axis=-1)
    close([outputs, *last], [both, *after, *before])


def test_a_carried_mask_counts_beside_an_initial_state():
    stack = built()
    states = initial_states(stack)
    x = keras.layers.Masking(dtype="float64")(SEQUENCES * MASK[..., None])
    expected = stack(array(x), mask=MASK, initial_state=states)
    close(stack(x, initial_state=states), expected)
    assert (array(stack(x)._keras_mask) == MASK).all()


def test_a_model_with_states_in_and_out_is_saved_and_loaded(tmp_path):
    sequences = keras.Input((None, FEATURES))
    states = [[keras.Input((UNITS,)), keras.Input((UNITS,))] for _ in range(2)]
    stack = rnn_layers.stack(
        "lstm", UNITS, 2, return_sequences=True, return_state=True
    )
    model = keras.Model(
        [sequences, states], stack(sequences, initial_state=states)
    )
    x = SEQUENCES.astype("float32")
    first = keras.tree.map_structure(
        lambda s: s.astype("float32"), initial_states(built())
    )
    outputs, last = model([x, first])
    close((outputs, last), stack(x, initial_state=first), 1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    close(again([x, first]), (outputs, last), 1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_states_stay_float32_in_mixed_precision(bidirectional):
    stack = rnn_layers.stack(
        "slstm",
        UNITS,
        2,
        bidirectional,
        dtype="mixed_float16",
        return_state=True,
    )
    x = SEQUENCES.astype("float32")
    outputs, states = stack(x, initial_state=stack.get_initial_state(BATCH))
    assert np.isfinite(array(outputs)).all()
    symbolic = stack(keras.Input((None, FEATURES)))
    for one, other in (((outputs, states), symbolic),):
        kinds = [
            keras.tree.map_structure(
                lambda t: keras.backend.standardize_dtype(t.dtype), part
            )
            for part in (one, other)
        ]
        assert kinds[0] == kinds[1]
        assert set(keras.tree.flatten(kinds[0][1])) == {"float32"}
        assert kinds[0][0] == "float16"


def test_a_stack_of_layers_shares_their_weights():
    layers = [
        rnn_layers.rnn(
            "peephole_lstm",
            UNITS,
            peephole="full",
            activation="relu",
            return_sequences=True,
            dtype="float64",
        )
        for _ in range(2)
    ]
    expected = layers[1](layers[0](SEQUENCES))
    stack = rnn_layers.Stack.of_layers(
        layers, return_sequences=True, return_state=True
    )
    outputs, last = stack(SEQUENCES)
    close(outputs, expected)
    assert [id(w) for w in stack.weights] == [
        id(w) for layer in layers for w in layer.weights
    ]
    states = stack.get_initial_state(BATCH)
    for t in range(TIME):
        output, states = stack.step(SEQUENCES[:, t], states)
    close((output, states), (expected[:, -1], last))


def test_a_configuration_from_before_there_were_states_is_read():
    config = built().get_config()
    del config["return_state"]
    assert rnn_layers.Stack.from_config(config).return_state is False


@pytest.mark.slow
def test_a_stack_loads_however_objects_are_collected(tmp_path, monkeypatch):
    """Keras tells layers by their id(), which may be given again."""

    def collecting(*args, **kwargs):
        gc.collect()  # what was copied for the layer below
        return rnn_layers.rnn(*args, **kwargs)

    monkeypatch.setattr(rnn_layers.layers.stack, "rnn", collecting)
    inputs = keras.Input((None, FEATURES))
    stack = rnn_layers.stack("gru", 2, 4, bidirectional=True)
    path = tmp_path / "model.keras"
    keras.Model(inputs, stack(inputs)).save(path)
    gc.freeze()  # what earlier tests left would make each collection slow
    for _ in range(8):
        keras.models.load_model(path)
    gc.unfreeze()


def test_layers_of_a_stack_with_a_seed_drop_each_by_its_own_masks():
    layers = rnn_layers.stack(
        "gru", UNITS, depth=3, dropout=0.5, recurrent_dropout=0.5, seed=7
    ).layers
    again = rnn_layers.stack(
        "gru", UNITS, depth=3, dropout=0.5, recurrent_dropout=0.5, seed=7
    )
    first = [array(layer.seed_generator.state) for layer in layers]
    assert len({tuple(state.tolist()) for state in first}) == 3
    x = random(BATCH, TIME, FEATURES).astype("float32")
    stacks = [again, rnn_layers.Stack.from_config(again.get_config())]
    stacks[0].build(x.shape)
    stacks[1].build(x.shape)
    stacks[1].set_weights(stacks[0].get_weights())
    one, other = (array(stack(x, training=True)) for stack in stacks)
    np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_stack_in_half_precision_in_a_model_masks_and_trains():
    layers = [
        keras.layers.Embedding(9, 4, mask_zero=True, dtype="mixed_float16"),
        rnn_layers.stack(
            "lstm", 4, depth=2, compiled=False, dtype="mixed_float16"
        ),
        keras.layers.Dense(1, dtype="float32"),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    tokens = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    outputs = model.predict(tokens, verbose=0)
    close(model.predict(tokens[:1, :3], verbose=0), outputs[:1], 1e-3)
    before = [array(weight) for weight in layers[1].weights]
    history = model.fit(tokens, np.ones(2), epochs=3, verbose=0).history
    assert history["loss"][2] < history["loss"][0]
    for weight, old in zip(layers[1].weights, before, strict=True):
        assert np.isfinite(array(weight)).all()
        assert np.abs(array(weight) - old).max() > 0


BAD_CALLS = {
    "depth": (
        lambda: rnn_layers.stack("lstm", 4, depth=5),
        r"`depth` must be at most 4, not 5",
    ),
    "option of a stack": (
        lambda: rnn_layers.stack("lstm", 4, go_backwards=True),
        r"A stack of lstm has no option 'go_backwards'",
    ),
    "step in both directions": (
        lambda: built(bidirectional=True).step(SEQUENCES[:, 0], [[], []]),
        r"A bidirectional stack takes no single steps: its backward layers",
    ),
    "states of a step": (
        lambda: built().step(SEQUENCES[:, 0], [SEQUENCES[:, 0]]),
        r"`states` needs 2 lists of tensors, one for each layer, not 1",
    ),
    "states of a call": (
        lambda: built()(SEQUENCES, initial_state=[[SEQUENCES[:, 0]]]),
        r"`initial_state` needs 2 lists of tensors",
    ),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls_are_one_clear_line(case):
    call, message = BAD_CALLS[case]
    with pytest.raises(ValueError, match=message):
        call()
