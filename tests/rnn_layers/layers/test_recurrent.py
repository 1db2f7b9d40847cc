"""Parity with Keras's own layers, the traps of Keras 3.15, and bad input."""

import copy

import keras
import numpy as np
import pytest
from keras import ops

import rnn_layers
from rnn_layers.cells.lstm import LSTMCell
from tests.rnn_layers.tools import (
    BATCH,
    FEATURES,
    MASK,
    PRECISE,
    SEQUENCES,
    TIME,
    TOKENS,
    UNITS,
    array,
    close,
    embedded,
    gradients,
    initial_states,
    make,
    random,
)

ALL = {"return_sequences": True, "return_state": True}


STOCK = [
    ("simple_rnn", keras.layers.SimpleRNN, {}),
    ("simple_rnn", keras.layers.SimpleRNN, {"activation": "relu"}),
    ("lstm", keras.layers.LSTM, {}),
    ("lstm", keras.layers.LSTM, {"use_bias": False}),
    ("lstm", keras.layers.LSTM, {"activation": "relu"}),
    ("gru", keras.layers.GRU, {}),
    ("gru", keras.layers.GRU, {"reset_after": False}),
    ("gru", keras.layers.GRU, {"use_bias": False}),
]


@pytest.mark.parametrize(("name", "stock", "options"), STOCK)
@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
def test_equals_the_layer_of_keras(name, stock, options, mask):
    on_jax = keras.backend.backend() == "jax"
    if on_jax and name == "simple_rnn" and not options:
        pytest.skip("Keras 3.15 on JAX makes float32 of tanh, and stops")
    ours = make(name, options, **ALL)
    theirs = stock(UNITS, dtype="float64", **options, **ALL)
    theirs.supports_masking = True  # Keras 3.16 turns it off
    theirs.build(SEQUENCES.shape)
    theirs.set_weights(ours.get_weights())
    states = initial_states(ours)
    shown = np.ones((BATCH, TIME, 1))
    if on_jax and mask is not None:
        # Before the first valid step Keras shows the initial state there.
        shown = (np.cumsum(mask, axis=1) > 0)[..., None]
    mask = None if mask is None else ops.convert_to_tensor(mask)
    losses = []
    for layer in (ours, theirs):

        def call(x, *states, layer=layer):
            outputs, *last = layer(x, initial_state=list(states), mask=mask)
            return [ops.multiply(outputs, shown), *last]

        def loss(*inputs, call=call):
            return sum(ops.sum(ops.sin(part)) for part in call(*inputs))

        inputs = [ops.convert_to_tensor(x) for x in (SEQUENCES, *states)]
        losses.append(call(*inputs) + gradients(loss, layer, inputs))
    close(*losses)


@pytest.mark.parametrize(("name", "stock", "options"), STOCK[::3])
def test_weights_have_the_names_and_config_the_keys_of_keras(
    name, stock, options
):
    ours, theirs = make(name, options), stock(UNITS, **options)
    theirs.build(SEQUENCES.shape)
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    config = {**ours.get_config(), **ours.get_config()["cell"]["config"]}
    # Penalties on outputs belong to any layer and are not ours to repeat.
    left_out = {"activity_regularizer"}
    assert set(theirs.get_config()) - left_out <= set(config)


def test_trap_implicit_mask_beside_initial_state():
    layer = make("gru", return_sequences=True)
    states = initial_states(layer)
    x = embedded()(TOKENS)
    expected = layer(array(x), initial_state=states, mask=MASK)
    close(layer(x, initial_state=states), expected)
    tokens = keras.Input((None,), dtype="int32")
    state = keras.Input((UNITS,), dtype="float64")
    embedding = embedded()
    model = keras.Model(
        [tokens, state], layer(embedding(tokens), initial_state=[state])
    )
    close(model([TOKENS, states[0]]), expected)
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    close(again([TOKENS, states[0]]), expected)


@pytest.mark.parametrize("wrap", [False, True])
def test_trap_mask_passes_on_through_layers(wrap):
    layers = [
        rnn_layers.rnn("lstm", UNITS, dtype="float64", return_sequences=True)
        for _ in range(2)
    ]
    if wrap:
        layers = [
            rnn_layers.Bidirectional(layer, dtype="float64") for layer in layers
        ]
    x = embedded()(TOKENS)
    y = layers[1](layers[0](x))
    assert (array(y._keras_mask) == MASK).all()
    below = layers[0](array(x), mask=MASK)
    close(y, layers[1](array(below), mask=MASK))


def test_trap_mask_follows_outputs_that_run_backwards():
    layer = make("gru", return_sequences=True, go_backwards=True)
    y = layer(embedded()(TOKENS))
    assert (array(y._keras_mask) == MASK[:, ::-1]).all()


def test_trap_stateful_is_tracked_in_fit_and_predict():
    inputs = keras.Input(batch_shape=(BATCH, 2, FEATURES))
    layer = rnn_layers.rnn("lstm", UNITS, stateful=True)
    model = keras.Model(inputs, layer(inputs))
    model.compile("sgd", "mse")
    x = random(BATCH, 2, FEATURES).astype("float32")
    once, twice = (model.predict(x, verbose=0) for _ in range(2))
    assert np.abs(once - twice).max() > 1e-3
    layer.reset_state()
    close(model.predict(x, verbose=0), once, 1e-6)
    close(model.predict(x, verbose=0), twice, 1e-6)
    layer.reset_state()
    model.fit(x, once, batch_size=BATCH, verbose=0)
    assert np.abs(array(layer.states[0])).max() > 1e-3


def test_trap_reset_state_takes_states():
    layer = make("lstm", stateful=True)
    states = initial_states(layer)
    layer.reset_state(states)
    close(layer(SEQUENCES), make("lstm")(SEQUENCES, initial_state=states))


def test_trap_states_are_variables_of_the_layer_and_no_weights():
    layer = make("lstm", stateful=True)
    own = {v.name for v in layer.variables} - {w.name for w in layer.weights}
    assert own == {"state_0", "state_1"}
    assert not {v.name for v in layer.trainable_variables} & own
    stock = keras.layers.LSTM(UNITS, dtype="float64")
    stock.build(SEQUENCES.shape)
    layer.set_weights(stock.get_weights())
    close(layer(SEQUENCES), stock(SEQUENCES))


def stateful_model(batch, stateful=True):
    inputs = keras.Input(batch_shape=(batch, TIME, FEATURES))
    layer = rnn_layers.rnn("lstm", UNITS, stateful=stateful)
    both = rnn_layers.Bidirectional(
        rnn_layers.rnn("gru", UNITS, stateful=stateful)
    )
    return keras.Model(inputs, [layer(inputs), both(inputs)])


@pytest.mark.parametrize("way", ["set_weights", "load_weights", "load_model"])
@pytest.mark.parametrize("stateful", [True, False])
def test_trap_weights_go_to_a_stateful_layer_of_another_batch(
    way, stateful, tmp_path
):
    trained = stateful_model(BATCH, stateful)
    x = random(BATCH, TIME, FEATURES).astype("float32")
    expected = trained(x)  # and the states are carried now
    live = stateful_model(1)
    if way == "set_weights":
        live.set_weights(trained.get_weights())
    elif way == "load_weights":
        trained.save_weights(tmp_path / "all.weights.h5")
        live.load_weights(tmp_path / "all.weights.h5")
    else:
        trained.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        close(again(x), expected, 1e-6)  # the states are as at the beginning
        return
    close(live(x[:1]), [y[:1] for y in expected], 1e-5)


@pytest.mark.parametrize("name", ["lstm", "slstm"])
def test_a_stateful_layer_begins_and_is_reset_as_its_cell_begins(name):
    layer = make(name, stateful=True)
    expected = make(name)(SEQUENCES)
    close(layer(SEQUENCES), expected)
    layer.reset_state()
    close(layer(SEQUENCES), expected)


def test_a_stateful_slstm_forgets_nothing_before_the_first_step():
    # With a stabilizer of zero at first, a tiny input gate gives 0 / 0.
    layer = make("slstm", stateful=True)
    bias = np.repeat([-1000.0, 0.0, 0.5, 0.5], UNITS)
    layer.cell.bias.assign(bias)
    result = array(layer(0 * SEQUENCES))
    assert np.isfinite(result).all()
    assert np.abs(result).min() > 0.01


def test_trap_zero_output_leaves_the_last_output_alone():
    plain = make("gru")
    zeroed = make("gru", zero_output_for_mask=True)
    states = initial_states(plain)
    expected = array(plain(SEQUENCES, initial_state=states, mask=MASK))
    close(zeroed(SEQUENCES, initial_state=states, mask=MASK), expected)
    assert np.abs(expected[0]).max() > 1e-3  # its last step is masked


def test_trap_leading_masked_steps_output_zero():
    layer = make("gru", return_sequences=True)
    states = [np.ones((BATCH, UNITS))]
    outputs = array(layer(SEQUENCES, initial_state=states, mask=MASK))
    assert (outputs[1, :2] == 0).all()
    assert (outputs[3] == 0).all()


@pytest.mark.parametrize("zero", [False, True])
def test_trap_unrolled_masks_backwards(zero):
    options = {"go_backwards": True, "zero_output_for_mask": zero, **ALL}
    close(
        make("lstm", unroll=True, **options)(SEQUENCES, mask=MASK),
        make("lstm", **options)(SEQUENCES, mask=MASK),
    )


def test_trap_inference_leaves_the_seed_alone():
    layer = make("lstm", dropout=0.5, recurrent_dropout=0.5, seed=1)
    before = array(layer.seed_generator.state)
    layer(SEQUENCES)
    assert (array(layer.seed_generator.state) == before).all()
    layer(SEQUENCES, training=True)
    assert (array(layer.seed_generator.state) != before).any()


def test_trap_dropout_masks_do_not_outlive_a_call():
    layer = make("lstm", dropout=0.5, recurrent_dropout=0.5, seed=1)
    one, two = (array(layer(SEQUENCES, training=True)) for _ in range(2))
    assert np.abs(one - two).max() > 1e-3
    assert layer(SEQUENCES[:2], training=True).shape == (2, UNITS)


def test_trap_layer_and_cell_share_a_dtype_policy():
    layer = rnn_layers.rnn("lstm", UNITS, dtype="mixed_float16")
    assert layer.cell.compute_dtype == layer.compute_dtype == "float16"
    with pytest.raises(ValueError, match=r"float16 differs from its cell's"):
        rnn_layers.Recurrent(LSTMCell(UNITS), dtype="mixed_float16")


def test_trap_float16_states_do_not_overflow():
    layer = rnn_layers.rnn("lstm", 1, dtype="mixed_float16", return_state=True)
    layer.build((1, None, 1))
    start = [np.zeros((1, 1)), np.full((1, 1), 1e6)]  # float16 ends at 65504
    bias = np.array([9, 9, 0, 0])
    layer.set_weights([np.zeros((1, 4)), np.zeros((1, 4)), bias])
    _, _, c = layer(np.ones((1, 3, 1)), initial_state=start)
    assert 9e5 < array(c)[0, 0] < 1e6


BAD_CALLS = {
    "units must be positive": (
        lambda: rnn_layers.rnn("lstm", 0),
        r"`units` must be a positive integer, not 0\.",
    ),
    "units must be an integer": (
        lambda: rnn_layers.rnn("lstm", 2.5),
        r"`units` must be a positive integer, not 2\.5\.",
    ),
    "unknown cell": (
        lambda: rnn_layers.rnn("ltsm", 4),
        r"no cell 'ltsm'; there are simple_rnn, jordan",
    ),
    "unknown option": (
        lambda: rnn_layers.rnn("gru", 4, peephole="full"),
        r"gru has no option 'peephole'; it has .*reset_after",
    ),
    "unknown choice": (
        lambda: rnn_layers.rnn("peephole_lstm", 4, peephole="some"),
        r"`peephole` must be one of 'diagonal', 'full', not 'some'",
    ),
    "rate of one": (
        lambda: rnn_layers.rnn("lstm", 4, dropout=1.0),
        r"`dropout` must be a number of at least 0 and less than 1, not 1",
    ),
    "negative rate": (
        lambda: rnn_layers.rnn("lstm", 4, recurrent_dropout=-0.1),
        r"`recurrent_dropout` must be a number of at least 0",
    ),
    "other cell": (
        lambda: rnn_layers.Recurrent(keras.layers.LSTMCell(4)),
        r"`cell` must be a cell of rnn_layers",
    ),
    "rank": (
        lambda: rnn_layers.rnn("lstm", 4)(np.ones((2, 3))),
        r"shape \(batch, time, features\)",
    ),
    "count of states": (
        lambda: make("lstm")(SEQUENCES, initial_state=[SEQUENCES[:, 0]]),
        r"`initial_state` needs 2 tensors, not 1",
    ),
    "count of states to reset to": (
        lambda: make("lstm", stateful=True).reset_state([SEQUENCES[:, 0]]),
        r"`states` needs 2 tensors, not 1",
    ),
    "states of a layer that carries none": (
        lambda: make("lstm").reset_state([SEQUENCES[:, 0]]),
        r"Only a stateful layer that has been built has states",
    ),
    "option without effect": (
        lambda: rnn_layers.rnn("min_gru", 4, activation="relu"),
        r"min_gru has no option 'activation'; it has ",
    ),
    "stateful without batch size": (
        lambda: rnn_layers.rnn("lstm", 4, stateful=True)(
            keras.Input((3, FEATURES))
        ),
        r"stateful layer needs a fixed batch size",
    ),
    "stateful with another batch size": (
        lambda: make("lstm", stateful=True)(SEQUENCES[:2]),
        r"built for batches of 5: drop",
    ),
    "unroll without length": (
        lambda: keras.Sequential(
            [
                keras.Input((None, FEATURES)),
                rnn_layers.rnn("lstm", 4, unroll=True),
            ]
        ),
        r"`unroll=True` needs a fixed number of time steps",
    ),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_calls_are_one_clear_line(case):
    call, message = BAD_CALLS[case]
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="ragged is TensorFlow's"
)
def test_ragged_sequences_are_refused():
    import tensorflow as tf

    ragged = tf.ragged.constant([[[1.0]], [[1.0], [2.0]]], ragged_rank=1)
    with pytest.raises(ValueError, match="Ragged sequences are not supported"):
        rnn_layers.rnn("lstm", 4)(ragged)


def test_a_batch_size_known_beside_an_unknown_length():
    """As `predict` traces it, after `fit` with neither of the two known."""
    layer = make("gru", return_sequences=True)
    expected = layer(SEQUENCES)
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("of tf.function alone")
    for batch in (None, BATCH):
        signature = [tf.TensorSpec((batch, None, FEATURES), SEQUENCES.dtype)]
        outputs = tf.function(layer, input_signature=signature)(SEQUENCES)
        close(outputs, expected)


def test_stateful_chunks_cut_the_gradient_between_them():
    """Truncated backpropagation through time, by hand and by `stateful`."""
    stateful = make("lstm", stateful=True)
    plain = make("lstm", return_state=True)
    states = [np.zeros((BATCH, UNITS)) for _ in range(2)]
    for start in range(0, TIME, 2):
        chunk = SEQUENCES[:, start : start + 2]

        def by_hand(x, states=states):
            return ops.sum(plain(x, initial_state=states)[0] ** 2)

        expected = gradients(by_hand, plain, [chunk])
        states = [array(state) for state in plain(chunk, initial_state=states)]
        states = states[1:]
        carried = [array(state) for state in stateful.states]

        def by_layer(x):
            return ops.sum(stateful(x) ** 2)

        stateful.reset_state(carried)
        close(gradients(by_layer, stateful, [chunk]), expected)
        stateful.reset_state(states)


@pytest.mark.slow
def test_a_stream_is_learned_in_chunks():
    """A batch of streams, cut into batches of chunks, in their order."""
    keras.utils.set_random_seed(0)
    length, chunk = 24, 4
    bits = (random(BATCH, length) > 0).astype("float32")
    told = np.cumsum(bits, axis=1)[..., None] / length
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(BATCH, chunk, 1)),
            rnn_layers.rnn(
                "gru", 8, stateful=True, return_sequences=True, compiled=False
            ),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.03), "mse")
    chunks = [
        np.concatenate(np.split(x, length // chunk, axis=1))
        for x in (bits[..., None], told)
    ]
    losses = []
    for _ in range(25):
        model.layers[0].reset_state()
        history = model.fit(*chunks, batch_size=BATCH, shuffle=False, verbose=0)
        losses.append(history.history["loss"][0])
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize(
    "dropout", [0.0, pytest.param(0.5, marks=pytest.mark.slow)]
)
def test_sequences_of_integers_are_numbers(dropout):
    integers = np.arange(8 * TIME * 3).reshape(8, TIME, 3) % 4
    layer = rnn_layers.rnn("gru", UNITS, dropout=dropout)
    close(layer(integers), layer(integers.astype("float32")))
    model = keras.Sequential(
        [
            keras.Input((None, 3), dtype="int32"),
            layer,
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(integers, np.ones((8, 1)), verbose=0)
    assert all(
        (one != other).any()
        for one, other in zip(before, model.get_weights(), strict=True)
    )


@pytest.mark.parametrize("unroll", [False, True])
def test_no_steps_leave_the_states(unroll):
    if keras.backend.backend() == "torch" and not unroll:
        pytest.skip("`keras.ops.scan` takes one step at least there")
    layer = make("lstm", unroll=unroll, **ALL)
    states = initial_states(layer)
    outputs, *last = layer(SEQUENCES[:, :0], initial_state=states)
    assert outputs.shape == (BATCH, 0, UNITS)
    close(last, states)


@pytest.mark.parametrize("case", ["plain", "masked", "backwards", "graph"])
@pytest.mark.parametrize("name", ["lstm", "projection_lstm"])
def test_all_states_are_the_last_states_of_shorter_sequences(name, case):
    flags = {"go_backwards": case == "backwards", "return_state": True}
    layer = make(name, return_sequences=True, **flags)
    every = make(name, return_sequences=True, return_all_states=True, **flags)
    every.set_weights(layer.get_weights())
    mask = ops.convert_to_tensor(MASK) if case == "masked" else None
    call = every
    if case == "graph" and PRECISE:
        import tensorflow as tf

        call = tf.function(every)
    outputs, *history = call(SEQUENCES, mask=mask)
    close(outputs, layer(SEQUENCES, mask=mask)[0])
    for t in range(1, TIME + 1):
        part = slice(TIME - t, TIME) if case == "backwards" else slice(t)
        shorter = None if mask is None else mask[:, part]
        _, *last = layer(SEQUENCES[:, part], mask=shorter)
        close([states[:, t - 1] for states in history], last)
    shapes = every.compute_output_shape(SEQUENCES.shape)
    assert shapes == tuple(x.shape for x in (outputs, *history))


def test_all_states_are_of_one_direction():
    layer = rnn_layers.rnn("gru", UNITS, return_all_states=True)
    with pytest.raises(ValueError, match="for one direction"):
        rnn_layers.Bidirectional(layer)


def test_what_a_stock_layer_says_of_itself_ours_says_too():
    stock = keras.layers.LSTM(UNITS, kernel_regularizer="l2")
    layer = rnn_layers.rnn("lstm", UNITS, kernel_regularizer="l2")
    own = {
        name
        for name, value in vars(type(stock)).items()
        if isinstance(value, property)
    } - {"dropout", "recurrent_dropout"}
    assert len(own) > 10
    for name in own:
        theirs, ours = getattr(stock, name), getattr(layer, name)
        if hasattr(theirs, "get_config"):
            theirs, ours = theirs.get_config(), ours.get_config()
        assert ours == theirs, name
    assert not hasattr(rnn_layers.rnn("simple_rnn", 2), "recurrent_activation")


def test_outputs_are_regularized_as_those_of_a_stock_layer():
    ours = make("gru", activity_regularizer="l2", return_sequences=True)
    theirs = keras.layers.GRU(
        UNITS, activity_regularizer="l2", return_sequences=True, dtype="float64"
    )
    theirs.build(SEQUENCES.shape)
    theirs.set_weights(ours.get_weights())
    ours(SEQUENCES), theirs(SEQUENCES)
    close(ours.losses, theirs.losses)
    again = type(ours).from_config(ours.get_config())
    assert isinstance(again.activity_regularizer, keras.regularizers.L2)


@pytest.mark.parametrize(
    "layer",
    [
        rnn_layers.rnn("peephole_lstm", 3, seed=1),
        rnn_layers.Bidirectional(rnn_layers.rnn("gru", 3)),
        rnn_layers.stack("gru", 3, depth=2, kernel_regularizer="l2"),
        rnn_layers.TimeDistributed(keras.layers.Dense(2)),
        rnn_layers.AttentionDecoder("gru", 3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_configuration_can_be_used_twice(layer):
    config = layer.get_config()
    before = copy.deepcopy(config)
    for _ in range(2):
        assert isinstance(type(layer).from_config(config), type(layer))
        assert config == before


def test_rates_are_numbers_of_any_kind():
    layer = rnn_layers.rnn(
        "gru", 2, dropout=np.float32(0.25), zoneout=0, seed=np.int64(3)
    )
    assert (layer.dropout, type(layer.zoneout)) == (0.25, float)
    assert type(layer.get_config()["seed"]) is int


@pytest.mark.skipif(not PRECISE, reason="graphs are TensorFlow's")
def test_a_new_graph_knows_a_changed_activation_and_rate():
    import tensorflow as tf

    layer = make("lstm", zoneout=0.1)
    for attribute, value in (
        ("activation", keras.activations.softsign),
        ("recurrent_activation", keras.activations.hard_sigmoid),
    ):
        tf.function(layer)(SEQUENCES)
        setattr(layer.cell, attribute, value)
        close(tf.function(layer)(SEQUENCES), layer(SEQUENCES))
    layer.zoneout = 0.6
    close(tf.function(layer)(SEQUENCES), layer(SEQUENCES))


def test_a_mask_of_another_length_is_refused():
    memory = random(BATCH, 4, FEATURES)
    calls = [
        make("gru"),
        rnn_layers.Bidirectional(rnn_layers.rnn("gru", 2)),
        rnn_layers.stack("gru", 2),
        rnn_layers.StatefulStack(rnn_layers.stack("gru", 2), BATCH),
        rnn_layers.AttentionPooling(),
        lambda x, mask: rnn_layers.AttentionDecoder("gru", 2)(
            x, memory, sequences_mask=mask
        ),
        lambda x, mask: rnn_layers.AttentionDecoder("gru", 2)(
            memory, x, memory_mask=mask
        ),
        lambda x, mask: rnn_layers.AdditiveAttention(2)(
            memory, x, memory_mask=mask
        ),
    ]
    for call in calls:
        call(SEQUENCES, mask=MASK)
        for wrong in (MASK[:, :-1], MASK[:, :1], np.ones((BATCH, 7)), MASK[0]):
            with pytest.raises(ValueError, match="`mask` must have the shape"):
                call(SEQUENCES, mask=ops.convert_to_tensor(wrong, "bool"))
    inputs = keras.Input((TIME, FEATURES))
    with pytest.raises(ValueError, match=r"\(None, 6\), not \(None, 4\)"):
        make("gru")(inputs, mask=keras.Input((4,), dtype="bool"))


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="shapes are known"
)
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_graph_refuses_a_mask_of_another_length(jit_compile):
    import tensorflow as tf

    layer = make("gru", return_sequences=True, compiled=False)
    signature = [
        tf.TensorSpec((None, None, FEATURES), tf.float64),
        tf.TensorSpec((None, None), tf.bool),
    ]
    function = tf.function(
        lambda x, mask: layer(x, mask=mask),
        input_signature=signature,
        jit_compile=jit_compile,
        autograph=False,
    )
    close(function(SEQUENCES, MASK), layer(SEQUENCES, mask=MASK))
    message = None if jit_compile else "`mask` must have the shape"
    for wrong in (MASK[:, :-1], np.ones((BATCH, TIME + 1), bool)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            function(SEQUENCES, wrong)
