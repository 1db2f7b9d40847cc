"""One battery for every cell of the registry, in each of its forms."""

import json

import keras
import numpy as np
import pytest
from keras import ops

import rnn_layers
from tests.rnn_layers import numpy_cells
from tests.rnn_layers.tools import (
    BATCH,
    EXACT,
    FEATURES,
    MASK,
    PRECISE,
    SEQUENCES,
    TIME,
    UNITS,
    array,
    arrays,
    close,
    every_case,
    every_cell,
    gradients,
    initial_states,
    make,
    random,
    randomize,
    unscaled,
    weights_by_name,
)

ALL = {"return_sequences": True, "return_state": True}
RECURRENT = {  # weights that multiply a state
    "recurrent_kernel",
    "output_kernel",
    "peephole_kernel",
    "projection_kernel",
    "gate_kernel",
}


@every_case
def test_equals_the_numpy_twin(name, options):
    layer = make(name, options, **ALL)
    states = initial_states(layer)
    outputs, *last = layer(SEQUENCES, initial_state=states)
    history = numpy_cells.run(
        name, weights_by_name(layer), SEQUENCES, states, **options
    )
    close(outputs, np.stack([step[0] for step in history], axis=1), EXACT)
    close(last, history[-1], EXACT)


@every_case
def test_unrolled_equals_the_loop(name, options):
    loop = make(name, options, **ALL)
    flat = make(name, options, unroll=True, **ALL)
    states = initial_states(loop)
    close(
        flat(SEQUENCES, initial_state=states, mask=MASK),
        loop(SEQUENCES, initial_state=states, mask=MASK),
        EXACT,
    )


def each_row_alone(layer, states):
    """What a masked call must give: each row run alone without padding."""
    outputs = np.zeros((BATCH, TIME, layer.cell.state_size[0]))
    last = [np.array(state) for state in states]
    for row, valid in enumerate(MASK):
        steps = np.flatnonzero(valid)
        if not len(steps):
            continue
        alone, *ends = layer(
            SEQUENCES[row : row + 1, steps],
            initial_state=[state[row : row + 1] for state in states],
        )
        for k, end in enumerate(ends):
            last[k][row] = array(end)[0]
        for t in range(steps[0], TIME):
            before = np.searchsorted(steps, t, side="right") - 1
            outputs[row, t] = array(alone)[0, before]
    return outputs, last


@every_case
def test_masked_equals_each_row_alone(name, options):
    layer = make(name, options, **ALL)
    states = initial_states(layer)
    outputs, last = each_row_alone(layer, states)
    close(layer(SEQUENCES, initial_state=states, mask=MASK), [outputs, *last])
    layer.zero_output_for_mask = True
    close(
        layer(SEQUENCES, initial_state=states, mask=MASK)[0],
        outputs * MASK[..., None],
    )
    layer.return_sequences = False
    close(layer(SEQUENCES, initial_state=states, mask=MASK)[0], outputs[:, -1])


@every_case
def test_gradients_equal_finite_differences_of_the_twin(name, options):
    layer = make(name, options, **ALL)
    states = initial_states(layer)
    toward = random(BATCH, TIME, layer.cell.state_size[0], seed=5)
    seen = (np.cumsum(MASK, axis=1) > 0)[..., None]

    def loss(sequences, *states):
        outputs, *last = layer(sequences, initial_state=list(states), mask=MASK)
        ends = sum(ops.sum(ops.sin(end)) for end in last)
        return ops.sum(ops.multiply(outputs, toward)) + ends

    def twin(weights, sequences, states):
        history = numpy_cells.run(
            name, weights, sequences, states, mask=MASK, **options
        )
        outputs = np.stack([step[0] for step in history], axis=1) * seen
        ends = sum(np.sum(np.sin(end)) for end in history[-1])
        return np.sum(outputs * toward) + ends

    names = [weight.name for weight in layer.trainable_variables]
    point = [*arrays(layer.trainable_variables), SEQUENCES, *states]
    found = gradients(loss, layer, [SEQUENCES, *states])
    for k, gradient in enumerate(found):
        direction = random(*gradient.shape, seed=100 + k)

        def shifted(size, k=k, direction=direction):
            moved = list(point)
            moved[k] = moved[k] + size * direction
            weights = dict(zip(names, moved, strict=False))
            sequences, *states = moved[len(names) :]
            return twin(weights, sequences, states)

        np.testing.assert_allclose(
            np.sum(gradient * direction),
            (shifted(1e-6) - shifted(-1e-6)) / 2e-6,
            rtol=1e-6 if PRECISE else 1e-3,
            atol=1e-7 if PRECISE else 1e-3,
        )


@every_case
def test_step_by_step_equals_the_sequence(name, options):
    layer = make(name, options, **ALL)
    states = initial_states(layer)
    outputs, *last = layer(SEQUENCES, initial_state=states)
    states = [ops.convert_to_tensor(state) for state in states]
    for t in range(TIME):
        output, states = layer.cell(SEQUENCES[:, t], states)
        close(output, outputs[:, t])
    close(states, last)


@every_case
def test_chunks_with_carried_state_equal_one_run(name, options):
    layer = make(name, options, **ALL)
    outputs, *last = layer(SEQUENCES, mask=MASK)
    first, *states = layer(SEQUENCES[:, :2], mask=MASK[:, :2])
    second, *states = layer(
        SEQUENCES[:, 2:], initial_state=states, mask=MASK[:, 2:]
    )
    # A masked beginning of the second chunk has no output of its own.
    seen = np.cumsum(MASK[:, 2:], axis=1) > 0
    close(first, outputs[:, :2])
    close(
        array(second) * seen[..., None],
        array(outputs)[:, 2:] * seen[..., None],
    )
    close(states, last)


@every_case
def test_stateful_equals_one_run(name, options):
    whole = make(name, options, **ALL)
    parts = make(name, options, stateful=True, **ALL)
    outputs, *last = whole(SEQUENCES)
    for _ in range(2):
        close(parts(SEQUENCES[:, :4])[0], outputs[:, :4])
        close(parts(SEQUENCES[:, 4:]), [outputs[:, 4:], *last])
        parts.reset_state()


@every_case
def test_backwards_equals_the_flipped_sequence(name, options):
    forward = make(name, options, **ALL)
    backward = make(name, options, go_backwards=True, **ALL)
    states = initial_states(forward)
    close(
        backward(SEQUENCES, initial_state=states, mask=MASK),
        forward(SEQUENCES[:, ::-1], initial_state=states, mask=MASK[:, ::-1]),
    )


@every_case
def test_bidirectional_equals_both_directions(name, options):
    layer = make(name, options, **ALL)
    both = rnn_layers.Bidirectional(layer, dtype="float64", merge_mode=None)
    both.build(SEQUENCES.shape)
    randomize(both.forward_layer)
    for weight, copied in zip(
        both.backward_layer.trainable_variables,
        both.forward_layer.trainable_variables,
        strict=True,
    ):
        weight.assign(copied * 0.5)
    states = initial_states(layer)
    ahead, back, *last = both(
        SEQUENCES, initial_state=states + states, mask=MASK
    )
    layer.zero_output_for_mask = True
    expected, *ends = layer(SEQUENCES, initial_state=states, mask=MASK)
    close([ahead, *last[: len(states)]], [expected, *ends])
    for weight in layer.trainable_variables:
        weight.assign(weight * 0.5)
    expected, *ends = layer(
        SEQUENCES[:, ::-1], initial_state=states, mask=MASK[:, ::-1]
    )
    close([back, *last[len(states) :]], [ops.flip(expected, axis=1), *ends])


@every_case
def test_config_survives_a_round_trip(name, options):
    layer = make(name, options, dropout=0.1, zoneout=0.2, seed=3)
    config = json.loads(json.dumps(layer.get_config()))
    again = rnn_layers.Recurrent.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == json.loads(
        json.dumps(layer.get_config())
    )
    again.build((None, None, FEATURES))
    again.set_weights(layer.get_weights())
    close(again(SEQUENCES), layer(SEQUENCES), 0)


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("float16", 0.02), ("bfloat16", 0.15)]
)
@every_case
def test_half_precision_is_close_and_keeps_float32_states(
    name, options, kind, tolerance
):
    full = make(name, options, dtype="float32", **ALL)
    half = make(name, options, dtype=f"mixed_{kind}", **ALL)
    states = initial_states(full)
    outputs, *last = half(SEQUENCES, initial_state=states, mask=MASK)
    assert keras.backend.standardize_dtype(outputs.dtype) == kind
    for state in last:
        assert keras.backend.standardize_dtype(state.dtype) == "float32"
    for weight in half.weights:
        assert weight.dtype == "float32"
    close(
        [outputs, *last],
        full(SEQUENCES, initial_state=states, mask=MASK),
        tolerance,
    )


@pytest.mark.parametrize(
    ("kind", "tolerance"), [("float16", 0.02), ("bfloat16", 0.15)]
)
@every_case
def test_weights_in_half_precision_are_close(name, options, kind, tolerance):
    half = make(name, options, dtype=kind, **ALL)
    full = make(name, options, dtype="float32", **ALL)
    # What multiplies is in half precision, what is added is exact.
    assert half.cell.kernel.dtype == kind
    for one, other in zip(full.weights, half.weights, strict=True):
        one.assign(ops.cast(other, "float32"))
    found = half(SEQUENCES, initial_state=initial_states(half), mask=MASK)
    expected = full(SEQUENCES, initial_state=initial_states(full), mask=MASK)
    assert keras.backend.standardize_dtype(found[0].dtype) == kind
    close(found, expected, tolerance)


@every_case
def test_time_distributed_equals_a_loop(name, options):
    layer = make(name, options)
    many = random(2, BATCH, TIME, FEATURES)
    spread = keras.layers.TimeDistributed(layer, dtype="float64")
    close(spread(many), np.stack([array(layer(one)) for one in many]))


@every_case
def test_dropout_is_one_mask_per_sequence(name, options):
    layer = make(name, options, dropout=0.5, seed=1, return_sequences=True)
    plain = make(name, options, return_sequences=True)
    close(layer(SEQUENCES), plain(SEQUENCES), 0)
    kept = keras.random.dropout(
        ops.ones((BATCH, FEATURES), "float64"),
        0.5,
        seed=keras.random.SeedGenerator(1),
    )
    close(
        layer(SEQUENCES, training=True),
        plain(SEQUENCES * array(kept)[:, None]),
    )


@every_case
def test_recurrent_dropout_is_one_mask_per_sequence(name, options):
    """To drop what enters a product is to drop rows of its kernel."""
    plain = make(name, options, return_sequences=True)
    if not plain.cell.has_products:
        with pytest.raises(ValueError, match="has no recurrent product"):
            make(name, options, recurrent_dropout=0.5)
        return
    layer = make(
        name, options, recurrent_dropout=0.5, seed=1, return_sequences=True
    )
    close(layer(SEQUENCES), plain(SEQUENCES), 0)
    draw = keras.random.SeedGenerator(1)
    kept = {}  # a mask for each size of state
    for size in plain.cell.state_size:
        ones = ops.ones((BATCH, size), "float64")
        kept[size] = array(keras.random.dropout(ones, 0.5, seed=draw))
    trained = layer(SEQUENCES, training=True)
    weights = weights_by_name(plain)
    for row in range(BATCH):
        for variable in plain.cell.weights:
            if variable.name in RECURRENT:
                rows = len(weights[variable.name])
                size = max(size for size in kept if rows % size == 0)
                mask = np.tile(kept[size][row], rows // size)
                variable.assign(weights[variable.name] * mask[:, None])
        close(plain(SEQUENCES[row : row + 1]), trained[row : row + 1])


@pytest.mark.parametrize("given", [True, False], ids=["given", "default"])
@every_case
def test_zoneout_takes_the_mean_outside_of_training(name, options, given):
    layer = make(name, options, zoneout=0.25, seed=1, **ALL)
    start = initial_states(layer)
    if not given:
        start = [array(x) for x in layer.get_initial_state(BATCH)]
    outputs, *last = layer(SEQUENCES, initial_state=start)
    states = unscaled(layer, start)
    for t in range(TIME):
        _, new = layer.cell(SEQUENCES[:, t], [*map(ops.array, states)])
        states = [
            0.25 * state + 0.75 * after
            for state, after in zip(states, unscaled(layer, new), strict=True)
        ]
        close(outputs[:, t], states[0])
    close(unscaled(layer, last), states)
    first = layer.step(SEQUENCES[:, 0], [*map(ops.array, start)])[0]
    close(first, outputs[:, 0])


@every_case
def test_zoneout_keeps_a_share_of_units_in_training(name, options):
    layer = make(name, options, zoneout=0.25, seed=1, return_state=True)
    x = np.repeat(SEQUENCES[:1, :1], 400, axis=0)
    states = [np.repeat(s[:1], 400, axis=0) for s in initial_states(layer)]
    _, *after = layer(x, initial_state=states, training=True)
    _, new = layer.cell(x[:, 0], [*map(ops.array, states)])
    for state, one, other in zip(states, after, new, strict=True):
        stays = array(one) == state
        np.testing.assert_allclose(stays.mean(), 0.25, atol=0.06)
        close(array(one)[~stays], array(other)[~stays])


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True])
def test_stack_equals_its_layers_by_hand(name, bidirectional):
    for return_sequences in (False, True):
        stack = rnn_layers.stack(
            name,
            UNITS,
            depth=2,
            bidirectional=bidirectional,
            residual=True,
            return_sequences=return_sequences,
            dtype="float64",
        )
        result = stack(SEQUENCES, mask=MASK)
        one, two = stack.layers
        below, *_ = one(SEQUENCES, mask=MASK)
        expected, *_ = two(below, mask=MASK)
        for layer in (one, two):
            for part in ("forward_layer", "backward_layer"):
                part = getattr(layer, part, layer)
                part.return_sequences = return_sequences
            layer.return_sequences = return_sequences
        close(result, expected + one(SEQUENCES, mask=MASK)[0])
